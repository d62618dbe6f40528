"""Typical wrong answers: each must lose points of its own task, and of no other."""

from minidl_course import Mutant

# fmt: off
MUTANTS = [
    Mutant("a7.1", "the last one wins", """
        - return Scatter(i, g, shape)
        + import numpy as np; dw = np.zeros(shape, g.dtype); dw[i] = g; return dw
    """),
    Mutant("a7.1", "padding moves", """
        - if pad is not None:
        + if False:
    """),
    Mutant("a7.1", "a column of the table", """
        - y = weight[i]
        + y = weight[:, i % weight.shape[1]]
    """),
    Mutant("a7.1", "padding is read as 0", """
        - y = weight[i]
        + y = weight[i] if pad is None else where((i == pad)[..., None], 0.0, weight[i])
    """),
    Mutant("a7.1", "g written into", """
        - g = where((i == pad)[..., None], 0.0, g)
        + g[i == pad] = 0
    """),
    Mutant("a7.1", "the first token's gradient alone", """
        - return Scatter(i, g, shape)
        + return Scatter(i[..., :1], g[..., :1, :], shape)
    """),
    Mutant("a7.2", "1 − h", """
        - dz = dh * (1 - h_new * h_new)
        + dz = dh * (1 - h_new)
    """),
    Mutant("a7.2", "the slope at h′, not at z + u", """
        - dz = dh * (1 - h_new * h_new)
        + dz = dh * (1 - tanh(h_new) * tanh(h_new))
    """),
    Mutant("a7.2", "h added", """
        - h_new = tanh(z + u)
        + h_new = h + tanh(z + u)
    """),
    Mutant("a7.2", "without u", """
        - h_new = tanh(z + u)
        + h_new = tanh(z)
    """),
    Mutant("a7.2", "the slope at the old h", """
        - dz = dh * (1 - h_new * h_new)
        + dz = dh * (1 - h * h)
    """),
    Mutant("a7.2", "h passes beside u", """
        - return dz, dz, 0.0
        + return dz, dz, dh
    """),
    Mutant("a7.2", "written into z", """
        - h_new = tanh(z + u)
        + z += u; h_new = tanh(z)
    """),
    Mutant("a7.2", "np.tanh", """
        - h_new = tanh(z + u)
        + import numpy as np; from minidl.engine.tensor import values; h_new = np.tanh(values(z) + values(u))
    """),
    Mutant("a7.3", "dh only through u", """
        - dh, dwh, dbh = du @ wh.T + straight, h.T @ du, du.sum(axis=0)
        + dh, dwh, dbh = du @ wh.T, h.T @ du, du.sum(axis=0)
    """),
    Mutant("a7.3", "dh only beside u", """
        - dh, dwh, dbh = du @ wh.T + straight, h.T @ du, du.sum(axis=0)
        + dh, dwh, dbh = straight + 0 * h, h.T @ du, du.sum(axis=0)
    """),
    Mutant("a7.3", "dz for du", """
        - dh, dwh, dbh = du @ wh.T + straight, h.T @ du, du.sum(axis=0)
        + dh, dwh, dbh = dz @ wh.T + straight, h.T @ dz, dz.sum(axis=0)
    """),
    Mutant("a7.3", "wx not transposed", """
        - dx, dwx, db = dz @ wx.T, x.T @ dz, dz.sum(axis=0)
        + dx, dwx, db = dz @ wx, x.T @ dz, dz.sum(axis=0)
    """),
    Mutant("a7.3", "db is a mean", """
        - dx, dwx, db = dz @ wx.T, x.T @ dz, dz.sum(axis=0)
        + dx, dwx, db = dz @ wx.T, x.T @ dz, dz.mean(axis=0)
    """),
    Mutant("a7.3", "db not summed", """
        - dx, dwx, db = dz @ wx.T, x.T @ dz, dz.sum(axis=0)
        + dx, dwx, db = dz @ wx.T, x.T @ dz, dz
    """),
    Mutant("a7.3", "dwh transposed", """
        - dh, dwh, dbh = du @ wh.T + straight, h.T @ du, du.sum(axis=0)
        + dh, dwh, dbh = du @ wh.T + straight, du.T @ h, du.sum(axis=0)
    """),
    Mutant("a7.4", "the state is not handed on", """
        - state = chosen(on[t], new, state)
        + first = state; state = first
    """),
    Mutant("a7.4", "y is the state before", """
        - (ys[t],) = chosen(on[t], new[:1])
        + ys[t] = before[t]
    """),
    Mutant("a7.4", "h after, kept as the one before", """
        - state = chosen(on[t], new, state)
        + state = chosen(on[t], new, state); before[t] = state[0]
    """),
    Mutant("a7.4", "nobody waits", """
        - state = chosen(on[t], new, state)
        + state = new
    """),
    Mutant("a7.4", "y of who waits is the old state", """
        - (ys[t],) = chosen(on[t], new[:1])
        + ys[t] = state[0]
    """),
    Mutant("a7.4", "who waits forgets", """
        - state = chosen(on[t], new, state)
        + state = chosen(on[t], new)
    """),
    Mutant("a7.4", "always forwards in time", """
        - (ys[t],) = chosen(on[t], new[:1])
        + (ys[t],) = chosen(on[t], new[:1]); ys[:] = ys if times[0] <= times[-1] else ys[::-1]
    """),
    Mutant("a7.4", "the other state is not handed on", """
        - state = chosen(on[t], new, state)
        + state = chosen(on[t], (new[0], *state[1:]), state)
    """),
    Mutant("a7.4", "h wh without its bias", """
        - new, backs[t] = step(z[t], affine(state[0], wh, bh), *state)
        + new, backs[t] = step(z[t], state[0] @ wh, *state)
    """),
    Mutant("a7.5", "from y[t] alone", """
        - arrived = chosen(on[t], (dstate[0] + dys[t], *dstate[1:]))
        + arrived = chosen(on[t], (dys[t] * 1, *dstate[1:]))
    """),
    Mutant("a7.5", "from the next step alone", """
        - arrived = chosen(on[t], (dstate[0] + dys[t], *dstate[1:]))
        + arrived = chosen(on[t], dstate)
    """),
    Mutant("a7.5", "the first step first", """
        - for t in times[::-1]:
        + for t in times:
    """),
    Mutant("a7.5", "weights hear the first step only", """
        - dx, dwx, dwh = dz @ wx.T, over_time(x, dz), over_time(h, du)
        + dx, dwx, dwh = dz @ wx.T, x[:, 0].T @ dz[:, 0], h[:, 0].T @ du[:, 0]
    """),
    Mutant("a7.5", "the last state's gradient dropped", """
        - for t in times[::-1]:
        + dstate = tuple(0 * d for d in dstate)
        + for t in times[::-1]:
    """),
    Mutant("a7.5", "h after in place of h before", """
        - dz, du, h = (stack(several, axis=1) for several in (dzs, dus, before))
        + dz, du, h = (stack(several, axis=1) for several in (dzs, dus, ys))
    """),
    Mutant("a7.5", "nothing beside u", """
        - through = (dus[t] @ wh.T + straight, *rest)
        + through = (dus[t] @ wh.T, *rest)
    """),
    Mutant("a7.5", "one step back, no further", """
        - through = (dus[t] @ wh.T + straight, *rest)
        + through = (0 * (dus[t] @ wh.T + straight), *rest)
    """),
    Mutant("a7.5", "what waited is lost", """
        - dstate = passed(on[t], through, dstate)
        + dstate = through
    """),
    Mutant("a7.5", "padding is told something", """
        - arrived = chosen(on[t], (dstate[0] + dys[t], *dstate[1:]))
        + arrived = (dstate[0] + dys[t], *dstate[1:])
    """),
    Mutant("a7.5", "a mean over time", """
        - dx, dwx, dwh = dz @ wx.T, over_time(x, dz), over_time(h, du)
        + dx, dwx, dwh = dz @ wx.T, over_time(x, dz) / len(z), over_time(h, du) / len(z)
    """),
    Mutant("a7.6", "PyTorch's order: i, f, g, o", """
        - zi, zf, zo, zg = split(z + u, sections=4, axis=1)
        + zi, zf, zg, zo = split(z + u, sections=4, axis=1)
    """),
    Mutant("a7.6", "σ for the new", """
        - i, f, o, g = sigmoid(zi), sigmoid(zf), sigmoid(zo), tanh(zg)
        + i, f, o, g = sigmoid(zi), sigmoid(zf), sigmoid(zo), sigmoid(zg)
    """),
    Mutant("a7.6", "no tanh on the cell", """
        - squashed = tanh(c_new)
        + squashed = c_new
    """),
    Mutant("a7.6", "f and i swapped", """
        - c_new = f * c + i * g
        + c_new = i * c + f * g
    """),
    Mutant("a7.6", "1 − i in place of f", """
        - c_new = f * c + i * g
        + c_new = (1 - i) * c + i * g
    """),
    Mutant("a7.6", "h shows the old cell", """
        - h_new = o * squashed
        + h_new = o * tanh(c)
    """),
    Mutant("a7.6", "σ by exp, which overflows", """
        - i, f, o, g = sigmoid(zi), sigmoid(zf), sigmoid(zo), tanh(zg)
        + from minidl.ops.elementwise import exp
        + i, f, o = (exp(a) / (1 + exp(a)) for a in (zi, zf, zo)); g = tanh(zg)
    """),
    Mutant("a7.6", "written into z", """
        - zi, zf, zo, zg = split(z + u, sections=4, axis=1)
        + z += u; zi, zf, zo, zg = split(z, sections=4, axis=1)
    """),
    Mutant("a7.7", "nothing comes straight", """
        - dc_new = dc_new + dh * o * (1 - squashed * squashed)
        + dc_new = dh * o * (1 - squashed * squashed)
    """),
    Mutant("a7.7", "nothing comes through h′", """
        - dc_new = dc_new + dh * o * (1 - squashed * squashed)
        + pass
    """),
    Mutant("a7.7", "f forgotten on the straight path", """
        - dc = dc_new * f
        + dc = dc_new * 1
    """),
    Mutant("a7.7", "σ′ for the new", """
        - dz = concatenate([dzi, dzf, dzo, dg * (1 - g * g)], axis=1)
        + dz = concatenate([dzi, dzf, dzo, dg * g * (1 - g)], axis=1)
    """),
    Mutant("a7.7", "c for tanh(c)", """
        - dc_new = dc_new + dh * o * (1 - squashed * squashed)
        + dc_new = dc_new + dh * o * (1 - c_new * c_new)
    """),
    Mutant("a7.7", "the new cell for the old one", """
        - di, df, dg = dc_new * g, dc_new * c, dc_new * i
        + di, df, dg = dc_new * g, dc_new * c_new, dc_new * i
    """),
    Mutant("a7.7", "no slope of σ", """
        - dzi, dzf, dzo = di * i * (1 - i), df * f * (1 - f), do * o * (1 - o)
        + dzi, dzf, dzo = di, df, do
    """),
    Mutant("a7.7", "o forgotten", """
        - dc_new = dc_new + dh * o * (1 - squashed * squashed)
        + dc_new = dc_new + dh * (1 - squashed * squashed)
    """),
    Mutant("a7.7", "the gates in another order", """
        - dz = concatenate([dzi, dzf, dzo, dg * (1 - g * g)], axis=1)
        + dz = concatenate([dzi, dzf, dg * (1 - g * g), dzo], axis=1)
    """),
    Mutant("a7.7", "written into dc_new", """
        - dc_new = dc_new + dh * o * (1 - squashed * squashed)
        + dc_new += dh * o * (1 - squashed * squashed)
    """),
    Mutant("a7.8", "each gradient by its own norm", """
        - for _, p in pairs:
        -     p.grad *= factor
        + for k, (_, p) in enumerate(pairs):
        +     p.grad *= xp.minimum(max_norm / (sums[k] ** 0.5 + 1e-6), 1)
    """),
    Mutant("a7.8", "always scaled", """
        - factor = xp.minimum(max_norm / (total + 1e-6), 1)
        + factor = max_norm / (total + 1e-6)
    """),
    Mutant("a7.8", "each number by itself", """
        - for _, p in pairs:
        -     p.grad *= factor
        + for _, p in pairs:
        +     xp.clip(p.grad, -max_norm, max_norm, out=p.grad)
    """),
    Mutant("a7.8", "the square of the norm", """
        - total = sums.max() if norm_type == float("inf") else sums.sum() ** (1 / norm_type)
        + total = sums.sum()
    """),
    Mutant("a7.8", "the norm after clipping", """
        - for _, p in pairs:
        -     p.grad *= factor
        + for _, p in pairs:
        +     p.grad *= factor
        + total = total * factor
    """),
    Mutant("a7.8", "the sum of the norms", """
        - total = sums.max() if norm_type == float("inf") else sums.sum() ** (1 / norm_type)
        + total = sums.max() if norm_type == float("inf") else (sums ** (1 / norm_type)).sum()
    """),
    Mutant("a7.8", "the longest alone", """
        - total = sums.max() if norm_type == float("inf") else sums.sum() ** (1 / norm_type)
        + total = sums.max() if norm_type == float("inf") else sums.max() ** (1 / norm_type)
    """),
    Mutant("a7.9", "columns first", """
        - x = tokens[:used].reshape(rows, self.times)
        - y = tokens[1 : used + 1].reshape(rows, self.times)
        + x = tokens[:used].reshape(self.times, rows).T
        + y = tokens[1 : used + 1].reshape(self.times, rows).T
    """),
    Mutant("a7.9", "y = x", """
        - y = tokens[1 : used + 1].reshape(rows, self.times)
        + y = x
    """),
    Mutant("a7.9", "y two later", """
        - y = tokens[1 : used + 1].reshape(rows, self.times)
        + y = np.roll(tokens, -2)[:used].reshape(rows, self.times)
    """),
    Mutant("a7.9", "y from the beginning of its own row", """
        - y = tokens[1 : used + 1].reshape(rows, self.times)
        + y = np.roll(x, -1, axis=1)
    """),
    Mutant("a7.9", "the first tokens left over", """
        - x = tokens[:used].reshape(rows, self.times)
        + tokens = tokens[-used - 1 :]; x = tokens[:used].reshape(rows, self.times)
    """),
    Mutant("a7.10", "no end to the past", """
        - before = nn.detach_state(self._state) if self._last == now else None
        + before = self._state if self._last == now else None
    """),
    Mutant("a7.10", "always anew", """
        - before = nn.detach_state(self._state) if self._last == now else None
        + before = None
    """),
    Mutant("a7.10", "never anew", """
        - before = nn.detach_state(self._state) if self._last == now else None
        + before = nn.detach_state(self._state) if self._last[1] else None
    """),
    Mutant("a7.10", "the mode does not count", """
        - before = nn.detach_state(self._state) if self._last == now else None
        + before = nn.detach_state(self._state) if self._last[1] == len(x) else None
    """),
    Mutant("a7.10", "the first state for ever", """
        - scores, self._state = self.model(x, before)
        + scores, state = self.model(x, before)
        + self._state = state if self._last != now else self._state
    """),
    Mutant("a7.10", "the scores detached, too", """
        - self._last = now
        + self._last = now; scores = nn.detach_state(scores)
    """),
    Mutant("a7.10", "no tuples", """
        - before = nn.detach_state(self._state) if self._last == now else None
        + before = self._state.detach() if self._last == now else None
    """),
    Mutant("a7.11", "padding counts", """
        - return ops.cross_entropy(flat, labels, ignore_index=ignore_index)
        + return ops.cross_entropy(flat, ops.where(labels == ignore_index, 0, labels))
    """),
    Mutant("a7.11", "divided by all places", """
        - return ops.cross_entropy(flat, labels, ignore_index=ignore_index)
        + return ops.cross_entropy(flat, labels, ignore_index=ignore_index, reduction="none").mean()
    """),
    Mutant("a7.11", "the mean of the rows' means", """
        - return ops.cross_entropy(flat, labels, ignore_index=ignore_index)
        + rows = [ops.cross_entropy(a, b, ignore_index=ignore_index) for a, b in zip(scores, y)]
        + return sum(rows) / len(rows)
    """),
    Mutant("a7.11", "the sum", """
        - return ops.cross_entropy(flat, labels, ignore_index=ignore_index)
        + return ops.cross_entropy(flat, labels, ignore_index=ignore_index, reduction="sum")
    """),
    Mutant("a7.11", "divided by the rows", """
        - return ops.cross_entropy(flat, labels, ignore_index=ignore_index)
        + return ops.cross_entropy(flat, labels, ignore_index=ignore_index, reduction="sum") / len(y)
    """),
    Mutant("a7.11", "rows and times mixed up", """
        - labels = ops.reshape(y, shape=(-1,))
        + labels = ops.reshape(y.T, shape=(-1,))
    """),
    Mutant("a7.12", "all read again, with the state", """
        - given = token[:, None]
        + given = np.concatenate([given, token[:, None]], axis=1)
    """),
    Mutant("a7.12", "the state is not handed on", """
        - scores, state = read(given, state)
        + scores, _ = read(given, state)
    """),
    Mutant("a7.12", "stops at the first END", """
        - if over.all():
        + if over.any():
    """),
    Mutant("a7.12", "never stops early", """
        - if over.all():
        -     break
        + pass
    """),
    Mutant("a7.12", "goes on after END", """
        -     token = np.where(over, end, token)
        +     token = token * 1
    """),
    Mutant("a7.12", "reads the prompt again", """
        - given = token[:, None]
        + given = given
    """),
    Mutant("a7.12", "nobody is ever over", """
        -     over |= token == end
        +     pass
    """),
    Mutant("a7.13", "probabilities divided", """
        - p = np.exp((z - z.max(axis=1, keepdims=True)) / temperature)
        + p = np.exp(z - z.max(axis=1, keepdims=True)) / temperature
    """),
    Mutant("a7.13", "times the temperature", """
        - p = np.exp((z - z.max(axis=1, keepdims=True)) / temperature)
        + p = np.exp((z - z.max(axis=1, keepdims=True)) * temperature)
    """),
    Mutant("a7.13", "no maximum", """
        - p = np.exp((z - z.max(axis=1, keepdims=True)) / temperature)
        + p = np.exp(z / temperature)
    """),
    Mutant("a7.13", "the largest of all rows", """
        - p = np.exp((z - z.max(axis=1, keepdims=True)) / temperature)
        + p = np.exp((z - z.max()) / temperature)
    """),
    Mutant("a7.13", "over the rows", """
        - p /= p.sum(axis=1, keepdims=True)
        + p /= p.sum(axis=0, keepdims=True)
    """),
    Mutant("a7.13", "does not add up to 1", """
        - p /= p.sum(axis=1, keepdims=True)
        + pass
    """),
]
# fmt: on
