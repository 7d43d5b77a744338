"""What a dataset may be called. Names may repeat: datasets are told apart by their ids."""

from __future__ import annotations

import re
from typing import Final

_SHORTEST: Final = 3
_LONGEST: Final = 200  # a folder is called by it and the id, in at most 255 bytes


def faults_of_name(name: str) -> list[str]:
    """Return a sentence for each reason why ``name`` cannot be a dataset's; none where it can."""
    faults = []
    if len(name) < _SHORTEST:
        faults.append(f"A name has at least {_SHORTEST} characters.")
    if len(name) > _LONGEST:
        faults.append(f"A name has at most {_LONGEST} characters.")
    if name.startswith("."):
        faults.append("A name does not start with a dot.")
    strange = sorted(set(re.sub(r"[A-Za-z0-9_.-]", "", name)))
    if strange:
        listed = " ".join(map(repr, strange[:10]))
        faults.append(f"A name has letters from A to Z, digits, '_', '-' and '.' only, not {listed}.")
    return faults
