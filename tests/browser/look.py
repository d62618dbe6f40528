"""Look at every page of a built site, on three widths and in both schemes.

    python -m tests.browser.look SITE --to FOLDER

writes FOLDER/WIDTH-SCHEME/PAGE.png, and says of each page what sticks out of the window,
what its console says, and what it asks another server for.

    --axe                and what axe-core finds serious: seconds for a page
    --only nn.conv,a1    pages whose names contain one of these
    --without source/    but none of these
    --widths 360         some of the widths
    --sheet COLUMNS      one picture of all, for each width and scheme
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.browser import fetch_axe, kit

WIDTHS, SCHEMES = (360, 768, 1440), ("light", "dark")
OTHERS = ("lite", "_static")  # pages that are not ours
TALL = 1400  # pixels of a page that are shown
SMALL = 260  # width of a page in a sheet
LIVE = "!document.body.dataset.state || !/ing$/.test(document.body.dataset.state)"


def pages(site: Path) -> list[str]:
    """Return the names of all pages of a site that are ours."""
    names = (path.relative_to(site).as_posix() for path in sorted(site.rglob("*.html")))
    return [name for name in names if name.split("/")[0] not in OTHERS]


def look(url: str, names: list[str], widths: list[int], to: Path, axe: bool) -> int:
    """Take the pictures; print what is wrong, and return how many lines that were."""
    lines = 0
    with kit.chromium() as browser:
        for name in names:
            context = browser.new_context()
            watch = kit.Watch(context)
            tab = context.new_page()
            tab.goto(f"{url}/{name}")
            tab.wait_for_function(LIVE, timeout=240_000)  # a page of the playground
            found = []
            for scheme in SCHEMES:
                tab.emulate_media(color_scheme=scheme)
                for width in widths:
                    tab.set_viewport_size({"width": width, "height": TALL})
                    folder = to / f"{width}-{scheme}"
                    folder.mkdir(parents=True, exist_ok=True)
                    file = name.removesuffix(".html").replace("/", "_")
                    tab.screenshot(path=folder / f"{file}.png")
                    found += [f"{width}: {text}" for text in kit.too_wide(tab)]
                if axe:
                    rules = ("color-contrast",) if scheme == "dark" else ()
                    found += [f"{scheme}: {what}" for what in kit.serious(tab, *rules)]
            context.close()
            found += [f"asks {address}" for address in watch.outside] + watch.wrong
            lines += len(found)
            for text in found:
                print(f"{name}: {text}", flush=True)
    return lines


def sheet(folder: Path, columns: int) -> None:
    """Put the pictures of a folder side by side, into FOLDER.png."""
    from PIL import Image

    files = sorted(folder.glob("*.png"))
    images = [Image.open(file) for file in files]
    tall = SMALL * TALL // images[0].width
    rows = -(-len(files) // columns)
    whole = Image.new("RGB", (columns * (SMALL + 8), rows * (tall + 8)), "gray")
    for at, image in enumerate(images):
        place = (at % columns * (SMALL + 8), at // columns * (tall + 8))
        whole.paste(image.resize((SMALL, tall)), place)
    whole.save(folder.with_suffix(".png"))


def main() -> None:
    """Look at what the command line names."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        "python -m tests.browser.look", description=__doc__
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("site", type=Path)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--axe", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--without", default="none")
    parser.add_argument("--widths", default=",".join(map(str, WIDTHS)))
    parser.add_argument("--sheet", type=int, metavar="COLUMNS")
    options = parser.parse_args()
    names = [
        name
        for name in pages(options.site)
        if any(part in name for part in options.only.split(","))
        and not any(part in name for part in options.without.split(","))
    ]
    widths = [int(width) for width in options.widths.split(",")]
    if options.axe and not fetch_axe.path().is_file():
        sys.exit(fetch_axe.MISSING)
    with kit.served(options.site) as url:
        lines = look(url, names, widths, options.to, options.axe)
    print(f"{len(names)} pages, {lines} faults")
    if options.sheet:
        for folder in [path for path in options.to.iterdir() if path.is_dir()]:
            sheet(folder, options.sheet)
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
