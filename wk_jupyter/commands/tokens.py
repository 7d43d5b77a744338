"""``wk-jupyter token``: by which scripts and other programs come as a user."""

# ruff: noqa: T201 - what a command says goes to its output
from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wk_jupyter.commands.opening import add_data_dir, add_database, add_organization, find, opened
from wk_jupyter.commands.printing import as_time, print_table

if TYPE_CHECKING:
    import argparse


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    token = commands.add_parser(
        "token", help="make, list and revoke API tokens", description="API tokens of an organization's users."
    )
    verbs = token.add_subparsers(dest="verb", required=True, metavar="VERB", help="what to do")
    create = verbs.add_parser("create", help="make a token and print it; it is never shown again")
    create.set_defaults(run=_create)
    create.add_argument("--user", required=True, metavar="NAME", help="whose it is")
    create.add_argument("--name", default="made in a shell", help="what it is for (default: %(default)s)")
    create.add_argument("--days", type=int, help="how long it is good for (default: until it is revoked)")
    every = verbs.add_parser("list", help="show tokens, but never themselves")
    every.set_defaults(run=_list)
    every.add_argument("--user", metavar="NAME", help="whose (default: everybody's)")
    revoke = verbs.add_parser("revoke", help="end a token")
    revoke.set_defaults(run=_revoke)
    revoke.add_argument("id", metavar="ID", help="the token's id, as `token list` shows it")
    for command in (create, every, revoke):
        add_data_dir(command)
        add_organization(command)
        add_database(command)


def _create(options: argparse.Namespace) -> int:
    with opened(options) as (store, admin, _):
        user = find(store.people.users(admin), options.user, "user")
        _, secret = store.tokens.create(admin, options.name, days=options.days, user_id=user.id)
    print("Keep it well: it is not shown again.", file=sys.stderr)  # what is piped on is the token alone
    print(secret)
    if not user.is_active:
        print(f"{user.name} is not active: it will be refused until she is.", file=sys.stderr)
    return 0


def _list(options: argparse.Namespace) -> int:
    with opened(options) as (store, admin, _):
        users = store.people.users(admin)
        if options.user is not None:
            users = [find(users, options.user, "user")]
        rows = [
            (
                token.id,
                user.name,
                token.name,
                as_time(token.created, ""),
                as_time(token.expires, "never"),
                as_time(token.last_used, "never"),
            )
            for user in users
            for token in store.tokens.list(admin, user.id)
        ]
        print_table(("id", "user", "name", "made", "ends", "last used"), rows)
    return 0


def _revoke(options: argparse.Namespace) -> int:
    with opened(options) as (store, admin, _):
        store.tokens.revoke(admin, options.id)
        print(f"{options.id} is revoked.")
    return 0
