"""The report's page with a style and a script of its own added, and the policy widened by exactly that script.

Covered: the page still runs nothing but scripts whose hash its policy names. Not covered: pages whose policy is not the
shell's; those are refused.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from importlib import resources

from inspection.errors import PlumblineError
from inspection.reporting.blocks import Section
from inspection.reporting.markup import Html
from inspection.reporting.shell import page

POLICY = "script-src "
"""Where the shell's policy lists the scripts that may run."""


def page_with(
    asset: str, title: str, kind: str, created: datetime, top: Html, sections: Sequence[Section]
) -> str:
    """`shell.page` with `assets/<asset>.css` and `assets/<asset>.js` at work."""
    folder = resources.files("inspection.reporting") / "assets"
    style = (folder / f"{asset}.css").read_text(encoding="utf-8")
    script = (folder / f"{asset}.js").read_text(encoding="utf-8")
    return with_script(page(title, kind, created, top, sections), style, script)


def with_script(document: str, style: str, script: str) -> str:
    """The document with a style at the end of its head and a script at the end of its body."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    head, middle, rest = document.partition("</head>")
    before, listed, after = head.partition(POLICY)
    body, end, tail = rest.rpartition("</body>")
    if not (middle and listed and end):
        raise PlumblineError("the report's page has no policy for scripts, so none can be added")
    allowed = f"{before}{listed}&#x27;sha256-{digest}&#x27; {after}"
    return f"{allowed}<style>{style}</style>{middle}{body}<script>{script}</script>{end}{tail}"
