"""The rows that you can see, one test each; `pytest -k a6.4` asks one task alone."""

import pytest

from minidl_course.score import Check, checks


@pytest.mark.parametrize("check", checks(__file__), ids=str)
def test_the_row_is_right(check: Check) -> None:
    """Fail with what is wrong, and where to look."""
    wrong = check.wrong()
    assert not wrong, wrong
