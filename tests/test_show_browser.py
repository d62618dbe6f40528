"""The pages in headless Chromium: opened, stepped through by keyboard, looked at.

Needs Debian's `chromium` and the extra `browser`; without them one line says so.
"""

import os
import shutil

import numpy as np
import pytest

import minidl as md
from minidl import nn, show
from minidl.lab import report
from minidl.train import History

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip(
        "Chromium is not here: apt-get install chromium", allow_module_level=True
    )
playwright = pytest.importorskip(
    "playwright.sync_api", reason='Playwright is not here: pip install -e ".[browser]"'
)
pytestmark = pytest.mark.slow
SIZES = (360, 1440)


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as run:
        as_root = ["--no-sandbox"] if os.geteuid() == 0 else []  # as in a container
        browser = run.chromium.launch(executable_path=CHROMIUM, args=as_root)
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium, tmp_path):
    """Return a function that opens HTML; at the end: no error, and nothing asked for."""
    contexts, wrong = [], []

    def open_(html, width=1440, **how):
        path = tmp_path / f"page{len(contexts)}.html"
        path.write_text(html, encoding="utf-8")
        context = chromium.new_context(viewport={"width": width, "height": 800}, **how)
        tab = context.new_page()
        contexts.append(context)
        tab.on("console", lambda message: wrong.append(message.text))
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on("request", lambda sent: wrong.append(sent.url) if not sent.url.startswith(
            (path.as_uri(), "data:", "about:")) else None)  # fmt: skip
        tab.goto(path.as_uri())
        return tab

    yield open_
    for context in contexts:
        context.close()
    assert not wrong


def backward_page():
    a = md.Tensor(1.5, requires_grad=True)
    b = a + a
    return show.backward_steps(b + b, {"a": a})


def explore_page():
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3, rng=0), nn.ReLU(), nn.Flatten(), nn.Linear(216, 10, rng=1)
    )
    x = np.random.default_rng(0).normal(size=(4, 1, 8, 8)).astype("float32")
    return show.explore(net, x, np.arange(4))


PAGES = {"backward": backward_page, "explore": explore_page}


def shown(tab):
    """The titles of the steps that can be seen: there must be one."""
    return [
        t.inner_text()
        for t in tab.locator("ol.steps > li > h2").all()
        if t.is_visible()
    ]


def test_backward_by_keyboard(opened):
    tab = opened(backward_page().html)
    assert shown(tab) == ["Forward: the values"]
    tab.keyboard.press("ArrowRight")
    assert shown(tab) == ["1. Back through + (2): add"]
    assert tab.locator("g.lit text").first.text_content() == "+"
    tab.keyboard.press("ArrowRight")
    assert shown(tab) == ["2. Back through + (1): add"]
    assert tab.locator("#v0 .grad").text_content() == "∂ 4"
    assert tab.locator("path.lit").count() == 2  # both edges of a + a
    tab.keyboard.press("End")
    assert shown(tab) == ["Done: the leaves keep theirs"]
    tab.keyboard.press("ArrowRight")  # there is nothing beyond
    tab.keyboard.press("ArrowLeft")
    tab.keyboard.press("Home")
    assert shown(tab) == ["Forward: the values"]
    assert tab.locator("#v0 .grad").text_content() == ""


def test_by_slider_and_buttons_and_as_a_recursion(opened):
    tab = opened(backward_page().html)
    slider = tab.get_by_role("slider", name="step")
    slider.focus()
    tab.keyboard.press("ArrowRight")
    assert shown(tab) == ["1. Back through + (2): add"]
    assert slider.get_attribute("aria-valuetext") == "1. Back through + (2): add"
    tab.get_by_role("button", name="Next").click()
    tab.get_by_role("button", name="Back").click()
    assert shown(tab) == ["1. Back through + (2): add"]
    tab.get_by_role("combobox", name="order").select_option("as a recursion")
    assert shown(tab) == ["As a recursion: the values"]
    tab.get_by_role("slider").focus()
    tab.keyboard.press("End")
    assert shown(tab) == ["What the recursion leaves"]
    assert tab.locator("#v0 .grad").text_content() == "∂ 6"
    assert tab.get_by_role("button", name="Next").is_disabled()


def test_explore_by_keyboard(opened):
    tab = opened(explore_page().html)
    titles = shown(tab)
    for _ in range(4):
        tab.keyboard.press("ArrowRight")
        titles += shown(tab)
    assert titles == ["The input", "0: Conv2d", "1: ReLU", "2: Flatten", "3: Linear"]
    assert tab.locator("li:visible svg[role=img][aria-label]").count() >= 3


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_and_letters_are_large_enough(opened, name, width, scheme):
    tab = opened(PAGES[name]().html, width, color_scheme=scheme)
    for _ in range(6):
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        tab.keyboard.press("ArrowRight")
    sizes = tab.evaluate(
        "[...document.querySelectorAll('body *')].filter(e => e.innerText || "
        "e.tagName == 'text').map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 12
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")


def test_what_is_lit_can_be_told_without_color(opened):
    tab = opened(backward_page().html)
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowRight")
    width = lambda selector: tab.evaluate(  # noqa: E731
        f"parseFloat(getComputedStyle(document.querySelector('{selector}')).strokeWidth)"
    )
    assert width("g.lit .box") > 2 * width("g.op:not(.lit) .box")
    assert width("path.lit") > 2 * width("path.done")
    dashes = "getComputedStyle(document.querySelector('path.done')).strokeDasharray"
    assert tab.evaluate(dashes) != "none"


def test_a_page_in_a_notebook(opened):
    views = [make()._repr_html_() for make in PAGES.values()]
    tab = opened("<!DOCTYPE html><h1>Notebook</h1>" + "".join(views))
    for frame, title in zip(
        tab.frames[1:], ["1. Back through", "0: Conv2d"], strict=True
    ):
        frame.get_by_role("button", name="Next").click()
        assert title in frame.locator("ol.steps > li:visible").inner_text()


def test_without_a_script_all_steps_are_there(opened):
    tab = opened(backward_page().html, java_script_enabled=False)
    assert len(shown(tab)) == 4 + 5
    assert not tab.locator(".controls").is_visible()


def test_reports_of_runs_open_as_well(opened):
    history = History()
    for epoch in range(1, 6):
        row = {"epoch": epoch, "train_loss": 1 / epoch, "val_loss": 1.0}
        history.add_epoch(row)
    tab = opened(report(history), 360)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
