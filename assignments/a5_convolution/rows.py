"""What is asked of each task: the rows that a student can see.

Draws choose the shapes as well as the numbers: N images, C channels, H × W pixels,
F kernels, KH × KW a window, and u = ∂L/∂y. An easy row may hold a special case.
"""
# ruff: noqa: D103  most draw what their names say

import numpy as np

from minidl_course import Row, narrow, without


def number(draw, low, high):
    return float(draw.uniform(1, low=low, high=high)[0])


def settings(draw, strides=(1, 2), dilations=(1, 2), frames=(0, 1)):
    """Six rows: length, frame before and after, size, stride, dilation.

    With strides of 2 and more some pixels are left over after the last window.
    """
    rows = []
    for _ in range(6):
        size, stride = draw.integer(2, 6), draw.integer(*strides)
        dilation, before = draw.integer(*dilations), draw.integer(*frames)
        after = before + (1 if frames[1] > 1 else 0)
        rest = draw.integer(1, stride) if stride > 1 else 0
        framed = dilation * (size - 1) + 1 + stride * draw.integer(3, 8) + rest
        rows.append((framed - before - after, before, after, size, stride, dilation))
    return {"settings": np.array(rows)}


def leaving_a_rest(draw):
    return settings(draw, strides=(2, 6))


def framed_and_wide(draw):
    return settings(draw, dilations=(2, 5), frames=(0, 3))


def images(draw):
    """x (N, C, H, W), w (F, C, KH, KW), no two sizes alike among those next to it."""
    n, c, f = draw.sizes(3, low=2, high=5)
    h, w = draw.sizes(2, low=6, high=9)
    kh, kw = draw.sizes(2, low=2, high=4)
    return {"x": draw.normal(n, c, h, w), "w": draw.normal(f, c, kh, kw)}


def one_channel(draw):
    inputs = images(draw)
    return {"x": inputs["x"][:1, :1], "w": inputs["w"][:1, :1]}


def biased(draw):
    inputs = images(draw)
    return {**inputs, "b": 3 * draw.away(len(inputs["w"]))}


def single_pixels(draw):
    """Kernels of 1 × 1."""
    inputs = images(draw)
    return {**inputs, "w": inputs["w"][:, :, :1, :1]}


def strided(draw):
    """A frame, a stride, and height and width differ in both."""
    flip = draw.choice((1, -1))
    how = {"stride": np.array((2, 3)[::flip]), "padding": np.array((1, 2)[::-flip])}
    return {**images(draw), **how}


def with_u(inputs):
    """The same inputs, and numbers for u, which calls.py repeats to its shape."""

    def drawn(draw):
        return {**inputs(draw), "u": draw.away(997)}

    return drawn


def windows(inputs):
    """The same images, and the size of the kernels in place of the kernels."""

    def drawn(draw):
        found = dict(inputs(draw))
        return {"kernel_size": np.array(found.pop("w").shape[2:]), **found}

    return drawn


def columns(draw, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1)):
    """Numbers for the columns of images (N, C, H, W), and the settings of unfold."""
    return {
        "numbers": draw.away(997), "n_c": np.array(draw.sizes(2, low=2, high=5)),
        "output_size": np.array(draw.sizes(2, low=6, high=9)),
        "kernel_size": np.array(draw.sizes(2, low=2, high=4)),
        "stride": np.array(stride), "padding": np.array(padding),
        "dilation": np.array(dilation),
    }  # fmt: skip


def in_a_frame(draw):
    return columns(draw, padding=((1, 1), (2, 2)))


def pools(draw):
    """Windows side by side; all numbers differ."""
    n, c = draw.sizes(2, low=2, high=5)
    kh, kw = draw.sizes(2, low=2, high=4)
    oh, ow = draw.sizes(2, low=2, high=5)
    return {
        "x": draw.normal(n, c, oh * kh, ow * kw), "kernel_size": np.array((kh, kw)),
        "u": draw.away(997),
    }  # fmt: skip


def overlapping(draw):
    """Windows of 3 × 3 or 4 × 4 that begin at every pixel, or at every second."""
    n, c = draw.sizes(2, low=2, high=5)
    h, w = draw.sizes(2, low=6, high=9)
    return {
        "x": draw.normal(n, c, h, w), "kernel_size": draw.integer(3, 5),
        "stride": draw.permutation(2) + 1, "u": draw.away(997),
    }  # fmt: skip


def below_zero(draw):
    """Negative numbers only, and a frame."""
    inputs = without(pools, "u")(draw)
    return {**inputs, "x": -0.1 - abs(inputs["x"]), "padding": np.array((1, 1))}


def mean_in_a_frame(draw):
    return {**without(pools, "u")(draw), "padding": np.array((1, 1))}


