"""docs/claims.md: a row for each claim."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.claims.claim import Claim, Elsewhere, Figures, summary
from benchmarks.claims.store import Results
from docs.topics import topics

DOCS = Path(__file__).parents[2] / "docs"
PATH = DOCS / "claims.md"
AREAS = ("1a", "1b", "1c", "1f")  # of topics.cfg: training in practice
BESIDE = ("Dead ReLU",)  # of another area, measured by a tool of the laboratory
HEAD = """\
# The claims of the lectures, measured

Written by `python -m benchmarks.claims`, from benchmarks/claims/results.jsonl; one
claim again with `python -m benchmarks.claims --again --only NAME`. It has the topics of
the areas 1a, 1b, 1c and 1f of docs/topics.cfg, and of 1d the one that a tool of the
laboratory measures.

Figures are means ± standard errors over 5 seeds, or single numbers where nothing is
random. In parentheses stands what the claim says of a figure. **Confirmed**: every such
figure agrees by more than its standard error. **Refuted**: none does. **Depends**: some
do, or a figure cannot be told from its bound. All of it was measured on small nets and
small data sets, mostly 1000 images of MNIST-5k (784-30-10) or digits (64-50-10), and
holds for those."""


def laboratory() -> dict[str, str]:
    """Return the topics that have a row here, and the area of each."""
    return {
        row["topic"]: row["area"]
        for row in topics()
        if row["area"].split()[0] in AREAS or row["topic"] in BESIDE
    }


def page(
    claims: Sequence[Claim], elsewhere: Sequence[Elsewhere], results: Results
) -> str:
    """Return the page, in the order of topics.cfg."""
    places = laboratory()
    rows: dict[str, list[str]] = {topic: [] for topic in places}
    verdicts = Counter[str]()
    for claim in claims:
        verdict, line = measured(claim, results.of(claim))
        verdicts[verdict] += 1
        rows[claim.topic].append(line)
    for other in elsewhere:
        verdicts[other.verdict] += 1
        rows[other.topic].append(referred(other))
    counts = ", ".join(f"{n} {verdict}" for verdict, n in verdicts.most_common())
    lines = [HEAD, "", f"{sum(verdicts.values())} claims: {counts}."]
    for area in dict.fromkeys(places.values()):
        lines += ["", f"## {area.split(' ', 1)[1].capitalize()}", "",
                  "| topic | claim | figures | verdict | `--only`, or command |",
                  "|---|---|---|---|---|"]  # fmt: skip
        for topic, own in places.items():
            lines += rows[topic] if own == area else []
    return "\n".join(lines) + "\n"


def measured(claim: Claim, rows: list[Figures]) -> tuple[str, str]:
    """Return the verdict and the line of a claim that is measured here."""
    if not rows:
        return "not measured yet", (
            f"| {claim.topic} | {claim.says} | {claim.how} | not measured yet | "
            f"`{claim.name}` |"
        )
    figures = []
    for name in rows[0]:
        mean, error = summary([row[name] for row in rows])
        said = f" ({claim.agrees[name]})" if name in claim.agrees else ""
        spread = f" ± {number(error)}" if error else ""
        figures.append(f"{name} **{number(mean)}**{spread}{said}")
    verdict = claim.verdict(rows)
    note = f" {claim.note}" if claim.note else ""
    return verdict, (
        f"| {claim.topic} | {claim.says} | {claim.how}: {'; '.join(figures)}.{note} | "
        f"**{verdict}** | `{claim.name}` |"
    )


def referred(other: Elsewhere) -> str:
    """Return the line of a claim that another page measures."""
    link = f"[{other.page}]({other.page})" if other.page else ""
    found = f"{other.found} {link}".strip()
    return (
        f"| {other.topic} | {other.says} | {found} | "
        f"**{other.verdict}** | `{other.command}` |"
    )


def number(x: float) -> str:
    """Return three digits, without an exponent where it can be helped.

    >>> [number(x) for x in (1234.5, 12.345, 0.01234, 2.5e-7)]
    ['1234', '12.3', '0.0123', '2.5e-07']
    """
    if 1000 <= abs(x) < 1e6:
        return f"{x:.0f}"
    return f"{x:.3g}"
