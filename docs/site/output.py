"""Look at what was built: every link inside leads somewhere, no request leads out.

A page may link to another server, for a paper; it must not fetch anything from one.
"""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from urllib.parse import unquote

TAG = re.compile(r"<(\w+)((?:\s+[\w:-]+(?:=(?:\"[^\"]*\"|'[^']*'|[^\s>]+))?)*)\s*/?>")
ATTRIBUTE = re.compile(r"([\w:-]+)=(?:\"([^\"]*)\"|'([^']*)')")
FETCHED = ("script", "img", "iframe", "source", "video", "audio", "embed", "object")
KEPT = ("stylesheet", "icon", "preload", "modulepreload")  # what <link rel=…> fetches
OUTSIDE = re.compile(r"^(?:[a-z]+:)?//", re.IGNORECASE)
OTHERS = "playground", "lite", "_static"  # not our pages


def faults(site: Path) -> list[str]:
    """Return a line for each link that leads nowhere and request that leads out."""
    pages = {
        path.relative_to(site).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(site.rglob("*.html"))
        if path.relative_to(site).parts[0] not in OTHERS
    }
    anchors: dict[str, set[str]] = {}
    targets: dict[tuple[str, str], str] = {}  # (page, place) -> where it was found
    wrong: list[str] = []
    for name, text in pages.items():
        anchors[name] = {*re.findall(r'\s(?:id|name)="([^"]+)"', text)}
        for tag, attributes in TAG.findall(text):
            found = {key: a or b for key, a, b in ATTRIBUTE.findall(attributes)}
            wrong += _requests(name, tag, found)
            for address in _addresses(tag, found):
                targets.setdefault(_target(name, address), name)
    wrong += [
        f"{page}: nothing is at {to}#{place}".rstrip("#")
        for (to, place), page in targets.items()
        if not _is_there(site, to, place, anchors)
    ]
    return wrong + _styles(site)


def _addresses(tag: str, found: dict[str, str]) -> list[str]:
    """Return the addresses in a tag that lie inside of the site."""
    listed = [found[key] for key in ("href", "src") if key in found]
    plain = [unescape(address) for address in listed]
    return [a for a in plain if not re.match(r"[a-z]+:|//", a, re.IGNORECASE)]


def _target(page: str, address: str) -> tuple[str, str]:
    """Return the file and the place on it to which an address on a page leads."""
    path, _, place = address.partition("#")
    path = path.partition("?")[0]
    parts = page.split("/")[:-1] if path else page.split("/")
    for part in unquote(path).split("/") if path else ():
        parts = parts[:-1] if part == ".." else [*parts, part]
    kept = [part for part in parts if part not in ("", ".")]
    return "/".join(kept), unquote(place)


def _is_there(site: Path, to: str, place: str, anchors: dict[str, set[str]]) -> bool:
    """Whether there is such a file, with such a place."""
    path = site / to
    file = f"{to}/index.html".lstrip("/") if path.is_dir() else to
    if not (site / file).is_file():
        return False
    return not place or file not in anchors or place in anchors[file]


def _requests(name: str, tag: str, found: dict[str, str]) -> list[str]:
    """Return a fault if a tag fetches something from another server."""
    address = found.get("src", "") if tag in FETCHED else ""
    if tag == "link" and found.get("rel", "") in KEPT:
        address = found.get("href", "")
    outside = OUTSIDE.match(address)
    return [f"{name}: <{tag}> asks for {address}"] if outside else []


def _styles(site: Path) -> list[str]:
    """Return a fault for each style sheet that fetches something from elsewhere."""
    pattern = re.compile(r"url\(\s*['\"]?((?:[a-z]+:)?//[^)'\"]+)|@import[^;]+//[^;]+")
    return [
        f"{path.relative_to(site)}: asks for {found[0]}"
        for path in sorted(site.rglob("*.css"))
        if path.relative_to(site).parts[0] not in OTHERS[:2]
        for found in pattern.finditer(path.read_text(encoding="utf-8"))
    ]
