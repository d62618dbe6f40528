"""Pictures of data, of training, and of what a network has learned.

Every function returns a matplotlib Figure, which a notebook shows, and saves it if
`path=` is given. matplotlib is imported when the first picture is drawn.
`explore(model, x)` and `backward_steps(loss)` return a page to step through by keys.

images     a grid of images                curves          how training went
filters    weights as images               schedule        the learning rate to come
confusion  what is taken for what          boundary        a classifier in the plane
mistakes   the most confident ones         activations     what each layer puts out
graph      what was computed from what     backward_steps  the way back through it
explore    a model layer by layer, with activations, weights and their gradients
optimizer_race   optimizers side by side (`python -m minidl.show.race --out race.png`)

attention     who looked at whom           attention_on_images  where each word looked
hidden_units  a unit while it reads        find_units     those that fit a property
gradient_flow ‖∂L/∂hₜ‖ against t           flow           measures it
rate_range    loss against learning rate   monitor   inside a net, by step
verdict       a run's curves, and what they say
landscape     the loss around a minimum           profile   time by op and layer
samples       what was written, by epoch  search  trials, and which names mattered
bias_variance fits, and the three terms   members  accuracy by size of an ensemble
snapshots     one training, several nets  intervals  metrics, and how exact they are
"""

from minidl.show.activations import activations
from minidl.show.attention import attention, attention_on_images
from minidl.show.bias_variance import bias_variance
from minidl.show.boundary import boundary
from minidl.show.confusion import confusion
from minidl.show.curves import curves, schedule
from minidl.show.explore import explore
from minidl.show.filters import filters
from minidl.show.flow import flow, gradient_flow
from minidl.show.graph import graph
from minidl.show.hidden import find_units, hidden_units
from minidl.show.images import images, mistakes
from minidl.show.intervals import intervals
from minidl.show.landscape import landscape
from minidl.show.members import members
from minidl.show.monitor import monitor
from minidl.show.profile import profile
from minidl.show.racing import optimizer_race
from minidl.show.rate_range import rate_range
from minidl.show.samples import samples
from minidl.show.search import search
from minidl.show.snapshots import snapshots
from minidl.show.steps import backward_steps
from minidl.show.verdict import verdict

__all__ = [
    "activations",
    "attention",
    "attention_on_images",
    "backward_steps",
    "bias_variance",
    "boundary",
    "confusion",
    "curves",
    "explore",
    "filters",
    "find_units",
    "flow",
    "gradient_flow",
    "graph",
    "hidden_units",
    "images",
    "intervals",
    "landscape",
    "members",
    "mistakes",
    "monitor",
    "optimizer_race",
    "profile",
    "rate_range",
    "samples",
    "schedule",
    "search",
    "snapshots",
    "verdict",
]
