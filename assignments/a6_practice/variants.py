"""Right answers that are written in another way: each must keep all its points."""

from minidl_course import Variant

# fmt: off
VARIANTS = [
    Variant("a6.1", "one question after the other", """
        + expected = float(loss(np.zeros_like(scores), y))
        + ratio = math.nan if expected == 0 else first / expected
        + if 1 - NEAR <= ratio <= 1 + NEAR:
        +     verdict = "right"
        + elif ratio < 1:
        +     verdict = "low"
        + elif 1 < ratio <= HIGH:
        +     verdict = "spread"
        + else:
        +     verdict = "high"
    """),
    Variant("a6.2", "the loss is weighed in place of its gradient", """
        + self.waiting += 1
        + self.total += size
        + weighed = size * loss
        + weighed.backward()
        + if self.waiting % self.k == 0:
        +     self.flush()
    """),
    Variant("a6.3", "new arrays", """
        + for p in params:
        +     p.grad = p.grad / self.total
        + if self.before_step:
        +     self.before_step()
        + self.optimizer.step()
        + for p in params:
        +     p.grad = None
        + self.total = 0.0
        + self.waiting = 0
    """),
    Variant("a6.4", "TP, FP and FN", """
        + tp = c.diagonal()[at]
        + fp, fn = c.sum(axis=0)[at] - tp, c.sum(axis=1)[at] - tp
        + if average == "micro":
        +     tp, fp, fn = (np.array([n.sum()]) for n in (tp, fp, fn))
        + support = tp + fn
        + if name == "precision":
        +     part, whole = tp, tp + fp
        + elif name == "recall":
        +     part, whole = tp, tp + fn
        + else:
        +     part, whole = 2 * tp, 2 * tp + fp + fn
        + shares = np.full(len(tp), zero)
        + shares[whole > 0] = part[whole > 0] / whole[whole > 0]
    """),
    Variant("a6.5", "one less p, to the power γ, from the softplus of both", """
        + losses = weight * softplus(-m) * exp(-gamma * softplus(m))
    """),
    Variant("a6.5", "log(1 − p) is log p less the margin", """
        + log_p = -softplus(-m)
        + losses = -(exp(gamma * (log_p - m)) * log_p) * weight
    """),
    Variant("a6.6", "by logarithms", """
        + a, b = math.log(self.low), math.log(self.high)
        + value = math.exp((1 - u) * a + u * b)
    """),
    Variant("a6.6", "a weighted geometric mean", """
        + value = self.low ** (1 - u) * self.high**u
    """),
    Variant("a6.7", "a loop", """
        + bottom = BURN_IN
        + for t in range(BURN_IN, end):
        +     if means[t] < means[bottom]:
        +         bottom = t
        + places = range(BURN_IN, bottom + 1)
        + found = {t: _slope(np.log10(rates), means, t) for t in places}
        + steepest = float(rates[min(found, key=found.get)])
        + lowest = float(rates[bottom])
        + suggestion = steepest**0.5 * (lowest / 3) ** 0.5
    """),
    Variant("a6.8", "sums of squares", """
        + pairs = list(zip(before, after, strict=True))
        + step = sum(((new - old) ** 2).sum() for old, new in pairs)
        + size = sum((old**2).sum() for old in before)
        + return (step / size) ** 0.5
    """),
    Variant("a6.9", "by the correlation", """
        + d = y - y.mean()
        + slope = float((x * d).sum() / (x * x).sum())
        + rest = d - slope * x
        + error = float(((rest**2).sum() / (n - 2) / (x**2).sum()) ** 0.5)
    """),
    Variant("a6.10", "one question after the other", """
        + overfits = True
        + if len(train) and train[-1] > 0.9 * trend.at(train, place):
        +     overfits = False
        + if rise <= least or rise <= 4 * trend.noise(val):
        +     overfits = False
        + found = trend.line(val[best:])
        + if found.rise <= 3 * found.error:
        +     overfits = False
    """),
    Variant("a6.11", "k slices", """
        + fold = np.zeros(n, np.int64)
        + for i in range(self.k):
        +     fold[order[i :: self.k]] = i
    """),
    Variant("a6.12", "counted", """
        + drawn = g.integers(0, n, n)
        + never = np.flatnonzero(np.bincount(drawn, minlength=n) == 0)
    """),
    Variant("a6.13", "one case after the other", """
        + w = 1.0
        + if decay is None:
        +     w = 1.0 / n
        + elif n > 1:
        +     w = 1 - decay
        +     if warmup:
        +         w = max(w, 9 / (n + 9))
    """),
    Variant("a6.14", "einsum, and Kullback-Leibler", """
        + w = weights / weights.sum()
        + p = ops.softmax(scores, axis=-1)
        + mean = ops.einsum("nmk,m->nk", p, w)
        + disagreement = entropy(mean) - ops.einsum("nm,m->n", entropy(p), w)
    """),
]
# fmt: on
