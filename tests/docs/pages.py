"""The pages of the built documentation: what each has to offer, and where it leads."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlparse

BASE = "https://site/"


@dataclass
class Page(HTMLParser):
    """A page, by its address below the site.

    Attributes:
        address: such as `reppo/`; empty for the first page.
        anchors: what can be linked to in it.
        links: addresses and files that it names, as they stand there.
    """

    address: str
    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes what a tag offers and names."""
        named = dict(attrs)
        self.anchors |= {name for key in ("id", "name") if (name := named.get(key))}
        self.links += [link for key in ("href", "src") if (link := named.get(key))]


def read_site(folder: Path) -> dict[str, Page]:
    """The pages of a built site by their addresses."""
    pages = {}
    for file in sorted(folder.rglob("*.html")):
        address = str(file.relative_to(folder)).removesuffix("index.html")
        pages[address] = Page(address)
        pages[address].feed(file.read_text(encoding="utf-8"))
    return pages


def dangling(folder: Path, pages: dict[str, Page]) -> list[str]:
    """Links of pages to pages, anchors and files that are not there."""
    found = []
    for page in pages.values():
        for link in page.links:
            address, anchor = urldefrag(urljoin(BASE + page.address, link))
            if urlparse(address).scheme not in ("http", "https") or not address.startswith(BASE):
                continue
            target = unquote(address.removeprefix(BASE))
            there = target in pages or (folder / target).is_file()
            if not there or (anchor and target in pages and unquote(anchor) not in pages[target].anchors):
                found.append(f"{page.address or 'home'}: {link}")
    return found
