"""The page around the chapters: style, contents, a policy that forbids the network, and the script that opens pictures.

Covered: nothing is loaded from anywhere, and only this one script may run, even if some text escaped its escaping (the
policy names the script's hash).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from importlib import resources

from inspection.reporting.blocks import Section
from inspection.reporting.markup import Html, join, tag, text

LOGO = Html(
    '<svg class="logo" viewBox="0 0 24 24" aria-hidden="true">'
    '<path d="M12 1v9" class="thread"/><path d="M7.5 10h9v4.2L12 23l-4.5-8.8z" class="bob"/></svg>'
)


def page(
    title: str,
    kind: str,
    created: datetime,
    top: Html,
    sections: Sequence[Section],
    *,
    extra: str = "",
) -> str:
    """A whole HTML document; `kind` names what sort of report it is, `top` opens it.

    `extra` names a style, and a script where there is one, of `assets/` that work beside the report's own.
    """
    names = ("report", extra) if extra else ("report",)
    style = "".join(asset(f"{name}.css") for name in names)
    scripts = [asset(f"{name}.js") for name in names if _is_asset(f"{name}.js")]
    body = tag(
        "body",
        tag("a", "Skip to the report", href="#top", class_="skip"),
        _contents(kind, sections),
        tag("main", top, *(section.render() for section in sections), _foot(created), id="top"),
        Html('<dialog class="lightbox" aria-label="Picture, large"></dialog>'),
        *(Html(f"<script>{script}</script>") for script in scripts),
    )
    return (
        f'<!doctype html>\n<html lang="en">\n{head(title, kind, style, scripts)}\n{body}\n</html>\n'
    )


def generator(kind: str) -> Html:
    """What a page of this kind says of its origin, near its beginning: commands replace only their own pages."""
    return Html(f'<meta name="generator" content="Plumbline, {text(kind)}">')


def head(title: str, kind: str, style: str, scripts: Sequence[str]) -> Html:
    """The head of an offline page: nothing is loaded, and nothing runs but these scripts."""
    return tag(
        "head",
        Html('<meta charset="utf-8">'),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(scripts)),
        generator(kind),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<meta name="color-scheme" content="light dark">'),
        Html('<meta name="referrer" content="no-referrer">'),
        Html('<link rel="icon" href="data:,">'),
        tag("title", title),
        Html(f"<style>{style}</style>"),
    )


def _contents(kind: str, sections: Sequence[Section]) -> Html:
    links = [tag("li", tag("a", section.short, href=f"#{section.anchor}")) for section in sections]
    return tag(
        "nav",
        tag("a", LOGO, tag("span", "Plumbline"), href="#top", class_="brand"),
        tag("p", kind, class_="kind"),
        tag("ol", *links),
        Html('<div class="tools" hidden></div>'),
        aria_label="Contents",
    )


def _foot(created: datetime) -> Html:
    words = (
        f"Written by Plumbline on {stamp(created)}. This file needs no network and loads nothing."
    )
    return tag("footer", join([words]))


def stamp(moment: datetime) -> str:
    """Date and minute, with its zone."""
    zone = moment.strftime("%Z")
    return moment.strftime("%Y-%m-%d %H:%M") + (f" {zone}" if zone else "")


def _policy(scripts: Sequence[str]) -> str:
    digests = [
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts
    ]
    rules = (
        "default-src 'none'",
        "img-src data:",
        "style-src 'unsafe-inline'",
        "script-src " + " ".join(f"'sha256-{digest}'" for digest in digests),
        "base-uri 'none'",
        "form-action 'none'",
    )
    return "; ".join(rules)


def asset(name: str) -> str:
    """A file of `assets/` as text."""
    folder = resources.files("inspection.reporting") / "assets"
    return (folder / name).read_text(encoding="utf-8")


def _is_asset(name: str) -> bool:
    return (resources.files("inspection.reporting") / "assets" / name).is_file()
