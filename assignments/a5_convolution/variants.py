"""Right answers that are written in another way: each must keep all its points."""

from minidl_course import Variant

# fmt: off
VARIANTS = [
    Variant("a5.1", "the windows themselves, counted", """
        + framed = length + sum(padding)
        + reach = size + (dilation - 1) * (size - 1)
        + count = len(range(0, framed - reach + 1, stride))
    """),
    Variant("a5.2", "a slice and a sum for each number", """
        + for n, f, i, j in np.ndindex(*y.shape):
        +     first = f // kernels * channels
        +     top, left = i * sh, j * sw
        +     window = framed[n, first : first + channels, top:, left:][
        +         :, : dh * (w.shape[2] - 1) + 1 : dh, : dw * (w.shape[3] - 1) + 1 : dw]
        +     y[n, f, i, j] = (window * w[f]).sum() + (0 if b is None else b[f])
    """),
    Variant("a5.2", "places outside, windows inside", """
        + for f in range(len(w)):
        +     first = f // kernels * channels
        +     for c, u, v in np.ndindex(*w.shape[1:]):
        +         for i in range(y.shape[2]):
        +             for j in range(y.shape[3]):
        +                 row, column = sh * i + dh * u, sw * j + dw * v
        +                 seen = framed[:, first + c, row, column]
        +                 y[:, f, i, j] += seen * w[f, c, u, v]
        +     if b is not None:
        +         y[:, f] = y[:, f] + b[f]
    """),
    Variant("a5.3", "a list of places, stacked", """
        + places = [framed[:, :, rows, cols] for _, _, rows, cols in at.shifts()]
        + y = namespace(x).stack(places, axis=2).reshape(n, c * kh * kw, oh * ow)
    """),
    Variant("a5.3", "a loop over the windows", """
        + (sh, sw), (dh, dw) = at.stride, at.dilation
        + y = namespace(x).zeros((n, c * kh * kw, oh * ow), x.dtype)
        + for i in range(oh):
        +     for j in range(ow):
        +         top, left = i * sh, j * sw
        +         window = framed[:, :, top : top + dh * (kh - 1) + 1 : dh,
        +                         left : left + dw * (kw - 1) + 1 : dw]
        +         y[:, :, i * ow + j] = window.reshape(n, -1)
    """),
    Variant("a5.4", "in float64, a row of a column at a time", """
        + xp = namespace(x)
        + framed = xp.zeros((n, c, top + h + bottom, left + w + right), "float64")
        + for k, (_, _, rows, columns) in enumerate(at.shifts()):
        +     framed[:, :, rows, columns] += x[:, k :: kh * kw].reshape(n, c, oh, ow)
        + y = framed[:, :, top:, left:][:, :, :h, :w].astype(x.dtype)
    """),
    Variant("a5.5", "einsum, group by group", """
        + kernels = w.reshape((groups, f // groups, w.size // f))
        + import minidl.ops as ops
        + y = ops.einsum("gfk,ngkp->ngfp", kernels, columns()).reshape((n, f, oh, ow))
        + y = y if b is None else y + b.reshape((1, f, 1, 1))
    """),
    Variant("a5.6", "einsum for dw, everything wanted or not", """
        + import minidl.ops as ops
        + rows = g.reshape((n, groups, f // groups, oh * ow))
        + dw = ops.einsum("ngfp,ngkp->gfk", rows, columns()).reshape(w.shape)
        + back = ops.einsum("gfk,ngfp->ngkp", kernels, rows)
        + back = back.reshape((n, groups * (w.size // f), oh * ow))
        + dx = fold(back, output_size=at.image, **at.settings)
        + db = g.sum(axis=3).sum(axis=2).sum(axis=0) if wanted[2] else None
    """),
    Variant("a5.6", "the batch beside the places", """
        + rows = g.transpose((1, 0, 2, 3)).reshape((groups, f // groups, n * oh * ow))
        + if wanted[1]:
        +     cols = columns().transpose((1, 2, 0, 3))
        +     cols = cols.reshape((groups, w.size // f, n * oh * ow))
        +     dw = (rows @ _t(cols)).reshape(w.shape)
        + if wanted[0]:
        +     cols = (_t(kernels) @ rows).reshape((groups * (w.size // f), n, oh * ow))
        +     cols = cols.transpose((1, 0, 2))
        +     dx = fold(cols, output_size=at.image, **at.settings)
        + if wanted[2]:
        +     db = g.reshape((n, f, oh * ow)).sum(axis=(0, 2))
    """),
    Variant("a5.7", "place after place, the first larger one wins", """
        + xp = namespace(x)
        + framed = frame(x, at.padding, -math.inf)
        + y, winner = None, None
        + for k, (u, v, rows, cols) in enumerate(at.shifts()):
        +     seen = framed[:, :, rows, cols]
        +     if y is None:
        +         y, winner = seen.copy(), xp.zeros(seen.shape, int)
        +     else:
        +         winner = xp.where(seen > y, k, winner)
        +         y = xp.where(seen > y, seen, y)
        + def backward(g):
        +     flat = reshape(g, shape=(n, c, 1, oh * ow))
        +     one = winner.reshape(n, c, 1, oh * ow) == xp.arange(places)[:, None]
        +     cols = reshape(flat * one.astype(x.dtype), shape=(n, c * places, oh * ow))
        +     return fold(cols, output_size=at.image, **at.settings)
    """),
    Variant("a5.8", "the way back by one product", """
        + columns = unfold(x, **at.settings).reshape(n, c, places, oh, ow)
        + y = (columns * share).sum(axis=2)
        + def backward(g):
        +     ones = namespace(x).ones((places, 1), x.dtype)
        +     each = reshape(g * share, shape=(n, c, 1, oh * ow))
        +     cols = reshape(matmul(ones, each), shape=(n, c * places, oh * ow))
        +     return fold(cols, output_size=at.image, **at.settings)
    """),
    Variant("a5.9", "first and last pixel", """
        + last = (size - 1) * dilation * apart
        + sees, apart = sees + last, stride * apart
    """),
    Variant("a5.10", "positions, counted by their axes", """
        + import math
        + convolves = weights[0].ndim > 2
        + axes = (y.shape[0], *y.shape[2:]) if convolves else y.shape[:-1]
        + return math.prod(axes) * sum(math.prod(w.shape) for w in weights)
    """),
    Variant("a5.11", "a loop over the images", """
        + top = draws.integers(x.shape[2] - h + 1)
        + left = draws.integers(x.shape[3] - w + 1)
        + pairs = zip(x, top, left, strict=True)
        + return np.stack([image[:, i : i + h, j : j + w] for image, i, j in pairs])
    """),
    Variant("a5.12", "a loop over the images", """
        + side = (1 - g.beta(alpha, alpha, n)) ** 0.5
        + rows = _span(g.random(n) * h, side * h, h)
        + cols = _span(g.random(n) * w, side * w, w)
        + partner = g.permutation(n)
        + mixed, labels = images.copy(), []
        + for i, j in enumerate(partner):
        +     box = np.outer(rows[i], cols[i])
        +     mixed[i][:, box] = images[j][:, box]
        +     share = rows[i].sum() * cols[i].sum() / (h * w)
        +     labels.append((1 - share) * soft[i] + share * soft[j])
        + soft = np.stack(labels).astype(soft.dtype)
    """),
    Variant("a5.13", "parameters first, then modules", """
        + found = _matching(self, pattern)
        + for p in found:
        +     if isinstance(p, Parameter):
        +         p.requires_grad, p.grad = False, None
        + for m in found:
        +     if isinstance(m, Module):
        +         if m._mode is None:
        +             m._mode = m.training
        +         m.training = False
    """),
    Variant("a5.14", "cosines divided afterwards, sorted row by row", """
        + products = a @ b.T
        + lengths = np.sqrt((a**2).sum(axis=1))[:, None] * np.sqrt((b**2).sum(axis=1))
        + cosines = products / np.where(lengths > 0, lengths, 1)
        + if same:
        +     cosines[np.arange(len(a)), np.arange(len(a))] = -2
        + return np.stack([sorted(range(len(b)), key=lambda j: -row[j])[:k]
        +                  for row in cosines])
    """),
    Variant("a5.14", "sorted upwards, and turned round", """
        + a = a / np.maximum(np.sqrt((a * a).sum(axis=1, keepdims=True)), TINY)
        + b = b / np.maximum(np.sqrt((b * b).sum(axis=1, keepdims=True)), TINY)
        + cosines = np.einsum("nd,md->nm", a, b)
        + cosines = cosines - (3 * np.eye(len(a)) if same else 0)
        + return np.argsort(cosines, axis=1)[:, ::-1][:, :k]
    """),
]
# fmt: on
