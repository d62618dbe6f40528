"""A bank of wrong and right gradients, for the checker to say which is which."""
