"""Claims that other pages of docs/ measure: their figures are read from there."""

from __future__ import annotations

from benchmarks.claims.claim import Elsewhere
from benchmarks.claims.page import DOCS


def cell(page: str, section: str, row: str, column: str) -> str:
    """Return a cell of a table: the start of its section, of its row, its column.

    >>> cell("regularizers.md", "MNIST-5k", "none", "epochs")
    '30'
    """
    text = (DOCS / page).read_text(encoding="utf-8")
    after = text[text.index(f"# {section}") :]
    table = [
        [part.strip() for part in line.strip()[1:-1].split("|")]
        for line in after.splitlines()
        if line.startswith("|")
    ]
    at = table[0].index(column)
    return next(line[at] for line in table if " | ".join(line).startswith(row))


# ------------------------------------------------------------------------- regularizers


def regularizer(
    topic: str, row: str, verdict: str, note: str = "", says: str = ""
) -> Elsewhere:
    """Return a claim of docs/regularizers.md: the points that its row gains."""
    gains = [
        f"{name} {cell('regularizers.md', name, row, 'less than plain, %')}"
        for name in ("MNIST-5k", "Emoji-32")
    ]
    return Elsewhere(
        topic=topic,
        says=says or f"It improves the result ({row}).",
        verdict=verdict,
        found=f"Points of test error gained, ± deviation: {', '.join(gains)}.{note}",
        page="regularizers.md",
        command="python -m benchmarks.regularizers",
    )


def regularizers() -> list[Elsewhere]:
    """Return what is said of every regularizer; the table has all of them."""
    return [
        regularizer("Early stopping", "early stopping", "depends",
                    " It stops by the loss, which improves on both."),
        regularizer("L2, the norm penalty", "L2", "depends"),
        regularizer("Data augmentation", "augmentation", "confirmed",
                    " Within one deviation on Emoji-32."),
        regularizer("Noise in inputs and weights", "noise", "confirmed"),
        regularizer("mixup", "mixup", "depends", " The test loss falls on both."),
        regularizer("CutMix", "CutMix", "depends"),
        regularizer("Dropout", "dropout", "depends",
                    " It costs two deviations on MNIST-5k."),
        regularizer("What each cure is worth", "label smoothing", "depends",
                    " This is the surest of eight, and on MNIST-5k five lose.",
                    "Each of them improves generalization."),
    ]  # fmt: skip


# ------------------------------------------------------------------------------- minima


def minima() -> list[Elsewhere]:
    """Return the claims of docs/minima.md."""

    def at(batch: int, rate: float, column: str) -> str:
        return cell("minima.md", "Minima", f"{batch} | {rate} |", column)

    def away(batch: int, rate: float, warm: int) -> str:
        row, column = f"{batch} | {rate} | {warm} |", "away from the small batch, %"
        return cell("minima.md", "A batch K", row, column)

    runs = ((50, 0.5), (500, 0.5), (10, 0.05), (50, 0.05), (500, 0.05))
    sharp = ", ".join(f"{b} at {r:g} {at(b, r, 'λ₁')}" for b, r in runs)
    errors = ", ".join(at(b, r, "test error, %") for b, r in runs)
    where = {"page": "minima.md", "command": "python -m benchmarks.batches"}
    return [
        Elsewhere(
            topic="Sharp and flat minima",
            says="Small batches reach flat minima, large ones sharp ones.",
            verdict="confirmed",
            found=f"λ₁ at one training loss: {sharp}. The rate does as much as "
            "the batch.",
            **where,
        ),
        Elsewhere(
            topic="Sharp and flat minima",
            says="Flat minima generalize better.",
            verdict="depends",
            found=f"Their test errors {errors} % stand in the order of their λ₁, "
            "and each differs from the next by about a standard error. But λ₁ changes "
            "when two layers are rescaled, though the function does not.",
            **where,
        ),
        Elsewhere(
            topic="Large-batch training",
            says="With K times the batch use K times the rate, and warm it up.",
            verdict="depends",
            found="Distance from the curve of batches of 32 at 0.05, %: 256 at 0.05 "
            f"{away(256, 0.05, 0)}, at 0.4 {away(256, 0.4, 0)}, with warm-up "
            f"{away(256, 0.4, 2)}; 512 at 0.8 {away(512, 0.8, 0)}; 2048 at 3.2 with "
            f"warm-up {away(2048, 3.2, 2)}. It holds for 8 times the batch, where "
            "the warm-up only costs time.",
            **where,
        ),
    ]


# ------------------------------------------------------------------------------- others


def search() -> list[Elsewhere]:
    """Return the claims of docs/search.md, and of the sweep over rates."""
    column, where = "best accuracy, mean ± deviation", "python -m benchmarks.search"
    grid, random = (
        cell("search.md", "Grid", row, column) for row in ("grid", "random")
    )
    return [
        Elsewhere("Grid search", "Try all combinations of a few values.", "depends",
                  f"9 trials, which see 3 rates: accuracy {grid}.", "search.md", where),
        Elsewhere("Grid against random, the picture",
                  "Random search is better with the same budget.", "confirmed",
                  f"Random {random}, grid {grid}, 20 seeds.", "search.md", where),
        Elsewhere("Step 3: a rate that makes the loss fall",
                  "100 steps are enough to find a rate.", "confirmed",
                  "Within a factor of 3.2 of the best of 11 rates in 58 of 60 sweeps "
                  "(docstring of `lab.lr_finder`).", "",
                  "python -m benchmarks.lr_finder"),
    ]  # fmt: skip


