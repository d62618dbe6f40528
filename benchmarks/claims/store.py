"""What was measured, as JSON lines: a run that was ended goes on from there."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from benchmarks.claims.claim import Claim, Figures

PATH = Path(__file__).with_name("results.jsonl")


class Results:
    """The figures of every claim and seed; `add` writes a line at once."""

    def __init__(self, path: Path = PATH) -> None:
        self.path, self.known = path, dict[tuple[str, int], dict[str, object]]()
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for line in text[: text.rfind("\n") + 1].splitlines():
            row = json.loads(line)
            self.known[row["claim"], row["seed"]] = row
        if text and not text.endswith("\n"):  # the last line was cut off
            self._write()

    def add(self, claim: str, seed: int, figures: Figures, seconds: float) -> None:
        """Keep what was measured."""
        row = {"claim": claim, "seed": seed, "figures": figures, "seconds": seconds}
        self.known[claim, seed] = row
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def forget(self, names: Iterable[str]) -> None:
        """Drop claims, to be measured again."""
        gone = set(names)
        self.known = {key: row for key, row in self.known.items() if key[0] not in gone}
        self._write()

    def of(self, claim: Claim) -> list[Figures]:
        """Return the figures of a claim, one row a seed; [] if a seed is missing."""
        keys = [(claim.name, seed) for seed in range(claim.seeds)]
        if not all(key in self.known for key in keys):
            return []
        return [self.known[key]["figures"] for key in keys]  # type: ignore[misc]

    def seconds(self) -> float:
        """Return how long all of it took."""
        return sum(float(str(row["seconds"])) for row in self.known.values())

    def _write(self) -> None:
        rows = sorted(self.known.items())
        text = "".join(json.dumps(row) + "\n" for _, row in rows)
        self.path.write_text(text, encoding="utf-8")
