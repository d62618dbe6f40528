"""Arrays in files: nothing in them is run, and they are whole or not at all.

layout   the bytes: a header in JSON, then the numbers, as in safetensors; checksums
reading  the way back, which believes nothing
torch_legacy  old files of PyTorch, if they are the ones that are known
holding  one process at a time writes into a folder
whole    a new file takes its place when it is complete; what dead processes left
"""

from minidl.files.holding import hold
from minidl.files.layout import (
    HEADER_LIMIT,
    SIZE_LIMIT,
    Arrays,
    FileError,
    Path,
    SaveError,
    write,
)
from minidl.files.reading import inspect, read
from minidl.files.torch_legacy import read_torch
from minidl.files.whole import replaced, sweep, sync_folder

__all__ = [
    "HEADER_LIMIT",
    "SIZE_LIMIT",
    "Arrays",
    "FileError",
    "Path",
    "SaveError",
    "hold",
    "inspect",
    "read",
    "read_torch",
    "replaced",
    "sweep",
    "sync_folder",
    "write",
]
