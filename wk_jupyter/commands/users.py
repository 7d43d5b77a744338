"""``wk-jupyter user``: who there is, and what they may."""

# ruff: noqa: T201 - what a command says goes to its output
from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from wk_jupyter.commands.opening import add_data_dir, add_database, add_organization, find, opened
from wk_jupyter.commands.printing import as_time, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wk_jupyter.store.people import UserPatch
    from wk_jupyter.store.records import UserRecord

_HEADINGS = ("name", "first name", "last name", "email", "active", "roles", "teams", "last seen")


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    user = commands.add_parser(
        "user", help="list, add and change users", description="Users of an organization."
    )
    verbs = user.add_subparsers(dest="verb", required=True, metavar="VERB", help="what to do")
    every = verbs.add_parser("list", help="show all users")
    every.set_defaults(run=_list)
    add = verbs.add_parser("add", help="add a user, who is active at once and in the team of everyone")
    add.set_defaults(run=_add)
    add.add_argument("--team", action="append", default=[], help="a team that she is in; may be repeated")
    change = verbs.add_parser("change", help="change a user")
    change.set_defaults(run=_change)
    change.add_argument(
        "--active", action=argparse.BooleanOptionalAction, help="whether she is let in at all"
    )
    for command in (add, change):
        command.add_argument("name", metavar="NAME", help="what she signs in by")
        command.add_argument("--email", help="her address")
        command.add_argument("--first-name", help="her first name")
        command.add_argument("--last-name", help="her last name")
        command.add_argument(
            "--admin", action=argparse.BooleanOptionalAction, help="whether she may do everything"
        )
        command.add_argument(
            "--dataset-manager",
            action=argparse.BooleanOptionalAction,
            help="whether she sees and edits all datasets",
        )
    for command in (every, add, change):
        add_data_dir(command)
        add_organization(command)
        add_database(command)


def _list(options: argparse.Namespace) -> int:
    with opened(options) as (store, admin, _):
        print_table(_HEADINGS, [_row(user) for user in store.people.users(admin)])
    return 0


def _add(options: argparse.Namespace) -> int:
    with opened(options) as (store, admin, _):
        known = store.people.teams(admin)
        teams = {find(known, each, "team").id: False for each in options.team}
        user = store.people.create_user(admin, options.name, _patch(options, teams=teams))
        print_table(_HEADINGS, [_row(user)])
        print(f"`wk-jupyter token create --user {user.name}` makes a token by which she can come.")
    return 0


def _change(options: argparse.Namespace) -> int:
    with opened(options) as (store, admin, _):
        user = find(store.people.users(admin), options.name, "user")
        changed = store.people.update_user(admin, user.id, _patch(options, is_active=options.active))
        print_table(_HEADINGS, [_row(changed)])
    return 0


def _patch(
    options: argparse.Namespace, *, is_active: bool | None = None, teams: Mapping[str, bool] | None = None
) -> UserPatch:
    from wk_jupyter.store.people import UserPatch  # noqa: PLC0415 - loads SQLAlchemy

    return UserPatch(
        email=options.email,
        first_name=options.first_name,
        last_name=options.last_name,
        is_active=is_active,
        is_admin=options.admin,
        is_dataset_manager=options.dataset_manager,
        teams=teams,
    )


def _row(user: UserRecord) -> tuple[str, ...]:
    roles = [
        role for role, has in (("admin", user.is_admin), ("dataset manager", user.is_dataset_manager)) if has
    ]
    teams = [f"{each.team} (manager)" if each.is_manager else each.team for each in user.memberships]
    return (
        user.name,
        user.first_name,
        user.last_name,
        user.email,
        "yes" if user.is_active else "no",
        ", ".join(roles),
        ", ".join(teams),
        as_time(user.last_activity, "never"),
    )
