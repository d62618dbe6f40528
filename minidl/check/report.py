"""What a check found: a line for each input, and a sentence for each that is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

from minidl.errors import MinidlError

OK, WRONG, KINK = "ok", "wrong", "kink"


class GradientError(MinidlError, AssertionError):
    """A gradient that is not the derivative of what was computed."""


@dataclass
class Finding:
    """The gradient of one input against a difference quotient.

    error     |analytic − numeric|, relative to the size of the gradient
    verdict   "ok", "wrong", or "kink" where there is no derivative to compare with
    at        the element that is furthest off, None for a slope along a direction
    left, right   the one-sided slopes at a kink
    """

    name: str
    shape: tuple[int, ...]
    analytic: float
    numeric: float
    error: float
    verdict: str = OK
    at: tuple[int, ...] | None = None
    value: float = 0.0
    left: float = 0.0
    right: float = 0.0

    def __str__(self) -> str:
        where = self.name + (f"[{', '.join(map(str, self.at))}]" if self.at else "")
        if self.verdict == KINK:
            between = min(self.left, self.right) <= self.analytic + 1e-9
            between = between and self.analytic - 1e-9 <= max(self.left, self.right)
            fair = "a fair choice between them" if between else "neither, nor between"
            return (
                f"{where} = {self.value:.6g} sits on a kink: the slope is "
                f"{self.left:.6g} to the left and {self.right:.6g} to the right; "
                f"the gradient says {self.analytic:.6g}, {fair}. There is no "
                "derivative to compare with; look at inputs away from it"
            )
        said = "" if self.verdict == OK else ", which is wrong"
        return (
            f"∂L/∂{where}: the gradient says {self.analytic:.9g}, a difference "
            f"quotient {self.numeric:.9g} (relative error {self.error:.1e}){said}"
        )


@dataclass
class Report:
    """All findings of a check; true if every gradient is right.

    >>> report = Report("f", [Finding("x", (3,), 2.0, 2.0, 0.0)])
    >>> bool(report), report.error
    (True, 0.0)
    """

    title: str
    findings: list[Finding] = field(default_factory=list)
    order: str = "gradient"

    def __bool__(self) -> bool:
        return all(f.verdict == OK for f in self.findings)

    @property
    def error(self) -> float:
        """The largest relative error of all inputs."""
        return max((f.error for f in self.findings), default=0.0)

    @property
    def wrong(self) -> list[Finding]:
        """The findings that are not right, mistakes before kinks."""
        bad = [f for f in self.findings if f.verdict != OK]
        return sorted(bad, key=lambda f: f.verdict == KINK)

    def __str__(self) -> str:
        if self:
            n = len(self.findings)
            return (
                f"{self.title}: the {self.order} of {n} input{'s' * (n > 1)} is right "
                f"(largest relative error {self.error:.1e})"
            )
        lines = [f"{self.title}: the {self.order} fails"]
        lines += [f"  {f}" for f in self.wrong]
        right = [f.name for f in self.findings if f.verdict == OK]
        if right:
            lines.append(f"  right for: {', '.join(right)}")
        if any(f.verdict == WRONG for f in self.findings):
            lines.append(
                "  minidl.check.explain, given the same, says what may be wrong"
            )
        return "\n".join(lines)
