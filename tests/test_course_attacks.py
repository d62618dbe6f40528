"""Hostile submissions and honest neighbors, all of them in one batch.

At L2, and at L3 where bubblewrap holds (slow). Below L2 (no Landlock, no seccomp) what
only L2 stops is left out, and one line says so.
"""

import os
import socket
import stat

import pytest

from minidl_course.sandbox import probe, sweep
from tests import course_kit as kit
from tests.attacks import honest, hostile

PROOF = probe.probe("landlock")
LEVEL = "landlock" if PROOF.holds else "process"
LEVELS = [LEVEL, pytest.param("bwrap", marks=pytest.mark.slow)]
NEEDS = f"needs L2, and {PROOF}"
# what L1 does not stop: it would reach its canaries, or the reference
ONLY_L2 = {
    "forged-files", "installed", "hidden-tests", "secrets", "delete-files",
    "overwrite", "modes", "links", "network", "program", "kill-grader", "forks", "daemon",
    "watch", "outlive", "kill-itself", "terminate-itself",
}  # fmt: skip
ATTACKS = [*hostile.FORWARD, *hostile.BACKWARD]


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return kit.make_course(tmp_path_factory.mktemp("course"), seconds=1.5)


class Ground:
    """The canaries, and what came of the batch."""

    def __init__(self, folder, course, level):
        self.level = level
        self.folder = folder
        self.canary = folder / "canary"
        self.canary.write_text("alive\n")
        (folder / "hidden.py").write_text("secret\n")
        os.utime(self.canary, (10**9, 10**9))
        self.door = socket.create_server(("127.0.0.1", 0))
        self.door.settimeout(0.01)
        self.before = self.state()
        inbox = folder.parent / "inbox"
        inbox.mkdir()
        self.submit(inbox)
        self.children = sweep.children()
        self.results, _ = kit.run(course, inbox, folder.parent / "out", level)
        self.left = sweep.children() - self.children

    def submit(self, inbox):
        names = {
            "CANARY": self.canary, "FOLDER": self.folder, "ROOT": kit.ROOT,
            "PORT": self.door.getsockname()[1],
        }  # fmt: skip
        for task, table in (
            ("forward", hostile.FORWARD),
            ("backward", hostile.BACKWARD),
        ):
            for name, text in table.items():
                if self.level != "process" or name not in ONLY_L2:
                    code = hostile.code(text, **names)
                    kit.hand_in(inbox, f"x-{name}", kit.written(**{task: code}))
        for name, text in honest.REGIONS.items():
            kit.hand_in(inbox, f"y-{name}", kit.written(forward=text))
        right = kit.written(forward=honest.GOOD)
        for name, change in honest.FILES.items():
            kit.hand_in(inbox, f"y-{name}", change(right))
        extra = {kit.FILE: right, "notes.txt": "hello", "minidl/numpy.py": "1/0"}
        kit.hand_in(inbox, "y-extra", {f"my work/{k}": v for k, v in extra.items()})

    def state(self):
        info = self.canary.stat()
        names = sorted(path.name for path in self.folder.iterdir())
        text = self.canary.read_text()
        return text, stat.S_IMODE(info.st_mode), info.st_mtime, info.st_uid, names

    def visited(self):
        try:
            self.door.accept()[0].close()
        except TimeoutError:
            return False
        return True


@pytest.fixture(scope="module", params=LEVELS)
def ground(request, course, tmp_path_factory):
    level = request.param
    if level == "bwrap" and not (proof := probe.probe("bwrap")).holds:
        pytest.skip(f"needs L3, and {proof}")
    folder = tmp_path_factory.mktemp("ground") / "theirs"
    folder.mkdir()
    ground = Ground(folder, course, level)
    yield ground
    ground.door.close()


def test_there_are_enough_of_both():
    assert len(ATTACKS) >= 30
    assert len(honest.REGIONS) + len(honest.FILES) >= 10


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_gains_no_point(ground, name):
    if ground.level == "process" and name in ONLY_L2:
        pytest.skip(NEEDS)
    result = ground.results[f"x-{name}"]
    assert not result.trouble, kit.shown(result)
    assert result.points == 0, kit.shown(result)
    assert result.worth == 100


@pytest.mark.parametrize("name", [*honest.REGIONS, *honest.FILES, "extra"])
def test_an_odd_answer_that_is_right_keeps_its_points(ground, name):
    result = ground.results[f"y-{name}"]
    assert kit.points(result)[kit.FORWARD] == 60, kit.shown(result)


def test_no_canary_was_touched(ground):
    assert ground.state() == ground.before


def test_nobody_came_to_the_door(ground):
    assert not ground.visited()


def test_no_process_is_left(ground):
    assert ground.left == set()


def test_untrusted_words_are_text_on_a_page(ground):
    feedback = ground.folder.parent / "out" / "feedback"
    for suffix in ("html", "md"):
        page = (feedback / f"x-markup.{suffix}").read_text(encoding="utf-8")
        assert "<script>" not in page
        assert "\x1b" not in page
        assert "\u202e" not in page
        assert "&lt;script&gt;" in page
    assert "\\[a\\](javascript" in page  # in Markdown, no link


def test_no_page_quotes_a_solution(ground):
    what = ground.results["x-other-solutions"].tasks[0].rows[0].what
    assert "Error (its text quotes a solution)" in what


def test_refused_imports_are_reported(ground):
    for name, said in {
        "torch": "imports torch",
        "engine-import": "finished minidl",
    }.items():
        assert said in ground.results[f"x-{name}"].tasks[0].rows[0].what
    what = ground.results["x-hidden-import"].tasks[0].rows[0].what
    assert "without the finished minidl" in what
