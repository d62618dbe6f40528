"""What setup.cfg cannot say: packages in two places, README without its links."""

import re
from pathlib import Path

from setuptools import find_packages, setup

REPOSITORY = ""  # the public address of the repository goes here, and nowhere else
COURSE = "minidl_course"  # lies in assignments/course: package_dir in setup.cfg


def description() -> str:
    """Return README.md for a package index, where no file lies beside it.

    Links and pictures get the repository's address; without one, links become text.
    """
    text = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
    local = r"\]\((?!https?:|#)([^)]+)\)"
    if REPOSITORY:
        return re.sub(local, rf"]({REPOSITORY}/blob/main/\1)", text)
    text = re.sub(r"^!\[[^\]]*" + local + r"\n+\*.*\*\n", "", text, flags=re.MULTILINE)
    return re.sub(r"\[([^\]]+)" + local, r"\1", text)


setup(
    long_description=description(),
    long_description_content_type="text/markdown",
    project_urls={"Source": REPOSITORY} if REPOSITORY else {},
    packages=[
        *find_packages(include=["minidl*"]),
        COURSE,
        *(f"{COURSE}.{name}" for name in find_packages("assignments/course")),
    ],
)
