"""Folders: who sees them, who may change what about them, and what a change does to those below."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa

from wk_jupyter.errors import Conflict, Forbidden, InvalidInput, NotFound
from wk_jupyter.store import DatasetQuery, Store, StoreConfig
from wk_jupyter.store.access import ANONYMOUS, owner, principal_of
from wk_jupyter.store.catalog.organizations import ensure_organization
from wk_jupyter.store.catalog.tables import datasets, folders
from wk_jupyter.store.catalog.users import ensure_owner
from wk_jupyter.store.folder_tree import MAX_DEPTH, FolderPatch
from wk_jupyter.store.people import UserPatch

sys.path.insert(0, str(Path(__file__).parent))
from datasets_on_disk import write_dataset

NAMES = ("one", "two", "three")


@pytest.fixture
def store(tmp_path, database_url):
    for name in NAMES:
        write_dataset(tmp_path / "binaryData" / "lab", name)
    opened = Store(StoreConfig(tmp_path, "lab", owner_name="ada", database_url=database_url))
    opened.scan()
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


class Lab:
    """Short ways to make what a test is about."""

    def __init__(self, store, ada):
        self.store, self.ada, self.folders = store, ada, store.folders
        self.root = store.home.root_folder_id

    def team(self, name):
        return self.store.people.create_team(self.ada, name).id

    def hire(self, name, managed=(), member=(), **flags):
        teams = {self.store.home.everyone_id: False} | dict.fromkeys(member, False)
        patch = UserPatch(teams=teams | dict.fromkeys(managed, True), **flags)
        return principal_of(self.store.people.create_user(self.ada, name, patch))

    def folder(self, path, *teams):
        """Make the last folder of a path, and those above it that are not there."""
        at = self.root
        for name in path.split("/"):
            inside = {each.name: each.id for each in self.folders.tree(self.ada) if each.parent_id == at}
            at = inside.get(name) or self.folders.create(self.ada, at, name).id
        if teams:
            self.folders.update(self.ada, at, FolderPatch(team_ids=frozenset(teams)))
        return at

    def put(self, dataset, folder, *, trashed=None):
        with self.store.changes.writing() as writer:
            which = sa.update(datasets).where(datasets.c.directory_name == dataset)
            writer.connection.execute(which.values(folder_id=folder, trashed=trashed))
            writer.note("dataset", "changed", None, self.store.home.id)

    def paths(self, principal):
        names: dict[str, str] = {}
        for each in self.folders.tree(principal):
            names[each.id] = f"{names[each.parent_id]}/{each.name}" if each.parent_id else each.name
        return list(names.values())


@pytest.fixture
def lab(store, ada):
    return Lab(store, ada)


# --- seeing ---------------------------------------------------------------------------------


def test_the_root_is_there_from_the_beginning(store, lab, ada):
    root = store.folders.root(ada)
    assert (root.name, root.parent_id, root.id) == ("Datasets", None, store.home.root_folder_id)
    assert lab.paths(ada) == ["Datasets"]
    assert store.folders.root(owner("root")).id == root.id


def test_the_tree_is_in_order(lab, ada):
    for path in ("b/x", "a/y", "B", "a/x/deep", "Ä"):
        lab.folder(path)
    assert lab.paths(ada) == [
        "Datasets", "Datasets/a", "Datasets/a/x", "Datasets/a/x/deep", "Datasets/a/y",
        "Datasets/B", "Datasets/b", "Datasets/b/x", "Datasets/Ä",
    ]  # fmt: skip


def test_one_sees_what_ones_teams_may_and_all_below(lab, ada, eve):
    team = lab.team("readers")
    lab.folder("hidden/open", team)
    lab.folder("hidden/open/below")
    lab.folder("hidden/closed")
    bob, dora = lab.hire("bob", member=[team]), lab.hire("dora", is_dataset_manager=True)
    # What is seen hangs where it can be found; the name of the hidden folder is told to nobody.
    assert lab.paths(bob) == ["Datasets", "Datasets/open", "Datasets/open/below"]
    assert len(lab.paths(dora)) == len(lab.paths(owner("root"))) == 5
    assert lab.paths(lab.hire("carl")) == lab.paths(eve) == ["Datasets"]
    assert lab.paths(ANONYMOUS) == []


def test_a_folder_tells_its_own_teams_and_those_that_come_down(lab, ada):
    above, own = lab.team("above"), lab.team("own")
    lab.folder("a", above)
    folder = lab.folders.get(ada, lab.folder("a/b/c", own))
    assert folder.team_ids == {own}
    assert folder.cumulative_team_ids == {above, own}
    assert next(each for each in lab.folders.tree(ada) if each.id == folder.id) == folder


def test_the_unseen_and_the_absent_are_told_in_the_same_words(lab, ada, eve):
    folder = lab.folder("closed")
    bob = lab.hire("bob")
    absent = "f" * 24
    for act in (
        lab.folders.get,
        lambda who, which: lab.folders.create(who, which, "x"),
        lambda who, which: lab.folders.update(who, which, FolderPatch("x")),
        lambda who, which: lab.folders.move(who, which, lab.root),
        lab.folders.delete,
    ):
        for who in (bob, eve, ANONYMOUS):
            told = []
            for which in (folder, absent):
                with pytest.raises(NotFound) as refused:
                    act(who, which)
                told.append(str(refused.value).replace(which, ""))
            assert told[0] == told[1]
    for nonsense in ("", "a\0b", "é", "x" * 5000):
        with pytest.raises(NotFound):
            lab.folders.get(ada, nonsense)


def test_datasets_that_one_may_see_are_counted(lab, ada):
    team = lab.team("readers")
    folder, closed = lab.folder("open", team), lab.folder("closed")
    lab.put("one", folder)
    lab.put("two", folder, trashed=1)
    lab.put("three", closed)
    assert lab.folders.dataset_counts(ada) == {folder: 1, closed: 1}
    assert lab.folders.dataset_counts(lab.hire("bob", member=[team])) == {folder: 1}
    assert lab.folders.dataset_counts(ANONYMOUS) == {}


# --- making ---------------------------------------------------------------------------------


def test_a_name_is_taken_once_in_a_folder(lab, ada):
    lab.folders.create(ada, lab.root, "  2026 ")
    with pytest.raises(Conflict, match="'2026'"):
        lab.folders.create(ada, lab.root, "2026")
    inside = lab.folders.create(ada, lab.folder("2026"), "2026")
    other = lab.folder("2026/b")
    with pytest.raises(Conflict, match="'2026'"):
        lab.folders.update(ada, other, FolderPatch("2026"))
    assert lab.folders.update(ada, inside.id, FolderPatch("2026")).name == "2026"
    assert lab.folders.update(ada, inside.id, FolderPatch("2027")).name == "2027"
    assert lab.paths(ada) == ["Datasets", "Datasets/2026", "Datasets/2026/2027", "Datasets/2026/b"]


def test_of_two_who_make_the_same_at_once_one_is_told(lab, ada):
    gate = Barrier(8)

    def make(_):
        gate.wait(30)
        try:
            return lab.folders.create(ada, lab.root, "new").id
        except Conflict as conflict:
            return str(conflict)

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(make, range(8)))
    assert sum("already in this place" in each for each in told) == 7
    assert lab.paths(ada) == ["Datasets", "Datasets/new"]


@pytest.mark.parametrize("name", ["", "  ", "a/b", "/", "x" * 256, "a\nb", "a\0b", "a\ud800b"])
def test_names_are_checked(lab, ada, name):
    with pytest.raises(InvalidInput, match="name"):
        lab.folders.create(ada, lab.root, name)
    with pytest.raises(InvalidInput, match="name"):
        lab.folders.update(ada, lab.root, FolderPatch(name))
    assert lab.paths(ada) == ["Datasets"]


@pytest.mark.parametrize("name", ["x" * 255, "’; DROP TABLE folders", "日本 µ <b>", "..", "%_"])
def test_other_names_are_kept(lab, ada, name):
    assert lab.folders.create(ada, lab.root, name).name == name
    assert lab.paths(ada) == ["Datasets", f"Datasets/{name}"]


def test_the_tree_has_an_end(lab, ada):
    at = lab.root
    for _ in range(MAX_DEPTH - 1):
        last, at = at, lab.folders.create(ada, at, "x").id
    with pytest.raises(InvalidInput, match=f"at most {MAX_DEPTH}"):
        lab.folders.create(ada, at, "x")
    two = lab.folder("y")
    lab.folder("y/z")
    with pytest.raises(InvalidInput, match="level 65"):
        lab.folders.move(ada, two, last)
    assert len(lab.paths(ada)) == MAX_DEPTH + 2


def test_who_may_change_folders(lab, ada):
    team, other = lab.team("hers"), lab.team("other")
    folder = lab.folder("hers", team)
    below = lab.folder("hers/below")
    foreign = lab.folder("other", other)
    mia = lab.hire("mia", managed=[team], member=[other])
    reader = lab.hire("bob", member=[team])
    dora = lab.hire("dora", is_dataset_manager=True)
    made = lab.folders.create(mia, below, "x").id
    lab.folders.update(mia, made, FolderPatch("y"))
    lab.folders.move(mia, made, folder)
    lab.folders.delete(mia, made)
    lab.folders.delete(dora, lab.folders.create(dora, foreign, "x").id)
    for who, where in ((mia, foreign), (mia, lab.root), (reader, below)):
        assert not lab.folders.may_edit(who, lab.folders.get(who, where))
        for act in (
            lambda who, where: lab.folders.create(who, where, "x"),
            lambda who, where: lab.folders.update(who, where, FolderPatch("x")),
            lab.folders.delete,
            lambda who, where: lab.folders.move(who, where, below),
            lambda who, where: lab.folders.move(who, below, where),
        ):
            with pytest.raises(Forbidden, match="may not edit the folder"):
                act(who, where)
    assert lab.paths(ada) == ["Datasets", "Datasets/hers", "Datasets/hers/below", "Datasets/other"]


# --- teams ----------------------------------------------------------------------------------


def test_a_team_manager_changes_her_teams_alone(lab, ada):
    hers, second, foreign = lab.team("hers"), lab.team("second"), lab.team("foreign")
    folder = lab.folder("a", hers, foreign)
    mia = lab.hire("mia", managed=[hers, second])

    def allow(*wanted):
        return lab.folders.update(mia, folder, FolderPatch(team_ids=frozenset(wanted))).team_ids

    assert allow(hers, second) == {hers, second, foreign}  # the foreign team stays, named or not
    assert allow(second, foreign) == {second, foreign}
    third = lab.team("third")
    with pytest.raises(Forbidden, match="do not manage the team 'third'"):
        allow(second, third)
    assert lab.folders.get(ada, folder).team_ids == {second, foreign}
    assert allow() == {foreign}  # and so she cannot change it any more
    with pytest.raises(NotFound):
        allow(hers)


def test_teams_of_another_organization_are_not_there(lab, store, ada, eve):
    abroad = store.people.create_team(eve, "abroad").id
    told = []
    for team in (abroad, "f" * 24):
        with pytest.raises(InvalidInput, match="no team") as refused:
            lab.folders.update(ada, lab.root, FolderPatch("new", frozenset([team])))
        told.append(str(refused.value).replace(team, ""))
    assert told[0] == told[1]
    assert lab.folders.root(ada).name == "Datasets"  # all or nothing


def test_many_unknown_teams_are_one_mistake(lab, ada):
    with pytest.raises(InvalidInput, match="no team"):
        lab.folders.update(ada, lab.root, FolderPatch(team_ids=frozenset(map(str, range(200_000)))))


def test_a_team_that_is_allowed_sees_the_datasets_below_at_once(lab, store, ada):
    team = lab.team("readers")
    bob = lab.hire("bob", member=[team])
    folder = lab.folder("a")
    lab.put("one", lab.folder("a/b/c"))

    def seen():
        return [record.name for record in store.list_datasets(bob, DatasetQuery()).records]

    assert seen() == []
    lab.folders.update(ada, folder, FolderPatch(team_ids=frozenset([team])))
    assert seen() == ["one"]
    (record,) = store.list_datasets(bob, DatasetQuery()).records
    assert store.dataset(bob, record.id).name == "one"
    lab.folders.update(ada, folder, FolderPatch(team_ids=frozenset()))
    assert seen() == []
    with pytest.raises(NotFound):
        store.dataset(bob, record.id)


# --- metadata -------------------------------------------------------------------------------

ENTRIES = [
    {"key": "species", "type": "string", "value": "mouse\nwild type"},
    {"key": "age", "type": "number", "value": 4.5},
    {"key": "n", "type": "number", "value": 2**53 + 1},
    {"key": "stains", "type": "string[]", "value": ["DAPI", ""]},
]


def test_metadata_is_kept_as_it_is(lab, ada):
    lab.folders.update(ada, lab.root, FolderPatch(metadata=ENTRIES))
    assert list(lab.folders.root(ada).metadata) == ENTRIES
    lab.folders.update(ada, lab.root, FolderPatch("Data"))
    assert list(lab.folders.root(ada).metadata) == ENTRIES
    lab.folders.update(ada, lab.root, FolderPatch(metadata=[]))
    assert lab.folders.root(ada).metadata == ()


@pytest.mark.parametrize(
    "entries",
    [
        [{"key": " ", "type": "string", "value": ""}],
        [{"key": "a", "type": "string", "value": 1}],
        [{"key": "a", "type": "string", "value": None}],
        [{"key": "a", "type": "string", "value": "a\0"}],
        [{"key": "a", "type": "string", "value": "\ud800"}],
        [{"key": "a", "type": "string[]", "value": "abc"}],
        [{"key": "a", "type": "string[]", "value": ["a", 1]}],
        [{"key": "a", "type": "number", "value": "1"}],
        [{"key": "a", "type": "number", "value": True}],
        [{"key": "a", "type": "number", "value": float("nan")}],
        [{"key": "a", "type": "number", "value": float("inf")}],
        [{"key": "a", "type": "number", "value": 10**400}],
        [{"key": "a", "type": "date", "value": "2026"}],
        [{"key": "a", "type": "string", "value": ""}, {"key": "a ", "type": "string", "value": ""}],
        [{"key": str(n), "type": "string", "value": ""} for n in range(101)],
        [{"key": "a", "type": "string", "value": "x" * 2**16}],
        [{"key": "a", "type": "string[]", "value": [""] * 2**17}],
    ],
)
def test_other_metadata_is_refused(lab, ada, entries):
    with pytest.raises(InvalidInput, match="metadata"):
        lab.folders.update(ada, lab.root, FolderPatch(metadata=entries))
    assert lab.folders.root(ada).metadata == ()


# --- what was seen before -------------------------------------------------------------------


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(lab, ada):
    team = lab.team("readers")
    folder = lab.folder("a", team)
    seen = FolderPatch("a", frozenset([team]), [])
    for change, field in (
        (FolderPatch("b"), "name"),
        (FolderPatch(team_ids=frozenset()), "allowedTeams"),
        (FolderPatch(metadata=ENTRIES), "metadata"),
    ):
        lab.folders.update(ada, folder, seen)  # as it was
        lab.folders.update(ada, folder, change)
        with pytest.raises(Conflict, match=field) as refused:
            lab.folders.update(ada, folder, FolderPatch("c"), expected=seen)
        assert list(refused.value.details["changed"]) == [field]
        assert lab.folders.get(ada, folder).name != "c"
    assert refused.value.details["changed"] == {"metadata": ENTRIES}
    # Only what was named is compared.
    assert lab.folders.update(ada, folder, FolderPatch("c"), expected=FolderPatch("a")).name == "c"


# --- moving ---------------------------------------------------------------------------------


def test_a_move_tells_who_gains_and_loses_before_it_is_done(lab, store, ada):
    old, new, own = lab.team("old"), lab.team("new"), lab.team("own")
    lab.folder("from", old)
    target = lab.folder("to", new)
    folder = lab.folder("from/a", own)
    lab.put("one", folder)
    lab.put("two", lab.folder("from/a/b"))
    lab.put("three", folder, trashed=1)
    readers = {team: lab.hire(f"of-{team}", member=[team]) for team in (old, new, own)}

    def who_sees():
        return {team: store.list_datasets(reader, DatasetQuery()).total for team, reader in readers.items()}

    before, number = lab.paths(ada), store.changes.newest()
    told = lab.folders.move(ada, folder, target, preview=True)
    assert [team.name for team in told.gained] == ["new"]
    assert [team.name for team in told.lost] == ["old"]
    assert told.dataset_count == 2
    assert lab.paths(ada) == before
    assert store.changes.newest() == number
    assert who_sees() == {old: 2, new: 0, own: 2}
    done = lab.folders.move(ada, folder, target)
    assert (done.gained, done.lost, done.dataset_count) == (told.gained, told.lost, told.dataset_count)
    assert done.folder == lab.folders.get(ada, folder)
    assert who_sees() == {old: 0, new: 2, own: 2}
    assert lab.paths(ada) == [
        "Datasets", "Datasets/from", "Datasets/to", "Datasets/to/a", "Datasets/to/a/b",
    ]  # fmt: skip


def test_places_that_no_folder_can_be_moved_to(lab, store, ada, eve):
    a, inside, other = lab.folder("a"), lab.folder("a/b/c"), lab.folder("other")
    lab.folder("other/a")
    abroad = store.folders.root(eve).id
    before = lab.paths(ada)
    for preview in (True, False):
        for folder, target, refusal, why in (
            (a, a, InvalidInput, "into itself"),
            (a, inside, InvalidInput, "into itself"),
            (lab.root, other, InvalidInput, "is the root"),
            (lab.root, lab.root, InvalidInput, "is the root"),
            (a, other, Conflict, "'a' already"),
            (a, abroad, NotFound, "no folder"),
        ):
            with pytest.raises(refusal, match=why):
                lab.folders.move(ada, folder, target, preview=preview)
    with pytest.raises(InvalidInput, match="organization"):
        lab.folders.move(owner("root"), a, abroad)
    assert lab.paths(ada) == before


def test_two_moves_at_once_make_no_circle(lab, ada):
    a, b = lab.folder("a"), lab.folder("b")
    gate = Barrier(2)

    def move(pair):
        gate.wait(30)
        try:
            return lab.folders.move(ada, *pair).folder.parent_id
        except InvalidInput:
            return None

    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(move, [(a, b), (b, a)]))
    assert told.count(None) == 1
    assert len(lab.paths(ada)) == 3


def test_a_move_to_where_it_is_changes_nothing(lab, store, ada):
    folder = lab.folder("a/b")
    number = store.changes.newest()
    told = lab.folders.move(ada, folder, lab.folder("a"))
    assert told.gained == told.lost == ()
    assert store.changes.newest() == number


# --- deleting -------------------------------------------------------------------------------


def test_only_an_empty_folder_is_deleted(lab, store, ada):
    folder = lab.folder("a")
    lab.folder("a/b")
    with pytest.raises(Conflict, match=r"'a' is not empty.*folders \(1\).*datasets \(0\)"):
        lab.folders.delete(ada, folder)
    lab.folders.delete(ada, lab.folder("a/b"))
    lab.put("one", folder)
    with pytest.raises(Conflict, match=r"datasets \(1\)"):
        lab.folders.delete(ada, folder)
    lab.put("one", lab.root)
    lab.folders.delete(ada, folder)
    with pytest.raises(NotFound):
        lab.folders.delete(ada, folder)
    with pytest.raises(InvalidInput, match="is the root"):
        lab.folders.delete(ada, lab.root)
    assert lab.paths(ada) == ["Datasets"]


def test_what_is_in_the_trash_comes_back_to_the_root(lab, store, ada):
    folder = lab.folder("a", lab.team("readers"))
    lab.put("one", folder)
    dataset = store.dataset_in_folder(ada, "lab", "one").id
    store.trash.delete(ada, dataset)
    lab.folders.delete(ada, folder)
    restored = store.trash.restore(ada, dataset)
    assert (restored.folder_id, restored.trashed, restored.cumulative_team_ids) == (lab.root, None, set())


def test_the_root_is_renamed_and_shown_to_teams(lab, ada):
    team = lab.team("readers")
    lab.folder("a")
    lab.folders.update(ada, lab.root, FolderPatch("Our lab", frozenset([team])))
    assert lab.paths(lab.hire("bob", member=[team])) == ["Our lab", "Our lab/a"]


def test_changes_are_noted(lab, store, ada):
    team = lab.team("readers")
    begin = store.changes.newest()
    folder = lab.folders.create(ada, lab.root, "a").id
    lab.folders.update(ada, folder, FolderPatch("b"))
    lab.folders.update(ada, folder, FolderPatch("b", frozenset(), []))  # as it is
    lab.folders.update(ada, folder, FolderPatch(team_ids=frozenset([team])))
    lab.folders.delete(ada, folder)
    noted = [(each.noun, each.kind, each.subject_id) for each in store.changes.since(begin)]
    assert noted == [
        ("folder", "added", folder),
        ("folder", "changed", folder),
        ("dataset", "changed", None),
        ("folder", "changed", folder),
        ("folder", "removed", folder),
    ]


def test_a_circle_that_somebody_made_by_hand_ends(lab, store, ada):
    a, b = lab.folder("a"), lab.folder("a/b")
    with store.context.engine.begin() as connection:
        connection.execute(sa.update(folders).where(folders.c.id == a).values(parent_id=b))
    assert lab.paths(ada) == ["Datasets"]
    assert lab.folders.get(ada, b).name == "b"
    assert lab.folders.move(ada, a, lab.root).folder.parent_id == lab.root
    assert lab.paths(ada) == ["Datasets", "Datasets/a", "Datasets/a/b"]