def gain(section: str, row: str) -> str:
    """Return what a row of docs/ensembles.md gains, in points."""
    return f"{section} {cell('ensembles.md', section, row, 'gain, points')}"


def ensembles() -> list[Elsewhere]:
    """Return the claims of docs/ensembles.md."""

    def both(row: str) -> str:
        return ", ".join(gain(name, row) for name in ("MNIST-5k", "digits"))

    bags = "degree 3, mean of 10 bags"
    terms = [
        f"{name} {cell('ensembles.md', 'Bias', row, name)}"
        for row in ("degree 3, one bag", bags)
        for name in ("bias²", "variance")
    ]
    where = {"page": "ensembles.md", "command": "python -m benchmarks.ensembles"}
    return [
        Elsewhere("Ensembles", "Averaging 5 nets gains about 2 percent.", "depends",
                  f"Points gained: {both('5 nets, averaged')}; more on Emoji-32, where "
                  "one net is often wrong.", **where),
        Elsewhere("Snapshot ensembles", "One training gives an ensemble for the price "
                  "of one.", "refuted", "Points gained over one cosine: "
                  f"{both('3 snapshots, averaged')}.", **where),
        Elsewhere("Polyak averaging", "A mean of the weights is better than the last "
                  "ones.", "depends", "Points gained at a high constant rate: "
                  f"{both('mean of its weights, second half')}; none after a cosine.",
                  **where),
        Elsewhere("Bias and variance", "If one falls, the other must rise.", "refuted",
                  f"One bag: {terms[0]}, {terms[1]}; mean of ten: {terms[2]}, "
                  f"{terms[3]}.", **where),
        Elsewhere("Bootstrap and uncertainty", "Where models disagree, the answer is "
                  "uncertain.", "confirmed", "The tenth with most disagreement has 1.8 "
                  "(Emoji-32) to 66 (digits) times the errors of the others.", **where),
        Elsewhere("Bagging and boosting", "Bags are better than one model on all data.",
                  "refuted", f"Points gained: {both('5 nets, bagged')}.", **where),
        Elsewhere("Bagging and boosting", "Weak learners become a strong one.",
                  "depends", f"Points gained: {both('10 of them, boosted')}; they "
                  "stay below one ordinary net.", **where),
    ]  # fmt: skip


def transfer() -> list[Elsewhere]:
    """Return the claims of docs/transfer.md, and those that nothing measures yet."""

    def emoji(row: str, n: str) -> str:
        return cell("transfer.md", "Emoji-32", row, f"{n} a class")

    def near(row: str) -> str:
        found = [
            cell("transfer.md", "Nearest", row, c) for c in ("digits 5-9", "Emoji-32")
        ]
        return " and ".join(found)

    pixels, frozen, tuned = "linear classifier on pixels", "frozen", "fine-tuned"
    where = {"page": "transfer.md", "command": "python -m benchmarks.transfer"}
    tests = {"page": "", "command": "python -m pytest tests/test_lab_transfer.py"}
    return [
        Elsewhere("Feature extraction", "Features of a trained net beat pixels on "
                  "small data.", "confirmed", "Emoji-32, 5 images a class: pixels "
                  f"{emoji(pixels, '5')}, features {emoji(frozen, '5')} %.", **where),
        Elsewhere("Fine-tuning", "It is better than fixed features, with enough data.",
                  "depends", f"Fixed {emoji(frozen, '5')}, tuned {emoji(tuned, '5')} % "
                  f"with 5 images a class; {emoji(frozen, '100')} and "
                  f"{emoji(tuned, '100')} % with 100.", **where),
        Elsewhere("Nearest neighbours in feature space", "They find images that mean "
                  "the same.", "depends", "Precision at 5, digits 5 to 9 and Emoji-32: "
                  f"pixels {near('pixels')}, features of a small CNN "
                  f"{near('features of a small CNN')} %.", **where),
        Elsewhere("Which layers to train: the table", "Four cells: little or much "
                  "data, alike or different.", "see there", "", **where),
        Elsewhere("Replace the last layer", "All other weights stay, and the first "
                  "loss is log C again.", "confirmed", "A test says so.", **tests),
        Elsewhere("Pretrained weights", "Better on ImageNet means better elsewhere.",
                  "not measured", "It takes several networks of ImageNet, and there is "
                  "one.", **where),
        Elsewhere("Transfer in larger systems", "A captioner begins with a pretrained "
                  "CNN.", "not measured", "It takes two captioners, minutes each.",
                  "sequences.md", "python -m docs.sequences"),
    ]  # fmt: skip


def elsewhere() -> list[Elsewhere]:
    """Return all of them; a page or a row that is missing is an error."""
    return [*search(), *minima(), *regularizers(), *ensembles(), *transfer()]
