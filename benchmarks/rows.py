"""One measured comparison, and how a list of them is shown and kept."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """``ratio`` is ours over the peer's; ``goal`` bounds it from below, or from above where ``at_most``."""

    name: str
    ours: float
    peer: float
    goal: float
    unit: str
    at_most: bool = False

    @property
    def ratio(self) -> float:
        return self.ours / self.peer if self.peer else float("inf")

    @property
    def met(self) -> bool:
        return self.ratio <= self.goal if self.at_most else self.ratio >= self.goal

    def as_json(self) -> dict[str, object]:
        goal = f"{'<=' if self.at_most else '>='} {self.goal:g}"
        return {**asdict(self), "ratio": round(self.ratio, 3), "goal": goal, "met": self.met}


def print_table(rows: list[Row]) -> None:
    print(f"\n{'what':<66}{'ours':>12}{'peer':>12}  {'unit':<10}{'ratio':>8}  {'goal':>8}")
    for row in rows:
        goal = f"{'≤' if row.at_most else '≥'} {row.goal:g}"
        mark = "met" if row.met else "MISSED"
        print(
            f"{row.name:<66}{row.ours:>12,.2f}{row.peer:>12,.2f}  {row.unit:<10}{row.ratio:>8.2f}"
            f"  {goal:>8}  {mark}"
        )


def save(rows: list[Row], path: Path) -> None:
    path.write_text(json.dumps([row.as_json() for row in rows], indent=2) + "\n")