def layers(draw, strides=(1, 2), dilations=(1, 2)):
    """Four layers: sizes, strides, dilations (4, 2)."""
    return {
        "sizes": draw.integers(2, 6, 4, 2), "strides": draw.integers(*strides, 4, 2),
        "dilations": draw.integers(*dilations, 4, 2),
    }  # fmt: skip


def striding_layers(draw):
    return layers(draw, strides=(2, 4))


def costs(draw):
    """One image, a convolution with a frame."""
    n_in, n_out, h, w = draw.sizes(4, low=3, high=12)
    return {
        "image": np.array((1, n_in, h, w)), "channels": np.array((n_in, n_out)),
        "size": np.array(draw.sizes(2, low=2, high=4)), "padding": 1,
    }  # fmt: skip


def costs_of_a_batch(draw):
    inputs = costs(draw)
    image = inputs["image"] + np.array((draw.integer(1, 5), 0, 0, 0))
    return {**inputs, "image": image, "stride": draw.integer(2, 4)}


def photos(draw):
    """Images, how far they may move, and a seed."""
    c, h, w = draw.sizes(3, low=2, high=7)
    return {
        "x": draw.away(draw.integer(12, 20), c, h, w), "padding": draw.integer(2, 5),
        "seed": draw.integer(0, 10**6),
    }  # fmt: skip


def many(draw):
    return {
        "count": 1500, "padding": draw.integer(1, 4), "seed": draw.integer(0, 10**6)
    }  # fmt: skip


def labeled(draw):
    """Images and labels, all of them different enough to be told apart."""
    n, h, w = draw.sizes(3, low=8, high=14)
    classes = n + draw.integer(1, 4)
    return {
        "x": draw.normal(n, 2, h, w), "labels": draw.permutation(classes)[:n],
        "classes": classes, "alpha": number(draw, 0.5, 2),
        "seed": draw.integer(0, 10**6),
    }  # fmt: skip


def freezing(draw):
    """A batch, and which of calls.PATTERNS."""
    x = (draw.normal(8, 3) + 2).astype("float32")
    return {"x": x, "seed": draw.integer(0, 10**6), "pattern": draw.integer(0, 5)}


def directions(draw):
    """Vectors (N, D) of lengths between 1/8 and 8."""
    n, d = draw.integer(9, 14), draw.integer(4, 7)
    lengths = 2.0 ** draw.integers(-3, 4, n, 1)
    return {"x": draw.normal(n, d) * lengths, "k": draw.integer(3, 6)}


