"""Grades and autograders for other platforms."""

SECRET = "secret.key"  # of an autograder, beside the packages
