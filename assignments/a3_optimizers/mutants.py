"""Typical wrong answers: each must lose points of its own task, and of no other."""

from minidl_course import Mutant

# fmt: off
MUTANTS = [
    Mutant("a3.1", "uphill", """
        - p -= lr * g
        + p += lr * g
    """),
    Mutant("a3.1", "a new array", """
        - p -= lr * g
        + p = p - lr * g
    """),
    Mutant("a3.1", "the sign of the gradient", """
        - p -= lr * g
        + p -= lr * g / (abs(g) + 1e-12)
    """),
    Mutant("a3.2", "an average", """
        - v += (1 - self.dampening * (t > 1)) * g
        + v += (1 - self.dampening * (t > 1)) * (1 - self.momentum) * g
    """),
    Mutant("a3.2", "a new velocity", """
        - v *= self.momentum
        + v = v * self.momentum
    """),
    Mutant("a3.2", "the rate within the velocity", """
        + v *= self.momentum
        + v += lr * (1 - self.dampening * (t > 1)) * g
        + p -= v
    """),
    Mutant("a3.2", "the first step dampened", """
        - v += (1 - self.dampening * (t > 1)) * g
        + v += (1 - self.dampening) * g
    """),
    Mutant("a3.2", "no dampening", """
        - v += (1 - self.dampening * (t > 1)) * g
        + v += g
    """),
    Mutant("a3.3", "plain momentum", """
        - p -= lr * (g + self.momentum * v)
        + p -= lr * v
    """),
    Mutant("a3.3", "the velocity alone looks ahead", """
        - p -= lr * (g + self.momentum * v)
        + p -= lr * (v + self.momentum * v)
    """),
    Mutant("a3.3", "written into g", """
        - p -= lr * (g + self.momentum * v)
        + g += self.momentum * v; p -= lr * g
    """),
    Mutant("a3.3", "the velocity of before", """
        + p -= lr * (g + self.momentum * v)
        + v *= self.momentum
        + v += g
    """),
    Mutant("a3.3", "the rate within the velocity", """
        + v *= self.momentum
        + v += lr * g
        + p -= lr * g + self.momentum * v
    """),
    Mutant("a3.4", "ε under the root", """
        - p -= lr / (1 + (t - 1) * self.lr_decay) * g / (sqrt(s) + self.eps)
        + p -= lr / (1 + (t - 1) * self.lr_decay) * g / sqrt(s + self.eps)
    """),
    Mutant("a3.4", "no root", """
        - p -= lr / (1 + (t - 1) * self.lr_decay) * g / (sqrt(s) + self.eps)
        + p -= lr / (1 + (t - 1) * self.lr_decay) * g / (s + self.eps)
    """),
    Mutant("a3.4", "forgets the past", """
        - s += g * g
        + s[...] = g * g
    """),
    Mutant("a3.4", "decays from the first step on", """
        - p -= lr / (1 + (t - 1) * self.lr_decay) * g / (sqrt(s) + self.eps)
        + p -= lr / (1 + t * self.lr_decay) * g / (sqrt(s) + self.eps)
    """),
    Mutant("a3.4", "no ε", """
        - p -= lr / (1 + (t - 1) * self.lr_decay) * g / (sqrt(s) + self.eps)
        + p -= lr / (1 + (t - 1) * self.lr_decay) * g / (sqrt(s))
    """),
    Mutant("a3.5", "a sum, as in Adagrad", """
        - s += (1 - self.alpha) * g * g
        + s += g * g
    """),
    Mutant("a3.5", "ε under the root", """
        - u = g / (sqrt(self.spread(g, s, m) if self.centered else s) + self.eps)
        + u = g / sqrt((self.spread(g, s, m) if self.centered else s) + self.eps)
    """),
    Mutant("a3.5", "α of the new", """
        + s *= 1 - self.alpha
        + s += self.alpha * g * g
        + u = g / (sqrt(self.spread(g, s, m) if self.centered else s) + self.eps)
        + if self.momentum:
        +     b *= self.momentum
        +     b += u
        + p -= lr * (b if self.momentum else u)
    """),
    Mutant("a3.5", "not centered", """
        - u = g / (sqrt(self.spread(g, s, m) if self.centered else s) + self.eps)
        + u = g / (sqrt(s) + self.eps)
    """),
    Mutant("a3.5", "no momentum", """
        - p -= lr * (b if self.momentum else u)
        + p -= lr * (u)
    """),
    Mutant("a3.5", "the mean of g is squared too early", """
        - u = g / (sqrt(self.spread(g, s, m) if self.centered else s) + self.eps)
        + u = g / (sqrt(s - m * m if self.centered else s) + self.eps)
    """),
    Mutant("a3.6", "the new d", """
        + s *= self.rho
        + s += (1 - self.rho) * g * g
        + d *= self.rho
        + delta = sqrt(d + self.eps) / sqrt(s + self.eps) * g
        + d += (1 - self.rho) * delta * delta
        + p -= lr * delta
    """),
    Mutant("a3.6", "ε outside of the roots", """
        - delta = sqrt(d + self.eps) / sqrt(s + self.eps) * g
        + delta = (sqrt(d) + self.eps) / (sqrt(s) + self.eps) * g
    """),
    Mutant("a3.6", "d remembers nothing", """
        - d += (1 - self.rho) * delta * delta
        + pass
    """),
    Mutant("a3.6", "RMSProp", """
        - delta = sqrt(d + self.eps) / sqrt(s + self.eps) * g
        + delta = 1 / sqrt(s + self.eps) * g
    """),
    Mutant("a3.6", "d remembers η Δ", """
        - d += (1 - self.rho) * delta * delta
        + d += (1 - self.rho) * (lr * delta) ** 2
    """),
    Mutant("a3.7", "no hats", """
        - m_hat, v_hat = m / (1 - self.beta1**t), v / (1 - self.beta2**t)
        + m_hat, v_hat = m, v
    """),
    Mutant("a3.7", "hats that do not grow", """
        - m_hat, v_hat = m / (1 - self.beta1**t), v / (1 - self.beta2**t)
        + m_hat, v_hat = m / (1 - self.beta1), v / (1 - self.beta2)
    """),
    Mutant("a3.7", "hats that stay", """
        - m_hat, v_hat = m / (1 - self.beta1**t), v / (1 - self.beta2**t)
        + m /= 1 - self.beta1**t; m_hat, v_hat = m, v / (1 - self.beta2**t)
    """),
    Mutant("a3.7", "hats one step late", """
        - m_hat, v_hat = m / (1 - self.beta1**t), v / (1 - self.beta2**t)
        + m_hat, v_hat = m / (1 - self.beta1**(t + 1)), v / (1 - self.beta2**(t + 1))
    """),
    Mutant("a3.7", "ε under the root", """
        - p -= lr * m_hat / (sqrt(v_hat) + self.eps)
        + p -= lr * m_hat / sqrt(v_hat + self.eps)
    """),
    Mutant("a3.7", "no top", """
        - if self.amsgrad:
        + if False:
    """),
    Mutant("a3.7", "a top that is not kept", """
        -     v = namespace(v).maximum(top, v, out=top)
        +     v = namespace(v).maximum(top, v)
    """),
    Mutant("a3.8", "a straight exponential", """
        - return lambda t: lr * gamma ** (t // every)
        + return lambda t: lr * gamma ** (t / every)
    """),
    Mutant("a3.8", "one step late", """
        - return lambda t: lr * gamma ** (t // every)
        + return lambda t: lr * gamma ** (max(t - 1, 0) // every)
    """),
    Mutant("a3.8", "falls once only", """
        - return lambda t: lr * gamma ** (t // every)
        + return lambda t: lr * gamma ** (min(t // every, 1))
    """),
    Mutant("a3.9", "goes on after the end", """
        - return lambda t: lr + (lr_end - lr) * min(t, steps) / steps
        + return lambda t: lr + (lr_end - lr) * t / steps
    """),
    Mutant("a3.9", "one step short of the end", """
        - return lambda t: lr + (lr_end - lr) * min(t, steps) / steps
        + return lambda t: lr + (lr_end - lr) * min(t, steps - 1) / steps
    """),
    Mutant("a3.9", "to zero", """
        - return lambda t: lr + (lr_end - lr) * min(t, steps) / steps
        + return lambda t: lr + -lr * min(t, steps) / steps
    """),
    Mutant("a3.9", "back to the start", """
        - return lambda t: lr + (lr_end - lr) * min(t, steps) / steps
        + return lambda t: lr_end + (lr - lr_end) * min(t, steps) / steps
    """),
    Mutant("a3.10", "rises again", """
        - share = (1 + math.cos(math.pi * min(t, steps) / steps)) / 2
        + share = (1 + math.cos(math.pi * t / steps)) / 2
    """),
    Mutant("a3.10", "a whole wave", """
        - share = (1 + math.cos(math.pi * min(t, steps) / steps)) / 2
        + share = (1 + math.cos(2 * math.pi * min(t, steps) / steps)) / 2
    """),
    Mutant("a3.10", "to zero", """
        - return lr_min + (lr - lr_min) * share
        + return lr * share
    """),
    Mutant("a3.10", "half of it", """
        - share = (1 + math.cos(math.pi * min(t, steps) / steps)) / 2
        + share = (math.cos(math.pi * min(t, steps) / steps)) / 2
    """),
    Mutant("a3.11", "starts at 0", """
        - return lambda t: lr * min((t + 1) / w, math.sqrt(w / (t + 1)))
        + return lambda t: lr * min(t / w, math.sqrt(w / (t + 1)))
    """),
    Mutant("a3.11", "no root", """
        - return lambda t: lr * min((t + 1) / w, math.sqrt(w / (t + 1)))
        + return lambda t: lr * min((t + 1) / w, w / (t + 1))
    """),
    Mutant("a3.11", "no warm-up", """
        - return lambda t: lr * min((t + 1) / w, math.sqrt(w / (t + 1)))
        + return lambda t: lr * math.sqrt(w / (t + 1))
    """),
    Mutant("a3.11", "the root forgets w", """
        - return lambda t: lr * min((t + 1) / w, math.sqrt(w / (t + 1)))
        + return lambda t: lr * min((t + 1) / w, (t + 1) ** -0.5)
    """),
    Mutant("a3.12", "loses patience too early", """
        - if self.bad > self.patience:
        + if self.bad >= self.patience:
    """),
    Mutant("a3.12", "counts all that was ever bad", """
        -     self.best, self.bad = metric, 0
        +     self.best = metric
    """),
    Mutant("a3.12", "the last in place of the best", """
        -     self.bad += 1
        +     self.bad += 1; self.best = metric
    """),
    Mutant("a3.12", "never rests", """
        -     self.resting, self.bad = self.cooldown, 0
        +     self.bad = 0
    """),
    Mutant("a3.12", "reduces again and again", """
        -     self.resting, self.bad = self.cooldown, 0
        +     self.resting = self.cooldown
    """),
    Mutant("a3.12", "small is better", """
        - if self.better(metric):
        + if metric < self.best:
    """),
]
# fmt: on
