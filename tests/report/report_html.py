"""Reading a page back: elements in order, plots, tables and their texts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "img", "br", "hr", "input", "base", "source"}
BLOCKS = {
    "small",
    "li",
    "p",
    "td",
    "th",
    "tr",
    "h1",
    "h2",
    "h3",
    "text",
    "pre",
    "caption",
    "figcaption",
    "section",
    "table",
}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    parts: list[Element | str] = field(default_factory=list)

    def walk(self):
        yield self
        for part in self.parts:
            if isinstance(part, Element):
                yield from part.walk()

    def all(self, *tags: str) -> list[Element]:
        return [element for element in self.walk() if element.tag in tags]

    @property
    def children(self) -> list[Element]:
        return [part for part in self.parts if isinstance(part, Element)]

    @property
    def text(self) -> str:
        return " ".join("".join(self._texts()).split())

    def _texts(self):
        for part in self.parts:
            if isinstance(part, str):
                yield part
            else:
                yield from (" ", *part._texts(), " ") if part.tag in BLOCKS else part._texts()


class Reader(HTMLParser):
    """Builds a tree; an element that is closed out of order is an error of the page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("page", {})
        self.open = [self.root]

    def handle_starttag(self, tag, attrs):
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].parts.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.open[-1].parts.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag):
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data):
        self.open[-1].parts.append(data)


def read(page: str) -> Element:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == [reader.root], f"never closed: {[element.tag for element in reader.open[1:]]}"
    return reader.root


def section(root: Element, anchor: str) -> Element:
    return next(element for element in root.all("section") if element.attributes.get("id") == anchor)


def rows(table: Element) -> list[dict[str, str]]:
    """The rows of a table by their headings; rows that head a group are left out."""
    heads = [cell.text for cell in table.all("thead")[0].all("th")]
    bodies = [row for body in table.all("tbody") for row in body.all("tr") if row.attributes.get("class") != "group"]
    return [dict(zip(heads, [cell.text for cell in row.all("th", "td")], strict=True)) for row in bodies]


def without_drawings(page: str, version: str) -> str:
    """The page less its plots, style and version, which other versions of their makers write differently."""
    page = re.sub(r"(?s)<style>.*?</style>", "<style/>", page)
    page = re.sub(r"(?s)<svg xmlns.*?</svg>", "<svg/>", page)
    return page.replace(f"gpugap {version}", "gpugap VERSION")
