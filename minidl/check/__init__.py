"""Checks of gradients against finite differences, and what a wrong one looks like.

gradcheck   is the gradient right?       gradgradcheck   and the second derivative?
check_layer both, in training and not    explain         what is wrong with it, in words
check_rule  an optimizer and its paper

loops       convolution, one multiplication at a time
subject     what is checked: functions, layers; pair: NumPy; foreign: PyTorch
slopes      differences, kinks, edges    report          what was found
steps       the operations inside        behavior        pure, and linear in g?
draws       a gradient at one point      quantities      what derivatives are made of
pools       predictions                  relations       how a gradient lies to them
constants   what a factor may be         paths, tape     one step of the forward pass
symptoms    shapes and places            regions         parts of x by name
cotangents, products, points             more predictions
slips       mistakes in one step         rules           an optimizer and its paper
repairs     one change mends a backward  program, edits  what can be changed in it
"""

from minidl.check.explain import Diagnosis, explain
from minidl.check.gradcheck import check_layer, gradcheck, gradgradcheck
from minidl.check.report import Finding, GradientError, Report
from minidl.check.rules import check_rule

__all__ = [
    "Diagnosis",
    "Finding",
    "GradientError",
    "Report",
    "check_layer",
    "check_rule",
    "explain",
    "gradcheck",
    "gradgradcheck",
]
