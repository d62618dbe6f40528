"""The pages: what backward_steps(loss) and explore(model, x) say, without a browser."""

import json
import re
from html import unescape

import numpy as np
import pytest

import minidl as md
from minidl import nn, ops, show
from minidl.errors import GraphError, RangeError
from minidl.show import page
from minidl.show.markup import array, bars, png
from minidl.show.walk import as_recursion, by_age, jacobian, values_of
from tests.pictures import fails, png_size


def tracked(x):
    return md.Tensor(np.array(x, dtype=np.float64), requires_grad=True)


def doubled_twice():
    a = tracked(1.5)
    b = a + a
    return a, b + b


def nodes_of(y):
    return [t for t in show.graph.__globals__["inputs_first"](y.node, 99)
            if not isinstance(t, md.Tensor)]  # fmt: skip


def text_of(html):
    return re.sub(r"\s+", " ", unescape(re.sub("<[^>]*>", " ", html)))


# ------------------------------------------------------------------------ the two orders


def test_by_age_is_what_backward_computes(rng):
    w, b = tracked(rng.normal(size=(3, 4))), tracked(rng.normal(size=4))
    x, s = rng.normal(size=(5, 3)), tracked(0.3)
    h = ops.tanh(ops.affine(x, w, b))
    y = ((h * h + s) * h[0]).mean()
    visits = by_age(y, nodes_of(y))
    assert w.grad is None  # it writes nothing
    y.backward()
    for leaf in (w, b, s):
        np.testing.assert_allclose(visits[-1].totals[leaf, 0], leaf.grad, rtol=1e-12)


def test_a_recursion_is_wrong_where_an_operation_is_used_twice():
    a, c = doubled_twice()
    assert as_recursion(c)[-1].totals[a, 0] == 6
    assert by_age(c, nodes_of(c))[-1].totals[a, 0] == 4
    e = tracked(3.0)
    assert as_recursion(e * e)[-1].totals[e, 0] == 6  # a leaf alone makes no mistake
    for _ in range(8):
        c = c + c
    assert as_recursion(c) is None


def test_the_local_derivative_is_a_diagonal_or_a_matrix(rng):
    x = tracked(rng.normal(size=3))
    y = ops.softmax(ops.exp(x), axis=0)
    g, p = np.ones(3), y.data
    np.testing.assert_allclose(
        jacobian(y.node, 0, g), np.diag(p) - np.outer(p, p), atol=1e-12
    )
    np.testing.assert_allclose(
        jacobian(y.node.edges[0][0], 0, g), np.diag(np.exp(x.data))
    )
    assert jacobian(ops.exp(tracked(np.ones(30))).node, 0, np.ones(30)) is None


def test_values_that_linear_operations_did_not_keep(rng):
    x = tracked(rng.normal(size=(2, 3)))
    h = x.reshape(3, 2).T
    y = (h + x).sum()
    found = values_of(y, nodes_of(y))
    np.testing.assert_array_equal(found[h.edge], h.data)
    lost = (x + 1.0).reshape(6)  # the constant was not kept, so this is not known
    assert lost.edge not in values_of(lost.sum(), nodes_of(lost.sum()))


# -------------------------------------------------------------------------- the first page


def test_the_page_says_each_step(tmp_path):
    a, c = doubled_twice()
    made = show.backward_steps(c, {"a": a}, path=tmp_path / "s.html")
    html = (tmp_path / "s.html").read_text(encoding="utf-8")
    assert html == made.html
    said = text_of(html)
    for words in (
        "There are no gradients yet",
        "local derivative 1 × upstream 2 = 2",
        "added up: 2 + 2 = 4",
        "all that use it (+ (2)) have been visited",
        "a.grad would be 6; right is 4",
        "makes 3 visits",
    ):
        assert words in said
    assert html.count('<path id="e') == 4  # each edge of a + a and of b + b
    assert "iframe" in made._repr_html_()
    assert ".save(" in repr(made)
    assert a.grad is None
    c.backward()  # the page has freed nothing
    assert a.grad == 4


def test_gradients_in_the_graph_grow_with_the_steps():
    a, c = doubled_twice()
    html = show.backward_steps(c, {"a": a}).html
    found = re.findall(r'data-grads="([^"]*)"', html)
    known = [json.loads(unescape(text)) for text in found]
    assert [len(k) for k in known[:3]] == [2, 3, 3]
    assert known[1]["0"] == "4"
    assert "6" in [k.get("0") for k in known[3:]]  # the recursion's


@pytest.mark.parametrize("where", ["http://", "https://", 'src="/', "@import", "url(h"])
def test_a_page_asks_for_nothing_from_elsewhere(where):
    _, c = doubled_twice()
    made = show.backward_steps(c)
    assert where not in made.html
    assert where not in made._repr_html_()


def test_names_of_leaves_are_escaped():
    a, c = doubled_twice()
    html = show.backward_steps(c, {"<b>&": a}).html
    assert "<b>&" not in html
    assert "&lt;b&gt;&amp;" in html


def test_a_net_and_ones_own_operation(rng):
    @md.op
    def cube(x):
        return x * x * x, lambda g: g * 3 * x * x

    net = nn.Sequential(nn.Linear(4, 3, rng=0), nn.ReLU(), nn.Linear(3, 2, rng=1))
    x = rng.normal(size=(2, 4)).astype("float32")
    loss = ops.cross_entropy(cube(net(x)), np.array([0, 1]))
    said = text_of(show.backward_steps(loss, dict(net.named_parameters())).html)
    assert "∂L/∂2.weight gets xᵀ g" in said
    assert "Back through cube (4)" in said
    assert "would do the same here" in said


