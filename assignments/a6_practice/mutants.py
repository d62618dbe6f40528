"""Typical wrong answers: each must lose points of its own task, and of no other."""

from minidl_course import Mutant

# fmt: off
MUTANTS = [
    Mutant("a6.1", "classes that occur in the batch", """
        - expected = float(loss(scores * 0, y))
        + expected = math.log(len(set(np.asarray(y).tolist())))
    """),
    Mutant("a6.1", "the logarithm of the batch size", """
        - expected = float(loss(scores * 0, y))
        + expected = math.log(len(scores))
    """),
    Mutant("a6.1", "logarithm to the base 2", """
        - expected = float(loss(scores * 0, y))
        + expected = math.log2(scores.shape[1])
    """),
    Mutant("a6.1", "log K, whatever the loss", """
        - expected = float(loss(scores * 0, y))
        + expected = math.log(scores.shape[1])
    """),
    Mutant("a6.1", "the loss of the scores as they are", """
        - expected = float(loss(scores * 0, y))
        + expected = float(loss(scores, y))
    """),
    Mutant("a6.1", "a tenth of a nat", """
        - if abs(ratio - 1) <= NEAR:
        + if abs(first - expected) <= NEAR:
    """),
    Mutant("a6.1", "right from below only", """
        - if abs(ratio - 1) <= NEAR:
        + if 1 - NEAR <= ratio <= 1:
    """),
    Mutant("a6.1", "nan is spread", """
        - verdict = "low" if ratio < 1 else "spread" if ratio <= HIGH else "high"
        + verdict = "low" if ratio < 1 else "high" if ratio > HIGH else "spread"
    """),
    Mutant("a6.2", "steps when i % k is 0, from i = 0", """
        - if self.waiting == self.k:
        -     self.flush()
        + i = getattr(self, "i", 0)
        + if i % self.k == 0:
        +     self.flush()
        + self.i = i + 1
    """),
    Mutant("a6.2", "one too late", """
        - if self.waiting == self.k:
        + if self.waiting > self.k:
    """),
    Mutant("a6.2", "steps each time", """
        - if self.waiting == self.k:
        -     self.flush()
        + self.flush()
    """),
    Mutant("a6.2", "all sizes alike", """
        - (loss if size == 1 else loss * size).backward()
        + loss.backward()
    """),
    Mutant("a6.2", "the total counts micro-batches", """
        - self.waiting, self.total = self.waiting + 1, self.total + size
        + self.waiting, self.total = self.waiting + 1, self.total + 1
    """),
    Mutant("a6.2", "divided by k here, too", """
        - (loss if size == 1 else loss * size).backward()
        + (loss * (size / self.k)).backward()
    """),
    Mutant("a6.3", "a sum", """
        - p.grad *= 1 / self.total
        + p.grad *= 1.0
    """),
    Mutant("a6.3", "a rest is divided by k", """
        - p.grad *= 1 / self.total
        + p.grad *= self.waiting / self.total / self.k
    """),
    Mutant("a6.3", "divided by how many wait", """
        - p.grad *= 1 / self.total
        + p.grad *= 1 / self.waiting
    """),
    Mutant("a6.3", "a rest is thrown away", """
        - self.optimizer.step()
        + if self.waiting == self.k:
        +     self.optimizer.step()
    """),
    Mutant("a6.3", "gradients stay", """
        - self.optimizer.zero_grad()
        + pass
    """),
    Mutant("a6.3", "the total stays", """
        - self.waiting, self.total = 0, 0.0
        + self.waiting = 0
    """),
    Mutant("a6.3", "before_step comes after the step", """
        - if self.before_step is not None:
        -     self.before_step()
        - self.optimizer.step()
        + self.optimizer.step()
        + for p in params:
        +     p.grad *= 0
        + if self.before_step is not None:
        +     self.before_step()
    """),
    Mutant("a6.3", "before_step sees the sum", """
        - for p in params:
        -     p.grad *= 1 / self.total
        - if self.before_step is not None:
        -     self.before_step()
        + if self.before_step is not None:
        +     self.before_step()
        + for p in params:
        +     p.grad *= 1 / self.total
    """),
    Mutant("a6.4", "rows and columns exchanged", """
        - tp, called, support = counts
        + tp, support, called = counts
    """),
    Mutant("a6.4", "the arithmetic mean of precision and recall", """
        - part, whole = shared.get(name, (2 * tp, called + support))
        + both = (tp * (called + support), 2 * called * support)
        + part, whole = shared.get(name, both)
    """),
    Mutant("a6.4", "TP once only", """
        - part, whole = shared.get(name, (2 * tp, called + support))
        + part, whole = shared.get(name, (tp, called + support))
    """),
    Mutant("a6.4", "TP counted twice below as well", """
        - part, whole = shared.get(name, (2 * tp, called + support))
        + part, whole = shared.get(name, (2 * tp, 2 * tp + called + support))
    """),
    Mutant("a6.4", "nan for 0 / 0", """
        - shares = np.where(whole == 0, zero, part / np.maximum(whole, 1))
        + shares = np.where(whole == 0, np.nan, part / np.maximum(whole, 1))
    """),
    Mutant("a6.4", "micro is macro", """
        - if average == "micro":
        -     counts = [n.sum(keepdims=True) for n in counts]
        + pass
    """),
    Mutant("a6.4", "all classes, whichever are asked for", """
        - counts = [c.diagonal()[at], c.sum(axis=0)[at], c.sum(axis=1)[at]]
        + counts = [c.diagonal(), c.sum(axis=0), c.sum(axis=1)]
    """),
    Mutant("a6.5", "p^γ", """
        - losses = -log_p * exp(gamma * log_rest) * weight
        + losses = -log_p * exp(gamma * log_p) * weight
    """),
    Mutant("a6.5", "γ times", """
        - losses = -log_p * exp(gamma * log_rest) * weight
        + losses = -log_p * exp(log_rest) * gamma * weight
    """),
    Mutant("a6.5", "the logarithm of a probability", """
        - log_p, log_rest = -softplus(-m), -softplus(m)
        + with np.errstate(all="ignore"):
        +     log_p, log_rest = log(sigmoid(m)), log(1 - sigmoid(m))
    """),
    Mutant("a6.5", "no weights", """
        - losses = -log_p * exp(gamma * log_rest) * weight
        + losses = -log_p * exp(gamma * log_rest)
    """),
    Mutant("a6.5", "the sign", """
        - losses = -log_p * exp(gamma * log_rest) * weight
        + losses = log_p * exp(gamma * log_rest) * weight
    """),
    Mutant("a6.5", "m the wrong way round", """
        - log_p, log_rest = -softplus(-m), -softplus(m)
        + log_p, log_rest = -softplus(m), -softplus(-m)
    """),
    Mutant("a6.5", "γ is always 2", """
        - losses = -log_p * exp(gamma * log_rest) * weight
        + losses = -log_p * exp(2 * log_rest) * weight
    """),
    Mutant("a6.5", "the factor is a constant", """
        - losses = -log_p * exp(gamma * log_rest) * weight
        + losses = -log_p * exp(gamma * values(log_rest)) * weight
    """),
    Mutant("a6.6", "uniform", """
        - value = float(self.low * (self.high / self.low) ** u)
        + value = self.low + u * (self.high - self.low)
    """),
    Mutant("a6.6", "logarithm and power of different bases", """
        - value = float(self.low * (self.high / self.low) ** u)
        + a, b = math.log(self.low), math.log(self.high)
        + value = 10 ** (a + u * (b - a))
    """),
    Mutant("a6.6", "ends exchanged", """
        - value = float(self.low * (self.high / self.low) ** u)
        + value = float(self.high * (self.low / self.high) ** u)
    """),
    Mutant("a6.6", "whole decades only", """
        - value = float(self.low * (self.high / self.low) ** u)
        + a, b = math.log10(self.low), math.log10(self.high)
        + value = 10.0 ** round(a + u * (b - a))
    """),
    Mutant("a6.6", "logarithms without a sign", """
        - value = float(self.low * (self.high / self.low) ** u)
        + a, b = abs(math.log(self.low)), abs(math.log(self.high))
        + value = math.exp(-(a + u * (b - a)))
    """),
    Mutant("a6.7", "the rate of the smallest mean", """
        - suggestion = math.sqrt(steepest * lowest / 3)
        + suggestion = lowest
    """),
    Mutant("a6.7", "the arithmetic mean", """
        - suggestion = math.sqrt(steepest * lowest / 3)
        + suggestion = (steepest + lowest / 3) / 2
    """),
    Mutant("a6.7", "the smallest loss, not the smallest mean", """
        - bottom = BURN_IN + int(np.argmin(means[BURN_IN:]))
        + bottom = BURN_IN + int(np.argmin(losses[BURN_IN:]))
    """),
    Mutant("a6.7", "BURN_IN not added again", """
        - bottom = BURN_IN + int(np.argmin(means[BURN_IN:]))
        + bottom = int(np.argmin(means[BURN_IN:]))
    """),
    Mutant("a6.7", "from the first step on", """
        - bottom = BURN_IN + int(np.argmin(means[BURN_IN:]))
        + bottom = max(BURN_IN, int(np.argmin(means)))
    """),
    Mutant("a6.7", "slopes after the minimum, too", """
        - slopes = [_slope(np.log(rates), means, t) for t in range(BURN_IN, bottom + 1)]
        + slopes = [_slope(np.log(rates), means, t) for t in range(BURN_IN, end)]
    """),
    Mutant("a6.7", "the steepest rise", """
        - at = BURN_IN + int(np.argmin(slopes))
        + at = BURN_IN + int(np.argmax(slopes))
    """),
    Mutant("a6.7", "over the rate, not its logarithm", """
        - slopes = [_slope(np.log(rates), means, t) for t in range(BURN_IN, bottom + 1)]
        + slopes = [_slope(rates, means, t) for t in range(BURN_IN, bottom + 1)]
    """),
    Mutant("a6.8", "the difference of the lengths", """
        - return norm(steps) / norm(before)
        + return abs(norm(after) - norm(before)) / norm(before)
    """),
    Mutant("a6.8", "the mean of the ratios", """
        - return norm(steps) / norm(before)
        + ratios = [norm([s]) / norm([w]) for s, w in zip(steps, before, strict=True)]
        + return sum(ratios) / len(ratios)
    """),
    Mutant("a6.8", "in lengths of the new weights", """
        - return norm(steps) / norm(before)
        + return norm(steps) / norm([2 * w for w in after]) * 2.01
    """),
    Mutant("a6.8", "the largest change", """
        - return norm(steps) / norm(before)
        + return max(abs(s).max() for s in steps) / max(abs(w).max() for w in before)
    """),
    Mutant("a6.8", "squares", """
        - return norm(steps) / norm(before)
        + return (norm(steps) / norm(before)) ** 2
    """),
    Mutant("a6.9", "from the first point to the last", """
        - slope = float(x @ y) / spread
        + slope = float(y[-1] - y[0])
    """),
    Mutant("a6.9", "not divided by the spread", """
        - slope = float(x @ y) / spread
        + slope = float(x @ y) / n
    """),
    Mutant("a6.9", "n in place of n − 2", """
        - sigma = math.sqrt(float(residuals @ residuals) / (n - 2))
        + sigma = math.sqrt(float(residuals @ residuals) / n)
    """),
    Mutant("a6.9", "the deviation around the mean", """
        - residuals = y - y.mean() - slope * x
        + residuals = y - y.mean()
    """),
    Mutant("a6.9", "the mean forgotten", """
        - residuals = y - y.mean() - slope * x
        + residuals = y - slope * x
    """),
    Mutant("a6.9", "the error of a mean", """
        - error = sigma / math.sqrt(spread)
        + error = sigma / math.sqrt(n)
    """),
    Mutant("a6.9", "the deviation itself", """
        - error = sigma / math.sqrt(spread)
        + error = sigma
    """),
    Mutant("a6.10", "no look at the noise", """
        - overfits = learns and large and clear and trend.line(val[best:]).t > 3
        + overfits = learns and large and trend.line(val[best:]).t > 3
    """),
    Mutant("a6.10", "no look at training", """
        - overfits = learns and large and clear and trend.line(val[best:]).t > 3
        + overfits = large and clear and trend.line(val[best:]).t > 3
    """),
    Mutant("a6.10", "however small", """
        - overfits = learns and large and clear and trend.line(val[best:]).t > 3
        + overfits = learns and rise > 0 and clear and trend.line(val[best:]).t > 3
    """),
    Mutant("a6.10", "no look at the slope", """
        - overfits = learns and large and clear and trend.line(val[best:]).t > 3
        + overfits = learns and large and clear
    """),
    Mutant("a6.10", "the slope of the whole curve", """
        - overfits = learns and large and clear and trend.line(val[best:]).t > 3
        + overfits = learns and large and clear and trend.line(val).t > 3
    """),
    Mutant("a6.10", "without a training loss nothing can be said", """
        - learns = not len(train) or train[-1] <= 0.9 * trend.at(train, place)
        + learns = len(train) > 0 and train[-1] <= 0.9 * trend.at(train, place)
    """),
    Mutant("a6.10", "training compared with its beginning", """
        - learns = not len(train) or train[-1] <= 0.9 * trend.at(train, place)
        + learns = not len(train) or train[-1] <= 0.9 * train[0]
    """),
    Mutant("a6.11", "blocks", """
        - fold[order] = np.arange(n) % self.k
        + fold[order] = np.arange(n) * self.k // n
    """),
    Mutant("a6.11", "dealt out unshuffled", """
        - fold[order] = np.arange(n) % self.k
        + fold[:] = np.arange(n) % self.k
    """),
    Mutant("a6.11", "order modulo k", """
        - fold[order] = np.arange(n) % self.k
        + fold[:] = order % self.k
    """),
    Mutant("a6.11", "each sample draws a fold", """
        - fold[order] = np.arange(n) % self.k
        + fold[:] = np.random.default_rng(int(order[0])).integers(self.k, size=n)
    """),
    Mutant("a6.11", "place and number exchanged", """
        - fold[order] = np.arange(n) % self.k
        + fold[:] = (np.arange(n) % self.k)[order]
    """),
    Mutant("a6.12", "without replacement", """
        - drawn = g.integers(n, size=n)
        + drawn = g.permutation(n)
    """),
    Mutant("a6.12", "eight tenths", """
        - drawn = g.integers(n, size=n)
        + drawn = g.integers(n, size=int(0.8 * n))
    """),
    Mutant("a6.12", "the rest is everything", """
        - never = np.setdiff1d(np.arange(n), drawn)
        + never = np.arange(n)
    """),
    Mutant("a6.12", "those drawn once belong to the rest", """
        - never = np.setdiff1d(np.arange(n), drawn)
        + never = np.flatnonzero(np.bincount(drawn, minlength=n) < 2)
    """),
    Mutant("a6.12", "the last sample is never drawn", """
        - drawn = g.integers(n, size=n)
        + drawn = g.integers(n - 1, size=n)
    """),
    Mutant("a6.13", "1 / (n + 1)", """
        - w = 1 / n
        + w = 1 / (n + 1)
    """),
    Mutant("a6.13", "d and 1 − d exchanged", """
        - w = 1 - (min(decay, n / (n + 9)) if warmup else decay)
        + w = min(decay, n / (n + 9)) if warmup else decay
    """),
    Mutant("a6.13", "begins at 0", """
        - if decay is None or n == 1:
        + if decay is None:
    """),
    Mutant("a6.13", "no warm-up", """
        - w = 1 - (min(decay, n / (n + 9)) if warmup else decay)
        + w = 1 - decay
    """),
    Mutant("a6.13", "the larger of the two", """
        - w = 1 - (min(decay, n / (n + 9)) if warmup else decay)
        + w = 1 - (max(decay, n / (n + 9)) if warmup else decay)
    """),
    Mutant("a6.14", "the softmax of the mean scores", """
        - mean = (w[:, None] * p).sum(axis=1)
        + mean = ops.softmax((w[:, None] * scores).sum(axis=1), axis=1)
    """),
    Mutant("a6.14", "votes", """
        - mean = (w[:, None] * p).sum(axis=1)
        + votes = 1.0 * (scores == scores.max(axis=2, keepdims=True))
        + mean = (w[:, None] * votes).sum(axis=1)
    """),
    Mutant("a6.14", "softmax over the members", """
        - p = ops.softmax(scores, axis=2)
        + p = ops.softmax(scores, axis=1)
    """),
    Mutant("a6.14", "weights that do not sum to 1", """
        - w = weights / weights.sum()
        + w = weights
    """),
    Mutant("a6.14", "all members alike", """
        - w = weights / weights.sum()
        + w = weights * 0 + 1 / len(weights)
    """),
    Mutant("a6.14", "the whole entropy", """
        - disagreement = entropy(mean) - (w * entropy(p)).sum(axis=1)
        + disagreement = entropy(mean)
    """),
    Mutant("a6.14", "the sign of the disagreement", """
        - disagreement = entropy(mean) - (w * entropy(p)).sum(axis=1)
        + disagreement = (w * entropy(p)).sum(axis=1) - entropy(mean)
    """),
]
# fmt: on
