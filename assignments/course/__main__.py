"""`python -m minidl_course` is the command `minidl course`, without the engine."""

import sys

from .command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
