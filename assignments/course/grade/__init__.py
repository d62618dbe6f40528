"""Grading: submissions come in, each task runs alone, verdicts and feedback go out."""
