"""Changes that rest on what somebody has seen: refused where that is not so any more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from wk_jupyter.errors import Conflict

_MOST_SHOWN: Final = 200  # characters of a value in a message


def require_as_expected(what: str, expected: Mapping[str, Any], current: Mapping[str, Any]) -> None:
    """Compare fields as the caller last saw them with what they are; others are nobody's concern.

    Called in the transaction that writes. Raises Conflict naming the fields of ``what``, with what they
    are now as ``details["changed"]``.
    """
    changed = {name: current.get(name) for name, value in expected.items() if current.get(name) != value}
    if changed:
        now = ", ".join(
            f"{name} was {_short(expected[name])} and is now {_short(value)}"
            for name, value in changed.items()
        )
        raise Conflict(
            f"somebody else changed {what} meanwhile: {now}.",
            hint="Look at it again, and repeat the change if you still want it.",
            changed=changed,
        )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
