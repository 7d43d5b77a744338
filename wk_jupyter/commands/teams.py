"""``wk-jupyter team``: teams, and who is in them."""

# ruff: noqa: T201 - what a command says goes to its output
from __future__ import annotations

from typing import TYPE_CHECKING

from wk_jupyter.commands.opening import add_data_dir, add_database, add_organization, find, opened
from wk_jupyter.commands.printing import print_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from wk_jupyter.commands.opening import Opened
    from wk_jupyter.store.records import UserRecord


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    team = commands.add_parser(
        "team", help="list, add and remove teams, and who is in them", description="Teams of an organization."
    )
    verbs = team.add_subparsers(dest="verb", required=True, metavar="VERB", help="what to do")
    every = verbs.add_parser("list", help="show all teams with who is in them")
    every.set_defaults(run=_list)
    add = verbs.add_parser("add", help="add a team")
    add.set_defaults(run=_add)
    remove = verbs.add_parser("remove", help="dissolve a team: nobody sees anything by it any more")
    remove.set_defaults(run=_remove)
    join = verbs.add_parser("join", help="take a user into a team, or change her part in it")
    join.set_defaults(run=_join)
    leave = verbs.add_parser("leave", help="take a user out of a team")
    leave.set_defaults(run=_leave)
    for command in (add, remove, join, leave):
        command.add_argument("team", metavar="TEAM", help="the team's name")
    for command in (join, leave):
        command.add_argument("user", metavar="USER", help="what the user signs in by")
    join.add_argument(
        "--manager", action="store_true", help="she looks after the team's people, datasets and folders"
    )
    for command in (every, add, remove, join, leave):
        add_data_dir(command)
        add_organization(command)
        add_database(command)


def _list(options: argparse.Namespace) -> int:
    with opened(options) as (store, admin, _):
        users = store.people.users(admin)
        rows = []
        for team in store.people.teams(admin):
            inside = [
                (user.name, each.is_manager)
                for user in users
                for each in user.memberships
                if each.team_id == team.id
            ]
            managers = ", ".join(name for name, is_manager in inside if is_manager)
            rows.append(
                (team.name, managers, ", ".join(name for name, is_manager in inside if not is_manager))
            )
        print_table(("team", "managers", "members"), rows)
    return 0


def _add(options: argparse.Namespace) -> int:
    with opened(options) as (store, admin, _):
        team = store.people.create_team(admin, options.team)
        print(f"{team.name} is a team of {team.organization} now.")
    return 0


def _remove(options: argparse.Namespace) -> int:
    with opened(options) as (store, admin, _):
        team = find(store.people.teams(admin), options.team, "team")
        store.people.delete_team(admin, team.id)
        print(f"{team.name} is dissolved.")
    return 0


def _join(options: argparse.Namespace) -> int:
    with opened(options) as catalog:
        user, now, team_id = _membership(catalog, options)
        _set(catalog, user, {**now, team_id: options.manager})
        print(f"{user.name} is {'a manager' if options.manager else 'a member'} of {options.team} now.")
    return 0


def _leave(options: argparse.Namespace) -> int:
    with opened(options) as catalog:
        user, now, team_id = _membership(catalog, options)
        _set(catalog, user, {each: is_manager for each, is_manager in now.items() if each != team_id})
        print(f"{user.name} is not in {options.team}.")
    return 0


def _membership(catalog: Opened, options: argparse.Namespace) -> tuple[UserRecord, dict[str, bool], str]:
    """Return a user, the teams that she is in with whether she manages each, and the id of the one."""
    people, admin = catalog.store.people, catalog.admin
    user = find(people.users(admin), options.user, "user")
    team = find(people.teams(admin), options.team, "team")
    return user, {each.team_id: each.is_manager for each in user.memberships}, team.id


def _set(catalog: Opened, user: UserRecord, teams: Mapping[str, bool]) -> None:
    from wk_jupyter.store.people import UserPatch  # noqa: PLC0415 - loads SQLAlchemy

    seen = UserPatch(teams={each.team_id: each.is_manager for each in user.memberships})
    catalog.store.people.update_user(catalog.admin, user.id, UserPatch(teams=teams), seen)
