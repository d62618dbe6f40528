"""What is asked of the engine: arrays by name go in, arrays by name come out.

Throughout:  u, v = ∂L/∂ of what comes out, drawn at random    dx = ∂L/∂x
             ddx = ∂/∂x Σ (all first ones)²
A gradient that never arrives is left out of the answer.
"""
# ruff: noqa: D103  what each one asks, its row says

import numpy as np

import minidl as md
from minidl import Tensor, models, nn, ops, optim
from minidl.models import AlignedChunks, Stateful
from minidl.ops import recurrent


def leaves(**arrays):
    """Tensors that gradients shall reach, by their names."""
    return {n: Tensor(x, requires_grad=True) for n, x in arrays.items()}


def gradients(ys, us, **inputs):
    """∂L/∂x of each input, where ∂L/∂y = u for each output."""
    found = md.grad(ys, list(inputs.values()), us, allow_unused=True)
    pairs = zip(inputs, found, strict=True)
    return {f"d{n}": g for n, g in pairs if g is not None}


def again(ys, us, **inputs):
    """The gradient of the gradient: only a way back that speaks Tensor has one."""
    first = md.grad(ys, list(inputs.values()), us, create_graph=True)
    total = sum((ops.sum(g * g) for g in first), start=Tensor(0.0, dtype=ys[0].dtype))
    second = md.grad(total, list(inputs.values()), allow_unused=True)
    pairs = zip(inputs, second, strict=True)
    return {f"dd{n}": g for n, g in pairs if g is not None}


# a7.1


def taken(i, weight):
    return {"y": ops.embedding(i, weight), "i": i}


def taken_dw(i, weight, u):
    w = leaves(w=weight)
    return {**gradients([ops.embedding(i, w["w"])], [u], **w), "u": u}


def taken_padded(i, weight, padding, u):
    w = leaves(w=weight)
    y = ops.embedding(i, w["w"], padding_idx=int(padding))
    return {"y": y, **gradients([y], [u], **w)}


def taken_du(i, weight, padding, u):
    """The way back is linear in u: what is its own way back?"""
    w, u = leaves(w=weight), leaves(u=u)
    y = ops.embedding(i, w["w"], padding_idx=int(padding))
    (dw,) = md.grad(y, [w["w"]], u["u"], create_graph=True)
    return gradients([ops.sum(dw * dw)], None, **u)


# a7.2


def tanh_step(z, u, h):
    """The new state; z, u and h must stay as they are."""
    (new,), _ = recurrent._rnn_step("tanh")(z, u, h)
    return {"new": new, "z": z, "u": u, "h": h}


def tanh_back(z, u, h, g):
    _, back = recurrent._rnn_step("tanh")(z, u, h)
    dz, du, dh = back(g)
    return {"dz": dz, "du": du, "dh": np.zeros_like(h) + dh, "g": g}


def tanh_again(z, u, h, g):
    """The step on Tensors, and the gradient of dz + 2 du."""
    x = leaves(z=z, u=u, h=h, g=g)
    (new,), back = recurrent._rnn_step("tanh")(x["z"], x["u"], x["h"])
    dz, du, _ = back(x["g"])
    return gradients([ops.sum(new * new) + ops.sum((dz + 2 * du) ** 2)], None, **x)


# a7.3


def gru_one_step(x, h, wx, wh, b, bh, u):
    """A GRU's step: part of h passes beside h wh, and dz is not du."""
    x = leaves(x=x, h=h, wx=wx, wh=wh, b=b, bh=bh)
    return {**gradients([ops.gru_cell(*x.values())], [u], **x), "u": u}


def rnn_one_step(x, h, wx, wh, b, u):
    x = leaves(x=x, h=h, wx=wx, wh=wh, b=b)
    return gradients([ops.rnn_cell(*x.values())], [u], **x)


def lstm_one_step(x, h, c, wx, wh, b, u, v):
    x = leaves(x=x, h=h, c=c, wx=wx, wh=wh, b=b)
    return gradients([*ops.lstm_cell(*x.values())], [u, v], **x)


def gru_one_step_again(x, h, wx, wh, b, bh, u):
    x = leaves(x=x, h=h, wx=wx, wh=wh, b=b, bh=bh)
    return again([ops.gru_cell(*x.values())], [u], **x)


# a7.4, a7.5


def gru_over_time(x, h, wx, wh, b, bh):
    y, last = ops.gru(x, h, wx, wh, b, bh)
    return {"y": y, "last": last, "h": h}


def gru_waits(x, h, wx, wh, b, bh, mask, reverse=False):
    y, last = ops.gru(x, h, wx, wh, b, bh, mask, reverse=bool(reverse))
    return {"y": y, "last": last}


def lstm_over_time(x, h, c, wx, wh, b, mask):
    y, h, c = ops.lstm(x, h, c, wx, wh, b, mask)
    return {"y": y, "h": h, "c": c}


def gru_through_time(x, h, wx, wh, b, bh, u, v, mask=None, reverse=False):
    """All gradients, where ∂L/∂y = u and ∂L/∂(last state) = v."""
    x = leaves(x=x, h=h, wx=wx, wh=wh, b=b, bh=bh)
    ys = ops.gru(*x.values(), mask, reverse=bool(reverse))
    return {**gradients([*ys], [u, v], **x), "u": u, "v": v}


def lstm_through_time(x, h, c, wx, wh, b, mask, u, v, w):
    x = leaves(x=x, h=h, c=c, wx=wx, wh=wh, b=b)
    ys = ops.lstm(*x.values(), mask, reverse=True)
    return gradients([*ys], [u, v, w], **x)


