"""The pages that are written by programs say what the programs would write now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.quick

ROOT = Path(__file__).parents[1]


def test_the_table_of_operations_is_current():
    done = subprocess.run(
        [sys.executable, "docs/operations.py", "--check"],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_semester_plan_is_current_and_every_name_in_it_is_there():
    done = subprocess.run(
        [sys.executable, "-m", "docs.plan", "--check"],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
