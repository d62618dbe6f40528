"""The course in a box: assignments cut from the engine, and a grader for them.

    draws rows assignment manifest   what an assignment is, and what it asks
    regions blanks graft source_tree cutting regions out of the engine, and into it
    answers judge expected           questions, answers, verdicts
    score submission                 what students run; originals: what they were given
    author/    release an assignment, and prove that it grades what it says
    grade/     hundreds of submissions; sandbox/: the walls around each
    export/    grades and autograders for other platforms

An assignment is a folder of `assignments/` in a clone of the repository. Students get
the files of this folder and nothing of its subfolders. The files of this folder import
no engine: it runs in processes of its own (answers_child.py).
"""

from __future__ import annotations

from .draws import Draw
from .rows import Mutant, Row, Variant, narrow, without

__all__ = ["Draw", "Mutant", "Row", "Variant", "narrow", "without"]
