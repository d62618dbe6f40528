"""What can go wrong with a course. Every message says what is wrong and what to do."""

from __future__ import annotations


class CourseError(ValueError):
    """An assignment, an edition or a submission that is not what it should be."""


class RegionError(CourseError):
    """The markers of a region, or the lines between them, are not as they were."""
