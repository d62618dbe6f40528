"""Checks of gradients against finite differences, and what a wrong one looks like.

gradcheck   is the gradient right?       gradgradcheck   and the second derivative?
check_layer both, in training and not    explain         what is wrong with it, in words
subject     what is checked              slopes          differences, and kinks
report      what was found               calls           the operations inside f, alone
mistakes    of a whole gradient          places          of order and place
patterns    of terms, rows, branches
"""

from minidl.check.explain import Diagnosis, explain
from minidl.check.gradcheck import check_layer, gradcheck, gradgradcheck
from minidl.check.gradient import directional_error
from minidl.check.report import Finding, GradientError, Report

__all__ = [
    "Diagnosis",
    "Finding",
    "GradientError",
    "Report",
    "check_layer",
    "directional_error",
    "explain",
    "gradcheck",
    "gradgradcheck",
]
