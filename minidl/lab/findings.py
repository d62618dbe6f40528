"""What a run may suffer from, in words: what is seen, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, field

Evidence = dict[str, float]


@dataclass(frozen=True)
class Finding:
    """What was found: a name, a sentence, the figures it rests on, what to do."""

    name: str
    text: str
    evidence: Evidence = field(default_factory=dict)
    advice: str = ""

    def __str__(self) -> str:
        figures = ", ".join(f"{k} {v:.3g}" for k, v in self.evidence.items())
        return f"{self.name}: {self.text} ({figures}) {self.advice}"


def finding(name: str, evidence: Evidence) -> Finding:
    """Return a finding of this name with its words."""
    text, advice = WORDS[name]
    return Finding(name, text, evidence, advice)


WORDS: dict[str, tuple[str, str]] = {
    "healthy": (
        "the curves show nothing wrong.",
        "Compare with other settings now: minidl.lab.random_search.",
    ),
    "nan": (
        "the loss is NaN or infinite.",
        "Divide the rate by 10, clip the gradient (GradientClip(max_norm=1.0)), take a "
        "loss that works on scores (ops.cross_entropy), and look for NaN in the data.",
    ),
    "diverging": (
        "the loss grows instead of falling: training has exploded.",
        "Divide the rate by 10; then schedules.warmup or GradientClip(max_norm=1.0).",
    ),
    "lr_too_high": (
        "the loss fell quickly and now jumps about at a level that is too high.",
        "Divide the rate by 3 to 10, or let it decay: schedules.cosine(lr, steps).",
    ),
    "lr_too_low": (
        "the loss falls, but slowly and in a straight line, up to the end.",
        "Multiply the rate by 10; minidl.lab.lr_finder shows how far one may go.",
    ),
    "bad_init": (
        "the loss is flat before it falls, or stays flat: nothing passes the layers.",
        "Initialize with nn.init.kaiming_normal (xavier for tanh), or add batch norm; "
        "minidl.lab.Monitor shows the layer where the activations vanish.",
    ),
    "decayed_too_early": (
        "the loss was still falling when the learning rate dropped.",
        "Decay later, when the loss is flat; or take schedules.cosine.",
    ),
    "overfitting": (
        "training goes on improving while validation gets worse: it is over-fitting.",
        "Regularize more (weight_decay, nn.Dropout), augment, get more data, or stop "
        "at the best epoch (EarlyStopping).",
    ),
    "underfitting": (
        "training and validation are equally poor, and both are flat.",
        "Take a larger model; train longer; regularize less.",
    ),
    "train_longer": (
        "training and validation are still improving together.",
        "Train longer: the run ends before the curves are flat.",
    ),
    "unshuffled": (
        "the loss goes through the same ups and downs in every epoch: the batches come "
        "in the same order, sorted perhaps by class.",
        "DataLoader(…, shuffle=True).",
    ),
    "leaky_validation": (
        "validation follows training down to nothing, without the gap that data never "
        "seen would leave.",
        "Look for samples that are in both parts, for near copies, and for an input "
        "that gives the label away; where the task is that easy, all is well.",
    ),
    "noisy_validation": (
        "the validation curve jumps more than what it should show.",
        "Validate on more samples, or on the same ones each time; compare means over "
        "several epochs; KFold if data are few.",
    ),
}
