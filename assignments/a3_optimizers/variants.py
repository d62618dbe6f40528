"""Right answers that are written in another way: each must keep all its points."""

from minidl_course import Variant

# fmt: off
VARIANTS = [
    Variant("a3.1", "into the slice", """
        + p[...] = p - lr * g
    """),
    Variant("a3.2", "into the slice", """
        + share = 1.0 if t == 1 else 1.0 - self.dampening
        + v[...] = self.momentum * v + share * g
        + p[...] -= lr * v
    """),
    Variant("a3.2", "in float64, and back", """
        + share = 1 - self.dampening if t > 1 else 1
        + new = self.momentum * v.astype("float64") + share * g.astype("float64")
        + v[...] = new
        + p -= (lr * new).astype(p.dtype)
    """),
    Variant("a3.3", "two steps in place of one", """
        + v[...] = v * self.momentum + g
        + p -= lr * g
        + p -= lr * self.momentum * v
    """),
    Variant("a3.4", "by powers", """
        + s += g**2
        + rate = lr / (1 + (t - 1) * self.lr_decay)
        + p -= rate * (g / (s**0.5 + self.eps))
    """),
    Variant("a3.5", "the difference to the mean", """
        - s *= self.alpha
        - s += (1 - self.alpha) * g * g
        + s += (1 - self.alpha) * (g * g - s)
    """),
    Variant("a3.5", "with branches", """
        + s[...] = self.alpha * s + (1 - self.alpha) * g**2
        + size = self.spread(g, s, m) if self.centered else s
        + u = g / (sqrt(size) + self.eps)
        + if self.momentum:
        +     b[...] = self.momentum * b + u
        +     p -= lr * b
        + else:
        +     p -= lr * u
    """),
    Variant("a3.6", "one root of a fraction", """
        - delta = sqrt(d + self.eps) / sqrt(s + self.eps) * g
        + delta = g * sqrt((d + self.eps) / (s + self.eps))
    """),
    Variant("a3.6", "the sign in the step", """
        + s[...] = self.rho * s + (1 - self.rho) * g**2
        + delta = -(d + self.eps) ** 0.5 * g / (s + self.eps) ** 0.5
        + d[...] = self.rho * d + (1 - self.rho) * delta**2
        + p += lr * delta
    """),
    Variant("a3.7", "the hats in the rate", """
        + m += (1 - self.beta1) * (g - m)
        + v += (1 - self.beta2) * (g * g - v)
        + if self.amsgrad:
        +     top[...] = namespace(v).maximum(top, v)
        +     v = top
        + root = (1 - self.beta2**t) ** 0.5
        + p -= lr * root / (1 - self.beta1**t) * m / (sqrt(v) + self.eps * root)
    """),
    Variant("a3.7", "in float64, and back", """
        + wide = g.astype("float64")
        + m[...] = self.beta1 * m + (1 - self.beta1) * wide
        + v[...] = self.beta2 * v + (1 - self.beta2) * wide**2
        + if self.amsgrad:
        +     v = namespace(v).maximum(top, v, out=top)
        + m_hat, v_hat = m / (1 - self.beta1**t), v / (1 - self.beta2**t)
        + p[...] = p - lr * m_hat / (sqrt(v_hat) + self.eps)
    """),
    Variant("a3.8", "a loop", """
        + def at(t):
        +     rate = lr
        +     for _ in range(int(t) // every):
        +         rate *= gamma
        +     return rate
        +
        + return at
    """),
    Variant("a3.8", "by the exponential", """
        + return lambda t: lr * math.exp(math.log(gamma) * math.floor(t / every))
    """),
    Variant("a3.9", "a mean with weights", """
        + def at(t):
        +     share = min(t / steps, 1)
        +     return (1 - share) * lr + share * lr_end
        +
        + return at
    """),
    Variant("a3.10", "half of the sum and of the difference", """
        + angle = math.pi * min(1, t / steps)
        + return (lr + lr_min) / 2 + (lr - lr_min) / 2 * math.cos(angle)
    """),
    Variant("a3.10", "the square of a cosine", """
        + angle = 0.5 * math.pi * min(t, steps) / steps
        + return lr_min + (lr - lr_min) * math.cos(angle) ** 2
    """),
    Variant("a3.11", "two branches", """
        + def at(t):
        +     s = t + 1
        +     return lr * s / w if s < w else lr * (w / s) ** 0.5
        +
        + return at
    """),
    Variant("a3.12", "rest first", """
        + resting = self.resting > 0
        + if self.better(metric):
        +     self.best = metric
        +     self.bad = 0
        + elif not resting:
        +     self.bad += 1
        + if resting:
        +     self.resting -= 1
        +     self.bad = 0
        + elif self.bad > self.patience:
        +     self._reduce()
        +     self.bad, self.resting = 0, self.cooldown
    """),
]
# fmt: on
