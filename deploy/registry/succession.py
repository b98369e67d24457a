"""Which champions rollbacks go back through, and so whom the alias `previous` names.

Covered: promotions, rollbacks, aliases moved by hand and adopted, a time without a champion. Not covered: `previous` as
an older registry had it before its ledger began.
"""

from __future__ import annotations

from collections.abc import Sequence

from deploy.registry.aliases import CHAMPION, PREVIOUS
from deploy.registry.ledger import Aliases, Holder, Ledger


def champions(ledger: Ledger) -> list[Holder]:
    """The champions that rollbacks go back through, the present one last: each rollback takes one away."""
    stack: list[Holder] = []
    for link in ledger.links:
        now = link.entry.after.get(CHAMPION)
        if now is None or (stack and stack[-1] == now):
            continue
        if link.entry.kind == "rollback" and len(stack) > 1 and stack[-2] == now:
            stack.pop()
        else:
            stack.append(now)
    return stack


def with_previous(after: Aliases, reigned: Sequence[Holder]) -> Aliases:
    """`after`, with `previous` for whom the next rollback would bring when the champions so far `reigned`."""
    champion = after.get(CHAMPION)
    others = {alias: holder for alias, holder in after.items() if alias != PREVIOUS}
    same = champion is None or list(reigned[-1:]) == [champion]
    earlier = reigned[:-1] if same else reigned
    return {**others, PREVIOUS: earlier[-1]} if earlier else others
