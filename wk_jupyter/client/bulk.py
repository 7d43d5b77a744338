"""The same change to many datasets, with what became of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final, overload

from wk_jupyter.client.allowed_teams import several, team_ids
from wk_jupyter.client.connection import Connection
from wk_jupyter.client.metadata import metadata_entries
from wk_jupyter.client.progress import Progress
from wk_jupyter.errors import Conflict, WkError

if TYPE_CHECKING:
    import pandas as pd

    from wk_jupyter.client.folders import Folder

_TRIES: Final = 3
_MOST_SHOWN: Final = 50
Entry = Mapping[str, Any]
_STOPPED: Final = "not done: it was interrupted before"


@dataclass(frozen=True)
class Outcome:
    """What became of one dataset; ``error`` is empty where all went well."""

    name: str
    id: str
    error: str = ""

    @property
    def ok(self) -> bool:
        return not self.error


class BulkResult(Sequence[Outcome]):
    """What became of each dataset: ``result.failed``, ``result.to_dataframe()``."""

    def __init__(self, what: str, outcomes: Sequence[Outcome]) -> None:
        self.what = what
        self._outcomes = tuple(outcomes)

    @overload
    def __getitem__(self, index: int) -> Outcome: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Outcome, ...]: ...
    def __getitem__(self, index: int | slice) -> Outcome | tuple[Outcome, ...]:
        return self._outcomes[index]

    def __len__(self) -> int:
        return len(self._outcomes)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Those that the change was not made to, each with the reason in words."""
        return tuple(outcome for outcome in self._outcomes if not outcome.ok)

    def to_dataframe(self) -> pd.DataFrame:
        """Return a pandas DataFrame with name, id, ok and error, a dataset each."""
        import pandas as pd  # noqa: PLC0415 loads slowly

        rows = [(each.name, each.id, each.ok, each.error) for each in self._outcomes]
        return pd.DataFrame(rows, columns=["name", "id", "ok", "error"])

    def __repr__(self) -> str:
        lines = [self._summary()]
        lines += [
            f"  {'ok' if each.ok else '✗'}  {each.name}  {each.error}".rstrip() for each in self._shown()
        ]
        return "\n".join(lines + self._rest())

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{'✓' if each.ok else '✗'}</td><td style='text-align:left'>{escape(each.name)}</td>"
            f"<td style='text-align:left'>{escape(each.error)}</td></tr>"
            for each in self._shown()
        )
        rest = "".join(f"<div>{line}</div>" for line in self._rest())
        return f"<div>{escape(self._summary())}</div><table>{rows}</table>{rest}"

    def _summary(self) -> str:
        failed = len(self.failed)
        return f"{self.what}: {len(self) - failed} ok" + (f", {failed} failed" if failed else "")

    def _shown(self) -> list[Outcome]:
        """Those that failed first: they are what one looks for."""
        return sorted(self._outcomes, key=lambda each: each.ok)[:_MOST_SHOWN]

    def _rest(self) -> list[str]:
        more = len(self) - _MOST_SHOWN
        return [f"… and {more} more: see .to_dataframe()"] if more > 0 else []


class BulkInterrupted(KeyboardInterrupt):
    """Somebody stopped a change of many datasets; ``result`` says how far it had come."""

    def __init__(self, result: BulkResult) -> None:
        super().__init__(repr(result).partition("\n")[0])
        self.result = result


