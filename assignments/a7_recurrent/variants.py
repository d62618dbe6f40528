"""Right answers that are written in another way: each must keep all its points."""

from minidl_course import Variant

# fmt: off
VARIANTS = [
    Variant("a7.1", "the one-hot product", """
        + from minidl.backend import namespace
        + xp = namespace(weight)
        + hot = (i[..., None] == xp.arange(shape[0])).astype(weight.dtype)
        + y = hot @ weight
        + def backward(g):
        +     ones = hot if pad is None else hot * (xp.arange(shape[0]) != pad)
        +     ones = ones.reshape(-1, shape[0]).astype(weight.dtype)
        +     return ones.T @ g.reshape((-1, shape[1]))
    """),
    Variant("a7.1", "padding by a product", """
        - g = where((i == pad)[..., None], 0.0, g)
        + g = g * (i != pad)[..., None].astype(weight.dtype)
    """),
    Variant("a7.2", "sech² by a difference", """
        + h_new = tanh(u + z)
        + def back(dh):
        +     d = dh - dh * h_new**2
        +     return d, d, 0
    """),
    Variant("a7.2", "tanh computed again", """
        - dz = dh * (1 - h_new * h_new)
        + dz = (1 - tanh(z + u)) * (1 + tanh(z + u)) * dh
    """),
    Variant("a7.3", "line by line", """
        + dx = (wx @ dz.T).T
        + dwx = x.T @ dz
        + db = dz.sum(axis=0)
        + dh = straight
        + dh = dh + du @ wh.T
        + dwh = (du.T @ h).T
        + dbh = du.sum(axis=0)
    """),
    Variant("a7.4", "by cases", """
        + before[t], u = state[0], affine(state[0], wh, bh)
        + new, backs[t] = step(z[t], u, *state)
        + if on[t] is None:
        +     state = new
        +     ys[t] = new[0]
        + else:
        +     ys[t] = where(on[t], new[0], 0.0)
        +     state = tuple(where(on[t], a, b) for a, b in zip(new, state))
    """),
    Variant("a7.5", "sums over time in the loop", """
        + dwx = dwh = 0.0
        + for t in reversed(list(times)):
        +     first, *others = dstate
        +     arrived = chosen(on[t], (dys[t] + first, *others))
        +     dzs[t], dus[t], *old = backs[t](*arrived)
        +     old[0] = old[0] + dus[t] @ wh.T
        +     dstate = passed(on[t], tuple(old), dstate)
        +     dwx = dwx + x[:, t].T @ dzs[t]
        +     dwh = dwh + before[t].T @ dus[t]
        + dz, du = stack(dzs, axis=1), stack(dus, axis=1)
        + dx = stack([d @ wx.T for d in dzs], axis=1)
    """),
    Variant("a7.6", "by slices, three gates at once", """
        + n = c.shape[1]
        + a = u + z
        + s = sigmoid(a[:, : 3 * n])
        + i, f, o = s[:, :n], s[:, n : 2 * n], s[:, 2 * n :]
        + g = tanh(a[:, 3 * n :])
        + c_new = i * g + f * c
        + squashed = tanh(c_new)
        + h_new = squashed * o
    """),
    Variant("a7.7", "one gate after the other", """
        + total = dc_new + o * dh - o * dh * squashed**2
        + di = total * g * i - total * g * i**2
        + df = total * c * f * (1 - f)
        + do = dh * squashed * o * (1 - o)
        + dg = total * i * (1 - g) * (1 + g)
        + dz = concatenate([di, df, do, dg], axis=1)
        + dc = f * total
    """),
    Variant("a7.8", "only if it is too long, without 10⁻⁶", """
        + total = sums.max()
        + if norm_type != np.inf:
        +     total = xp.sum(sums) ** (1 / norm_type)
        + if total > max_norm:
        +     for _, p in pairs:
        +         p.grad[...] = p.grad * (max_norm / total)
    """),
    Variant("a7.9", "row by row", """
        + n = self.times
        + x = np.stack([tokens[k * n : (k + 1) * n] for k in range(rows)])
        + y = np.stack([tokens[k * n + 1 : (k + 1) * n + 1] for k in range(rows)])
    """),
    Variant("a7.10", "detached at once", """
        + state = None
        + if self._last == now:
        +     state = self._state
        + scores, after = self.model(x, state)
        + self._state = nn.detach_state(after)
        + self._last = now
    """),
    Variant("a7.11", "the class on axis 1, and a sum by hand", """
        + moved = ops.transpose(scores, axes=(0, 2, 1))
        + losses = ops.cross_entropy(
        +     moved, y, ignore_index=ignore_index, reduction="none"
        + )
        + return losses.sum() / float((y != ignore_index).sum())
    """),
    Variant("a7.12", "row by row, in place", """
        + scores, state = read(given, state)
        + token = choose(scores).copy()
        + if end is not None:
        +     token[over] = end
        +     over = token == end
        + given = token.reshape(-1, 1)
        + written = np.hstack([written, given])
        + if all(over):
        +     break
    """),
    Variant("a7.13", "in two steps, by the log-sum-exp", """
        + s = z / temperature
        + s = s - s.max(axis=1, keepdims=True)
        + p = np.exp(s - np.log(np.exp(s).sum(axis=1, keepdims=True)))
    """),
    Variant("a7.13", "ops.softmax", """
        + p = np.asarray(ops.softmax(z / temperature, axis=1))
    """),
]
# fmt: on
