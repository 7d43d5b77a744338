"""Users, teams and tokens in a cell, against a running server."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from known_server import TOKEN, running

import wk_jupyter as wk
from wk_jupyter.client.connection import Connection
from wk_jupyter.client.discovery import find_endpoint
from wk_jupyter.client.people import Teams, Users
from wk_jupyter.errors import Conflict, Forbidden, InvalidInput, NotFound, UnknownOption
from wk_jupyter.store import Store, StoreConfig
from wk_jupyter.store.access import owner


@pytest.fixture
def data_dir(tmp_path) -> Path:
    (tmp_path / "data" / "binaryData" / "lab").mkdir(parents=True)
    return tmp_path / "data"


@pytest.fixture
def server(data_dir) -> Iterator[str]:
    with running(data_dir.parent, "--WkJupyterApp.owner=ada") as url:
        yield url


@pytest.fixture(autouse=True)
def connection(server) -> Connection:
    return wk.connect(server, TOKEN)


def come_as(data_dir, server, name) -> Connection:
    """A connection of another user, by a token of hers."""
    store = Store(StoreConfig(data_dir, "lab", owner_name=None))
    (user,) = (each for each in store.people.users(owner("root")) if each.name == name)
    _, secret = store.tokens.create(owner("root"), "a cell", user_id=user.id)
    store.close()
    return Connection(find_endpoint(server, secret))


def test_users(data_dir, server):
    bob = wk.users().create("bob", first_name="Bob", email="b@lab.org", is_dataset_manager=True)
    assert (bob.name, bob.first_name, bob.email, bob.is_active, bob.is_dataset_manager, bob.is_admin) == (
        "bob", "Bob", "b@lab.org", True, True, False,
    )  # fmt: skip
    assert (bob.teams, bob.managed_teams, bob.organization) == (("default",), (), "lab")
    everybody = wk.users()
    assert [user.name for user in everybody] == everybody._ipython_key_completions_() == ["ada", "bob"]
    assert everybody["bob"] == everybody[bob.id] == everybody[-1] == bob
    assert len(everybody) == 2
    assert "bob" in everybody
    assert bob in everybody
    assert everybody.me.name == "ada"
    bob.last_name, bob.is_dataset_manager = "<b>", False
    assert wk.users()["bob"].last_name == bob.last_name == "<b>"
    assert "&lt;b&gt;" in everybody._repr_html_()
    assert "<b>" not in everybody._repr_html_()
    headings, ada, shown = repr(everybody).splitlines()
    assert headings.startswith("name  full name")
    assert ada.startswith("ada")
    assert shown.split()[:6] == ["bob", "Bob", "<b>", "b@lab.org", "yes", "default"]
    assert list(everybody.df["name"]) == ["ada", "bob"]
    assert repr(bob) == "<User 'bob', in default>"
    bob.is_active = False
    assert repr(bob) == "<User 'bob', not active, in default>"


def test_what_cannot_be_set_is_told(data_dir, server):
    bob = wk.users().create("bob")
    with pytest.raises(UnknownOption, match="Did you mean is_admin"):
        bob.is_admim = True
    with pytest.raises(UnknownOption, match="no 'colour'"):
        wk.users().create("zoe", colour="red")
    with pytest.raises(Conflict, match="'bob'"):
        wk.users().create("bob")
    with pytest.raises(Conflict, match="without an admin"):
        wk.users().me.is_admin = False
    with pytest.raises(InvalidInput, match="isActive"):
        bob.is_active = "no"
    with pytest.raises(NotFound, match=r"no user 'bop'.*Did you mean 'bob'"):
        wk.users()["bop"]
    with pytest.raises(NotFound, match="none at 7"):
        wk.users()[7]
    his = Users(come_as(data_dir, server, "bob"))
    assert [user.name for user in his] == ["bob"]
    with pytest.raises(Forbidden, match="is_admin"):
        his.me.is_admin = True
    with pytest.raises(Forbidden):
        his.create("friend")
    assert not wk.users()["bob"].is_admin


def test_what_somebody_else_set_is_not_overwritten(connection):
    bob = wk.users().create("bob")
    wk.users()["bob"].first_name = "Robert"
    with pytest.raises(Conflict, match="'Robert'"):
        bob.first_name = "Bobby"
    bob.last_name = "B."  # another field, and the answer tells the first
    assert bob.first_name == "Robert"
    wk.users()["bob"].first_name = "Rob"
    bob.reload()
    bob.first_name = "Bobby"
    assert wk.users()["bob"].first_name == "Bobby"


def test_teams(data_dir, server):
    reviewers, others = wk.teams().create("reviewers"), wk.teams().create("others")
    bob, mia = wk.users().create("bob"), wk.users().create("mia")
    reviewers.add_user("bob")
    reviewers.add_user(mia, manager=True)
    others.add_user(bob.id)
    assert reviewers.users == [bob, mia]
    assert reviewers.managers == [mia]
    assert wk.users()["bob"].teams == ("default", "others", "reviewers")
    assert wk.users()["mia"].managed_teams == ("reviewers",)
    assert [team.name for team in wk.teams()] == ["default", "others", "reviewers"]
    assert wk.teams()["default"].is_everyone
    assert repr(wk.teams()["reviewers"]) == "<Team 'reviewers': bob, mia>"
    assert "<li>mia (manager)</li>" in reviewers._repr_html_()
    hers = Teams(come_as(data_dir, server, "mia"))
    hers["reviewers"].add_user("bob", manager=True)  # who is in another team, too, which she does not manage
    assert wk.users()["bob"].teams == ("default", "others", "reviewers")
    assert wk.users()["bob"].managed_teams == ("reviewers",)
    hers["reviewers"].remove_user("bob")
    assert wk.users()["bob"].teams == ("default", "others")
    with pytest.raises(NotFound, match="no user 'bob'"):
        hers["reviewers"].add_user("bob")
    with pytest.raises(Forbidden):
        hers.create("more")
    reviewers.delete()
    assert "reviewers" not in wk.teams()
    with pytest.raises(InvalidInput, match="no team"):
        reviewers.add_user("bob")
    with pytest.raises(InvalidInput, match="stays"):
        wk.teams()["default"].remove_user("bob")
    with pytest.raises(InvalidInput, match=r"wk\.users"):
        others.add_user(7)


def test_teams_are_allowed_on_folders():
    lab, reviewers = wk.folders.create("Lab"), wk.teams().create("reviewers")
    lab.allowed_teams = [reviewers]
    assert list(lab.allowed_teams) == ["reviewers"]
    reviewers.delete()
    assert list(lab.allowed_teams) == []


def test_tokens(server):
    made = wk.tokens().create("laptop", days=30)
    assert made.secret.startswith("wkt_")
    assert made.expires - made.created == dt.timedelta(days=30)
    assert Users(Connection(find_endpoint(server, made.secret))).me.name == "ada"
    shown = [repr(made), repr(wk.tokens()), wk.tokens()._repr_html_(), str(vars(wk.tokens()["laptop"]))]
    assert not [text for text in shown if made.secret in text]
    assert ".secret has it" in repr(made)
    again = wk.tokens()["laptop"]
    with pytest.raises(NotFound, match="where it was made"):
        print(again.secret)
    assert (again.id, again.created, wk.tokens().create("x").expires) == (made.id, made.created, None)
    again.revoke()
    with pytest.raises(NotFound):
        made.revoke()
    with pytest.raises(Forbidden, match="not accepted"):
        Users(Connection(find_endpoint(server, made.secret))).me  # noqa: B018 - asking is what fails
    with pytest.raises(InvalidInput, match="days"):
        wk.tokens().create("x", days=0)
