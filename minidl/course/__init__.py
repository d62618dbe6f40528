"""The course in a box: assignments cut from the engine, and a grader for them.

    draws rows assignment manifest   what an assignment is, and what it asks
    asking judging scoring           a question, an answer, a verdict
    trial                            one task in a process of its own
    cut/        regions of the source, blanks in their place, the tree without them
    edition/    what students get, and what they hand in
    proof/      that an assignment grades what it says: `minidl course check`
    grade/      hundreds of submissions; sandbox/: the walls around each
    export/     grades and autograders for other platforms

An assignment is a folder of `assignments/` in a clone of the repository; the wheel has
only the engine, in which the regions that students fill in are comments.
"""

from __future__ import annotations

from minidl.course.draws import Draw
from minidl.course.rows import Mutant, Row, narrow, without

__all__ = ["Draw", "Mutant", "Row", "narrow", "without"]
