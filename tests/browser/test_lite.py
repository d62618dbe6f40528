"""JupyterLite in headless Chromium: a notebook runs to its end, and asks nobody.

It is opened where the documentation site's link "Open in JupyterLite" leads.

The site takes a minute to build and its builder's packages must be there, so this runs
where MINIDL_LITE_WORK names the folder of `docs/playground/lite.py --work` (.ci/full).
"""

import json
import os
from pathlib import Path

import pytest

from docs.site.__main__ import LITE
from tests.browser import fetch_pyodide, kit

WORK = os.environ.get("MINIDL_LITE_WORK")
WANTED = "JupyterLite is tested by `.ci/full lite`"
if why := (kit.missing() or ("" if WORK else WANTED)):
    pytest.skip(why, allow_module_level=True)
pytestmark = pytest.mark.slow
SECONDS = 1_200  # a busy machine takes ten times as long
NOTEBOOK = "06_gradient_checking.ipynb"
# A click on "Run All" before the kernel is there runs nothing, and what is painted lags
# behind: so the application itself is asked to wait, to run, and for its cells.
RUN = """async ([path, seconds]) => {
  const until = async (f) => {
    let found;
    while (!(found = f())) await new Promise((done) => setTimeout(done, 200));
    return found;
  };
  const run = async () => {
    const here = () => window.jupyterapp?.shell.currentWidget;
    const panel = await until(() => here()?.context?.path === path && here());
    await panel.context.ready;
    await panel.sessionContext.ready;
    await panel.sessionContext.session.kernel.info;
    await jupyterapp.commands.execute("notebook:run-all-cells");
    return panel.content.model.toJSON().cells.filter((cell) => cell.cell_type === "code");
  };
  const late = new Promise((_, fail) => setTimeout(() => fail(Error("too late")), 1000 * seconds));
  return Promise.race([run(), late]);
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "lite"
    work = Path(WORK)
    work.mkdir(parents=True, exist_ok=True)
    kit.script("lite").build(folder, work, fetch_pyodide.place())
    path = folder / "jupyter-lite.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["jupyter-config-data"]["exposeAppInBrowser"] = True
    path.write_text(json.dumps(config), encoding="utf-8")
    return folder


def test_all_notebooks_are_there_and_one_runs_to_its_end(site):
    sources = {path.name for path in (kit.ROOT / "notebooks").glob("[0-9]*.ipynb")}
    assert {path.name for path in (site / "files").glob("*.ipynb")} == sources
    with kit.served(site.parent) as url, kit.chromium() as browser:
        context = browser.new_context(viewport={"width": 1200, "height": 900})
        watch = kit.Watch(context)
        tab = context.new_page()
        tab.goto(f"{url}/{LITE.format(NOTEBOOK)}")
        cells = tab.evaluate(RUN, [NOTEBOOK, SECONDS])
        assert [cell["execution_count"] for cell in cells] == [
            *range(1, len(cells) + 1)
        ]
        outputs = [output for cell in cells for output in cell["outputs"]]
        assert [o for o in outputs if o["output_type"] == "error"] == []
        assert any("image/png" in o.get("data", {}) for o in outputs)
        assert "Your turn." in outputs[-1]["text"]
        assert watch.outside == []
