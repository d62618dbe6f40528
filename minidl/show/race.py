"""The lecture's picture in one command:   python -m minidl.show.race --out race.png"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from minidl.show.racing import optimizer_race
from minidl.show.surfaces import SURFACES


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the race, save the picture, and say where it is."""
    parser = argparse.ArgumentParser(
        prog="python -m minidl.show.race", description=__doc__
    )
    parser.add_argument("--out", default="race.png", help="where to save the picture")
    parser.add_argument(
        "--surfaces", nargs="*", default=list(SURFACES), metavar="NAME",
        choices=list(SURFACES), help=f"some of {', '.join(SURFACES)}",
    )  # fmt: skip
    parser.add_argument("--steps", type=int, default=150, help="steps on a surface")
    parser.add_argument("--net-steps", type=int, default=300, help="steps of the net")
    parser.add_argument(
        "--seed", type=int, default=0, help="of noise, weights, batches"
    )
    given = parser.parse_args(arguments)
    optimizer_race(
        surfaces=given.surfaces,
        steps=given.steps,
        net_steps=given.net_steps,
        seed=given.seed,
        path=given.out,
    )
    print(given.out)


if __name__ == "__main__":
    main()
