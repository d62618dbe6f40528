"""NumPy bodies that make fewer passes over memory than the plain ones."""
