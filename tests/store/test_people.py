"""Users and teams: who may change what about whom."""

from __future__ import annotations

import pytest

from wk_jupyter.errors import Conflict, Forbidden, InvalidInput, NotFound
from wk_jupyter.store import Store, StoreConfig
from wk_jupyter.store.access import ANONYMOUS, owner, principal_of
from wk_jupyter.store.catalog.organizations import ensure_organization
from wk_jupyter.store.catalog.users import ensure_owner
from wk_jupyter.store.people import UserPatch

NOTHING = UserPatch()


@pytest.fixture
def store(tmp_path, database_url):
    opened = Store(StoreConfig(tmp_path, "lab", owner_name="ada", database_url=database_url))
    yield opened
    opened.close()


@pytest.fixture
def ada(store):
    return principal_of(store.owner)


@pytest.fixture
def eve(store):
    """An admin of another organization."""
    elsewhere = ensure_organization(store.context.engine, "elsewhere")
    return principal_of(ensure_owner(store.context.engine, elsewhere, "eve"))


def hire(store, ada, name, **changes):
    return principal_of(store.people.create_user(ada, name, UserPatch(**changes)))


def again(store, ada, principal):
    return principal_of(store.people.user(ada, principal.user_id))


def test_a_new_user_is_in_the_team_of_everyone(store, ada):
    bob = store.people.create_user(ada, " bob ", UserPatch(first_name="Bob", is_dataset_manager=True))
    assert (bob.name, bob.first_name, bob.is_active, bob.is_admin, bob.is_dataset_manager) == (
        "bob", "Bob", True, False, True,
    )  # fmt: skip
    assert [each.team for each in bob.memberships] == ["default"]
    assert [user.name for user in store.people.users(ada)] == ["ada", "bob"]


def test_a_name_is_taken_once_in_an_organization(store, ada, eve):
    hire(store, ada, "bob")
    with pytest.raises(Conflict, match="'bob'"):
        hire(store, ada, "bob")
    assert hire(store, eve, "bob").organization_id == eve.organization_id
    assert len(store.people.users(owner("root"))) == 4


@pytest.mark.parametrize("name", ["", " ", "x" * 256, "a\nb", "a\0b", "a\ud800b"])
def test_names_are_checked(store, ada, name):
    with pytest.raises(InvalidInput, match="name"):
        hire(store, ada, name)
    with pytest.raises(InvalidInput, match="name"):
        store.people.create_team(ada, name)
    assert len(store.people.users(ada)) == len(store.people.teams(ada)) == 1


def test_who_sees_whom(store, ada, eve):
    team = store.people.create_team(ada, "reviewers").id
    mia = hire(store, ada, "mia", teams={team: True, store.home.everyone_id: False})
    bob = hire(store, ada, "bob", teams={team: False, store.home.everyone_id: False})
    carl = hire(store, ada, "carl", is_dataset_manager=True)

    def names(principal):
        return [user.name for user in store.people.users(principal)]

    assert names(ada) == ["ada", "bob", "carl", "mia"]
    assert names(mia) == ["bob", "mia"]
    assert names(bob) == ["bob"]
    assert names(carl) == ["carl"]
    assert names(eve) == ["eve"]
    assert names(ANONYMOUS) == []
    for stranger in (carl, eve, ANONYMOUS):
        with pytest.raises(NotFound, match="may not see"):
            store.people.user(stranger, bob.user_id)


def test_the_last_admin_stays(store, ada):
    for patch in (UserPatch(is_admin=False), UserPatch(is_active=False)):
        with pytest.raises(Conflict, match="without an admin"):
            store.people.update_user(ada, ada.user_id, patch)
    bob = hire(store, ada, "bob", is_admin=True)
    store.people.update_user(ada, ada.user_id, UserPatch(is_admin=False))
    with pytest.raises(Conflict, match="without an admin"):
        store.people.update_user(bob, bob.user_id, UserPatch(is_admin=False))
    assert store.people.user(bob, bob.user_id).is_admin


