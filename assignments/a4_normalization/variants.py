"""Right answers that are written in another way: each must keep all its points."""

from minidl_course import Variant

# fmt: off
VARIANTS = [
    Variant("a4.1", "mean, and the root at the end", """
        + mean = x.mean(axis=axes, keepdims=True)
        + centered = x - mean
        + var = (centered**2).mean(axis=axes, keepdims=True)
        + y = centered / sqrt(var + eps) * gamma + beta
        + rstd = 1 / sqrt(var + eps)
    """),
    Variant("a4.1", "the power of −½", """
        - rstd = 1 / sqrt(var + eps)
        - y = centered * (rstd * gamma)
        - y += beta
        + rstd = (var + eps) ** -0.5
        + y = gamma * (centered * rstd) + beta
    """),
    Variant("a4.2", "one fraction", """
        + xhat = rstd * (x - mean)
        + dbeta = g.sum(axis=axes, keepdims=True)
        + dgamma = (xhat * g).sum(axis=axes, keepdims=True)
        + dx = gamma * rstd / n * (n * g - dbeta - xhat * dgamma)
    """),
    Variant("a4.2", "line by line, through μ and σ²", """
        + centered = x - mean
        + xhat = centered * rstd
        + dbeta = g.sum(axis=axes, keepdims=True)
        + dgamma = (g * xhat).sum(axis=axes, keepdims=True)
        + dxhat = g * gamma
        + dvar = (dxhat * centered).sum(axis=axes, keepdims=True) * (-0.5 * rstd**3)
        + dmean = -(dxhat * rstd).sum(axis=axes, keepdims=True)
        + dx = dxhat * rstd + dvar * (2 / n) * centered + dmean / n
    """),
    Variant("a4.3", "two lines, by weights", """
        + var = var * n / (n - 1)
        + old_mean, old_var = self.running_mean.data, self.running_var.data
        + old_mean[...] = (1 - share) * old_mean + share * mean
        + old_var[...] = (1 - share) * old_var + share * var
        + self.running_mean.touch()
        + self.running_var.touch()
    """),
    Variant("a4.4", "mean, and the root at the end", """
        + mean = x.mean(axis=axes, keepdims=True)
        + centered = x - mean
        + rstd = 1 / sqrt((centered**2).mean(axis=axes, keepdims=True) + eps)
        + y = gamma * centered * rstd + beta
    """),
    Variant("a4.5", "one fraction", """
        + xhat = (x - mean) * rstd
        + dbeta, dgamma = g.sum(axis=batch), (xhat * g).sum(axis=batch)
        + d = gamma * g
        + a = d.sum(axis=axes, keepdims=True)
        + b = (d * xhat).sum(axis=axes, keepdims=True)
        + dx = rstd / n * (n * d - a - xhat * b)
    """),
    Variant("a4.6", "scaled first", """
        + y = where(mask, x * scale_of(kept), 0.0)
    """),
    Variant("a4.6", "in place, on a copy", """
        + y = x.copy()
        + y[~np.broadcast_to(mask, x.shape)] = 0
        + y *= scale_of(kept)
    """),
    Variant("a4.7", "scaled first", """
        + y = where(mask, x * scale, 0.0)
    """),
    Variant("a4.8", "the other way round", """
        + penalty = weight_decay * p
        + return penalty + g
    """),
    Variant("a4.9", "q apart from the shared part", """
        + slope = (1 - smoothing) * w
        + q = w * ((1 - smoothing) * q + smoothing / k)
    """),
    Variant("a4.10", "a loop over the samples in float64, and back", """
        + lam = g.beta(alpha, alpha, n)
        + partner = g.permutation(n)
        + mixed, labels = [], []
        + for i in range(n):
        +     s, j = lam[i], partner[i]
        +     mixed.append(s * images[i] + (1 - s) * images[j])
        +     labels.append(s * soft[i] + (1 - s) * soft[j])
        + mixed = xp.stack(mixed).astype(images.dtype)
        + soft = xp.stack(labels).astype(soft.dtype)
    """),
    Variant("a4.10", "the difference to the partner", """
        + lam = g.beta(alpha, alpha, n)
        + partner = g.permutation(n)
        + share = lam.astype(images.dtype).reshape(-1, *(1 for _ in images.shape[1:]))
        + mixed = images[partner] + share * (images - images[partner])
        + share = lam.astype(soft.dtype)[:, None]
        + soft = soft[partner] + share * (soft - soft[partner])
    """),
    Variant("a4.11", "the bad ones first", """
        + if not self.better(value):
        +     self.bad = self.bad + 1
        +     if self.bad == self.patience:
        +         trainer.stop()
        + else:
        +     self.bad = 0
        +     self.best = value
        +     self.best_epoch = record["epoch"]
        +     if self.restore:
        +         state = trainer.model.state_dict()
        +         self.weights = {name: array.copy() for name, array in state.items()}
    """),
    Variant("a4.12", "cosine and length apart", """
        + length = norm(p, axes)
        + along = (p * u).sum(axis=axes, keepdims=True) / (length + self.eps)
        + q = q - passed * along / (length + self.eps) * p
    """),
    Variant("a4.12", "where", """
        + xp = namespace(p)
        + w = p / (norm(p, axes) + self.eps)
        + part = xp.sum(w * u, axis=axes, keepdims=True) * w
        + q = xp.where(passed > 0, q - part, q)
    """),
]
# fmt: on
