"""Which packages there are: setup.cfg cannot look for them in two places."""

from setuptools import find_packages, setup

COURSE = "minidl_course"  # lies in assignments/course: package_dir in setup.cfg

setup(
    packages=[
        *find_packages(include=["minidl*"]),
        COURSE,
        *(f"{COURSE}.{name}" for name in find_packages("assignments/course")),
    ]
)
