"""The pages that are written by programs say what the programs would write now."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.topics import cell

pytestmark = pytest.mark.quick

ROOT = Path(__file__).parents[1]


def test_the_table_of_operations_is_current():
    done = subprocess.run(
        [sys.executable, "docs/operations.py", "--check"],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_map_of_topics_is_current_and_every_name_in_it_is_there():
    done = subprocess.run(
        [sys.executable, "-m", "docs.topics", "--check"],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("column", "text", "says"),
    [
        ("api", "nn.Lnear", "minidl has no nn.Lnear"),
        ("api", "(nn.Linear)", "is there: drop the parentheses"),
        ("notebook", "99", "there is no notebook 99"),
        ("task", "a1.99", "there is no task a1.99"),
        ("test", "nothing", "there is no tests/test_nothing.py"),
        ("picture", "show.nothing", "has no show.nothing"),
        ("picture", "figure in 99", "there is no notebook 99"),
        ("task", "", "task is empty, without a reason"),
        ("task", "none:", "there is no task none"),
    ],
)
def test_a_topic_that_names_what_is_not_there_is_a_fault(column, text, says):
    with pytest.raises(LookupError, match=re.escape(says)):
        cell({"topic": "Ensembles", column: text}, column)
