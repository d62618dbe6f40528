"""Pictures of data, of training, and of what a network has learned.

Every function returns a matplotlib Figure, which a notebook shows, and saves it if
`path=` is given. matplotlib is imported when the first picture is drawn.

images     a grid of images                curves          how training went
filters    weights as images               schedule        the learning rate to come
confusion  what is taken for what          boundary        a classifier in the plane
mistakes   the most confident ones         activations     what each layer puts out
graph      what was computed from what     backward_steps  the way back through it
optimizer_race   optimizers side by side (`python -m minidl.show.race --out race.png`)
"""

from minidl.show.activations import activations
from minidl.show.boundary import boundary
from minidl.show.confusion import confusion
from minidl.show.curves import curves, schedule
from minidl.show.filters import filters
from minidl.show.graph import graph
from minidl.show.images import images, mistakes
from minidl.show.racing import optimizer_race
from minidl.show.steps import backward_steps

__all__ = [
    "activations",
    "backward_steps",
    "boundary",
    "confusion",
    "curves",
    "filters",
    "graph",
    "images",
    "mistakes",
    "optimizer_race",
    "schedule",
]