def test_what_is_no_loss_says_so():
    a, c = doubled_twice()
    fails(GraphError, "one number", show.backward_steps, tracked([1.0, 2.0]) * a)
    fails(GraphError, "no graph", show.backward_steps, a)
    fails(GraphError, "Tensor", show.backward_steps, 3.0)
    c.backward()
    fails(GraphError, "freed", show.backward_steps, c)
    for _ in range(200):
        a = a + 1
    fails(RangeError, "vertices", show.backward_steps, a)


# --------------------------------------------------------------------------------- explore


class Mine(nn.Module):
    """A student's model: own parameters, a layer called twice, one never called."""

    def __init__(self):
        self.w = nn.Parameter(np.full((4, 3), 0.1, "float32"))
        self.inner = nn.Linear(3, 3, rng=0)
        self.norm = nn.BatchNorm1d(3)
        self.unused = nn.Linear(2, 2, rng=0)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        h = self.inner(ops.tanh(x @ self.w))
        return self.inner(self.drop(self.norm(h)))


def test_explore_a_students_model(rng, tmp_path):
    net = Mine()
    before = net.state_dict()
    x = rng.normal(size=(5, 4)).astype("float32")
    made = show.explore(net, x, path=tmp_path / "e.html")
    said = text_of(made.html)
    for words in (
        "inner: Linear", "inner (call 2): Linear", "norm: BatchNorm1d", "Mine",
        "unused.weight is part of the model, but no gradient reaches it", "∂L/∂w", "∂L/∂input",
        "½ mean y²", "5 calls of layers",
    ):  # fmt: skip
        assert words in said, words
    after = net.state_dict()
    assert all(np.array_equal(after[k], before[k]) for k in before)
    assert all(p.grad is None for p in net.parameters())


def test_explore_shows_the_gradients_of_the_loss(rng):
    net = nn.Sequential(nn.Linear(3, 2, rng=0))
    x, t = rng.normal(size=(4, 3)).astype("float32"), np.array([0, 1, 1, 0])
    html = show.explore(net, x, t).html
    ops.cross_entropy(net(x), t).backward()
    assert array(net[0].weight.grad) in html
    assert array(net[0].bias.grad) in html
    assert "of the loss" in html


def test_explore_images_tokens_states_and_functions(rng):
    conv = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1, rng=0), nn.ReLU())
    images = rng.normal(size=(2, 1, 8, 8)).astype("float32")
    assert show.explore(conv, images).html.count("<img") == 2 * 2 + 6 * 4 + 6 * 2
    words = nn.Sequential(nn.Embedding(7, 3, rng=0), nn.LSTM(3, 2, rng=0))
    said = text_of(show.explore(words, np.array([[1, 2, 2]])).html)
    assert "these are integers" in said
    assert "1: LSTM" in said
    w = tracked(np.ones((3, 2)))
    said = text_of(show.explore(lambda x: ops.tanh(x @ w), np.ones((2, 3))).html)
    assert "operations in their order" in said
    assert "matmul" in said


def test_explore_says_where_no_gradient_comes_from():
    net = nn.Linear(2, 2, rng=0)
    net.freeze()
    said = text_of(show.explore(net, np.ones((1, 2), "float32")).html)
    assert "it is frozen" in said
    fails(GraphError, "no gradients", show.explore, lambda x: x.data, np.ones((1, 2)))
    frozen = nn.Embedding(3, 2, rng=0).freeze()
    fails(GraphError, "frozen", show.explore, frozen, np.array([1]))


def test_every_model_can_be_explored(rng):
    layers = [nn.GRU(3, 4, rng=0), nn.MultiHeadAttention(4, 2, rng=0)]
    x = rng.normal(size=(2, 5, 3)).astype("float32")
    q = rng.normal(size=(2, 5, 4)).astype("float32")
    assert "GRU" in show.explore(layers[0], x).html
    assert "MultiHeadAttention" in show.explore(layers[1], (q, q, q)).html


# ------------------------------------------------------------------------------ the pieces


def test_arrays_as_html():
    assert array(np.float64(-0.5)) == '<span class="number">−0.5</span>'
    assert array(np.arange(4).reshape(2, 2)).count("<td>") == 4
    assert "(10, 10): mean 4.5" in array(np.tile(np.arange(10), (10, 1)))
    assert "2 not finite" in array(np.r_[np.inf, np.nan, np.arange(98)])
    assert "no finite number" in array(np.full(99, np.nan))
    assert "the same number" in bars(np.ones(5), "x")
    assert "no finite number" in bars(np.full(5, np.nan), "x")
    assert "50 % are 0" in bars([0, 0, 1, 2], "x")


def test_png():
    assert png_size(png(np.zeros((2, 5), np.uint8))) == (5, 2)


def luminance(color):
    digits = color.lstrip("#")
    parts = [
        digits[i : i + len(digits) // 3]
        for i in range(0, len(digits), len(digits) // 3)
    ]
    c = np.array([int(p * (3 - len(p)), 16) / 255 for p in parts])
    return np.where(c <= 0.03928, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [
        0.2126, 0.7152, 0.0722,
    ]  # fmt: skip


def test_every_color_of_text_stands_out_in_light_and_dark():
    css = (page.HERE / "page.css").read_text(encoding="utf-8")
    schemes = [dict(re.findall(r"--(\w+): (#\w+)", part)) for part in
               css.split("}")[:2]]  # fmt: skip
    for colors in schemes:
        for ink in ("ink", "quiet", "value", "grad", "good", "bad"):
            for ground in ("ground", "card"):
                pair = sorted(luminance(colors[c]) for c in (ink, ground))
                assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, (ink, ground)
