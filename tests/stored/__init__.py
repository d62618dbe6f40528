"""What PyTorch computed, stored: the core comparisons where PyTorch is not installed.

`python -m tests.stored.rebuild` makes torch.npz anew. The inputs come from NumPy's
generator and are stored too, so that nothing depends on a library's version.
"""

from pathlib import Path

FILE = Path(__file__).with_name("torch.npz")
OPTIMIZERS = {
    "SGD": ("SGD", {"lr": 0.1, "weight_decay": 0.01}),
    "Momentum": ("SGD", {"lr": 0.1, "momentum": 0.9}),
    "Nesterov": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "RMSProp": ("RMSprop", {"lr": 0.01}),
    "Adagrad": ("Adagrad", {"lr": 0.1}),
    "Adadelta": ("Adadelta", {"lr": 1.0}),
    "Adam": ("Adam", {"lr": 0.01}),
    "AdamW": ("AdamW", {"lr": 0.01, "weight_decay": 0.1}),
    "NAdam": ("NAdam", {"lr": 0.01}),
    "Adamax": ("Adamax", {"lr": 0.01}),
}
STEPS = 50
