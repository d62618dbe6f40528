"""The course in a box: assignments cut from the engine, and a grader for them.

    draws        numbers from a key, the same on every machine
    rows         what one graded property asks, and what it is worth
    assignment   a folder of tasks, rows and mutants; manifest: what it is worth
    regions      the lines that students write; blanks and grafting: out and in again
    asking       arrays in, arrays out; judging: the verdict on what came
    tree         the engine that tasks are graded in; trial: a task in a fresh process
    checking     the instructor's proof; papers, released and leaks are parts of it
    release      the student's edition; stored: what is right; packing: zips
    scoring      a student's own points; submission: what is handed in

An assignment is a folder of `assignments/` in a clone of the repository; the wheel has
only the engine, in which the regions that students fill in are comments.
"""

from __future__ import annotations

from minidl.course.draws import Draw
from minidl.course.rows import Mutant, Row

__all__ = ["Draw", "Mutant", "Row"]
