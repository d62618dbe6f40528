"""The pages of the playground in headless Chromium.

Needs Chromium, Playwright and Pyodide's folder; without them one line says so. Each
page is opened once, for Python takes seconds to start in it, and its tests go on where
the one before ended.
"""

import pytest

from tests.browser import fetch_axe, kit

if why := kit.missing():
    pytest.skip(why, allow_module_level=True)
pytestmark = pytest.mark.slow
SECONDS = 240_000  # ms: a busy machine takes ten times as long


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with kit.served(kit.built(tmp_path_factory.mktemp("playground"))) as url:
        yield url


@pytest.fixture(scope="module")
def browser():
    with kit.chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def opened(browser, address):
    """Return a function that opens a page; at the end nothing was wrong with any."""
    contexts, watches = [], []

    def open_(path, ready="ready", width=1440):
        context = browser.new_context(viewport={"width": width, "height": 900})
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        contexts.append(context)
        watches.append(kit.Watch(context))
        tab = context.new_page()
        tab.set_default_timeout(SECONDS)
        tab.goto(f"{address}/{path}")
        reached(tab, ready)
        return tab

    yield open_
    for context in contexts:
        context.close()
    assert [w.outside for w in watches] == [[]] * len(watches)
    assert [w.wrong for w in watches] == [[]] * len(watches)


def reached(tab, *states):
    """Wait until the page is in one of these states."""
    wanted = (
        "s => s.includes(document.body.dataset.state) && document.body.dataset.state"
    )
    found = tab.wait_for_function(wanted, arg=[*states, "failed"], timeout=SECONDS)
    said = tab.inner_text("#status") + tab.inner_text("#problem")
    assert found.json_value() in states, said  # by now it may have gone on


LINK = "data=circles&lr=nonsense&layers=x.3&seed=7&at=5"


@pytest.fixture(scope="module")
def play(opened):
    tab = opened(f"index.html#{LINK}", "paused")
    tab.select_option("#speed", "fast")
    return tab


def follow(tab, link, *states):
    """Go where a link with other settings leads; Python goes on."""
    tab.evaluate("document.body.dataset.state = 'left'")
    tab.evaluate("link => { location.hash = link; }", link)
    reached(tab, *states)


def frame(tab):
    return tab.evaluate("live.frame")


def trained(tab, steps):
    """Train up to so many steps at least, and pause."""
    tab.click("#train")
    tab.wait_for_function("n => live.frame.steps >= n", arg=steps, timeout=SECONDS)
    tab.click("#train")
    reached(tab, "paused")
    return frame(tab)


def program(tab):
    """Wait until the program is that of the last step, and return it."""
    tab.wait_for_function(
        "document.getElementById('code').textContent"
        ".includes(`round(${live.frame.steps} /`)"
    )
    return tab.text_content("#code")


def words(tab):
    return tab.text_content("#words")


def test_a_link_is_followed_and_what_it_cannot_mean_is_left_out(play):
    assert frame(play)["steps"] == 5
    assert play.input_value("#s-data") == "circles"
    assert play.input_value("#s-lr") == "0.01"
    assert play.input_value("#s-layers") == "3"


def test_spirals_are_learned_within_600_steps(play):
    follow(play, "", "made")
    assert frame(play)["heldAccuracy"] < 0.8
    while frame(play)["heldAccuracy"] < 0.95 and frame(play)["steps"] < 600:
        trained(play, frame(play)["steps"] + 100)
    assert frame(play)["heldAccuracy"] >= 0.95
    assert frame(play)["accuracy"] >= 0.95
    assert "Nothing is wrong" in words(play)
    assert "Paused at step" in play.inner_text("#status")


def test_step_and_reset(play):
    before = frame(play)["steps"]
    play.click("#step")
    play.wait_for_function("n => live.frame.steps === n", arg=before + 1)
    play.click("#reset")
    reached(play, "made")
    play.wait_for_function("live.frame.steps === 0")


