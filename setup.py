"""What setup.cfg cannot say: packages in two places, README without its links."""

import re
import zipfile
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.editable_wheel import editable_wheel

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


class EditableWheel(editable_wheel):
    """An editable install that wins over a mere folder named minidl.

    Where Python starts beside a clone, the clone's folder passes for a package without
    an __init__.py, which Python takes before it asks the finder of an editable install.
    A real package on sys.path goes before such folders, so this folder is put there.
    """

    def run(self):
        """Build the wheel, then add a line for sys.path to it."""
        super().run()
        for path in Path(self.dist_dir).glob("*.whl"):
            with zipfile.ZipFile(path) as file:
                parts = {name: file.read(name) for name in file.namelist()}
            (record,) = (name for name in parts if name.endswith(".dist-info/RECORD"))
            parts["__editable___minidl_folder.pth"] = f"{Path().resolve()}\n".encode()
            parts[record] += b"__editable___minidl_folder.pth,,\n"
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
                for name, content in parts.items():
                    file.writestr(name, content)


setup(
    cmdclass={"editable_wheel": EditableWheel},
    long_description=description(),
    long_description_content_type="text/markdown",
    project_urls={"Source": REPOSITORY} if REPOSITORY else {},
    packages=[
        *find_packages(include=["minidl*"]),
        COURSE,
        *(f"{COURSE}.{name}" for name in find_packages("assignments/course")),
    ],
)
