"""The ``orbitmesh`` command: one module per verb, loaded light, so that --help comes at once."""
