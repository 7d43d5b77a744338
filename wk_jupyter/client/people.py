"""Users and teams as one uses them in a cell: ``wk.users()``, ``wk.teams()["reviewers"].add_user("bob")``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from html import escape
from typing import Any, ClassVar, Final

from wk_jupyter.client.connection import Connection, current
from wk_jupyter.client.guarded import Guarded
from wk_jupyter.client.listed import Listed, time_of
from wk_jupyter.errors import InvalidInput, UnknownOption

_FIELDS: Final = {
    "email": "email",
    "first_name": "firstName",
    "last_name": "lastName",
    "is_active": "isActive",
    "is_admin": "isAdmin",
    "is_dataset_manager": "isDatasetManager",
}


class User(Guarded):
    """One user as she was when she was last looked up; what is set is written at once.

    Where somebody else changed a field meanwhile, setting it raises Conflict; ``reload`` looks again.
    Admins set everything, everybody her own names and address, managers of one of her teams ``is_active``.
    """

    def __init__(self, connection: Connection, told: Mapping[str, Any]) -> None:
        self._connection = connection
        self._told = dict(told)

    @property
    def id(self) -> str:
        return str(self._told["id"])

    @property
    def name(self) -> str:
        """What she signs in by."""
        return str(self._told.get("name") or self._told["email"])

    @property
    def email(self) -> str:
        return str(self._told["email"])

    @email.setter
    def email(self, value: str) -> None:
        self._update("email", value)

    @property
    def first_name(self) -> str:
        return str(self._told["firstName"])

    @first_name.setter
    def first_name(self, value: str) -> None:
        self._update("firstName", value)

    @property
    def last_name(self) -> str:
        return str(self._told["lastName"])

    @last_name.setter
    def last_name(self, value: str) -> None:
        self._update("lastName", value)

    @property
    def is_active(self) -> bool:
        """Whether she is let in at all."""
        return bool(self._told["isActive"])

    @is_active.setter
    def is_active(self, value: bool) -> None:
        self._update("isActive", value)

    @property
    def is_admin(self) -> bool:
        """Whether she may do everything in the organization. The last admin stays one."""
        return bool(self._told["isAdmin"])

    @is_admin.setter
    def is_admin(self, value: bool) -> None:
        self._update("isAdmin", value)

    @property
    def is_dataset_manager(self) -> bool:
        """Whether she sees and edits all datasets of the organization."""
        return bool(self._told["isDatasetManager"])

    @is_dataset_manager.setter
    def is_dataset_manager(self, value: bool) -> None:
        self._update("isDatasetManager", value)

    @property
    def organization(self) -> str:
        return str(self._told["organization"])

    @property
    def teams(self) -> tuple[str, ...]:
        """Names of the teams that she is in; ``team.add_user`` and ``team.remove_user`` change them."""
        return tuple(team["name"] for team in self._told["teams"])

    @property
    def managed_teams(self) -> tuple[str, ...]:
        """Names of the teams that she looks after."""
        return tuple(team["name"] for team in self._told["teams"] if team["isTeamManager"])

    @property
    def last_activity(self) -> dt.datetime | None:
        """When she last came with a token of hers, or, before that, when she was added."""
        return time_of(self._told["lastActivity"])

    def reload(self) -> None:
        """Look her up again."""
        self._told = self._connection.get(f"users/{self.id}")

    def _update(self, field: str, value: Any) -> None:
        self._patch({field: value}, {field: self._told[field]})

    def _patch(self, changes: dict[str, Any], expected: dict[str, Any]) -> None:
        body = changes | {"expected": expected}
        self._told = self._connection.api("PATCH", f"users/{self.id}", body=body)

    def _set_part(self, team_id: str, *, is_manager: bool | None) -> None:
        """Take her into a team as a member or manager; None: out of it. Other teams stay as they are."""
        seen = [{"id": team["id"], "isTeamManager": team["isTeamManager"]} for team in self._told["teams"]]
        wanted = [team for team in seen if team["id"] != team_id]
        if is_manager is not None:
            wanted.append({"id": team_id, "isTeamManager": is_manager})
        self._patch({"teams": wanted}, {"teams": seen})

    def _row(self) -> tuple[Any, ...]:
        roles = [
            role
            for role, has in (("admin", self.is_admin), ("dataset manager", self.is_dataset_manager))
            if has
        ]
        teams = [f"{name} (manager)" if name in self.managed_teams else name for name in self.teams]
        full_name = f"{self.first_name} {self.last_name}".strip()
        return (self.name, full_name, self.email, self.is_active, roles, teams, self.last_activity)

    def __eq__(self, other: object) -> bool:
        mine = (self._connection.url, self.id)
        return isinstance(other, User) and mine == (other._connection.url, other.id)

    def __hash__(self) -> int:
        return hash((self._connection.url, self.id))

    def __repr__(self) -> str:
        notes = [*self._row()[4], *([] if self.is_active else ["not active"])]
        return f"<User {self.name!r}{''.join(f', {note}' for note in notes)}, in {', '.join(self.teams)}>"


class Users(Listed[User]):
    """The users that one may see, by name: ``wk.users()["bob"].is_active = False``.

    Admins see all, team managers those of their teams, everybody herself.
    """

    _noun: ClassVar[str] = "user"
    _columns: ClassVar[tuple[str, ...]] = (
        "name", "full name", "email", "active", "roles", "teams", "last activity",
    )  # fmt: skip

    @property
    def me(self) -> User:
        """Whoever asks."""
        return User(self.connection, self.connection.get("user"))

    def create(self, name: str, **fields: Any) -> User:
        """Add a user, who is active at once and in the team of everyone: admins may.

        ``name`` is what she signs in by; further ``email``, ``first_name``, ``last_name``, ``is_active``,
        ``is_admin``, ``is_dataset_manager``. Raises Conflict for a name that is taken, Forbidden,
        InvalidInput, UnknownOption.
        """
        unknown = sorted(set(fields) - set(_FIELDS))
        if unknown:
            raise UnknownOption(f"a user has no {unknown[0]!r}.", hint=f"There are {', '.join(_FIELDS)}.")
        body = {"name": name, **{_FIELDS[field]: value for field, value in fields.items()}}
        return User(self.connection, self.connection.api("POST", "users", body=body))

    def _fetch(self) -> list[User]:
        return [User(self.connection, told) for told in self.connection.get("users")]


class Team:
    """One team. Who is in it sees the datasets and folders that it is allowed on; managers edit them."""

    def __init__(self, connection: Connection, told: Mapping[str, Any]) -> None:
        self._connection = connection
        self._told = dict(told)

    @property
    def id(self) -> str:
        return str(self._told["id"])

    @property
    def name(self) -> str:
        return str(self._told["name"])

    @property
    def is_everyone(self) -> bool:
        """Whether it is the team that everybody is in, and stays in."""
        return bool(self._told.get("isOrganizationTeam"))

    @property
    def users(self) -> list[User]:
        """Who is in it, managers too, as far as one may see them, as it is now."""
        return [user for user in Users(self._connection) if self._part(user) is not None]

    @property
    def managers(self) -> list[User]:
        """Who looks after it."""
        return [user for user in Users(self._connection) if self._part(user)]

    def add_user(self, user: User | str, *, manager: bool = False) -> None:
        """Take a user into the team, by her name, id or as one of ``wk.users()``, or change her part in it.

        Admins and the team's managers may. Raises NotFound, Forbidden, Conflict where somebody else
        changed her teams at the same moment.
        """
        self._find(user)._set_part(self.id, is_manager=manager)  # noqa: SLF001 - they are written together

    def remove_user(self, user: User | str) -> None:
        """Take a user out of the team. Raises as ``add_user`` does, InvalidInput for everybody's team."""
        self._find(user)._set_part(self.id, is_manager=None)  # noqa: SLF001 - they are written together

    def delete(self) -> None:
        """Dissolve the team: nobody sees anything by it any more. Admins may, but not everybody's."""
        self._connection.api("DELETE", f"teams/{self.id}")

    def _find(self, user: User | str) -> User:
        """Return the user as she is now."""
        if not isinstance(user, User | str):
            raise InvalidInput(f"a user is given by name, by id or as one of wk.users(), not as {user!r}.")
        return Users(self._connection)[user.id if isinstance(user, User) else user]

    def _part(self, user: User) -> bool | None:
        """Whether a user manages the team; None: she is not in it."""
        parts = {team["id"]: bool(team["isTeamManager"]) for team in user._told["teams"]}  # noqa: SLF001
        return parts.get(self.id)

    def _row(self) -> tuple[Any, ...]:
        return (self.name, self.id, self._told["organization"])

    def __eq__(self, other: object) -> bool:
        mine = (self._connection.url, self.id)
        return isinstance(other, Team) and mine == (other._connection.url, other.id)

    def __hash__(self) -> int:
        return hash((self._connection.url, self.id))

    def __repr__(self) -> str:
        names = ", ".join(user.name for user in self.users) or "nobody that you may see"
        return f"<Team {self.name!r}: {names}>"

    def _repr_html_(self) -> str:
        people = "".join(
            f"<li>{escape(user.name)}{' (manager)' if self._part(user) else ''}</li>" for user in self.users
        )
        return f"<b>{escape(self.name)}</b><ul>{people}</ul>"


class Teams(Listed[Team]):
    """Teams by name: for admins and dataset managers all, for others those that they are in."""

    _noun: ClassVar[str] = "team"
    _columns: ClassVar[tuple[str, ...]] = ("name", "id", "organization")

    def create(self, name: str) -> Team:
        """Found a team: admins may. Raises Conflict for a name that is taken, Forbidden, InvalidInput."""
        return Team(self.connection, self.connection.api("POST", "teams", body={"name": name}))

    def _fetch(self) -> list[Team]:
        return [Team(self.connection, told) for told in self.connection.get("teams")]


def users() -> Users:
    """Return the users that one may see."""
    return Users(current())


def teams() -> Teams:
    """Return the teams that one may see."""
    return Teams(current())
