"""Build the documentation site: reference, book, notebooks, course, how-to pages.

python -m docs.site                  builds it in build/site, without a network
python -m docs.site --to FOLDER      somewhere else
python -m docs.site --lite FOLDER    with JupyterLite inside, and links to it: what
                                     docs/playground/lite.py wrote into FOLDER
python -m docs.site --playground FOLDER
                                     likewise what docs/playground/build.py wrote

Needs the extra `docs`. A warning of Sphinx is an error, and so is a link inside of the
site that leads nowhere, or a page that would ask another server for anything.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from docs.site.order import ROOT

LITE = "lite/lab/index.html?path={}"  # a notebook in JupyterLite, by its name


def build(target: Path, playground: Path | None, lite: Path | None) -> int:
    """Build the site, perhaps with others inside; return how many faults it has."""
    from docs.site import output
    from docs.site.stage import stage

    try:
        from sphinx.cmd.build import build_main
    except ImportError:
        sys.exit('the site needs Sphinx: pip install -e ".[docs]"')
    sources = target.with_name(f"{target.name}.sources")
    stage(sources)
    options = ["-D", f"minidl_lite={LITE}"] if lite else []
    for name, folder in (("playground", playground), ("lite", lite)):
        if folder is not None:
            shutil.copytree(folder, target / name, dirs_exist_ok=True)
            options += ["-t", name]
    status = build_main(
        [
            *options,
            *("-b", "html", "-c", str(Path(__file__).parent)),
            *("-W", "--keep-going", "-n", "-q", "-j", "auto"),
            *("-d", str(target.with_name(f"{target.name}.doctrees"))),
            *(str(sources), str(target)),
        ]
    )
    faults = [] if status else output.faults(target)  # Sphinx has said enough
    print("\n".join(faults), file=sys.stderr)
    return status + len(faults)


def main() -> None:
    """Build what the command line asks for."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser("python -m docs.site", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--to", type=Path, default=ROOT / "build" / "site")
    parser.add_argument("--playground", type=Path)
    parser.add_argument("--lite", type=Path)
    options = parser.parse_args()
    if build(options.to.resolve(), options.playground, options.lite):
        sys.exit("the site has faults, see above")
    print(f"built: {options.to}/index.html")


if __name__ == "__main__":
    main()
