"""The door to a running mesh: where runs announce themselves, who may come in, what is said."""
