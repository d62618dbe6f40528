"""The course in a box: assignments cut from the engine, and a grader for them.

    draws        numbers from a key, the same on every machine
    rows         what one graded property asks, and what it is worth

An assignment is a folder of `assignments/` in a clone of the repository; the wheel has
only the engine, in which the regions that students fill in are comments.
"""

from __future__ import annotations

from minidl.course.draws import Draw
from minidl.course.rows import Mutant, Row

__all__ = ["Draw", "Mutant", "Row"]
