"""A satellite that trains a model with others: modelled computing, a real all-reduce."""
