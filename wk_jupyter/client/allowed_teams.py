"""Teams that may see a dataset or what is in a folder, by their names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final, overload

from wk_jupyter.client.connection import Connection
from wk_jupyter.errors import InvalidInput

_DIM: Final = "color:var(--jp-ui-font-color2,#757575)"


class AllowedTeams(Sequence[str]):
    """Names of the teams that are allowed on something itself; ``inherited``: of the folders above it.

    ``folder.allowed_teams += ["reviewers"]`` and ``-=`` change them.
    """

    def __init__(self, own: tuple[str, ...], inherited: tuple[str, ...]) -> None:
        self._own = own
        self.inherited = inherited

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        return self._own[index]

    def __len__(self) -> int:
        return len(self._own)

    def __add__(self, others: Iterable[Any]) -> list[Any]:
        return [*self._own, *several(others, "allowed_teams")]

    def __sub__(self, others: Iterable[Any]) -> list[str]:
        gone = {getattr(team, "name", team) for team in several(others, "allowed_teams")}
        return [team for team in self._own if team not in gone]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        own = ", ".join(self._own) or "no teams of its own"
        return f"{own} (inherited: {', '.join(self.inherited)})" if self.inherited else own

    def _repr_html_(self) -> str:
        if not (self._own or self.inherited):
            return f"<span style='{_DIM}'>no teams: admins and dataset managers alone</span>"
        rows = [f"<li>{escape(team)}</li>" for team in self._own]
        rows += [f"<li>{escape(team)} <span style='{_DIM}'>inherited</span></li>" for team in self.inherited]
        return f"<ul>{''.join(rows)}</ul>"


def allowed_teams(told: Mapping[str, Any]) -> AllowedTeams:
    """Return the teams of a dataset or folder as the server tells it."""
    own = {team["id"]: team["name"] for team in told["allowedTeams"]}
    above = [team["name"] for team in told["allowedTeamsCumulative"] if team["id"] not in own]
    return AllowedTeams(tuple(own.values()), tuple(above))


def team_ids(connection: Connection, wanted: Iterable[Any], told: Mapping[str, Any]) -> list[str]:
    """Return the ids of teams that are given by names, ids or as teams.

    Besides those that one sees, the ones that ``told`` has may be kept. Raises InvalidInput with similar
    names.
    """
    asked = [getattr(team, "id", team) for team in several(wanted, "allowed_teams")]
    if not asked:
        return []
    known = [*told["allowedTeamsCumulative"], *connection.get("teams")]
    by_name = {key: team["id"] for team in known for key in (team["id"], team["name"])}
    for team in asked:
        if team not in by_name:
            names = sorted({each["name"] for each in known})
            near = difflib.get_close_matches(str(team), names, n=3, cutoff=0.5) or names[:10]
            raise InvalidInput(
                f"allowed_teams: there is no team {team!r} that you know of.",
                hint=f"There are {', '.join(map(repr, near))}." if near else "See wk.teams().",
            )
    return list(dict.fromkeys(by_name[team] for team in asked))


def several(wanted: Iterable[Any], field: str) -> list[Any]:
    """Return a list. Raises InvalidInput for one text, whose letters nobody means."""
    if isinstance(wanted, str) or not isinstance(wanted, Iterable):
        kind = "one text" if isinstance(wanted, str) else "no list"
        raise InvalidInput(f"{field}: {wanted!r} is {kind}.", hint=f"Write [{wanted!r}].")
    return list(wanted)
