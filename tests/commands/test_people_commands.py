"""``wk-jupyter user|team|token|organization`` on a real catalog."""

from __future__ import annotations

import re

import pytest

from wk_jupyter import cli
from wk_jupyter.store import Store, StoreConfig
from wk_jupyter.store.access import principal_of


@pytest.fixture
def data_dir(tmp_path):
    """A data directory as a server leaves it, whose owner is ada."""
    Store(StoreConfig(tmp_path, "lab", owner_name="ada")).close()
    return tmp_path


@pytest.fixture
def run(data_dir, capsys, monkeypatch):
    """Run a command on the data directory; give what it printed, or, where it failed, what it told."""
    monkeypatch.setenv("WK_JUPYTER_DATA_DIR", str(data_dir))

    def run(line, *more, organization="lab"):
        where = [] if line.startswith("organization") else ["--organization", organization]
        status = cli.main([*line.split(), *more, *where])
        said = capsys.readouterr()
        return said.out if status == 0 else f"failed: {said.err}"

    return run


def cells(printed):
    """The rows of a table below its headings, without their empty cells."""
    return [re.split(r"  +", line) for line in printed.splitlines()[1:]]


def opened(data_dir, organization="lab"):
    return Store(StoreConfig(data_dir, organization, owner_name=None))


def test_users_are_added_changed_and_listed(run):
    run("team add reviewers")
    made = run("user add bob --team reviewers --first-name Bob --email b@lab.org --dataset-manager")
    headings, row, advice = made.splitlines()
    assert headings.split() == [
        "name", "first", "name", "last", "name", "email", "active", "roles", "teams", "last", "seen",
    ]  # fmt: skip
    assert re.split(r"  +", row) == [
        "bob", "Bob", "b@lab.org", "yes", "dataset manager", "default, reviewers", "never",
    ]  # fmt: skip
    assert "token create --user bob" in advice
    changed = run("user change bob --no-active --admin --no-dataset-manager --last-name B.")
    assert cells(changed) == [["bob", "Bob", "B.", "b@lab.org", "no", "admin", "default, reviewers", "never"]]
    assert [row[0] for row in cells(run("user list"))] == ["ada", "bob"]


def test_no_command_makes_anybody_an_owner(run, data_dir):
    run("user list")
    run("scan")
    store = opened(data_dir)
    assert [user.name for user in store.people.users(principal_of_admin(store))] == ["ada"]
    store.close()


def principal_of_admin(store):
    from wk_jupyter.store.access import owner

    (ada,) = (user for user in store.people.users(owner("root")) if user.name == "ada")
    return principal_of(ada)


def test_who_is_in_a_team(run):
    run("team add reviewers")
    run("user add bob")
    run("user add mia")
    assert run("team join reviewers bob") == "bob is a member of reviewers now.\n"
    assert run("team join reviewers mia --manager") == "mia is a manager of reviewers now.\n"
    assert cells(run("team list")) == [["default", "ada, bob, mia"], ["reviewers", "mia", "bob"]]
    assert run("team leave reviewers bob") == "bob is not in reviewers.\n"
    run("team join reviewers mia")
    assert cells(run("team list"))[1] == ["reviewers", "mia"]
    assert "everybody is in" in run("team leave default bob")
    assert "everybody's" in run("team remove default")
    assert run("team remove reviewers") == "reviewers is dissolved.\n"
    assert cells(run("team list")) == [["default", "ada, bob, mia"]]


def test_a_token_is_printed_once(run, data_dir):
    run("user add bob")
    secret = run("token create --user bob --name laptop --days 3").strip()
    assert re.fullmatch(r"wkt_[\w-]{43}", secret)
    store = opened(data_dir)
    assert store.authentication.of_token(secret).name == "bob"
    store.close()
    listed = run("token list")
    assert secret not in listed
    ((token, user, name, *_),) = cells(listed)
    assert (user, name) == ("bob", "laptop")
    assert cells(run("token list --user ada")) == []
    assert run(f"token revoke {token}") == f"{token} is revoked.\n"
    assert cells(run("token list --user bob")) == []
    store = opened(data_dir)
    assert store.authentication.of_token(secret) is None
    store.close()


def test_another_organization_has_people_of_its_own(run, data_dir):
    assert "elsewhere is an organization now" in run("organization add elsewhere --admin eve")
    assert (data_dir / "binaryData" / "elsewhere").is_dir()
    assert cells(run("organization list")) == [["elsewhere", "1", "eve"], ["lab", "1", "ada"]]
    assert [row[0] for row in cells(run("user list", organization="elsewhere"))] == ["eve"]
    assert [row[0] for row in cells(run("user list"))] == ["ada"]
    assert "no user 'ada'" in run("token create --user ada", organization="elsewhere")
    secret = run("token create --user eve", organization="elsewhere").strip()
    store = opened(data_dir)
    eve = store.authentication.of_token(secret)
    store.close()
    assert (eve.name, eve.is_admin, eve.organization_id == store.home.id) == ("eve", True, False)
    assert "elsewhere' already" in run("organization add elsewhere --admin eve")
    for name in ("..", ".hidden", "a/b", " "):
        assert "failed" in run("organization add", name, "--admin", "eve")
    assert len(cells(run("organization list"))) == 2


def test_what_is_misspelt_makes_nothing(run, data_dir, tmp_path, monkeypatch):
    assert "There is lab; `wk-jupyter organization add`" in run("user list", organization="lap")
    assert not (data_dir / "binaryData" / "lap").exists()
    nowhere = tmp_path / "nowhere"
    monkeypatch.setenv("WK_JUPYTER_DATA_DIR", str(nowhere))
    assert f"there is no catalog in {nowhere}" in run("user add bob")
    assert "no catalog" in run("organization add x --admin y")
    assert not nowhere.exists()


def test_mistakes_are_told_in_words(run):
    run("user add bob")
    assert "failed: user: there is a user 'bob' already." in run("user add bob")
    assert "Did you mean 'bob'?" in run("user change bop --admin")
    assert "See `wk-jupyter team list`" in run("team join xyz bob")
    assert "no user 'zoe'" in run("team join default zoe")
    assert "without an admin" in run("user change ada --no-admin")
    assert "name: it is empty" in run("user add", " ")
    assert "days: 0" in run("token create --user bob --days 0")
    assert "no token 'x'" in run("token revoke x")
    assert "no team 'nobody'" in run("user add zoe --team nobody")
    assert [row[0] for row in cells(run("user list"))] == ["ada", "bob"]


def test_a_catalog_on_a_database_server(tmp_path, database_url, capsys, monkeypatch):
    monkeypatch.setenv("WK_JUPYTER_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("WK_JUPYTER_DATABASE_URL", database_url)
    assert cli.main(["user", "list"]) == 1
    assert "the catalog is empty" in capsys.readouterr().err
    assert cli.main(["scan"]) == 0
    assert cli.main(["user", "add", "bob"]) == 0
    capsys.readouterr()
    assert cli.main(["user", "list"]) == 0
    assert [row[0] for row in cells(capsys.readouterr().out)] == ["bob"]


def test_a_database_that_does_not_answer_is_told_without_its_password(tmp_path, capsys):
    url = "postgresql+psycopg://ada:secret@127.0.0.1:1/none"
    assert cli.main(["user", "list", "--data-dir", str(tmp_path), "--database-url", url]) == 1
    told = capsys.readouterr().err
    assert "does not answer" in told
    assert "secret" not in told
