"""Arithmetic without closures: the derivatives are functions that exist once.

The plain bodies make two functions at every call, with tuples and cells around what
they remember: objects that Python's collector visits as long as the graph lives. Here
the inputs that a node keeps anyway are all that is remembered: one object in place of
six, for the values and gradients of the plain bodies, bit by bit. On four numbers the
step takes 0.88 of their time (`python -m benchmarks --only g --peers plain`); in a
chain of 100,000, half of it (`python -m benchmarks.growth`, collector on).

    g   ∂L/∂y        xs   the inputs, None for linear operations
"""
# mypy: disable-error-code="no-untyped-def"

import operator

from minidl.ops.elementwise import add, multiply, negative, subtract

add.rule(operator.add, lambda g, xs: g, lambda g, xs: g)
subtract.rule(operator.sub, lambda g, xs: g, lambda g, xs: -g)
negative.rule(operator.neg, lambda g, xs: -g)
multiply.rule(operator.mul, lambda g, xs: g * xs[1], lambda g, xs: g * xs[0])
