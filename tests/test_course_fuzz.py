"""A few hundred of the inputs of tests/fuzz_grading.py, which makes any number of them."""

from tests import course_kit as kit
from tests.fuzz_grading import Fuzz


def test_nothing_that_a_student_supplies_raises(tmp_path):
    course, folder = kit.make_course(tmp_path), tmp_path / "inbox"
    folder.mkdir()
    fuzz = Fuzz(course, folder)
    found = {fuzz.one(seed) for seed in range(400)}
    assert found == {"wrong", "graded", "empty", "damaged", "grafted", "refused"}
    assert not list(folder.iterdir())
