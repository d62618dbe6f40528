"""A static server, and a Chromium that reaches this machine only and says what it tried."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.browser import fetch_axe, fetch_pyodide

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
HERE = re.compile(r"(http://127\.0\.0\.1:\d+|data:|blob:|about:)")


def missing(python: bool = True) -> str:
    """Return what tests (with Python in the browser) lack here, in a sentence, or ""."""
    if CHROMIUM is None:
        return "Chromium is not here: apt-get install chromium"
    if importlib.util.find_spec("playwright") is None:
        return 'Playwright is not here: pip install -e ".[browser]"'
    return fetch_pyodide.MISSING if python and not fetch_pyodide.is_here() else ""


def script(name: str):
    """Import a file of docs/playground, which is no package."""
    path = ROOT / f"docs/playground/{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def built(folder: Path) -> Path:
    """Build the playground with the Pyodide that is here."""
    script("build").build(folder, "./pyodide/")
    (folder / "pyodide").symlink_to(fetch_pyodide.place())
    return folder


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and logs nothing. Its kinds are what a browser wants to see."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm",
        ".whl": "application/octet-stream",
    }  # fmt: skip

    def log_message(self, *args) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder; give its address."""
    handler = functools.partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def chromium() -> Iterator:
    """Give a headless browser that can reach nothing but 127.0.0.1."""
    from playwright.sync_api import sync_playwright

    args = ["--disable-dev-shm-usage", "--proxy-server=127.0.0.1:9"]  # nobody is there
    args += ["--proxy-bypass-list=127.0.0.1"]
    args += ["--no-sandbox"] if os.geteuid() == 0 else []  # as in a container
    with sync_playwright() as run:
        browser = run.chromium.launch(executable_path=CHROMIUM, args=args)
        yield browser
        browser.close()


def serious(tab, *rules: str) -> list[tuple[str, list[str]]]:
    """Return what axe-core finds on a page, by all rules or these, that shuts some out."""
    tab.add_script_tag(path=str(fetch_axe.path()))
    found = tab.evaluate(
        "rules => axe.run(rules.length ? {runOnly: rules} : {}).then(r => r.violations)",
        rules,
    )
    return [
        (v["id"], [n["html"][:120] for n in v["nodes"]])
        for v in found
        if v["impact"] in ("serious", "critical")
    ]


def too_wide(tab) -> list[str]:
    """Return the elements of a page that stick out of the window, or []."""
    return tab.evaluate("""() => {
      const root = document.documentElement;
      if (root.scrollWidth <= innerWidth) return [];
      const out = (e) => e.getBoundingClientRect().right > innerWidth + 1;
      const found = [...document.querySelectorAll("body *")].filter(out);
      const ends = found.filter((e) => ![...e.children].some(out));
      return [root, ...ends].slice(0, 9).map((e) => e.outerHTML.slice(0, 100));
    }""")


class Watch:
    """What a page did that it should not: requests to elsewhere, errors, console."""

    def __init__(self, context) -> None:
        self.outside, self.wrong = [], []
        context.on("request", self._request)
        context.on("console", lambda message: self.wrong.append(message.text))
        context.on("weberror", lambda error: self.wrong.append(str(error.error)))

    def _request(self, sent) -> None:
        if not HERE.match(sent.url):
            self.outside.append(sent.url)