BREAKS = {  # what the Monitor says, the most accurate that it gets, and the mended
    "rate": (("divide the learning rate by",), 0.75, 0.95),
    "dead": (
        ("16 of the 16 units of layer 1 (ReLU) are dead", "no gradient"),
        0.6,
        0.93,
    ),
    "center": (("are dead", "center the inputs"), 0.6, 0.95),
    "zeros": (("nothing passes the layers", "no gradient comes to layer 0"), 0.6, 0.95),
    "overfit": (("it is over-fitting",), None, None),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_preset_breaks_as_it_says_and_is_mended(play, name):
    says, most, least = BREAKS[name]
    play.click("#train")  # a preset replaces what is being trained
    play.click(f"[data-preset={name}]")
    reached(play, "training")
    reached(play, "paused")
    broken, said = frame(play), words(play)
    assert broken["steps"] == (600 if name == "overfit" else 300)
    assert all(word in said for word in says), said
    assert play.inner_text("#preset-seen")
    play.click("#mend")
    reached(play, "training")
    reached(play, "paused")
    mended, said = frame(play), words(play)
    assert not any(word in said for word in says[:1]), said
    if name == "overfit":
        assert broken["loss"] < 0.3 < 0.6 < broken["heldLoss"]
        assert mended["heldLoss"] < 0.5
    else:
        assert broken["accuracy"] < most
        assert mended["accuracy"] >= least
    assert play.inner_text("#mend") == "Break it again"


def test_own_points_by_click_keyboard_and_paste(play):
    play.select_option("#s-data", "own")
    reached(play, "few")
    assert "Two points of each" in play.inner_text("#status")
    box = play.locator("#plane").bounding_box()
    for x, y in ((0.2, 0.2), (0.25, 0.3), (0.3, 0.2)):
        play.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    play.check("input[name=own-class][value='1']")
    play.focus("#plane")
    for key in ["ArrowRight"] * 4 + [
        "Enter",
        "ArrowDown",
        "Enter",
        "ArrowDown",
        "Enter",
    ]:
        play.keyboard.press(key)
    reached(play, "made")
    lines = play.input_value("#own-text").splitlines()
    assert [line[-1] for line in lines] == ["0"] * 3 + ["1"] * 3
    play.keyboard.press("Backspace")
    assert len(play.input_value("#own-text").splitlines()) == 5
    rows = [
        f"{s * (1 + k / 9)}, {k / 9}, {int(s > 0)}" for k in range(8) for s in (-1, 1)
    ]
    play.fill("#own-text", "\n".join([*rows[:3], "a, b"]))
    play.click("#own-use")
    assert "Line 4 is not" in play.inner_text("#problem")
    play.fill("#own-text", "\n".join(rows))
    play.click("#own-use")
    reached(play, "made")
    assert trained(play, 60)["accuracy"] == 1.0
    assert "np.array([" in play.inner_text("#code")


def test_the_link_brings_back_settings_points_and_step(play):
    play.fill("#s-layers", "5, 4")
    play.select_option("#s-activation", "Tanh")
    play.keyboard.press("Tab")
    reached(play, "made")
    before = trained(play, 40)
    shown = play.input_value("#own-text"), program(play)
    play.click("#share")
    play.wait_for_function("document.getElementById('said').textContent")
    link = play.evaluate("navigator.clipboard.readText()")
    assert link == play.url
    follow(play, LINK, "paused")
    assert frame(play)["steps"] == 5
    follow(play, link.partition("#")[2], "paused")
    after = frame(play)
    for name in ("steps", "loss", "heldLoss", "accuracy", "rate"):
        assert after[name] == before[name], name
    assert play.input_value("#s-layers") == "5, 4"
    assert (play.input_value("#own-text"), program(play)) == shown


def test_the_program_is_copied(play):
    play.click("#copy")
    play.wait_for_function(
        "document.getElementById('said').textContent.includes('program')"
    )
    program = play.evaluate("navigator.clipboard.readText()")
    compile(program, "program", "exec")
    assert program == play.text_content("#code")


# --- scoring

RIGHT = "    y = exp(z)\n    y /= y.sum(axis=axis, keepdims=True)\n"
WRONG = {
    "    y = exp(z)\n": ("0 of 5 points", "do the probabilities of a row add up to 1?"),
    "    y = exp(z)\n    y /= y.sum(axis=-1, keepdims=True)\n": (
        "4 of 5 points", "Hint: `axis` says along which the sum is taken"
    ),
    "    y = exp(z\n": ("0 of 5 points", "are no Python"),
}  # fmt: skip


@pytest.fixture(scope="module")
def scoring(opened):
    return opened("score.html?task=a1.6")


def scored(tab, code):
    tab.fill("#code", code)
    tab.click("#score")
    reached(tab, "scoring", "scored")
    reached(tab, "scored")
    return tab.inner_text("#status"), tab.inner_text("#rows")


def test_a_blank_has_no_points(scoring):
    said, rows = scored(scoring, scoring.input_value("#code"))
    assert said.startswith("0 of 5 points"), rows


def test_the_reference_of_several_tasks_gets_full_points(scoring):
    from minidl_course.assignment import find
    from minidl_course.regions import region_of

    paper = find("a1", kit.ROOT)
    for task in [*paper.tasks.values()][:7]:  # most need others to be graded in full
        scoring.select_option("#task", task.name)
        code = region_of(paper.source(task.file), task.name).code
        scoring.fill("#code", code)
    for name in ("a1.1", "a1.4", "a1.7"):
        scoring.select_option("#task", name)
        said, rows = scored(scoring, scoring.input_value("#code"))
        points, _, of = said.split()[:3]
        assert points == of != "0", rows


@pytest.mark.parametrize("code", WRONG)
def test_a_wrong_answer_gets_its_hint(scoring, code):
    scoring.select_option("#task", "a1.6")
    points, hint = WRONG[code]
    said, rows = scored(scoring, code)
    assert said.startswith(points), rows
    assert hint in rows


def test_a_loop_without_end_is_stopped(scoring):
    scoring.fill("#code", "    while True:\n        pass\n")
    scoring.click("#score")
    reached(scoring, "scoring")
    scoring.click("#stop")
    reached(scoring, "ready")
    said, _ = scored(scoring, RIGHT)
    assert said.startswith("5 of 5 points")


# --- backward


def test_backward_of_a_typed_expression(opened):
    tab = opened("backward.html", "shown")
    tab.fill("#expression", "(a + a) * b")
    tab.fill("#values", "a = 3, b = 2")
    tab.keyboard.press("Enter")
    reached(tab, "building", "shown")
    reached(tab, "shown")
    assert "2 operations" in tab.inner_text("#status")
    inside = tab.frame_locator("#frame")
    inside.get_by_role("button", name="Next").click()
    assert "1. Back through" in inside.locator("ol.steps > li:visible").inner_text()
    inside.locator("body").press("End")
    assert "4" in inside.locator("ol.steps > li:visible").inner_text()  # ∂/∂a = 2 b
    tab.fill("#expression", "(a + ")
    tab.click("#form button.strong")
    reached(tab, "failed")
    assert "is no Python" in tab.inner_text("#problem")


# --- how they look


LOOKS = [
    (page, scheme)
    for page in ("index.html", "backward.html", "score.html")
    for scheme in ("light", "dark")
]


@pytest.fixture(scope="module", params=LOOKS, ids="-".join)
def begun(request, browser, address):
    """A page as it begins: the loading of Python is refused."""
    page, scheme = request.param
    context = browser.new_context(color_scheme=scheme)
    tab = context.new_page()
    tab.route("**/pyodide/**", lambda route: route.abort())
    tab.goto(f"{address}/{page}")
    tab.wait_for_function("document.body.dataset.state === 'failed'")
    if page == "index.html":
        tab.click("[data-preset=overfit]")
        tab.select_option("#s-data", "own")
    yield tab, scheme
    context.close()


def test_nothing_sticks_out(begun):
    tab, scheme = begun
    assert "Python could not be loaded" in tab.inner_text("#status")
    for width in (360, 768, 1440):
        tab.set_viewport_size({"width": width, "height": 800})
        assert kit.too_wide(tab) == []
    sizes = tab.evaluate(
        "[...document.querySelectorAll('body *')].filter(e => e.innerText)"
        ".map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 12
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")


@pytest.mark.skipif(not fetch_axe.path().is_file(), reason=fetch_axe.MISSING)
def test_axe_finds_nothing_serious(begun):
    tab, scheme = begun
    rules = ("color-contrast",) if scheme == "dark" else ()
    assert kit.serious(tab, *rules) == []
