"""The rule for names that people give: of users, teams, tokens, folders, and datasets as they are shown."""

from __future__ import annotations

import re
from typing import Final

from wk_jupyter.errors import InvalidInput

MOST: Final = 255
# Control characters, and halves of a surrogate pair, which no database takes.
_REFUSED: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def checked_name(name: str, field: str, *, most: int = MOST, refused: str = "") -> str:
    """Return a name without blanks around it. Raises InvalidInput naming the field.

    Any Unicode on one line is a name, but for characters in ``refused``.
    """
    trimmed = name.strip()
    if not trimmed:
        raise InvalidInput(f"{field}: it is empty.", hint="Give it at least one character.")
    if len(trimmed) > most:
        raise InvalidInput(f"{field}: it has {len(trimmed)} characters.", hint=f"At most {most} are kept.")
    found = _REFUSED.search(trimmed) or next((each for each in refused if each in trimmed), None)
    if found is not None:
        character = found if isinstance(found, str) else found[0]
        raise InvalidInput(f"{field}: it may not hold the character {character!r}.")
    return trimmed
