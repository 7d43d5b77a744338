"""Why somebody may see a dataset, in words."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class AccessExplained:
    """``reasons`` are sentences; each holds on its own."""

    dataset: str
    reasons: tuple[str, ...]

    def __repr__(self) -> str:
        return "\n".join(self.reasons)

    def _repr_html_(self) -> str:
        return f"<ul>{''.join(f'<li>{escape(reason)}</li>' for reason in self.reasons)}</ul>"
