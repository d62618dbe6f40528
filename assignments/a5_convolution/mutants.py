"""Typical wrong answers: each must lose points of its own task, and of no other."""

from minidl_course import Mutant

# fmt: off
MUTANTS = [
    Mutant("a5.1", "no + 1", """
        - count = (framed - reach) // stride + 1
        + count = (framed - reach) // stride
    """),
    Mutant("a5.1", "rounded up", """
        - count = (framed - reach) // stride + 1
        + count = -(-(framed - reach) // stride) + 1
    """),
    Mutant("a5.1", "the frame on one side", """
        - framed = length + padding[0] + padding[1]
        + framed = length + padding[0]
    """),
    Mutant("a5.1", "dilation forgotten", """
        - reach = dilation * (size - 1) + 1
        + reach = size
    """),
    Mutant("a5.1", "a gap after every pixel", """
        - reach = dilation * (size - 1) + 1
        + reach = dilation * size
    """),
    Mutant("a5.1", "one added before the division", """
        - count = (framed - reach) // stride + 1
        + count = (framed - reach + 1) // stride
    """),
    Mutant("a5.2", "the kernel is flipped", """
        -     y[n, f, i, j] += w[f, c, u, v] * pixel
        +     y[n, f, i, j] += w[f, c, ::-1, ::-1][u, v] * pixel
    """),
    Mutant("a5.2", "the bias once for each product", """
        -     y[n, f, i, j] += w[f, c, u, v] * pixel
        - if b is not None:
        -     y[n, f, i, j] += b[f]
        +     y[n, f, i, j] += w[f, c, u, v] * pixel + (0 if b is None else b[f])
    """),
    Mutant("a5.2", "the last product in place of the sum", """
        -     y[n, f, i, j] += w[f, c, u, v] * pixel
        +     y[n, f, i, j] = w[f, c, u, v] * pixel
    """),
    Mutant("a5.2", "one stride for both axes", """
        -     pixel = framed[n, first + c, i * sh + u * dh, j * sw + v * dw]
        +     pixel = framed[n, first + c, i * min(sh, sw) + u * dh, j * min(sh, sw) + v * dw]
    """),
    Mutant("a5.2", "no dilation", """
        -     pixel = framed[n, first + c, i * sh + u * dh, j * sw + v * dw]
        +     pixel = framed[n, first + c, i * sh + u, j * sw + v]
    """),
    Mutant("a5.2", "the first group for all", """
        - first = f // kernels * channels  # the first channel that kernel f sees
        + first = 0
    """),
    Mutant("a5.3", "places before channels", """
        - y = y.reshape(n, c * kh * kw, oh * ow)
        + y = y.transpose(0, 2, 3, 1, 4, 5).reshape(n, c * kh * kw, oh * ow)
    """),
    Mutant("a5.3", "rows and columns of the window exchanged", """
        - y = y.reshape(n, c * kh * kw, oh * ow)
        + y = y.swapaxes(2, 3).reshape(n, c * kh * kw, oh * ow)
    """),
    Mutant("a5.3", "windows column by column", """
        - y = y.reshape(n, c * kh * kw, oh * ow)
        + y = y.swapaxes(4, 5).reshape(n, c * kh * kw, oh * ow)
    """),
    Mutant("a5.3", "windows as rows", """
        - y = y.reshape(n, c * kh * kw, oh * ow)
        + y = y.reshape(n, c * kh * kw, oh * ow).swapaxes(1, 2)
    """),
    Mutant("a5.3", "the stride forgotten", """
        -     y[:, :, u, v] = framed[:, :, rows, columns]
        +     y[:, :, u, v] = framed[:, :, rows.start : rows.start + oh,
        +                            columns.start : columns.start + ow]
    """),
    Mutant("a5.3", "the dilation forgotten", """
        -     y[:, :, u, v] = framed[:, :, rows, columns]
        +     (sh, sw), h, w = at.stride, u + (oh - 1) * at.stride[0] + 1, v + (
        +         ow - 1) * at.stride[1] + 1
        +     y[:, :, u, v] = framed[:, :, u:h:sh, v:w:sw]
    """),
    Mutant("a5.4", "the last one wins", """
        -     framed[:, :, rows, columns] += columns_of[:, :, u, v]
        +     framed[:, :, rows, columns] = columns_of[:, :, u, v]
    """),
    Mutant("a5.4", "the mean of all that come", """
        - y = framed[:, :, top : top + h, left : left + w]
        + count = namespace(x).zeros_like(framed)
        + for u, v, rows, columns in at.shifts():
        +     count[:, :, rows, columns] += 1
        + y = (framed / namespace(x).maximum(count, 1))[:, :, top : top + h, left : left + w]
    """),
    Mutant("a5.4", "cut off below and right", """
        - y = framed[:, :, top : top + h, left : left + w]
        + y = framed[:, :, :h, :w]
    """),
    Mutant("a5.4", "the frame stays", """
        - y = framed[:, :, top : top + h, left : left + w]
        + y = framed
    """),
    Mutant("a5.4", "as much off below as above", """
        - y = framed[:, :, top : top + h, left : left + w]
        + y = framed[:, :, bottom : bottom + h, right : right + w]
    """),
    Mutant("a5.4", "places before channels", """
        - columns_of = x.reshape(n, c, kh, kw, oh, ow)
        + columns_of = x.reshape(n, kh, kw, c, oh, ow).transpose(0, 3, 1, 2, 4, 5)
    """),
    Mutant("a5.5", "the kernel is flipped", """
        - kernels = w.reshape((groups, f // groups, w.size // f))
        + kernels = w[:, :, ::-1, ::-1].reshape((groups, f // groups, w.size // f))
    """),
    Mutant("a5.5", "no bias", """
        - if b is not None:
        -     y += b.reshape((f, 1, 1))
        + pass
    """),
    Mutant("a5.5", "kernels and channels exchanged", """
        - kernels = w.reshape((groups, f // groups, w.size // f))
        + kernels = w.swapaxes(0, 1).reshape((groups, f // groups, w.size // f))
    """),
    Mutant("a5.5", "a column runs down, a kernel across", """
        - kernels = w.reshape((groups, f // groups, w.size // f))
        + kernels = w.swapaxes(2, 3).reshape((groups, f // groups, w.size // f))
    """),
    Mutant("a5.5", "groups as if there were one", """
        - kernels = w.reshape((groups, f // groups, w.size // f))
        + kernels = w.reshape((1, f, w.size // f))
    """),
    Mutant("a5.5", "groups take turns", """
        - y = (kernels @ columns()).reshape((n, f, oh, ow))
        + y = (kernels @ columns()).swapaxes(1, 2).reshape((n, f, oh, ow))
    """),
    Mutant("a5.6", "dw of the first image", """
        -     dw = (rows @ _t(columns())).sum(axis=0).reshape(w.shape)
        +     dw = (rows @ _t(columns()))[0].reshape(w.shape)
    """),
    Mutant("a5.6", "dw is a mean", """
        -     dw = (rows @ _t(columns())).sum(axis=0).reshape(w.shape)
        +     dw = (rows @ _t(columns())).mean(axis=0).reshape(w.shape)
    """),
    Mutant("a5.6", "db of the batch only", """
        -     db = g.sum(axis=(0, 2, 3))
        +     db = g.sum(axis=0)[:, 0, 0]
    """),
    Mutant("a5.6", "db is a mean", """
        -     db = g.sum(axis=(0, 2, 3))
        +     db = g.mean(axis=(0, 2, 3))
    """),
    Mutant("a5.6", "fold without its settings", """
        -     dx = fold(cols, output_size=at.image, **at.settings)
        +     dx = fold(cols, output_size=at.image, kernel_size=at.size)
    """),
    Mutant("a5.6", "dw not in the shape of w", """
        -     dw = (rows @ _t(columns())).sum(axis=0).reshape(w.shape)
        +     dw = (rows @ _t(columns())).sum(axis=0)
    """),
    Mutant("a5.6", "dw by another order", """
        -     dw = (rows @ _t(columns())).sum(axis=0).reshape(w.shape)
        +     dw = (columns() @ _t(rows)).sum(axis=0).reshape(w.shape)
    """),
    Mutant("a5.6", "groups as if there were one", """
        -     cols = (_t(kernels) @ rows).reshape((n, w.size // f * groups, oh * ow))
        +     one = w.reshape((f, w.size // f))
        +     cols = _t(one) @ g.reshape((n, f, oh * ow))
    """),
    Mutant("a5.6", "NumPy's own sum", """
        -     dw = (rows @ _t(columns())).sum(axis=0).reshape(w.shape)
        +     import numpy as np
        +     dw = np.asarray(rows @ _t(columns())).sum(axis=0).reshape(w.shape)
    """),
    Mutant("a5.7", "a frame of zeros", """
        - framed = frame(x, at.padding, -math.inf)
        + framed = frame(x, at.padding)
    """),
    Mutant("a5.7", "all equals win", """
        - wins = winner == namespace(x).arange(places)[:, None]  # (N, C, KH KW, OH OW)
        + wins = columns == columns.max(axis=2, keepdims=True)
    """),
    Mutant("a5.7", "the last of equals wins", """
        - winner = columns.argmax(axis=2)[:, :, None]
        + winner = places - 1 - columns[:, :, ::-1].argmax(axis=2)[:, :, None]
    """),
    Mutant("a5.7", "g is shared by the window", """
        -     g = reshape(g, shape=(n, c, 1, oh * ow))
        +     g = reshape(g * (1 / places), shape=(n, c, 1, oh * ow))
    """),
    Mutant("a5.7", "everybody gets g", """
        -     columns = reshape(where(wins, g, 0.0), shape=(n, c * places, oh * ow))
        +     every = where(wins, g, 0.0) + where(wins, 0.0, g)
        +     columns = reshape(every, shape=(n, c * places, oh * ow))
    """),
    Mutant("a5.7", "the largest size wins", """
        - y = columns.max(axis=2).reshape(n, c, oh, ow)
        + y = abs(columns).max(axis=2).reshape(n, c, oh, ow)
    """),
    Mutant("a5.7", "over the channels", """
        - columns = columns.reshape(n, c, places, oh * ow)
        + columns = columns.reshape(n, places, c, oh * ow).swapaxes(1, 2)
    """),
    Mutant("a5.8", "a sum", """
        - y = columns.reshape(n, c, places, oh, ow).sum(axis=2) * share
        + y = columns.reshape(n, c, places, oh, ow).sum(axis=2)
    """),
    Mutant("a5.8", "the frame counts always", """
        - y = columns.reshape(n, c, places, oh, ow).sum(axis=2) * share
        + y = columns.reshape(n, c, places, oh, ow).mean(axis=2)
    """),
    Mutant("a5.8", "all of g on the way back", """
        -     g = reshape(g * share, shape=(n, c, 1, oh * ow))
        +     g = reshape(g, shape=(n, c, 1, oh * ow))
    """),
    Mutant("a5.8", "the frame counts on the way back", """
        -     g = reshape(g * share, shape=(n, c, 1, oh * ow))
        +     g = reshape(g * (1 / places), shape=(n, c, 1, oh * ow))
    """),
    Mutant("a5.8", "NumPy's broadcasting on the way back", """
        -     columns = broadcast_to(g, shape=(n, c, places, oh * ow))
        +     import numpy as np
        +     columns = np.broadcast_to(np.asarray(g), (n, c, places, oh * ow))
    """),
    Mutant("a5.9", "strides first", """
        - sees = sees + dilation * (size - 1) * apart
        - apart = apart * stride
        + apart = apart * stride
        + sees = sees + dilation * (size - 1) * apart
    """),
    Mutant("a5.9", "pixels of the layer below", """
        - sees = sees + dilation * (size - 1) * apart
        + sees = sees + dilation * (size - 1)
    """),
    Mutant("a5.9", "the whole size", """
        - sees = sees + dilation * (size - 1) * apart
        + sees = sees + dilation * size * apart
    """),
    Mutant("a5.9", "strides add up", """
        - apart = apart * stride
        + apart = apart + stride - 1
    """),
    Mutant("a5.9", "no dilation", """
        - sees = sees + dilation * (size - 1) * apart
        + sees = sees + (size - 1) * apart
    """),
    Mutant("a5.10", "all numbers of the output", """
        - return y.size // channels * sum(w.size for w in weights)
        + return y.size * sum(w.size for w in weights)
    """),
    Mutant("a5.10", "positions of the input", """
        - return y.size // channels * sum(w.size for w in weights)
        + x = inputs[0]
        + return x.size // x.shape[1 if x.ndim > 3 else -1] * sum(w.size for w in weights)
    """),
    Mutant("a5.10", "the bias, too", """
        - return y.size // channels * sum(w.size for w in weights)
        + return y.size // channels * sum(w.size for w in own)
    """),
    Mutant("a5.10", "one image", """
        - return y.size // channels * sum(w.size for w in weights)
        + return y.size // channels // len(y) * sum(w.size for w in weights)
    """),
    Mutant("a5.10", "channels always second", """
        - channels = y.shape[1 if weights[0].ndim > 2 else -1]
        + channels = y.shape[1]
    """),
    Mutant("a5.10", "no groups", """
        - return y.size // channels * sum(w.size for w in weights)
        + groups = getattr(module, "groups", 1)
        + return y.size // channels * groups * sum(w.size for w in weights)
    """),
    Mutant("a5.11", "one place for all", """
        - return windows[np.arange(len(x)), :, top, left]
        + return windows[np.arange(len(x)), :, top[0], left[0]]
    """),
    Mutant("a5.11", "both ways as far", """
        - left = draws.integers(x.shape[3] - w + 1)
        + left = top
    """),
    Mutant("a5.11", "the last place never", """
        - top = draws.integers(x.shape[2] - h + 1)
        - left = draws.integers(x.shape[3] - w + 1)
        + top = draws.integers(x.shape[2] - h)
        + left = draws.integers(x.shape[3] - w)
    """),
    Mutant("a5.11", "round the edge", """
        - windows = sliding_window_view(x, (h, w), axis=(2, 3))  # (N, C, top, left, h, w)
        - return windows[np.arange(len(x)), :, top, left]
        + inner = x[:, :, p : x.shape[2] - p, p : x.shape[3] - p]
        + moves = zip(inner, p - top, p - left, strict=True)
        + moved = [np.roll(image, (i, j), axis=(1, 2)) for image, i, j in moves]
        + return np.stack(moved)[:, :, :h, :w]
    """),
    Mutant("a5.11", "left before top", """
        - top = draws.integers(x.shape[2] - h + 1)
        - left = draws.integers(x.shape[3] - w + 1)
        + left = draws.integers(x.shape[2] - h + 1)
        + top = draws.integers(x.shape[3] - w + 1)
    """),
    Mutant("a5.12", "no root", """
        - side = np.sqrt(1 - g.beta(alpha, alpha, n))
        + side = 1 - g.beta(alpha, alpha, n)
    """),
    Mutant("a5.12", "λ of before the box was cut", """
        - side = np.sqrt(1 - g.beta(alpha, alpha, n))
        + drawn = g.beta(alpha, alpha, n); side = np.sqrt(1 - drawn)
        - lam = 1 - box.mean(axis=(1, 2, 3))
        + lam = drawn
    """),
    Mutant("a5.12", "labels the wrong way round", """
        - soft = _blend(soft, soft[partner], lam)
        + soft = _blend(soft[partner], soft, lam)
    """),
    Mutant("a5.12", "one box for all", """
        - mixed = xp.where(xp.asarray(box), images[partner], images)
        + mixed = xp.where(xp.asarray(box[:1]), images[partner], images)
    """),
    Mutant("a5.12", "another partner for the label", """
        - soft = _blend(soft, soft[partner], lam)
        + soft = _blend(soft, soft[::-1], lam)
    """),
    Mutant("a5.12", "the box stays, the rest is the partner's", """
        - mixed = xp.where(xp.asarray(box), images[partner], images)
        + mixed = xp.where(xp.asarray(box), images, images[partner])
    """),
    Mutant("a5.12", "a square box", """
        - cols = _span(g.random(n) * w, side * w, w)
        + cols = _span(g.random(n) * w, side * h, w)
    """),
    Mutant("a5.13", "gradients only", """
        - elif isinstance(m, Module) and m._mode is None:
        -     m._mode, m.training = m.training, False
        + elif m is None:
        +     pass
    """),
    Mutant("a5.13", "all layers", """
        - for m in _matching(self, pattern):
        + for m in [*self.parameters(), *self.modules()]:
    """),
    Mutant("a5.13", "train() wakes it up", """
        -     m._mode, m.training = m.training, False
        +     m.training = False
    """),
    Mutant("a5.13", "old gradients stay", """
        -     m.grad = None  # an old one would move it at the next step
        +     pass
    """),
    Mutant("a5.13", "frozen twice forgets how it was", """
        - elif isinstance(m, Module) and m._mode is None:
        + elif isinstance(m, Module):
    """),
    Mutant("a5.13", "modes only", """
        - m.requires_grad_(False)
        + pass
    """),
    Mutant("a5.14", "lengths count", """
        - b = b / np.maximum(np.linalg.norm(b, axis=1, keepdims=True), TINY)
        + pass
    """),
    Mutant("a5.14", "finds itself", """
        - if same:
        -     np.fill_diagonal(cosines, -np.inf)
        + pass
    """),
    Mutant("a5.14", "smallest first", """
        - order: Vector = np.argsort(-cosines, axis=1, kind="stable")
        + order: Vector = np.argsort(cosines, axis=1, kind="stable")
    """),
    Mutant("a5.14", "never what is of the same number", """
        - if same:
        -     np.fill_diagonal(cosines, -np.inf)
        + np.fill_diagonal(cosines, -np.inf)
    """),
    Mutant("a5.14", "in the order of the samples", """
        - return order[:, :k]
        + return np.sort(order[:, :k], axis=1)
    """),
    Mutant("a5.14", "divided by nothing", """
        - b = b / np.maximum(np.linalg.norm(b, axis=1, keepdims=True), TINY)
        + with np.errstate(all="ignore"):
        +     b = b / np.linalg.norm(b, axis=1, keepdims=True)
    """),
]
# fmt: on
