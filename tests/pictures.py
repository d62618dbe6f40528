"""What the tests of pictures share: reading figures, and what a figure may not do."""

import struct

import pytest


@pytest.fixture(autouse=True)
def nothing_stays_open():
    """No figure of pyplot's may be left, and nobody's settings be changed."""
    import matplotlib
    import matplotlib.pyplot as plt

    before = dict(matplotlib.rcParams)
    yield
    assert plt.get_fignums() == []
    assert dict(matplotlib.rcParams) == before


def png_size(data: bytes) -> tuple[int, int]:
    """Return width and height as a PNG's header tells them."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", data[16:24])


def saved(path):
    width, height = png_size(path.read_bytes())
    assert 300 <= width <= 2600
    assert 150 <= height <= 4000


def titles(fig) -> list[str]:
    return [ax.get_title(loc) for ax in fig.axes for loc in ("left", "center")
            if ax.get_title(loc)]  # fmt: skip


def words(fig) -> set[str]:
    return {text.get_text() for ax in fig.axes for text in ax.texts}


def fails(error, match, function, *args, **kwargs):
    with pytest.raises(error, match=match):
        function(*args, **kwargs)
