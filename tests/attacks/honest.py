"""Right answers that look odd: each must keep its full score.

name: what stands in the region of the forward task; or a function of the right file's
text that returns what is handed in.
"""

GOOD = """
y = exp(z)
y /= y.sum(axis=axis, keepdims=True)
"""
BACK = "return y * (g - (g * y).sum(axis=axis, keepdims=True))"

REGIONS = {
    "nested": """
def share(numbers):
    def total():
        return numbers.sum(axis=axis, keepdims=True)
    return numbers / total()

y = share(exp(z))
""",
    "lambda": """
y = (lambda e: e / e.sum(axis=axis, keepdims=True))(exp(z))
""",
    "prints": """
print("z is", z)
print("=" * 5000)
y = exp(z)
print(y.shape, "\\x1b[31m<b>bold</b>")
y /= y.sum(axis=axis, keepdims=True)
""",
    "float32": """
dtype = z.dtype
y = exp(z.astype("float32"))
y /= y.sum(axis=axis, keepdims=True)
y = y.astype(dtype)
""",
    "formatted": """
y=exp( z ) ; total = \\
    y . sum(axis = axis,
            keepdims = True   )
y   =    (y
        /total)
""",
    "typed": """
e: "Array" = exp(z)
total: object = e.sum(axis=axis, keepdims=True)
y: "Array" = e / total
""",
    "loops": """
import numpy
rows = [[float(v) for v in row] for row in z]
powers = [[2.718281828459045 ** v for v in row] for row in rows]
y = numpy.array([[v / sum(row) for v in row] for row in powers])
""",
    "commented": '''
"""I did this at two in the morning.

It works, but I do not know why.   ñ ∂ 漢
"""
# the exponentials
Σ = exp(z)  # all of them
# region of doubt, and then: endregion of it
y = Σ / Σ.sum(axis=axis, keepdims=True)
''',
    "numpy": """
import math, numpy as np
with np.errstate(all="raise", under="ignore"):
    y = np.exp(z)
    y = np.divide(y, np.sum(y, axis=axis, keepdims=True))
""",
    "careful": """
try:
    assert z.max() <= 0, "below_max"
    y = exp(z)
except AssertionError:
    raise
else:
    y = y / y.sum(axis=axis, keepdims=True)
finally:
    pass
""",
    "helpers": """
class Share:
    def __init__(self, e):
        self.e = e
    def __call__(self):
        return self.e / self.e.sum(axis=axis, keepdims=True)
y = Share(exp(z))()
""",
    "slow": """
import time
time.sleep(0.02)
y = exp(z)
y /= y.sum(axis=axis, keepdims=True)
""",
}


def tabbed(text):
    """Every indent of four spaces is a tab."""
    lines = []
    for line in text.splitlines():
        body = line.lstrip(" ")
        wide = len(line) - len(body)
        lines.append("\t" * (wide // 4) + " " * (wide % 4) + body)
    return "\n".join(lines) + "\n"


FILES = {
    "crlf": lambda text: text.replace("\n", "\r\n").encode(),
    "old-mac": lambda text: text.replace("\n", "\r").encode(),
    "bom": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "tabs": lambda text: tabbed(text).encode(),
    "no-newline": lambda text: text.rstrip("\n").encode(),
    "broken-below": lambda text: (text + "\ndef oops(:\n").encode(),
    "others-deleted": lambda text: text[: text.index("def log_softmax")].encode(),
}
