"""Reads a report back as a browser's parser would, to say what it really contains."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"br", "img", "link", "meta", "wbr"}


@dataclass
class Audit(HTMLParser):
    """Elements, attributes, headings and text of a document; raises nothing, judges nothing."""

    tags: Counter[str] = field(default_factory=Counter)
    attributes: list[tuple[str, str, str]] = field(default_factory=list)
    headings: list[tuple[int, str]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    unclosed: list[str] = field(default_factory=list)
    crossed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.unclosed.append(tag)
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append((int(tag[1]), ""))

    def handle_endtag(self, tag: str) -> None:
        if self.unclosed and self.unclosed[-1] == tag:
            self.unclosed.pop()
        else:
            self.crossed.append(tag)

    def handle_data(self, data: str) -> None:
        if self.unclosed and self.unclosed[-1] in ("script", "style"):
            return
        self.words.append(data)
        if self.unclosed and self.unclosed[-1] in ("h1", "h2", "h3"):
            level, words = self.headings[-1]
            self.headings[-1] = (level, words + data)

    def values(self, name: str) -> list[str]:
        """Every value of one attribute."""
        return [value for _, found, value in self.attributes if found == name]

    @property
    def text(self) -> str:
        """What a reader sees, as one string."""
        return "".join(self.words)


def audit(document: str) -> Audit:
    """The audit of a whole document."""
    found = Audit()
    found.feed(document)
    found.close()
    return found
