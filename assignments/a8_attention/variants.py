"""Right answers that are written in another way: each must keep all its points."""

from minidl_course import Variant

# fmt: off
VARIANTS = [
    Variant("a8.1", "query by query", """
        + from minidl.ops.joining import stack
        + rows = [tanh(q[..., i : i + 1, :] + k) @ v for i in range(q.shape[-2])]
        + return stack(rows, axis=-2)
    """),
    Variant("a8.1", "the sum of a product", """
        + met = tanh(k[..., None, :, :] + q[..., :, None, :])
        + return (met * v).sum(axis=-1)
    """),
    Variant("a8.2", "by cases, and hidden ones set to 0 after exp", """
        + if mask is None:
        +     seen = values(s) == values(s)
        + elif values(mask).dtype == bool:
        +     seen = values(mask) & (values(s) == values(s))
        + else:
        +     s = s + mask
        +     seen = values(s) > NEVER
        + low = where(seen, values(s), -1e30).max(axis=-1, keepdims=True)
        + e = where(seen, exp(where(seen, s - low, 0.0)), 0.0)
        + total = e.sum(axis=-1, keepdims=True)
        + return e / (total + (values(total) == 0))
    """),
    Variant("a8.2", "a number for −∞ as the largest", """
        - e = exp(s - where(top == NEVER, 0.0, top))
        + e = exp(s - where(top < -1e30, 1.0, top))
    """),
    Variant("a8.3", "a sum over the keys", """
        + p = ops.masked_softmax(s, mask)
        + context = 0.0
        + for j in range(value.shape[1]):
        +     context = context + p[:, :, j : j + 1] * value[:, j : j + 1]
    """),
    Variant("a8.4", "scaled afterwards", """
        + if scale is None:
        +     scale = q.shape[-1] ** -0.5
        + s = q @ k.swapaxes(-2, -1) * scale
    """),
    Variant("a8.4", "transposed, keys first", """
        + scale = 1 / math.sqrt(k.shape[-1]) if scale is None else scale
        + s = (k @ q.swapaxes(-1, -2)).swapaxes(-1, -2) * scale
    """),
    Variant("a8.5", "everything, wanted or not", """
        + dp = dropped(g @ v.swapaxes(-2, -1))
        + both = p * dp
        + ds = both - p * both.sum(axis=-1, keepdims=True)
        + dv = used.swapaxes(-2, -1) @ g
        + dq = (ds * scale) @ k
        + dk = ((q * scale).swapaxes(-2, -1) @ ds).swapaxes(-2, -1)
    """),
    Variant("a8.5", "the sum by the output", """
        - ds = p * (dp - (p * dp).sum(axis=-1, keepdims=True))
        + ds = p * (dp - (g * (used @ v)).sum(axis=-1, keepdims=True))
    """),
    Variant("a8.6", "a lower triangle", """
        + return xp.tri(n_queries, n_keys, n_keys - n_queries, dtype=bool)
    """),
    Variant("a8.6", "counted from the end", """
        + back = xp.arange(n_queries)[::-1, None]
        + return xp.arange(n_keys)[::-1] >= back
    """),
    Variant("a8.7", "head by head", """
        + size = x.shape[2] // heads
        + parts = ops.stack(
        +     [x[:, :, i * size : (i + 1) * size] for i in range(heads)], axis=1
        + )
    """),
    Variant("a8.8", "side by side", """
        + x = ops.concatenate([parts[:, i] for i in range(parts.shape[1])], axis=-1)
    """),
    Variant("a8.9", "features last, then flat", """
        + moved = ops.transpose(y, axes=(0, 2, 3, 1))
        + flat = ops.reshape(moved, shape=(y.shape[0], -1, y.shape[1]))
    """),
    Variant("a8.10", "column by column", """
        + p, t = np.empty((length, dim)), np.arange(length)
        + for i in range(dim):
        +     angle = t / 10000 ** ((i - i % 2) / dim)
        +     p[:, i] = np.cos(angle) if i % 2 else np.sin(angle)
    """),
    Variant("a8.10", "a cosine is a sine, a quarter later", """
        + i = np.arange(dim)
        + angle = np.arange(length)[:, None] * 10000.0 ** (-2 * (i // 2) / dim)
        + p = np.sin(angle + (i % 2) * (np.pi / 2))
    """),
    Variant("a8.11", "step by step", """
        + z = f(norm(x) if self.norm_first else x)
        + x = self.dropout(z) + x
        + x = x if self.norm_first else norm(x)
    """),
    Variant("a8.12", "three functions in a loop", """
        + y = x
        + for norm, f in (
        +     (self.norm1, lambda z: self.self_attn(z, **own)),
        +     (self.norm2, look),
        +     (self.norm3, self._feed_forward),
        + ):
        +     y = self._around(norm, f, y)
    """),
    Variant("a8.13", "places by 0 or the cache's length, blocks by number", """
        + before = len(cache) if cache is not None else 0
        + x = self.embedding(tokens)
        + x = self.positions(x, start=before)
        + for i in range(len(self.blocks)):
        +     x = self.blocks[i](x, cache=cache, causal=True)
    """),
    Variant("a8.14", "sorted, sequence by sequence", """
        + sums = total.reshape(n * k, 1) + log_p
        + rows, token, found = [], [], []
        + for i in range(n):
        +     own = sums[i * k : (i + 1) * k].reshape(-1)
        +     order = np.argsort(-own, kind="stable")[:k]
        +     found.append(own[order])
        +     rows.append(i * k + order // v)
        +     token.append(order % v)
        + total, rows, token = np.array(found), np.array(rows), np.array(token)
    """),
    Variant("a8.14", "divmod, and np.argsort", """
        + ways = log_p.reshape(n, k, v) + total[:, :, None]
        + ways = ways.reshape(n, -1)
        + best = np.argsort(-ways, axis=1, kind="stable")[:, :k]
        + total = np.take_along_axis(ways, best, axis=1)
        + rows, token = np.divmod(best, v)
        + rows = rows + k * np.arange(n).reshape(-1, 1)
    """),
]
# fmt: on
