"""Grades and autograders for other platforms."""
