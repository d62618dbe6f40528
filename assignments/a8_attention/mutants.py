"""Typical wrong answers: each must lose points of its own task, and of no other."""

from minidl_course import Mutant

# fmt: off
MUTANTS = [
    Mutant("a8.1", "keys before queries", """
        - return tanh(q[..., :, None, :] + k[..., None, :, :]) @ v
        + return tanh(q[..., None, :, :] + k[..., :, None, :]) @ v
    """),
    Mutant("a8.1", "tanh of each", """
        - return tanh(q[..., :, None, :] + k[..., None, :, :]) @ v
        + return (tanh(q[..., :, None, :]) + tanh(k[..., None, :, :])) @ v
    """),
    Mutant("a8.1", "v before tanh", """
        - return tanh(q[..., :, None, :] + k[..., None, :, :]) @ v
        + return tanh((q[..., :, None, :] + k[..., None, :, :]) @ v)
    """),
    Mutant("a8.1", "a product, not a sum", """
        - return tanh(q[..., :, None, :] + k[..., None, :, :]) @ v
        + return tanh(q[..., :, None, :] * k[..., None, :, :]) @ v
    """),
    Mutant("a8.1", "three axes only", """
        - return tanh(q[..., :, None, :] + k[..., None, :, :]) @ v
        + return tanh(q[:, :, None] + k[:, None]) @ v
    """),
    Mutant("a8.1", "np.tanh", """
        - return tanh(q[..., :, None, :] + k[..., None, :, :]) @ v
        + import numpy as np
        + return np.tanh(values(q)[..., :, None, :] + values(k)[..., None, :, :]) @ values(v)
    """),
    Mutant("a8.2", "masked after the softmax", """
        - if mask is not None:
        -     truth = values(mask).dtype.kind == "b"
        -     s = where(values(mask), s, NEVER) if truth else s + mask
        + late, mask = mask, None
        + truth = late is not None and values(late).dtype.kind == "b"
        + s = s if truth or late is None else s + late
        - return e / where(values(total) == 0, 1.0, total)
        + p = e / where(values(total) == 0, 1.0, total)
        + return where(values(late), p, 0.0) if truth else p
    """),
    Mutant("a8.2", "over the queries", """
        - top = values(s).max(axis=-1, keepdims=True)  # it cancels, so it is a constant
        + top = values(s).max(axis=-2, keepdims=True)
        - total = e.sum(axis=-1, keepdims=True)
        + total = e.sum(axis=-2, keepdims=True)
    """),
    Mutant("a8.2", "the mask inverted", """
        - s = where(values(mask), s, NEVER) if truth else s + mask
        + s = where(values(mask), NEVER, s) if truth else s + mask
    """),
    Mutant("a8.2", "a score of 0 where hidden", """
        - s = where(values(mask), s, NEVER) if truth else s + mask
        + s = where(values(mask), s, 0.0) if truth else s + mask
    """),
    Mutant("a8.2", "−10⁹ in place of −∞", """
        - s = where(values(mask), s, NEVER) if truth else s + mask
        + s = where(values(mask), s, -1e9) if truth else s + mask
    """),
    Mutant("a8.2", "truth values added", """
        - s = where(values(mask), s, NEVER) if truth else s + mask
        + s = s + mask
    """),
    Mutant("a8.2", "numbers taken for truth", """
        - s = where(values(mask), s, NEVER) if truth else s + mask
        + s = where(values(mask) != NEVER, s, NEVER)
    """),
    Mutant("a8.2", "−∞ less −∞", """
        - e = exp(s - where(top == NEVER, 0.0, top))
        + e = exp(s - top)
    """),
    Mutant("a8.2", "0 / 0", """
        - return e / where(values(total) == 0, 1.0, total)
        + return e / total
    """),
    Mutant("a8.2", "no maximum", """
        - e = exp(s - where(top == NEVER, 0.0, top))
        + e = exp(s)
    """),
    Mutant("a8.2", "the largest of all queries", """
        - top = values(s).max(axis=-1, keepdims=True)  # it cancels, so it is a constant
        + top = values(s).max(keepdims=True)
    """),
    Mutant("a8.2", "no Tensors", """
        - e = exp(s - where(top == NEVER, 0.0, top))
        + e = exp(values(s) - where(top == NEVER, 0.0, top))
    """),
    Mutant("a8.2", "written into s", """
        - s = where(values(mask), s, NEVER) if truth else s + mask
        + s -= where(values(mask), 0.0, -NEVER) if truth else -mask
    """),
    Mutant("a8.3", "the mask ignored", """
        - p = ops.masked_softmax(s, mask)
        + p = ops.masked_softmax(s)
    """),
    Mutant("a8.3", "scores for weights", """
        - context = ops.matmul(p, value)
        + context = ops.matmul(s, value)
    """),
    Mutant("a8.3", "softmax over the queries", """
        - p = ops.masked_softmax(s, mask)
        + p = ops.softmax(s if mask is None else ops.where(mask, s, -1e30), axis=1)
    """),
    Mutant("a8.3", "the best value alone", """
        - context = ops.matmul(p, value)
        + best = values(p).argmax(axis=-1)
        + context = np.take_along_axis(values(value), best[..., None], axis=1)
    """),
    Mutant("a8.3", "a mean of all values", """
        - context = ops.matmul(p, value)
        + context = ops.matmul(p, value) / value.shape[1]
    """),
    Mutant("a8.4", "not scaled", """
        - s = (q * scale) @ k.swapaxes(-1, -2)
        + s = q @ k.swapaxes(-1, -2)
    """),
    Mutant("a8.4", "divided by D", """
        - scale = 1 / math.sqrt(q.shape[-1])
        + scale = 1 / q.shape[-1]
    """),
    Mutant("a8.4", "the root of the number of keys", """
        - scale = 1 / math.sqrt(q.shape[-1])
        + scale = 1 / math.sqrt(k.shape[-2])
    """),
    Mutant("a8.4", "times the root", """
        - scale = 1 / math.sqrt(q.shape[-1])
        + scale = math.sqrt(q.shape[-1])
    """),
    Mutant("a8.4", "all axes turned round", """
        - s = (q * scale) @ k.swapaxes(-1, -2)
        + s = (q * scale) @ k.T
    """),
    Mutant("a8.4", "scaled twice", """
        - s = (q * scale) @ k.swapaxes(-1, -2)
        + s = (q * scale) @ (k * scale).swapaxes(-1, -2)
    """),
    Mutant("a8.4", "a given scale ignored", """
        - if scale is None:
        -     scale = 1 / math.sqrt(q.shape[-1])
        + scale = 1 / math.sqrt(q.shape[-1])
    """),
    Mutant("a8.4", "written into q", """
        - s = (q * scale) @ k.swapaxes(-1, -2)
        + q *= scale
        + s = q @ k.swapaxes(-1, -2)
    """),
    Mutant("a8.5", "no scale in dk", """
        - dk = ds.swapaxes(-1, -2) @ q * scale
        + dk = ds.swapaxes(-1, -2) @ q
    """),
    Mutant("a8.5", "no scale in dq", """
        - dq = ds @ k * scale
        + dq = ds @ k
    """),
    Mutant("a8.5", "the scale within ds", """
        - ds = p * (dp - (p * dp).sum(axis=-1, keepdims=True))
        + ds = p * (dp - (p * dp).sum(axis=-1, keepdims=True)) * scale
        - dq = ds @ k * scale
        + dq = ds @ k
        - dk = ds.swapaxes(-1, -2) @ q * scale
        + dk = ds.swapaxes(-1, -2) @ q
    """),
    Mutant("a8.5", "softmax without its sum", """
        - ds = p * (dp - (p * dp).sum(axis=-1, keepdims=True))
        + ds = p * dp
    """),
    Mutant("a8.5", "p (1 − p)", """
        - ds = p * (dp - (p * dp).sum(axis=-1, keepdims=True))
        + ds = p * (1 - p) * dp
    """),
    Mutant("a8.5", "the sum over the queries", """
        - ds = p * (dp - (p * dp).sum(axis=-1, keepdims=True))
        + ds = p * (dp - (p * dp).sum(axis=-2, keepdims=True))
    """),
    Mutant("a8.5", "dq and dk swapped", """
        - dq = ds @ k * scale
        + dq = ds.swapaxes(-1, -2) @ q * scale
        - dk = ds.swapaxes(-1, -2) @ q * scale
        + dk = ds @ k * scale
    """),
    Mutant("a8.5", "through the scores, not the weights", """
        - dv = used.swapaxes(-1, -2) @ g
        + dv = s.swapaxes(-1, -2) @ g
    """),
    Mutant("a8.5", "ds for dp in dq", """
        - dq = ds @ k * scale
        + dq = dp @ k * scale
    """),
    Mutant("a8.5", "dv by weights before dropout", """
        - dv = used.swapaxes(-1, -2) @ g
        + dv = p.swapaxes(-1, -2) @ g
    """),
    Mutant("a8.5", "dropout forgotten on the way back", """
        - dp = dropped(g @ v.swapaxes(-1, -2))
        + dp = g @ v.swapaxes(-1, -2)
    """),
    Mutant("a8.5", "softmax of the dropped weights", """
        - ds = p * (dp - (p * dp).sum(axis=-1, keepdims=True))
        + ds = used * (dp - (used * dp).sum(axis=-1, keepdims=True))
    """),
    Mutant("a8.5", "the scale is always 1 / √D", """
        - dq = ds @ k * scale
        + dq = ds @ k / math.sqrt(k.shape[-1])
        - dk = ds.swapaxes(-1, -2) @ q * scale
        + dk = ds.swapaxes(-1, -2) @ q / math.sqrt(q.shape[-1])
    """),
    Mutant("a8.5", "no gradient of the gradient", """
        - dp = dropped(g @ v.swapaxes(-1, -2))
        + dp = dropped(values(g) @ values(v).swapaxes(-1, -2))
    """),
    Mutant("a8.6", "not at itself", """
        - return xp.arange(n_keys) <= now
        + return xp.arange(n_keys) < now
    """),
    Mutant("a8.6", "at the future", """
        - return xp.arange(n_keys) <= now
        + return xp.arange(n_keys) >= now
    """),
    Mutant("a8.6", "the first query at the first key", """
        - now = xp.arange(n_queries)[:, None] + (n_keys - n_queries)
        + now = xp.arange(n_queries)[:, None]
    """),
    Mutant("a8.6", "numbers, not truth values", """
        - return xp.arange(n_keys) <= now
        + return (xp.arange(n_keys) <= now) * 1.0
    """),
    Mutant("a8.6", "every query sees one key at least", """
        - now = xp.arange(n_queries)[:, None] + (n_keys - n_queries)
        + now = xp.maximum(xp.arange(n_queries)[:, None] + (n_keys - n_queries), 0)
    """),
    Mutant("a8.6", "keys by queries", """
        - return xp.arange(n_keys) <= now
        + return (xp.arange(n_keys) <= now).T
    """),
    Mutant("a8.7", "reshaped at once", """
        - cut = ops.reshape(x, shape=(n, length, heads, d // heads))
        - parts: Tensor = cut.swapaxes(1, 2)
        + parts = ops.reshape(x, shape=(n, heads, length, d // heads))
    """),
    Mutant("a8.7", "every other feature", """
        - cut = ops.reshape(x, shape=(n, length, heads, d // heads))
        - parts: Tensor = cut.swapaxes(1, 2)
        + cut = ops.reshape(x, shape=(n, length, d // heads, heads))
        + parts = cut.swapaxes(2, 3).swapaxes(1, 2)
    """),
    Mutant("a8.7", "tokens before heads", """
        - parts: Tensor = cut.swapaxes(1, 2)
        + parts = cut
    """),
    Mutant("a8.7", "all features for every head", """
        - cut = ops.reshape(x, shape=(n, length, heads, d // heads))
        - parts: Tensor = cut.swapaxes(1, 2)
        + parts = ops.stack([x] * heads, axis=1)
    """),
    Mutant("a8.8", "joined without the swap", """
        - x: Tensor = ops.reshape(parts.swapaxes(1, 2), shape=(n, length, heads * size))
        + x = ops.reshape(parts, shape=(n, length, heads * size))
    """),
    Mutant("a8.8", "the mean of the heads", """
        - x: Tensor = ops.reshape(parts.swapaxes(1, 2), shape=(n, length, heads * size))
        + x = ops.concatenate([parts.mean(axis=1)] * heads, axis=-1)
    """),
    Mutant("a8.8", "the heads take turns", """
        - x: Tensor = ops.reshape(parts.swapaxes(1, 2), shape=(n, length, heads * size))
        + turned = parts.swapaxes(1, 2).swapaxes(2, 3)
        + x = ops.reshape(turned, shape=(n, length, heads * size))
    """),
    Mutant("a8.8", "the last head first", """
        - x: Tensor = ops.reshape(parts.swapaxes(1, 2), shape=(n, length, heads * size))
        + turned = ops.flip(parts, axis=1).swapaxes(1, 2)
        + x = ops.reshape(turned, shape=(n, length, heads * size))
    """),
    Mutant("a8.9", "reshaped without the swap", """
        - flat: Tensor = ops.reshape(y, shape=(n, d, h * w)).swapaxes(1, 2)
        + flat = ops.reshape(y, shape=(n, h * w, d))
    """),
    Mutant("a8.9", "column by column", """
        - flat: Tensor = ops.reshape(y, shape=(n, d, h * w)).swapaxes(1, 2)
        + flat = ops.reshape(y.swapaxes(2, 3), shape=(n, d, h * w)).swapaxes(1, 2)
    """),
    Mutant("a8.9", "features are the tokens", """
        - flat: Tensor = ops.reshape(y, shape=(n, d, h * w)).swapaxes(1, 2)
        + flat = ops.reshape(y, shape=(n, d, h * w))
    """),
    Mutant("a8.9", "rows are the tokens", """
        - flat: Tensor = ops.reshape(y, shape=(n, d, h * w)).swapaxes(1, 2)
        + flat = y.mean(axis=3).swapaxes(1, 2)
    """),
    Mutant("a8.10", "sines first, then cosines", """
        - p[:, 0::2] = np.sin(angle)
        - p[:, 1::2] = np.cos(angle[:, : dim // 2])
        + p[:, : (dim + 1) // 2] = np.sin(angle)
        + p[:, (dim + 1) // 2 :] = np.cos(angle[:, : dim // 2])
    """),
    Mutant("a8.10", "twice 2k", """
        - k = np.arange(0, dim, 2)
        + k = 2 * np.arange(0, dim, 2)
    """),
    Mutant("a8.10", "k for 2k", """
        - k = np.arange(0, dim, 2)
        + k = np.arange((dim + 1) // 2)
    """),
    Mutant("a8.10", "in degrees", """
        - p[:, 0::2] = np.sin(angle)
        - p[:, 1::2] = np.cos(angle[:, : dim // 2])
        + p[:, 0::2] = np.sin(np.deg2rad(angle))
        + p[:, 1::2] = np.cos(np.deg2rad(angle[:, : dim // 2]))
    """),
    Mutant("a8.10", "counted from 1", """
        - angle = np.arange(length)[:, None] * np.exp(k * (-math.log(10000) / dim))
        + angle = np.arange(1, length + 1)[:, None] * np.exp(k * (-math.log(10000) / dim))
    """),
    Mutant("a8.10", "cosines of the next pair", """
        - p[:, 1::2] = np.cos(angle[:, : dim // 2])
        + p[:, 1::2] = np.cos(angle[:, -(dim // 2) :] / 10000 ** (1 / dim))
    """),
    Mutant("a8.10", "even D only", """
        - p[:, 1::2] = np.cos(angle[:, : dim // 2])
        + p[:, 1::2] = np.cos(angle)
    """),
    Mutant("a8.10", "faster and faster", """
        - angle = np.arange(length)[:, None] * np.exp(k * (-math.log(10000) / dim))
        + angle = np.arange(length)[:, None] * np.exp(k * (math.log(10000) / dim))
    """),
    Mutant("a8.11", "no shortcut", """
        - x = x + self.dropout(f(norm(x)))
        + x = self.dropout(f(norm(x)))
        - x = norm(x + self.dropout(f(x)))
        + x = norm(self.dropout(f(x)))
    """),
    Mutant("a8.11", "a norm on the shortcut", """
        - x = x + self.dropout(f(norm(x)))
        + x = norm(x) + self.dropout(f(norm(x)))
    """),
    Mutant("a8.11", "pre and post swapped", """
        - if self.norm_first:
        + if not self.norm_first:
    """),
    Mutant("a8.11", "dropout on the sum", """
        - x = x + self.dropout(f(norm(x)))
        + x = self.dropout(x + f(norm(x)))
        - x = norm(x + self.dropout(f(x)))
        + x = norm(self.dropout(x + f(x)))
    """),
    Mutant("a8.11", "no dropout", """
        - x = x + self.dropout(f(norm(x)))
        + x = x + f(norm(x))
        - x = norm(x + self.dropout(f(x)))
        + x = norm(x + f(x))
    """),
    Mutant("a8.11", "the norm of f alone", """
        - x = norm(x + self.dropout(f(x)))
        + x = x + norm(self.dropout(f(x)))
    """),
    Mutant("a8.11", "always pre", """
        - x = norm(x + self.dropout(f(x)))
        + x = x + self.dropout(f(norm(x)))
    """),
    Mutant("a8.12", "the memory first", """
        - x = self._around(self.norm1, lambda z: self.self_attn(z, **own), x)
        - x = self._around(self.norm2, look, x)
        + x = self._around(self.norm2, look, x)
        + x = self._around(self.norm1, lambda z: self.self_attn(z, **own), x)
    """),
    Mutant("a8.12", "no look at itself", """
        - x = self._around(self.norm1, lambda z: self.self_attn(z, **own), x)
        + pass
    """),
    Mutant("a8.12", "a look at the future", """
        - x = self._around(self.norm1, lambda z: self.self_attn(z, **own), x)
        + x = self._around(self.norm1, self.self_attn, x)
    """),
    Mutant("a8.12", "no feed-forward", """
        - y = self._around(self.norm3, self._feed_forward, x)
        + y = x
    """),
    Mutant("a8.12", "one norm for all", """
        - x = self._around(self.norm2, look, x)
        + x = self._around(self.norm1, look, x)
        - y = self._around(self.norm3, self._feed_forward, x)
        + y = self._around(self.norm1, self._feed_forward, x)
    """),
    Mutant("a8.12", "no shortcut past the memory", """
        - x = self._around(self.norm2, look, x)
        + x = look(self.norm2(x))
    """),
    Mutant("a8.12", "the cache forgotten", """
        - x = self._around(self.norm1, lambda z: self.self_attn(z, **own), x)
        + x = self._around(self.norm1, lambda z: self.self_attn(z, causal=causal), x)
    """),
    Mutant("a8.12", "all parts side by side", """
        - x = self._around(self.norm2, look, x)
        - y = self._around(self.norm3, self._feed_forward, x)
        + z = self._around(self.norm2, look, x)
        + y = z + self._around(self.norm3, self._feed_forward, x) - x
    """),
    Mutant("a8.13", "always from place 0", """
        - x = self.positions(self.embedding(tokens), start=start)
        + x = self.positions(self.embedding(tokens))
    """),
    Mutant("a8.13", "one place too near", """
        - start = 0 if cache is None else len(cache)
        + start = 0 if cache is None or not len(cache) else len(cache) - 1
    """),
    Mutant("a8.13", "the cache is not handed on", """
        - x = block(x, causal=True, cache=cache)
        + x = block(x, causal=True)
    """),
    Mutant("a8.13", "a look at the future", """
        - x = block(x, causal=True, cache=cache)
        + x = block(x, cache=cache)
    """),
    Mutant("a8.13", "causal without a cache only", """
        - x = block(x, causal=True, cache=cache)
        + x = block(x, causal=cache is None, cache=cache)
    """),
    Mutant("a8.13", "no positions", """
        - x = self.positions(self.embedding(tokens), start=start)
        + x = self.embedding(tokens)
    """),
    Mutant("a8.13", "the first block alone", """
        - for block in self.blocks:
        + for block in list(self.blocks)[:1]:
    """),
    Mutant("a8.13", "a shortcut too many", """
        - x = block(x, causal=True, cache=cache)
        + x = x + block(x, causal=True, cache=cache)
    """),
    Mutant("a8.14", "the best of each beam", """
        - total, best = ops.topk(ways, k, axis=1)
        + best = log_p.reshape(n, k, v).argmax(axis=2) + np.arange(k) * v
        + total = np.take_along_axis(ways, best, axis=1)
    """),
    Mutant("a8.14", "whose and which swapped", """
        - rows = best // v + np.arange(n)[:, None] * k
        - token = best % v
        + rows = best % v % k + np.arange(n)[:, None] * k
        + token = best // v
    """),
    Mutant("a8.14", "divided by k", """
        - rows = best // v + np.arange(n)[:, None] * k
        - token = best % v
        + rows = best // k % k + np.arange(n)[:, None] * k
        + token = best % k
    """),
    Mutant("a8.14", "beams counted in their own sequence", """
        - rows = best // v + np.arange(n)[:, None] * k
        + rows = best // v
    """),
    Mutant("a8.14", "the total forgotten", """
        - ways = (total[..., None] + log_p.reshape(n, k, v)).reshape(n, k * v)
        + ways = log_p.reshape(n, k * v)
    """),
    Mutant("a8.14", "p added", """
        - ways = (total[..., None] + log_p.reshape(n, k, v)).reshape(n, k * v)
        + ways = (total[..., None] + np.exp(log_p).reshape(n, k, v)).reshape(n, k * v)
    """),
    Mutant("a8.14", "the worst", """
        - total, best = ops.topk(ways, k, axis=1)
        + total, best = ops.topk(-ways, k, axis=1)
        + total = -total
    """),
    Mutant("a8.14", "log p multiplied", """
        - ways = (total[..., None] + log_p.reshape(n, k, v)).reshape(n, k * v)
        + ways = (total[..., None] * log_p.reshape(n, k, v)).reshape(n, k * v)
    """),
]
# fmt: on
