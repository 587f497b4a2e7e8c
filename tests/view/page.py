"""Reads a page as a browser does, and says what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset("area base br col embed hr img input link meta source track wbr rect path".split())
OURS = {
    ("script", "src", "/-/files/follow.js"),
    ("link", "href", "/-/files/view.css"),
    ("link", "href", "/-/files/icon.svg"),
}
ELEMENTS = frozenset(
    (
        "html head meta title link script noscript body a header nav ol ul li main h1 h2 h3 p small span strong dl div "
        "dt dd section table caption colgroup col thead tbody tfoot tr th td details summary pre code figure "
        "figcaption form label select option input button textarea datalist svg rect mark"
    ).split()
)


@dataclass
class Page(HTMLParser):
    """A parsed page."""

    links: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    elements: list[str] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        self.elements.append(tag)
        found = dict(attributes)
        if tag not in VOID:
            self._open.append(tag)
        if tag not in ELEMENTS:
            self.faults.append(f"element {tag}")
        if tag == "th" and "scope" not in found:
            self.faults.append("th without scope")
        for name, value in attributes:
            if name.startswith("on") or name == "style":
                self.faults.append(f"attribute {name}")
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src", "action"):
                self._check(tag, name, value or "")
            if name == "href" and tag == "a":
                self.links.append(value or "")

    def _check(self, tag: str, name: str, value: str) -> None:
        if not value.startswith(("/", "#", "?", "http://localhost/")) or value.startswith("//"):
            self.faults.append(f"{tag} leads to {value}")
        if tag in ("script", "link") and (tag, name, value) not in OURS:
            self.faults.append(f"{tag} {value}")

    def handle_endtag(self, tag: str) -> None:
        """An element ends."""
        if tag not in VOID and (not self._open or self._open.pop() != tag):
            self.faults.append(f"</{tag}> out of place")

    def handle_data(self, data: str) -> None:
        """Text within an element."""
        self.text.append(data)


def read_page(text: str) -> Page:
    """A page with its faults: elements and attributes that are none of ours, remote addresses, missing landmarks."""
    page = Page()
    page.feed(text)
    page.close()
    if page._open:
        page.faults.append(f"left open: {page._open}")
    if len(set(page.ids)) != len(page.ids):
        page.faults.append("an id twice")
    for element in ("main", "h1", "head"):
        if page.elements.count(element) != 1:
            page.faults.append(f"{page.elements.count(element)} of {element}")
    if page.links[:1] != ["#main"]:
        page.faults.append("no skip link first")
    page.faults += [f"leads to {link}" for link in page.links if link[:1] == "#" and link[1:] not in page.ids]
    if "lang=" not in text[:200]:
        page.faults.append("no language")
    return page
