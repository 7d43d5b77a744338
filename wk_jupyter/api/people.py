"""Users, teams and tokens as they go over the wire. Times are milliseconds since 1970."""

from __future__ import annotations

from wk_jupyter.api.wire import Wire


class TeamMembership(Wire):
    id: str
    name: str
    is_team_manager: bool


class User(Wire):
    id: str
    email: str
    organization: str
    first_name: str
    last_name: str
    created: int
    last_activity: int
    is_active: bool
    is_admin: bool
    is_dataset_manager: bool
    teams: list[TeamMembership]
    experiences: dict[str, int]
    is_anonymous: bool = False
    name: str = ""


class TeamRole(Wire):
    id: str
    is_team_manager: bool = False


class UserState(Wire):
    """What a user was when she was last seen; what is not given is not compared."""

    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    is_active: bool | None = None
    is_admin: bool | None = None
    is_dataset_manager: bool | None = None
    teams: list[TeamRole] | None = None


class UserUpdate(UserState, kw_only=True):
    """What shall change; clients of WEBKNOSSOS send all of a user, of which what is as it was is ignored.

    Refused with 409 where the user is not as she is ``expected`` to be.
    """

    expected: UserState | None = None


class NewUser(UserState, kw_only=True):
    """``name`` is what she signs in by."""

    name: str


class Month(Wire):
    month: int
    year: int


class LoggedMonth(Wire):
    payment_interval: Month
    duration_in_seconds: int


class LoggedTime(Wire):
    """Nothing is logged: no annotations are made here."""

    logged_time: list[LoggedMonth]


class Team(Wire):
    id: str
    name: str
    organization: str
    is_organization_team: bool = False


class NewTeam(Wire):
    name: str


class ApiToken(Wire):
    """``token`` is there once, in the answer that makes it."""

    id: str
    name: str
    created: int
    expires: int | None
    last_used: int | None
    token: str | None = None


class NewToken(Wire):
    """``days``: how long it is good for; null: until it is revoked."""

    name: str
    days: int | None = None