def test_what_is_as_it_was_needs_no_right(store, ada):
    """Clients send all of a user."""
    bob = store.people.create_user(ada, "bob", UserPatch(email="b@lab.org"))
    same = UserPatch("b@lab.org", "", "", True, False, False, {store.home.everyone_id: False})
    before = store.changes.newest()
    assert store.people.update_user(principal_of(bob), bob.id, same) == bob
    assert store.changes.newest() == before


def test_what_clients_were_told_for_want_of_better_is_no_change(store, ada):
    team = store.people.create_team(ada, "hers").id
    mia = hire(store, ada, "mia", teams={team: True})
    bob = store.people.create_user(ada, "bob", UserPatch(teams={team: False}))
    told = UserPatch(bob.shown_email, bob.shown_first_name, bob.last_name, teams={team: True})
    assert (told.email, told.first_name) == ("bob@localhost", "bob")
    changed = store.people.update_user(mia, bob.id, told)
    assert (changed.email, changed.first_name) == ("", "")
    assert {each.team: each.is_manager for each in changed.memberships} == {"default": False, "hers": True}


def test_somebody_elses_change_is_not_overwritten(store, ada):
    team = store.people.create_team(ada, "reviewers").id
    bob = store.people.create_user(ada, "bob", UserPatch(last_name="B."))
    seen = UserPatch(teams={store.home.everyone_id: False})
    store.people.update_user(ada, bob.id, UserPatch(teams={store.home.everyone_id: False, team: False}))
    with pytest.raises(Conflict, match="somebody else changed the user 'bob'") as refused:
        store.people.update_user(ada, bob.id, UserPatch(last_name="X", teams={}), seen)
    assert refused.value.details["changed"] == {"teams": {store.home.everyone_id: False, team: False}}
    assert store.people.user(ada, bob.id).last_name == "B."
    same = UserPatch(email="bob@localhost", last_name="B.")
    assert store.people.update_user(ada, bob.id, UserPatch(last_name="X"), same).last_name == "X"


def test_everybody_changes_her_own_names_and_nothing_else(store, ada):
    bob = hire(store, ada, "bob")
    changed = store.people.update_user(bob, bob.user_id, UserPatch(first_name="Bobby", email="b@lab.org"))
    assert (changed.first_name, changed.email) == ("Bobby", "b@lab.org")
    for patch in (UserPatch(is_admin=True), UserPatch(is_dataset_manager=True), UserPatch(is_active=False)):
        with pytest.raises(Forbidden, match="may not change"):
            store.people.update_user(bob, bob.user_id, patch)
    with pytest.raises(Forbidden):
        store.people.create_user(bob, "friend", NOTHING)


def test_a_team_manager_looks_after_her_teams_alone(store, ada):
    hers, other = (store.people.create_team(ada, name).id for name in ("hers", "other"))
    everyone = store.home.everyone_id
    mia = hire(store, ada, "mia", teams={hers: True, everyone: False})
    bob = hire(store, ada, "bob", teams={hers: False, other: True, everyone: False})
    changed = store.people.update_user(mia, bob.user_id, UserPatch(teams={hers: True}))
    assert {each.team_id: each.is_manager for each in changed.memberships} == {
        hers: True, other: True, everyone: False,
    }  # fmt: skip
    for teams in ({hers: True, other: False}, {everyone: True}):
        with pytest.raises(Forbidden, match="do not manage"):
            store.people.update_user(mia, bob.user_id, UserPatch(teams=teams))
    assert store.people.update_user(mia, bob.user_id, UserPatch(is_active=False)).is_active is False
    store.people.update_user(mia, bob.user_id, UserPatch(is_active=True))
    with pytest.raises(Forbidden, match="first_name"):
        store.people.update_user(mia, bob.user_id, UserPatch(first_name="Rob"))
    store.people.update_user(mia, bob.user_id, UserPatch(teams={}))
    with pytest.raises(NotFound):  # he has left her team
        store.people.user(mia, bob.user_id)


def test_a_team_manager_puts_out_no_admin(store, ada):
    team = store.people.create_team(ada, "hers").id
    mia = hire(store, ada, "mia", teams={team: True, store.home.everyone_id: False})
    boss = hire(store, ada, "boss", is_admin=True, teams={team: False, store.home.everyone_id: False})
    with pytest.raises(Forbidden, match="is_active"):
        store.people.update_user(mia, boss.user_id, UserPatch(is_active=False))


