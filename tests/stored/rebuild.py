"""Make torch.npz with PyTorch: python -m tests.stored.rebuild"""

import numpy as np
import torch
import torch.nn.functional as F

from tests.stored import FILE, OPTIMIZERS, STEPS

FUNCTIONS = {
    "affine": lambda x, w, b: F.linear(x, w.T, b),
    "conv2d": lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1),
    "max_pool2d": lambda x: F.max_pool2d(x, 2),
    "batch_norm": lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
    "layer_norm": lambda x, w, b: F.layer_norm(x, (5,), w, b),
    "softmax": lambda x: F.softmax(x, dim=1),
    "relu": F.relu,
    "gelu": F.gelu,
    "cross_entropy": lambda x: F.cross_entropy(x, torch.arange(4)),
    "mse_loss": F.mse_loss,
}
SHAPES = {
    "affine": [(4, 5), (5, 3), (3,)], "conv2d": [(2, 3, 7, 7), (4, 3, 3, 3), (4,)],
    "max_pool2d": [(2, 3, 6, 6)], "batch_norm": [(4, 3, 5, 5), (3,), (3,)],
    "layer_norm": [(4, 5), (5,), (5,)], "mse_loss": [(4, 5), (4, 5)],
}  # fmt: skip


def main() -> None:
    torch.set_default_dtype(torch.float64)  # NAdam keeps a product in it
    rng, stored = np.random.default_rng(0), {}
    for name, f in FUNCTIONS.items():
        arrays = [rng.standard_normal(s) for s in SHAPES.get(name, [(4, 5)])]
        leaves = [torch.tensor(a, requires_grad=True) for a in arrays]
        y = f(*leaves)
        u = rng.standard_normal(tuple(y.shape))
        y.backward(torch.tensor(u))
        stored[f"{name}/y"], stored[f"{name}/u"] = y.detach().numpy(), u
        for i, (a, leaf) in enumerate(zip(arrays, leaves, strict=True)):
            stored[f"{name}/x{i}"], stored[f"{name}/dx{i}"] = a, leaf.grad.numpy()
    stored["start"] = rng.standard_normal(6)
    scale = torch.tensor(stored.setdefault("scale", np.geomspace(0.1, 3.0, 6)))
    for name, (rule, settings) in OPTIMIZERS.items():
        p = torch.tensor(stored["start"], requires_grad=True)
        optimizer = getattr(torch.optim, rule)([p], **settings)
        path = []
        for _ in range(STEPS):
            optimizer.zero_grad()
            (scale * p * p).sum().backward()
            optimizer.step()
            path.append(p.detach().numpy().copy())
        stored[f"optim/{name}"] = np.array(path)
    np.savez_compressed(FILE, **stored)


if __name__ == "__main__":
    main()
