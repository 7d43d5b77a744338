"""API tokens: made, listed, revoked; and who comes with one."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from wk_jupyter.errors import Conflict, Forbidden, InvalidInput, NotFound
from wk_jupyter.store import Store, StoreConfig
from wk_jupyter.store.access import ANONYMOUS, owner, principal_of
from wk_jupyter.store.catalog.organizations import ensure_organization
from wk_jupyter.store.catalog.tables import api_tokens, users
from wk_jupyter.store.catalog.users import find_users, insert_user


@pytest.fixture
def store(tmp_path, database_url):
    opened = Store(StoreConfig(tmp_path, "lab", owner_name="ada", database_url=database_url))
    yield opened
    opened.close()


def hire(store, name, organization="lab", **roles):
    home = ensure_organization(store.context.engine, organization)
    with store.changes.writing() as writer:
        user_id = insert_user(writer.connection, home, name, **roles)
        writer.note("user", "added", user_id, home.id)
    with store.context.engine.connect() as connection:
        return principal_of(find_users(connection, users.c.id == user_id)[0])


@pytest.fixture
def bob(store):
    return hire(store, "bob")


def test_a_token_is_its_user(store, bob):
    record, secret = store.tokens.create(bob, " laptop ")
    assert record.name == "laptop"
    assert record.expires is None
    assert len(secret) >= 40
    assert store.authentication.is_token(secret)
    assert store.authentication.of_token(secret) == bob
    assert [each.id for each in store.tokens.list(bob)] == [record.id]


def test_the_token_itself_is_kept_nowhere(store, bob):
    _, secret = store.tokens.create(bob, "laptop")
    store.authentication.of_token(secret)
    with store.context.engine.connect() as connection:
        rows = connection.execute(sa.select(api_tokens)).all()
    assert secret not in str(rows)
    assert secret.removeprefix("wkt_") not in str(rows)
    for file in store.config.data_dir.rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes()


def test_a_use_is_noted(store, bob):
    _, secret = store.tokens.create(bob, "laptop")
    assert store.tokens.list(bob)[0].last_used is None
    store.authentication.of_token(secret)
    store.authentication.close()
    assert store.tokens.list(bob)[0].last_used is not None


def test_whoever_comes_does_not_wait_for_others_who_write(store, bob):
    _, secret = store.tokens.create(bob, "laptop")
    with store.changes.writing():
        assert store.authentication.of_token(secret) == bob
    store.authentication.close()
    assert store.tokens.list(bob)[0].last_used is not None


def test_what_was_looked_up_while_it_ended_is_not_remembered(store, bob, monkeypatch):
    record, secret = store.tokens.create(bob, "laptop")
    find = store.authentication._find_token

    def slowly(key):
        found = find(key)
        store.tokens.revoke(bob, record.id)
        return found

    monkeypatch.setattr(store.authentication, "_find_token", slowly)
    assert store.authentication.of_token(secret) == bob
    monkeypatch.undo()
    assert store.authentication.of_token(secret) is None


def test_a_revoked_token_ends_at_once(store, bob):
    record, secret = store.tokens.create(bob, "laptop")
    assert store.authentication.of_token(secret) == bob
    store.tokens.revoke(bob, record.id)
    assert store.authentication.of_token(secret) is None
    with pytest.raises(NotFound):
        store.tokens.revoke(bob, record.id)


def test_an_expired_token_is_nobodys(store, bob):
    record, secret = store.tokens.create(bob, "laptop", days=1)
    assert record.expires - record.created == 86_400_000
    with store.context.engine.begin() as connection:
        connection.execute(sa.update(api_tokens).values(expires=record.created - 1))
    assert store.authentication.of_token(secret) is None


def test_the_token_of_somebody_who_is_not_active_any_more_is_nobodys(store, bob):
    _, secret = store.tokens.create(bob, "laptop")
    assert store.authentication.of_token(secret) == bob
    with store.changes.writing() as writer:
        writer.connection.execute(sa.update(users).where(users.c.id == bob.user_id).values(is_active=False))
        writer.note("user", "changed", bob.user_id, bob.organization_id)
    assert store.authentication.of_token(secret) is None
    assert store.authentication.of_name("bob") is None


@pytest.mark.parametrize(
    "token", ["", "wkt_", "wkt_" + "A" * 43, "wkt_\0", "wkt_é", "x" * 100_000, "wkt_\ud800"]
)
def test_anything_else_is_nobodys(store, bob, token):
    store.tokens.create(bob, "laptop")
    assert store.authentication.of_token(token) is None


def test_tokens_of_others_are_an_admins_to_care_for(store, bob):
    ada = principal_of(store.owner)
    carol, foreign = hire(store, "carol"), hire(store, "eve", "other", is_admin=True)
    record, secret = store.tokens.create(ada, "for bob", user_id=bob.user_id)
    assert store.authentication.of_token(secret) == bob
    assert store.tokens.list(ada, bob.user_id) == store.tokens.list(bob)
    for stranger, refusal in ((carol, Forbidden), (foreign, NotFound), (ANONYMOUS, NotFound)):
        with pytest.raises(refusal):
            store.tokens.list(stranger, bob.user_id)
        with pytest.raises(refusal):
            store.tokens.create(stranger, "mine", user_id=bob.user_id)
        with pytest.raises(NotFound):
            store.tokens.revoke(stranger, record.id)
    store.tokens.revoke(ada, record.id)
    assert store.tokens.list(owner("root"), bob.user_id) == []


def test_whoever_is_no_user_has_no_tokens(store):
    with pytest.raises(NotFound, match="belong to a user"):
        store.tokens.create(owner("root"), "x")


@pytest.mark.parametrize("name", ["", "  ", "x" * 256, "two\nlines", "nul\0"])
def test_names_are_checked(store, bob, name):
    with pytest.raises(InvalidInput, match="name"):
        store.tokens.create(bob, name)
    assert store.tokens.list(bob) == []


@pytest.mark.parametrize("days", [0, -1, 3651])
def test_days_are_checked(store, bob, days):
    with pytest.raises(InvalidInput, match="days"):
        store.tokens.create(bob, "laptop", days=days)


def test_there_is_an_end_to_them(store, bob):
    for number in range(100):
        store.tokens.create(bob, f"t{number}")
    with pytest.raises(Conflict, match="Revoke"):
        store.tokens.create(bob, "one more")


def test_what_is_remembered_is_known_without_the_database(store, bob):
    _, secret = store.tokens.create(bob, "laptop")
    key = store.authentication.key_of_token(secret)
    assert store.authentication.cached(key) is None
    store.authentication.of_token(secret)
    assert store.authentication.cached(key).principal == bob
    hire(store, "carol")  # any change: what was known is asked again
    assert store.authentication.cached(key) is None


def test_names_are_those_of_the_servers_own_organization(store, bob):
    hire(store, "eve", "other")
    assert store.authentication.of_name("bob") == bob
    assert store.authentication.of_name("eve") is None
    assert store.authentication.of_name("nobody") is None


def test_what_a_token_makes_does_not_outlive_it(store, bob):
    record, secret = store.tokens.create(bob, "short", days=2)
    by_it = store.authentication.of_token(secret)
    for days in (None, 3, 3650):
        made, _ = store.tokens.create(by_it, "made by it", days=days)
        assert made.expires == record.expires
    assert store.tokens.create(by_it, "shorter", days=1)[0].expires < record.expires
    _, lasting = store.tokens.create(bob, "lasting")
    assert store.tokens.create(store.authentication.of_token(lasting), "x")[0].expires is None