class BulkOperations:
    """Changes to all datasets of a selection. Each returns what became of each of them.

    One that cannot be changed does not stop the others. An interruption leaves what was done, and raises
    BulkInterrupted with the result.
    """

    connection: Connection

    def entries(self) -> Iterator[Entry]:
        """Yield what the server tells of each dataset."""
        raise NotImplementedError

    def add_tags(self, *tags: str) -> BulkResult:
        """Add tags to those that each has."""
        return self._update("add tags", "tags", lambda now: list(dict.fromkeys([*now, *tags])))

    def remove_tags(self, *tags: str) -> BulkResult:
        """Take tags away where they are."""
        return self._update("remove tags", "tags", lambda now: [tag for tag in now if tag not in tags])

    def set_metadata(self, **values: Any) -> BulkResult:
        """Set these keys of the metadata; others stay: ``….set_metadata(species="mouse")``."""
        fresh = {entry["key"]: entry for entry in metadata_entries(values)}

        def merged(now: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return list({**{entry["key"]: entry for entry in now}, **fresh}.values())

        return self._update("set metadata", "metadata", merged)

    def set_public(self, is_public: bool) -> BulkResult:  # noqa: FBT001 - reads as it is meant
        """Let everybody see them, or end that."""
        what = "make public" if is_public else "make private"
        return self._update(what, "isPublic", lambda _: is_public)

    def move_to(self, folder: Folder | str) -> BulkResult:
        """Put them into a folder, given by its path, its id or as a Folder."""
        from wk_jupyter.client.folders import Folders  # noqa: PLC0415 folders list datasets

        target = Folders(self.connection).given(folder)
        return self._update(f"move to {target.name}", "folderId", lambda _: target.id)

    def set_teams(self, teams: Iterable[Any]) -> BulkResult:
        """Allow just these teams, by names, ids or as teams; those of folders stay."""
        wanted = several(teams, "teams")
        return self._each("set teams", lambda entry: self._patch_teams(entry, lambda _: wanted))

    def add_teams(self, *teams: Any) -> BulkResult:
        """Allow more teams."""
        return self._each("add teams", lambda entry: self._patch_teams(entry, lambda now: [*now, *teams]))

    def remove_teams(self, *teams: Any) -> BulkResult:
        """Allow these teams no more."""
        gone = {getattr(team, "id", team) for team in teams}

        def left(now: list[dict[str, Any]]) -> list[Any]:
            return [team for team in now if team["id"] not in gone and team["name"] not in gone]

        return self._each("remove teams", lambda entry: self._patch_teams(entry, left))

    def unshare(self) -> BulkResult:
        """End all links to them."""
        return self._each("unshare", self._caller("DELETE", "/sharingToken"))

    def delete(self) -> BulkResult:
        """Move them to the trash."""
        return self._each("delete", self._caller("DELETE"))

    def restore(self) -> BulkResult:
        """Bring them back from the trash: ``wk.datasets(trashed=True).restore()``."""
        return self._each("restore", self._caller("POST", "/restore"))

    # --- shared -----------------------------------------------------------------------------

    def _caller(self, method: str, path: str = "", **params: Any) -> Callable[[Entry], None]:
        return lambda entry: self.connection.api(method, f"datasets/{entry['id']}{path}", params=params)

    def _update(self, what: str, field: str, change: Callable[[Any], Any]) -> BulkResult:
        """Make of one field what ``change`` makes of it, on top of what others did meanwhile."""

        def patch(entry: Entry) -> None:
            # Also where it seems to be so already: what is remembered may be old.
            body = {field: change(entry[field]), "expected": {field: entry[field]}}
            self.connection.api("PATCH", f"datasets/{entry['id']}/updatePartial", body=body)

        return self._each(what, lambda entry: self._again(entry, patch))

    def _patch_teams(self, entry: Entry, change: Callable[[list[Any]], list[Any]]) -> None:
        def patch(entry: Entry) -> None:
            seen = [team["id"] for team in entry["allowedTeams"]]
            asked = [team["id"] if isinstance(team, dict) else team for team in change(entry["allowedTeams"])]
            body = {"teams": team_ids(self.connection, asked, entry), "expected": seen}
            self.connection.api("PATCH", f"datasets/{entry['id']}/teams", body=body)

        self._again(entry, patch)

    def _again(self, entry: Entry, patch: Callable[[Entry], None]) -> None:
        """What is said of all datasets holds whatever somebody else did to one of them meanwhile."""
        for attempt in range(1, _TRIES + 1):
            try:
                return patch(entry)
            except Conflict:
                if attempt == _TRIES:
                    raise
                entry = self.connection.get(f"datasets/{entry['id']}")
        return None

    def _each(self, what: str, change: Callable[[Entry], Any]) -> BulkResult:
        entries = list(self.entries())  # all of them first: what is changed may be listed elsewhere then
        outcomes: list[Outcome] = []
        try:
            with Progress(what.capitalize(), len(entries)) as progress:
                for entry in entries:
                    outcomes.append(_outcome(entry, change))
                    progress.advance()
        except KeyboardInterrupt:
            rest = [Outcome(entry["name"], entry["id"], _STOPPED) for entry in entries[len(outcomes) :]]
            raise BulkInterrupted(BulkResult(what, outcomes + rest)) from None
        finally:
            self._forget()
        return BulkResult(what, outcomes)

    def _forget(self) -> None:
        """Drop what is remembered of the datasets."""


def _outcome(entry: Entry, change: Callable[[Entry], Any]) -> Outcome:
    try:
        change(entry)
    except WkError as error:
        return Outcome(entry["name"], entry["id"], str(error))
    return Outcome(entry["name"], entry["id"])
