"""Measure the claims: `python -m benchmarks.claims [--only NAME …] [--again]`."""

from __future__ import annotations

import argparse
import time
import warnings

from benchmarks.claims import choosing, generalization, reading, schedules
from benchmarks.claims.claim import Claim, summary
from benchmarks.claims.elsewhere import elsewhere
from benchmarks.claims.page import PATH, number, page
from benchmarks.claims.store import Results

CLAIMS = [
    claim
    for area in (schedules, choosing, reading, generalization)
    for claim in vars(area).values()
    if isinstance(claim, Claim)
]


def measure(claim: Claim, results: Results) -> None:
    """Measure the seeds that are missing, and print the figures."""
    for seed in range(claim.seeds):
        if (claim.name, seed) not in results.known:
            start = time.process_time()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # rates that are too high on purpose
                figures = {k: float(x) for k, x in claim.run(seed).items()}
            seconds = round(time.process_time() - start, 2)
            results.add(claim.name, seed, figures, seconds)
    rows = results.of(claim)
    print(f"{claim.name}: {claim.verdict(rows)}")
    for name in rows[0]:
        mean, error = summary([row[name] for row in rows])
        said = f"   ({claim.agrees[name]})" if name in claim.agrees else ""
        print(f"    {name}: {number(mean)} ± {number(error)}{said}", flush=True)


def main() -> None:
    """Measure what is asked for, and write the page."""
    names = [claim.name for claim in CLAIMS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.claims")
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="NAME",
        help="claims to measure; default: all",
    )  # fmt: skip
    parser.add_argument("--again", action="store_true", help="forget their results")
    parser.add_argument("--list", action="store_true", help="print the names")
    options = parser.parse_args()
    if options.list:
        print("\n".join(names))
        return
    results = Results()
    if options.again:
        results.forget(options.only)
    for claim in CLAIMS:
        if claim.name in options.only:
            measure(claim, results)
    PATH.write_text(page(CLAIMS, elsewhere(), results), encoding="utf-8")
    print(f"{results.seconds():.0f} s of one core in all; written to {PATH}")


if __name__ == "__main__":
    main()
