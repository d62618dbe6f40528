"""Reading curves as the lecture does: what is wrong with a run, in words.

The rules, one for each illness, stand in rules.py and judgment.py. Here they are asked
in order, the gravest first; a rule is not asked where an illness that was found already
explains what it looks for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minidl.lab import judgment, rules
from minidl.lab.findings import Evidence, Finding, finding
from minidl.lab.reading import Reading, read

BROKEN = {"nan", "diverging"}
# name: its rule, and what explains it
RULES: dict[str, tuple[Callable[[Reading], Evidence | None], set[str]]] = {
    "nan": (rules.nan, set()),
    "diverging": (rules.diverging, set()),
    "lr_too_high": (rules.lr_too_high, {"nan"}),
    "unshuffled": (rules.unshuffled, BROKEN),
    "bad_init": (rules.bad_init, BROKEN),
    "lr_too_low": (rules.lr_too_low, {*BROKEN, "lr_too_high"}),
    "decayed_too_early": (
        rules.decayed_too_early, {*BROKEN, "lr_too_high", "lr_too_low", "bad_init"}
    ),
    "overfitting": (judgment.overfitting, BROKEN),
    "leaky_validation": (judgment.leaky_validation, {*BROKEN, "overfitting"}),
    "underfitting": (
        judgment.underfitting, {*BROKEN, "lr_too_high", "bad_init", "overfitting"}
    ),
    "train_longer": (
        judgment.train_longer,
        {*BROKEN, "lr_too_high", "overfitting", "decayed_too_early"},
    ),
    "noisy_validation": (judgment.noisy_validation, {*BROKEN, "lr_too_high"}),
}  # fmt: skip


def diagnose_curves(history: Any) -> list[Finding]:
    """Return what the curves of a run say, the gravest first; `healthy` if nothing.

    history  a History, its `to_dict()`, or a mapping of columns: `loss`, `step`, `lr`
             of steps; `train_loss`, `val_loss`, `train_accuracy`, `val_accuracy`,
             `epoch`, `lr` of epochs. What is absent is not judged.

    A finding has `.name`, `.text`, `.evidence` (figures by name) and `.advice`.
    `minidl doctor RUN.json` says it in a terminal, with a picture.

    >>> falling = [2.3 * 0.99**t for t in range(300)]
    >>> [found.name for found in diagnose_curves({"loss": falling + [float("nan")]})]
    ['nan']
    >>> memorized = {"train_loss": [2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01],
    ...              "val_loss": [2.1, 1.4, 1.2, 1.3, 1.5, 1.7, 1.9, 2.1]}
    >>> found = diagnose_curves(memorized)[0]
    >>> found.name, round(found.evidence["rise"], 2)
    ('overfitting', 0.54)
    """
    reading = read(history)
    found: dict[str, Evidence] = {}
    for name, (rule, explained) in RULES.items():
        evidence = None if explained & found.keys() else rule(reading)
        if evidence is not None:
            found[name] = evidence
    if not found:
        return [finding("healthy", {"level": reading.level})]
    return [finding(name, evidence) for name, evidence in found.items()]
