"""Who is told of what happened."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from datasets_on_disk import write_dataset
from lab import Lab

from wk_jupyter.store import Store, StoreConfig
from wk_jupyter.store.access import ANONYMOUS, Principal, principal_of
from wk_jupyter.store.catalog.tables import changes
from wk_jupyter.store.dataset_settings import DatasetPatch
from wk_jupyter.store.folder_tree import FolderPatch
from wk_jupyter.store.people import UserPatch


@pytest.fixture
def lab(tmp_path, database_url):
    write_dataset(tmp_path / "binaryData" / "lab", "cells")
    store = Store(StoreConfig(tmp_path, "lab", owner_name="ada", database_url=database_url))
    store.scan()
    yield Lab(store)
    store.close()


class Listening:
    """What happens while this is open, as each of some principals is told."""

    def __init__(self, lab: Lab, **principals: Principal) -> None:
        self.store = lab.store
        self.principals = {"ada": lab.ada, "eve": lab.eve, "nobody": ANONYMOUS, **principals}
        self.told: dict[str, list[str]] = {}

    def __enter__(self) -> dict[str, list[str]]:
        self.number = self.store.changes.newest()
        return self.told

    def __exit__(self, *_: object) -> None:
        report = self.store.events.read(self.number)
        assert not report.has_gap
        assert report.newest == self.store.changes.newest()
        for name, principal in self.principals.items():
            events = [
                f"{event.noun}.{event.kind}" for event in self.store.events.told(principal, report.happened)
            ]
            if events:
                self.told[name] = events


def set_teams(lab, *teams: str) -> None:
    lab.store.settings.set_teams(lab.ada, lab.dataset("cells").id, teams)


def update(lab, **fields) -> None:
    lab.store.settings.update(lab.ada, lab.dataset("cells").id, DatasetPatch(**fields))


@pytest.fixture
def readers(lab) -> str:
    return lab.team("readers")


@pytest.fixture
def bob(lab, readers) -> Principal:
    return lab.hire("bob", member=(readers,))


@pytest.fixture
def zoe(lab) -> Principal:
    return lab.hire("zoe")


def test_a_change_is_told_to_those_who_see_the_dataset(lab, readers, bob, zoe):
    set_teams(lab, readers)
    with Listening(lab, bob=bob, zoe=zoe) as told:
        update(lab, name="Cells")
    assert told == {"ada": ["dataset.changed"], "bob": ["dataset.changed"]}
    update(lab, is_public=True)
    with Listening(lab, zoe=zoe) as told:
        update(lab, name="Cells for all")
    assert told == {each: ["dataset.changed"] for each in ("ada", "zoe", "eve", "nobody")}


def test_gaining_and_losing_sight_are_added_and_removed(lab, readers, bob, zoe):
    with Listening(lab, bob=bob, zoe=zoe) as told:
        set_teams(lab, readers)
    assert told == {"ada": ["dataset.changed"], "bob": ["dataset.added"]}
    with Listening(lab, bob=bob, zoe=zoe) as told:
        set_teams(lab)
    assert told == {"ada": ["dataset.changed"], "bob": ["dataset.removed"]}
    update(lab, is_public=True)
    with Listening(lab, bob=bob) as told:
        update(lab, is_public=False)
    assert told == {
        "ada": ["dataset.changed"],
        **{each: ["dataset.removed"] for each in ("bob", "eve", "nobody")},
    }


def test_the_trash_takes_away_and_gives_back(lab, readers, bob, zoe):
    set_teams(lab, readers)
    dataset = lab.dataset("cells").id
    with Listening(lab, bob=bob, zoe=zoe) as told:
        lab.store.trash.delete(lab.ada, dataset)
    assert told == {each: ["dataset.removed"] for each in ("ada", "bob")}
    with Listening(lab, bob=bob, zoe=zoe) as told:
        lab.store.trash.restore(lab.ada, dataset)
    assert told == {each: ["dataset.added"] for each in ("ada", "bob")}
    with Listening(lab, bob=bob, zoe=zoe) as told:
        lab.store.trash.purge(lab.ada, dataset)
    assert told == {each: ["dataset.removed"] for each in ("ada", "bob")}


def test_folders_and_what_lies_in_them(lab, readers, bob, zoe):
    folder = lab.folder("march")
    with Listening(lab, bob=bob) as told:
        lab.store.folders.update(lab.ada, folder, FolderPatch(team_ids=frozenset({readers})))
    # Which of the datasets below it are hers to see now is for her to ask.
    assert told["bob"] == ["dataset.changed", "folder.added"]
    assert told["ada"] == ["dataset.changed", "folder.changed"]
    assert set(told) == {"ada", "bob"}
    with Listening(lab, bob=bob, zoe=zoe) as told:
        lab.store.folders.update(lab.ada, folder, FolderPatch(team_ids=frozenset()))
    assert told["bob"] == ["dataset.changed", "folder.removed"]
    assert told["zoe"] == ["dataset.changed"]
    above = lab.folder("2026", teams=(readers,))
    with Listening(lab, bob=bob) as told:
        lab.store.folders.move(lab.ada, folder, above)
    assert told["bob"] == ["folder.added", "dataset.changed"]
    with Listening(lab, bob=bob, zoe=zoe) as told:
        lab.store.folders.delete(lab.ada, folder)
    assert told == {each: ["folder.removed"] for each in ("ada", "bob")}


def test_people_are_told_to_those_who_see_them(lab, readers, bob, zoe):
    mia = lab.hire("mia", manager=(readers,))
    with Listening(lab, bob=bob, zoe=zoe, mia=mia) as told:
        lab.store.people.update_user(lab.ada, bob.user_id, UserPatch(first_name="Bob"))
    assert told == {each: ["user.changed"] for each in ("ada", "bob", "mia")}
    teams = {lab.store.home.everyone_id: False}
    with Listening(lab, mia=mia, zoe=zoe) as told:
        lab.store.people.update_user(lab.ada, bob.user_id, UserPatch(teams=teams))
    assert told == {"ada": ["user.changed"], "mia": ["user.removed"]}
    with Listening(lab, mia=mia, zoe=zoe) as told:
        lab.store.people.update_user(lab.ada, bob.user_id, UserPatch(teams=teams | {readers: False}))
    assert told == {"ada": ["user.changed"], "mia": ["user.added"]}
    with Listening(lab, zoe=zoe) as told:
        lab.team("writers")
    assert told == {"ada": ["team.added"]}
    with Listening(lab, zoe=zoe) as told:
        lab.store.people.delete_team(lab.ada, readers)
    assert told == {each: ["team.removed", "dataset.changed", "folder.changed"] for each in ("ada", "zoe")}


def test_the_rule_for_one_user_or_team_is_that_of_lists(lab, readers, bob, zoe):
    everyone = lab.store.home.everyone_id
    people = [lab.ada, lab.eve, bob, zoe, lab.hire("max", is_dataset_manager=True)]
    people.append(
        principal_of(lab.store.people.create_user(lab.ada, "mia", UserPatch(teams={everyone: True})))
    )
    with lab.store.changes.writing() as writer:
        for noun, ids in (
            ("user", [user.id for each in (lab.ada, lab.eve) for user in lab.store.people.users(each)]),
            ("team", [team.id for each in (lab.ada, lab.eve) for team in lab.store.people.teams(each)]),
        ):
            for each in ids:
                writer.note(noun, "changed", each, lab.store.home.id)
        count = len(writer.notes)
    happened = lab.store.events.read(lab.store.changes.newest() - count).happened
    for principal in people:
        told = {(event.noun, event.id) for event in lab.store.events.told(principal, happened)}
        listed = {("user", user.id) for user in lab.store.people.users(principal)}
        assert told == listed | {("team", team.id) for team in lab.store.people.teams(principal)}


def test_a_journal_that_does_not_reach_back_says_so(lab):
    update(lab, name="one")
    newest = lab.store.changes.newest()
    assert lab.store.events.read(newest) == ([], newest, False)
    assert lab.store.events.read(newest + 1) == ([], newest, True)
    assert lab.store.events.read(-1).has_gap
    assert lab.store.events.read(2**80).has_gap
    update(lab, name="two")
    with lab.store.context.engine.begin() as connection:
        connection.execute(sa.delete(changes).where(changes.c.number <= newest))
    assert [event.number for event, _ in lab.store.events.read(newest).happened] == [newest + 1]
    assert lab.store.events.read(newest - 1) == ([], newest + 1, True)


def test_many_changes_are_read_in_parts(lab):
    start = lab.store.changes.newest()
    with lab.store.changes.writing() as writer:
        for _ in range(1001):
            writer.note("dataset", "changed", lab.dataset("cells").id, lab.store.home.id)
    number, numbers = start, []
    while number < start + 1001:
        report = lab.store.events.read(number)
        assert report.newest > number
        numbers += [each.change.number for each in report.happened]
        number = report.newest
    assert numbers == list(range(start + 1, start + 1002))
