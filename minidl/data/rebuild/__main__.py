"""`python -m minidl.data.rebuild`."""

import sys

from minidl.data.rebuild.command import main

if __name__ == "__main__":
    sys.exit(main())
