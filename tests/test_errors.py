"""Every error of docs/errors.md is made once more, and says what the page says."""

from __future__ import annotations

import re

import pytest

from docs.errors import TARGET, entry
from minidl import errors
from tests.error_cases import CASES, said

PAGE = TARGET.read_text("utf-8")
ADVICE = re.compile(
    r"try |say |write |take |call |give |make |leave |let |put |skip |number the|"
    r"bring |reduce |instead|should be|must be|needs? |takes |did you|is a \.T|"
    r"was |has the|strict=False|must|there are|returns its|\?",
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_an_error_says_what_the_page_says(case):
    text = said(case)
    kind, _, message = text.partition(": ")
    assert issubclass(
        getattr(errors, kind), (errors.MinidlError, errors.MistakeWarning)
    )
    if case.layer:
        assert re.match(rf"{re.escape(case.layer)}(: | |\()", message)
        assert not re.search(r"\b(\w+)\)?: \1\b", message)  # named once
    assert ADVICE.search(message), message
    assert entry(case) in PAGE, "python -m docs.errors"
