"""``wk-jupyter organization``: each has users, teams, folders and datasets of its own."""

# ruff: noqa: T201 - what a command says goes to its output
from __future__ import annotations

from typing import TYPE_CHECKING

from wk_jupyter.commands.opening import add_data_dir, add_database, opened
from wk_jupyter.commands.printing import print_table

if TYPE_CHECKING:
    import argparse


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    organization = commands.add_parser(
        "organization",
        help="list and add organizations",
        description="Organizations of a catalog: each has users, teams, folders and datasets of its own.",
    )
    verbs = organization.add_subparsers(dest="verb", required=True, metavar="VERB", help="what to do")
    every = verbs.add_parser("list", help="show all organizations")
    every.set_defaults(run=_list)
    add = verbs.add_parser("add", help="add an organization with an admin")
    add.set_defaults(run=_add)
    add.add_argument("name", metavar="NAME", help="its name, which is a folder's name below binaryData")
    add.add_argument("--admin", required=True, metavar="NAME", help="what its first admin signs in by")
    for command in (every, add):
        add_data_dir(command)
        add_database(command)


def _list(options: argparse.Namespace) -> int:
    with opened(options) as (store, _, holder):
        users = store.people.users(holder)
        rows = []
        for each in store.people.organizations(holder):
            members = [user for user in users if user.organization_id == each.id]
            admins = ", ".join(user.name for user in members if user.is_admin and user.is_active)
            rows.append((each.name, str(len(members)), admins))
        print_table(("organization", "users", "admins"), rows)
    return 0


def _add(options: argparse.Namespace) -> int:
    with opened(options) as (store, _, holder):
        made = store.people.create_organization(holder, options.name, options.admin)
        print(f"{made.name} is an organization now, with the admin {options.admin}.")
        print(
            f"`wk-jupyter token create --organization {made.name} --user {options.admin}` makes a token by "
            "which she can come."
        )
    return 0
