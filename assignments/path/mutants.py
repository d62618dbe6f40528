"""Typical wrong engines: each is stopped at its stage, by a sentence that names it.

`minidl course check path` and tests/test_course_path.py put each into tiny.py.
"""

RECURSIVE = """
def ordered(last):
    order, seen = [], set()
    def visit(node):
        if id(node) not in seen:
            seen.add(id(node))
            for parent in node.parents:
                visit(parent)
            order.append(node)
    visit(last)
    return order


# Stage 3: broadcasting
"""

# stage, a piece of tiny.py, what stands there instead, words of the sentence
MUTANTS = [
    (1, "self.grad = np.zeros_like(self.data)\n        self.parents", "self.grad = None\n        self.parents", "Tensor(x).grad is None, not an array"),
    (1, "__radd__, __rmul__ = __add__, __mul__", "__radd__ = __add__", "TypeError: unsupported operand"),
    (1, "self.data + other.data", "self.data - other.data", "(a + b).data is"),
    (1, "Tensor(a * b,", "Tensor(np.multiply(a, b, out=a),", "(a + 2).data is"),
    (2, "(g * b, g * a)", "(g * a, g * b)", "x * y: .grad of x is"),
    (2, "node.grad = node.grad + g", "node.grad = g", "after two backward() is 6, not 12"),
    (2, "stack.append((node, True))", "order.insert(0, node)", "x * y + x: .grad of x is"),
    (2, "# Stage 3: broadcasting\n", RECURSIVE, "ends in a RecursionError"),
    (3, "part = unbroadcast(part, parent.data.shape)", "pass", ".grad of y has shape (4, 3), not (3,)"),
    (3, "axis=ones, keepdims=True", "axis=ones", ".grad of x has shape (4, 4), not (4, 1)"),
    (3, "g.sum(axis=ones", "g.mean(axis=ones", "sum the gradient over each axis"),
    (4, "(g * d / n,)", "(g * d,)", "a mean over the rows"),
    (4, "scores.data - scores.data.max(axis=1, keepdims=True)", "scores.data", "is inf, not 1000"),
    (4, "(g * positive,)", "(g,)", "relu(x): .grad of x"),
    (4, "-g * a / b**2", "g * a / b**2", "x / y: .grad of y"),
    (4, "def __rsub__", "def rsub", "unsupported operand"),
    (5, "np.sqrt(2 / n_in)", "np.sqrt(1 / n_in)", "deviates by 0.05"),
    (5, "x @ self.w + self.b", "x @ self.w", "the output of two layers"),
    (5, "elif isinstance(value, Module)", "elif value is None", "parameters() is []"),
    (5, "default_rng(seed)\n        self.w", "default_rng(0)\n        self.w", "equal for seeds 5 and 6"),
    (6, "+ p.grad\n", "+ (1 - self.momentum) * p.grad\n", "w after step 1 (momentum 0.9)"),
    (6, "- self.lr * self.v[i]", "+ self.lr * self.v[i]", "w after step 1 (momentum 0.0)"),
    (6, "p.grad = np.zeros_like(p.data)", "pass", "w.grad after zero_grad()"),
    (7, "            optimizer.zero_grad()\n", "", "the gradient at a step"),
    (7, "y[chosen])\n", "y[start : start + len(chosen)])\n", "labels of the same rows"),
    (7, "range(0, len(x), batch)", "range(0, len(x) - batch, batch)", "the last one may be smaller"),
    (7, "rng.permutation(len(x))", "np.arange(len(x))", "not a new one"),
    (7, "* len(chosen)\n", "* batch\n", "weigh the loss of a batch by its rows"),
    (7, "            optimizer.step()\n", "", "there were 0 steps, not 10"),
    (8, "Path(path).write_bytes", "Path(f'{path}.npz').write_bytes", "wrote no file w.bin"),
    (8, "!= content[:32]", "is None", "is loaded, not refused"),
    (8, "{name: p.data for", "{name: p.data.astype(np.float32) for", "to the bit"),
    (8, "if came != fits", "if not fits", "a file of another model is loaded"),
    (8, "    if came != fits", "    for name, p in parameters.items():\n        p.data = arrays[name]\n    if came != fits", "was filled, not left as it was"),
]  # fmt: skip
