"""JupyterLite in headless Chromium: a notebook runs to its end, and asks nobody.

The site takes a minute to build and its builder's packages must be there, so this runs
where MINIDL_LITE_WORK names the folder of `docs/playground/lite.py --work` (.ci/full).
"""

import json
import os
from pathlib import Path

import pytest

from tests.browser import fetch_pyodide, kit

WORK = os.environ.get("MINIDL_LITE_WORK")
WANTED = "JupyterLite is tested by `.ci/full lite`"
if why := (kit.missing() or ("" if WORK else WANTED)):
    pytest.skip(why, allow_module_level=True)
pytestmark = pytest.mark.slow
SECONDS = 1_200_000  # ms: a busy machine takes ten times as long
NOTEBOOK = "06_gradient_checking.ipynb"
# every code cell has run when one is the n-th that did, and none has an error
DONE = """(n) => {
  const prompts = [...document.querySelectorAll(".jp-Notebook .jp-InputPrompt")];
  const done = prompts.some((prompt) => prompt.innerText.includes(`[${n}]`));
  const failed = document.querySelector(
    ".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr'] .ansi-red-fg, "
    + ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']");
  return failed ? failed.closest(".jp-Cell").innerText : done && "done";
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lite") / "site"
    work = Path(WORK)
    work.mkdir(parents=True, exist_ok=True)
    kit.script("lite").build(folder, work, fetch_pyodide.place())
    return folder


def test_all_notebooks_are_there_and_one_runs_to_its_end(site):
    sources = {path.name for path in (kit.ROOT / "notebooks").glob("[0-9]*.ipynb")}
    assert {path.name for path in (site / "files").glob("*.ipynb")} == sources
    with kit.served(site) as url, kit.chromium() as browser:
        context = browser.new_context(viewport={"width": 1200, "height": 900})
        watch = kit.Watch(context)
        tab = context.new_page()
        tab.set_default_timeout(SECONDS)
        tab.goto(f"{url}/notebooks/index.html?path={NOTEBOOK}")
        tab.wait_for_selector(".jp-Notebook .jp-CodeCell")
        tab.get_by_role("menuitem", name="Run", exact=True).click()
        tab.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        text = (site / "files" / NOTEBOOK).read_text(encoding="utf-8")
        n = sum(cell["cell_type"] == "code" for cell in json.loads(text)["cells"])
        said = tab.wait_for_function(DONE, arg=n, timeout=SECONDS, polling=1000)
        assert said.json_value() == "done"
        assert watch.outside == []