# fmt: off
ROWS = [
    Row("a5.1", "plain windows", 1, "fit", settings,
        "a row of 5 pixels has 3 windows of 3: where do they begin?",
        answers=("count",)),
    Row("a5.1", "strides", 1, "fit", leaving_a_rest,
        "pixels that are left over make no window: divide and round down",
        answers=("count",)),
    Row("a5.1", "frame and dilation", 1, "fit", framed_and_wide,
        "the frame counts on both sides; k pixels have k − 1 gaps between them",
        answers=("framed", "reach")),

    Row("a5.2", "kind", 1, "looped", narrow(biased),
        "write into y, which is there; it stays float32", compare="kind"),
    Row("a5.2", "one channel", 2, "looped", one_channel,
        "window (i, j) begins at pixel (i, j); place (u, v) of it meets w[f, c, u, v]"),
    Row("a5.2", "channels and a bias", 1, "looped", biased,
        "all channels add up in one number, and the bias comes to it once"),
    Row("a5.2", "stride and frame", 1, "looped", strided,
        "window i begins at row i · sh of `framed`, window j at column j · sw"),

    Row("a5.3", "kind", 1, "unfolded", narrow(windows(images)),
        "y is (N, C KH KW, OH OW)", compare="kind"),
    Row("a5.3", "one channel", 2, "unfolded", windows(one_channel),
        "loop over the places (u, v), at.shifts() says which pixels each visits",
        answers=("y",)),
    Row("a5.3", "batch and channels", 3, "unfolded", windows(images),
        "in a column: channel after channel, and in each row by row", answers=("y",)),
    Row("a5.3", "stride and frame", 1, "unfolded", windows(strided),
        "slices with a step, of `framed`", answers=("y",)),

    Row("a5.4", "kind", 1, "folded", narrow(columns),
        "y is (N, C, H, W), as `output_size` says; a slice that ends at -0 is empty",
        compare="kind"),
    Row("a5.4", "overlaps add up", 3, "folded", columns,
        "a pixel that was copied to several columns gets a number from each of them",
        answers=("y",)),
    Row("a5.4", "the frame is cut off", 2, "folded", in_a_frame,
        "add into an image with its frame first, and return the inner part",
        answers=("y",)),

    Row("a5.5", "kind", 1, "convolved", narrow(biased),
        "y is (N, F, OH, OW)", compare="kind"),
    Row("a5.5", "kernels of one pixel", 1, "convolved", single_pixels,
        "then every pixel is multiplied by the matrix (F, C), as in a linear layer"),
    Row("a5.5", "windows", 2, "convolved", images,
        "each kernel is a row of C KH KW numbers, in the order of a column"),
    Row("a5.5", "bias", 1, "convolved", biased,
        "one number for each kernel: which axis of y is that?"),
    Row("a5.5", "stride and frame", 1, "convolved", strided,
        "columns() knows the settings; oh and ow say how many windows there are"),

    Row("a5.6", "kind", 1, "convolved_all", narrow(with_u(biased)),
        "a gradient is shaped as its input; fold takes (N, C KH KW, OH OW), no groups",
        compare="kind"),
    Row("a5.6", "gradient of b", 1, "convolved_all", with_u(biased),
        "b[f] was added in every image and at every place: sum over all of them",
        answers=("db",)),
    Row("a5.6", "gradient of w", 3, "convolved_all", with_u(biased),
        "Y = W X, as in a1.5: dW = G Xᵀ for each image, and all images share W",
        answers=("dw",)),
    Row("a5.6", "gradient of x", 3, "convolved_all", with_u(biased),
        "Wᵀ G is the gradient of the columns; who brings columns back to images?",
        answers=("dx",)),
    Row("a5.6", "stride and frame", 1, "convolved_all", with_u(strided),
        "fold needs the settings of unfold, and the size of the image"),

    Row("a5.7", "kind", 1, "largest_dx", narrow(pools),
        "dx is shaped like x; fold takes (N, C KH KW, OH OW)", compare="kind"),
    Row("a5.7", "value", 1, "largest", without(pools, "u"),
        "each channel for itself: columns have (N, C KH KW, OH OW), so reshape first"),
    Row("a5.7", "negative numbers in a frame", 1, "largest", below_zero,
        "a frame of zeros would win; which number never does?"),
    Row("a5.7", "gradient", 2, "largest_dx", pools,
        "only the pixel that won has moved y, so it gets all of g"),
    Row("a5.7", "overlapping windows", 2, "largest_dx", overlapping,
        "one pixel may win in several windows: fold adds up", answers=("dx",)),

    Row("a5.8", "kind", 1, "mean_dx", narrow(pools),
        "dx is shaped like x; fold takes (N, C KH KW, OH OW)", compare="kind"),
    Row("a5.8", "value", 1, "mean", without(pools, "u"),
        "the sum of each window, times `share`"),
    Row("a5.8", "zeros of a frame", 1, "mean", mean_in_a_frame,
        "unfold puts zeros on the frame, and `share` knows whether they count"),
    Row("a5.8", "gradient", 2, "mean_dx", pools,
        "every pixel of a window moved y by its share: it gets that share of g"),

    Row("a5.9", "convolutions", 1, "sights", layers,
        "k places next to each other see k − 1 steps more than one place does",
        answers=("sees",)),
    Row("a5.9", "strides", 2, "sights", striding_layers,
        "the steps of this window are steps of the layer below: use its `apart`"),

    Row("a5.10", "one image", 1, "adds", costs,
        "the numbers in the weights, once for each position of the output"),
    Row("a5.10", "a batch, a stride", 1, "adds", costs_of_a_batch,
        "positions are those of the output, in all images; channels are no positions"),

    Row("a5.11", "kind", 1, "shifted", narrow(photos),
        "as many images as before, of the same size", compare="kind"),
    Row("a5.11", "each its own", 2, "shifted", photos,
        "draw N numbers for the top, then N for the left, with draws.integers",
        answers=("y",)),
    Row("a5.11", "every place", 1, "offsets", many,
        "in a frame of p pixels a window can begin at 2p + 1 rows: 0 … 2p"),

    Row("a5.12", "kind", 1, "pasted", narrow(labeled),
        "as many images as before; labels have become rows", compare="kind"),
    Row("a5.12", "images", 2, "pasted", labeled,
        "draw λ, rows, columns, partners in this order; the box has (1 − λ) H W pixels",
        answers=("x",)),
    Row("a5.12", "labels", 2, "pasted", labeled,
        "count the pixels of the box: it may have been cut off at the border",
        answers=("y",), rtol=1e-5, atol=1e-6),

    Row("a5.13", "what learns", 2, "frozen", freezing,
        "requires_grad_(False) for parameters that match, and for no others",
        answers=("learns",)),
    Row("a5.13", "statistics stand still", 1, "frozen", freezing,
        "a module that matches is in eval mode, and train() leaves it there: _mode",
        answers=("statistics", "modes"), rtol=1e-4, atol=1e-5),

    Row("a5.14", "kind", 1, "neighbors", directions,
        "k indices for each sample: whole numbers (N, k)", compare="kind"),
    Row("a5.14", "by the cosine", 2, "neighbors", directions,
        "divide by the lengths first; the largest cosine comes first; never itself"),
]
# fmt: on
