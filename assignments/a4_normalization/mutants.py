"""Typical wrong answers: each must lose points of its own task, and of no other."""

from minidl_course import Mutant

# fmt: off
MUTANTS = [
    Mutant("a4.1", "divided by n − 1", """
        - var = (centered * centered).sum(axis=axes, keepdims=True) / n
        + var = (centered * centered).sum(axis=axes, keepdims=True) / (n - 1)
    """),
    Mutant("a4.1", "ε outside of the root", """
        - rstd = 1 / sqrt(var + eps)
        + rstd = 1 / (sqrt(var) + eps)
    """),
    Mutant("a4.1", "no ε", """
        - rstd = 1 / sqrt(var + eps)
        + rstd = 1 / sqrt(var)
    """),
    Mutant("a4.1", "β forgotten", """
        - y += beta
        + pass
    """),
    Mutant("a4.1", "γ forgotten", """
        - y = centered * (rstd * gamma)
        + y = centered * rstd
    """),
    Mutant("a4.1", "over the batch alone", """
        - mean = x.sum(axis=axes, keepdims=True) / n
        + mean = x.sum(axis=0, keepdims=True) / len(x)
    """),
    Mutant("a4.1", "divided by the variance", """
        - rstd = 1 / sqrt(var + eps)
        + rstd = 1 / (var + eps)
    """),
    Mutant("a4.2", "μ is a constant", """
        - dx = g - dbeta / n
        + dx = g * 1
    """),
    Mutant("a4.2", "σ is a constant", """
        - dx -= xhat * (dgamma / n)
        + pass
    """),
    Mutant("a4.2", "μ and σ are constants", """
        + xhat = (x - mean) * rstd
        + dbeta = g.sum(axis=axes, keepdims=True)
        + dgamma = (g * xhat).sum(axis=axes, keepdims=True)
        + dx = g * gamma * rstd
    """),
    Mutant("a4.2", "γ forgotten", """
        - dx *= rstd * gamma
        + dx *= rstd
    """),
    Mutant("a4.2", "x in place of x̂", """
        - dgamma = (g * xhat).sum(axis=axes, keepdims=True)
        + dgamma = (g * x).sum(axis=axes, keepdims=True)
    """),
    Mutant("a4.2", "the size of the batch for n", """
        - dx = g - dbeta / n
        + dx = g - dbeta / len(x)
    """),
    Mutant("a4.2", "written into g", """
        - dx = g - dbeta / n
        + g -= dbeta / n; dx = g
    """),
    Mutant("a4.3", "old and new exchanged", """
        -     running.data += share * (now - running.data)
        +     running.data += (1 - share) * (now - running.data)
    """),
    Mutant("a4.3", "the variance divided by n", """
        - new = (self.running_mean, mean), (self.running_var, var * (n / (n - 1)))
        + new = (self.running_mean, mean), (self.running_var, var)
    """),
    Mutant("a4.3", "divided the wrong way", """
        - new = (self.running_mean, mean), (self.running_var, var * (n / (n - 1)))
        + new = (self.running_mean, mean), (self.running_var, var * ((n - 1) / n))
    """),
    Mutant("a4.3", "nothing is forgotten", """
        -     running.data += share * (now - running.data)
        +     running.data += share * now
    """),
    Mutant("a4.3", "the last batch", """
        -     running.data += share * (now - running.data)
        +     running.data [...] = now
    """),
    Mutant("a4.4", "over the batch", """
        - mean = x.sum(axis=axes, keepdims=True) / n
        + mean = x.sum(axis=batch, keepdims=True) * n / x.size
    """),
    Mutant("a4.4", "divided by n − 1", """
        - var = (centered * centered).sum(axis=axes, keepdims=True) / n
        + var = (centered * centered).sum(axis=axes, keepdims=True) / (n - 1)
    """),
    Mutant("a4.4", "no γ", """
        - y *= gamma
        + pass
    """),
    Mutant("a4.4", "the last axis only", """
        - mean = x.sum(axis=axes, keepdims=True) / n
        + mean = x.mean(axis=-1, keepdims=True)
    """),
    Mutant("a4.5", "γ comes last", """
        - dxhat = g * gamma
        + dxhat = g; rstd_ = rstd
    """),
    Mutant("a4.5", "as in batch norm", """
        - dx = dxhat - dxhat.sum(axis=axes, keepdims=True) / n
        + dx = dxhat - dxhat.sum(axis=batch, keepdims=True) * n / x.size
    """),
    Mutant("a4.5", "γ's gradient over the features", """
        - dgamma = (g * xhat).sum(axis=batch)
        + dgamma = (g * xhat).sum(axis=axes)
    """),
    Mutant("a4.5", "over the first axis only", """
        - dbeta = g.sum(axis=batch)
        + dbeta = g.sum(axis=0)
    """),
    Mutant("a4.5", "σ is a constant", """
        - dx -= xhat * ((dxhat * xhat).sum(axis=axes, keepdims=True) / n)
        + pass
    """),
    Mutant("a4.5", "rstd forgotten", """
        - dx *= rstd
        + pass
    """),
    Mutant("a4.6", "not made up for", """
        - y *= scale_of(kept)
        + pass
    """),
    Mutant("a4.6", "scaled by 1 / p", """
        - y *= scale_of(kept)
        + y *= (1 / p if p else 0.0)
    """),
    Mutant("a4.6", "the others are kept", """
        - y = where(mask, x, 0.0)  # times 0 would leave nan of inf
        + y = where(mask, 0.0, x)
    """),
    Mutant("a4.6", "scaled down", """
        - y *= scale_of(kept)
        + y *= 1 - p
    """),
    Mutant("a4.6", "written into x", """
        - y = where(mask, x, 0.0)  # times 0 would leave nan of inf
        + y = x; y *= mask
    """),
    Mutant("a4.7", "everything passes", """
        - y = where(mask, x, 0.0)
        + y = x * 1.0
    """),
    Mutant("a4.7", "not scaled", """
        - y *= scale
        + pass
    """),
    Mutant("a4.7", "scaled twice", """
        - y *= scale
        + y *= scale * scale
    """),
    Mutant("a4.7", "written into g", """
        - y = where(mask, x, 0.0)
        + y = x; y *= mask
    """),
    Mutant("a4.8", "the wrong way", """
        - return g + weight_decay * p
        + return g - weight_decay * p
    """),
    Mutant("a4.8", "the penalty itself", """
        - return g + weight_decay * p
        + return g + 0.5 * weight_decay * p * p
    """),
    Mutant("a4.8", "L1", """
        - return g + weight_decay * p
        + return g + weight_decay * namespace(p).sign(p)
    """),
    Mutant("a4.8", "twice as much", """
        - return g + weight_decay * p
        + return g + 2 * weight_decay * p
    """),
    Mutant("a4.8", "written into g", """
        - return g + weight_decay * p
        + g += weight_decay * p; return g
    """),
    Mutant("a4.8", "the rate twice", """
        - return g + weight_decay * p
        + return g + lr * weight_decay * p
    """),
    Mutant("a4.9", "shared among the others only", """
        - q = q * slope + w * (smoothing / k)
        + q = q * slope + w * (smoothing / (k - 1))
    """),
    Mutant("a4.9", "nothing taken away", """
        - q = q * slope + w * (smoothing / k)
        + q = q * w + w * (smoothing / k)
    """),
    Mutant("a4.9", "the whole ε to each", """
        - q = q * slope + w * (smoothing / k)
        + q = q * slope + w * (smoothing)
    """),
    Mutant("a4.9", "the shared part has no weight", """
        - q = q * slope + w * (smoothing / k)
        + q = q * slope + smoothing / k
    """),
    Mutant("a4.9", "a slope of 1", """
        - q = q * slope + w * (smoothing / k)
        + q = q * slope + w * (smoothing / k); slope = 1.0
    """),
    Mutant("a4.10", "labels stay", """
        - soft = _blend(soft, soft[partner], lam)
        + pass
    """),
    Mutant("a4.10", "one share for all", """
        - lam = g.beta(alpha, alpha, n)
        + lam = xp.full(n, g.beta(alpha, alpha))
    """),
    Mutant("a4.10", "the partner's share", """
        - mixed = _blend(images, images[partner], lam)
        + mixed = _blend(images[partner], images, lam)
    """),
    Mutant("a4.10", "a uniform share", """
        - lam = g.beta(alpha, alpha, n)
        + lam = g.random(n)
    """),
    Mutant("a4.10", "another partner for the label", """
        - soft = _blend(soft, soft[partner], lam)
        + soft = _blend(soft, soft[::-1], lam)
    """),
    Mutant("a4.10", "written into the images", """
        - mixed = _blend(images, images[partner], lam)
        + mixed = images; mixed[...] = _blend(images, images[partner], lam)
    """),
    Mutant("a4.11", "one epoch too late", """
        - if self.bad >= self.patience:
        + if self.bad > self.patience:
    """),
    Mutant("a4.11", "counts all that was ever bad", """
        -     self.best, self.best_epoch, self.bad = value, int(record["epoch"]), 0
        +     self.best, self.best_epoch = value, int(record["epoch"])
    """),
    Mutant("a4.11", "the last weights", """
        - self.bad += 1
        + self.bad += 1; self.weights = trainer.model.state_dict()
    """),
    Mutant("a4.11", "small is better", """
        - if self.better(value):
        + if self.best is None or value < self.best:
    """),
    Mutant("a4.11", "takes weights though nobody asked", """
        -     if self.restore:
        +     if True:
    """),
    Mutant("a4.11", "the previous one in place of the best", """
        - self.bad += 1
        + self.bad += 1; self.best = value
    """),
    Mutant("a4.12", "not divided by the length", """
        - w = p / (norm(p, axes) + self.eps)
        + w = p
    """),
    Mutant("a4.12", "always taken out", """
        - q = q - passed * (w * u).sum(axis=axes, keepdims=True) * w
        + q = q - (w * u).sum(axis=axes, keepdims=True) * w
    """),
    Mutant("a4.12", "added", """
        - q = q - passed * (w * u).sum(axis=axes, keepdims=True) * w
        + q = q + passed * (w * u).sum(axis=axes, keepdims=True) * w
    """),
    Mutant("a4.12", "one sum for all columns", """
        - q = q - passed * (w * u).sum(axis=axes, keepdims=True) * w
        + q = q - passed * (w * u).sum() * w
    """),
    Mutant("a4.12", "the gradient's part", """
        - q = q - passed * (w * u).sum(axis=axes, keepdims=True) * w
        + q = q - passed * (w * g).sum(axis=axes, keepdims=True) * w
    """),
    Mutant("a4.12", "never taken out", """
        - q = q - passed * (w * u).sum(axis=axes, keepdims=True) * w
        + pass
    """),
]
# fmt: on