def test_everybody_stays_in_the_team_of_everyone(store, ada):
    bob = hire(store, ada, "bob")
    with pytest.raises(InvalidInput, match="stays"):
        store.people.update_user(ada, bob.user_id, UserPatch(teams={}))
    assert store.home.everyone_id in again(store, ada, bob).team_ids
    with pytest.raises(InvalidInput, match="everybody's"):
        store.people.delete_team(ada, store.home.everyone_id)


def test_a_refused_change_changes_nothing(store, ada):
    bob = store.people.create_user(ada, "bob", NOTHING)
    with pytest.raises(InvalidInput, match="no team"):
        store.people.update_user(ada, bob.id, UserPatch(first_name="Rob", teams={"f" * 24: True}))
    assert store.people.user(ada, bob.id) == bob


def test_teams_of_another_organization_are_not_there(store, ada, eve):
    team = store.people.create_team(eve, "abroad").id
    bob = hire(store, ada, "bob")
    with pytest.raises(InvalidInput, match="no team"):
        store.people.update_user(ada, bob.user_id, UserPatch(teams={team: False}))
    with pytest.raises(NotFound):
        store.people.delete_team(ada, team)
    assert [each.name for each in store.people.teams(ada)] == ["default"]
    assert store.people.create_team(ada, "abroad").id != team


def test_teams_that_one_sees(store, ada):
    team = store.people.create_team(ada, "reviewers")
    bob = hire(store, ada, "bob")
    dora = hire(store, ada, "dora", is_dataset_manager=True)
    assert [each.name for each in store.people.teams(bob)] == ["default"]
    assert [each.name for each in store.people.teams(dora)] == ["default", "reviewers"]
    assert store.people.teams(ANONYMOUS) == []
    with pytest.raises(Conflict, match="reviewers"):
        store.people.create_team(ada, "reviewers")
    with pytest.raises(Forbidden):
        store.people.delete_team(dora, team.id)
    with pytest.raises(NotFound):
        store.people.delete_team(bob, team.id)


def test_who_leaves_with_a_team_that_is_dissolved(store, ada):
    team = store.people.create_team(ada, "reviewers").id
    bob = hire(store, ada, "bob", teams={team: True, store.home.everyone_id: False})
    assert bob.managed_team_ids == {team}
    store.people.delete_team(ada, team)
    assert again(store, ada, bob).team_ids == {store.home.everyone_id}


def test_changes_are_noted(store, ada):
    begin = store.changes.newest()
    bob = hire(store, ada, "bob")
    team = store.people.create_team(ada, "reviewers").id
    store.people.update_user(ada, bob.user_id, UserPatch(last_name="B."))
    store.people.delete_team(ada, team)
    noted = [(each.noun, each.kind, each.subject_id) for each in store.changes.since(begin)]
    assert noted == [
        ("user", "added", bob.user_id),
        ("team", "added", team),
        ("user", "changed", bob.user_id),
        ("team", "removed", team),
        ("dataset", "changed", None),
        ("folder", "changed", None),
    ]


def test_whoever_was_put_out_is_nobody_at_once(store, ada):
    bob = hire(store, ada, "bob")
    _, secret = store.tokens.create(bob, "laptop")
    assert store.authentication.of_token(secret) == bob
    store.people.update_user(ada, bob.user_id, UserPatch(is_active=False))
    assert store.authentication.of_token(secret) is None
    assert again(store, ada, bob) == ANONYMOUS


def test_admins_are_not_taken_out_of_teams(store, ada):
    team, everyone = store.people.create_team(ada, "reviewers").id, store.home.everyone_id
    boss = hire(store, ada, "boss", is_admin=True, teams={team: True})
    with pytest.raises(InvalidInput, match="boss is an admin, and stays in the team 'reviewers'"):
        store.people.update_user(ada, boss.user_id, UserPatch(teams={everyone: False}))
    store.people.update_user(ada, boss.user_id, UserPatch(teams={everyone: False, team: False}))
    left = store.people.update_user(ada, boss.user_id, UserPatch(is_admin=False, teams={everyone: False}))
    assert [each.team for each in left.memberships] == ["default"]