def gru_through_time_again(x, h, wx, wh, b, bh, u, v):
    x = leaves(x=x, h=h, wx=wx, wh=wh, b=b, bh=bh)
    return again([*ops.gru(*x.values())], [u, v], **x)


# a7.6, a7.7


def lstm_step(z, u, h, c):
    """The new states; what came must stay as it is."""
    (h_new, c_new), _ = recurrent._lstm_step(z, u, h, c)
    return {"h_new": h_new, "c_new": c_new, "z": z, "c": c}


def lstm_step_on_tensors(z, u, h, c, dh, dc):
    x = leaves(z=z, u=u, h=h, c=c)
    new, _ = recurrent._lstm_step(*x.values())
    return gradients([*new], [dh, dc], **x)


def lstm_back(z, u, h, c, dh, dc):
    """What the step's way back says; `dh` and `dc` must stay as they are."""
    _, back = recurrent._lstm_step(z, u, h, c)
    dz, du, _, dc_old = back(dh, dc)
    return {"dz": dz, "du": du, "dc": dc_old, "dh_new": dh, "dc_new": dc}


def lstm_again(z, u, h, c, dh, dc):
    x = leaves(z=z, c=c, dh=dh, dc=dc)
    _, back = recurrent._lstm_step(x["z"], u, h, x["c"])
    dz, _, _, dc_old = back(x["dh"], x["dc"])
    return gradients([ops.sum(dz * dz) + ops.sum(dc_old * dc_old)], None, **x)


# a7.8


def clipped(g, k, max_norm, norm_type=2.0):
    """Two gradients after clipping, and the norm before."""
    p, q = (Tensor(np.zeros_like(x), requires_grad=True) for x in (g, k))
    p.grad, q.grad = g, k
    norm = optim.clip_grad_norm([p, q], float(max_norm), float(norm_type))
    return {"g": p.grad, "k": q.grad, "norm": norm}


def clipped_otherwise(g, k, max_norm):
    """The same by the sum of all |gᵢ|, and by the largest of them."""
    found = {}
    for name, kind in (("sum", 1.0), ("largest", np.inf)):
        one = clipped(g.copy(), k.copy(), max_norm, kind)
        found |= {f"{name} {part}": x for part, x in one.items()}
    return found


# a7.9


def streams(tokens, rows, length):
    """The chunks one after the other, and how long each is."""
    chunks = list(AlignedChunks(tokens, int(rows), int(length)))
    x, y = (np.concatenate(part, axis=1) for part in zip(*chunks, strict=True))
    return {"x": x, "y": y, "lengths": np.array([x.shape[1] for x, _ in chunks])}


# a7.10


class Carrier(nn.Module):
    """A network with a state: y = w x + ½ state, which is the next state, too.

    pair   the state is a tuple, as an LSTM's is
    """

    def __init__(self, w, pair=False):
        self.w, self.pair = nn.Parameter(w), pair

    def forward(self, x, state=None):
        """Return the scores and the state."""
        y = x * self.w
        if state is not None:
            y = y + 0.5 * (state[0] + state[1] if self.pair else state)
        return y, (y, 2 * y) if self.pair else y


def carried(xs, w):
    """The scores of some batches, one after the other."""
    model = Stateful(Carrier(w))
    return {"scores": np.stack([model(Tensor(x)).data for x in xs])}


def carried_dw(xs, w, u, pair=False):
    """∂L/∂w, where L looks at the last batch only."""
    carrier = Carrier(w, bool(pair))
    model = Stateful(carrier)
    ys = [model(Tensor(x)) for x in xs]
    return {"y": ys[-1].data, **gradients([ys[-1]], [u], w=carrier.w)}


def carried_anew(xs, w, fewer):
    """Two batches to train, one of fewer rows, two to evaluate, one to train."""
    model, found = Stateful(Carrier(w)), []
    for i, x in enumerate(xs):
        model.train(i not in (3, 4))
        found.append(model(Tensor(x[: int(fewer)] if i == 2 else x)).data)
    return {f"y{i}": y for i, y in enumerate(found)}


# a7.11


def loss_over_time(scores, y, ignored):
    return {"loss": models.next_loss(scores, y, ignore_index=int(ignored))}


def loss_over_time_dx(scores, y, ignored):
    x = leaves(scores=scores)
    loss = models.next_loss(x["scores"], y, ignore_index=int(ignored))
    return gradients([loss], None, **x)


# a7.12


class Scripted:
    """Its k-th word is script[n, k] further than the word that it read last.

    Where the script is −1 it says the last word of all. Its state is how many words it
    has read.
    """

    def __init__(self, script, words, prompt):
        self.script, self.words, self.prompt = script, words, prompt

    def read(self, tokens, state=None):
        """Return scores of what is next, and how many words were read."""
        read = tokens.shape[1] + (0 if state is None else int(state))
        step = self.script[:, read - self.prompt]
        end = self.words - 1
        said = np.where(step < 0, end, (tokens[:, -1] + step) % end)
        return np.eye(self.words)[said], np.array(read)


def said(script, prompt, length, words, end=None, before=0):
    """What is written; `before` words were read in advance."""
    model = Scripted(script, int(words), prompt.shape[1] + int(before))
    state = np.array(before) if before else None
    end = None if end is None else int(end)
    written = models.generate(model, prompt, int(length), end=end, state=state)
    return {"written": written, "prompt": prompt}


# a7.13


def chances(scores, temperature, top_k=0, top_p=0.0):
    how = {"top_k": int(top_k) or None, "top_p": float(top_p) or None}
    return {"p": models.probabilities(scores, float(temperature), **how), "z": scores}
