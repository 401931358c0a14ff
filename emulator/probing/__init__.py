"""Trains of crafted packets between two nodes, and what they tell of the links between."""
