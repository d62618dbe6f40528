"""Cutting: regions of a source, blanks in their place, and the tree without them."""
