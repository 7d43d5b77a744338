"""What people set about a dataset, and who may."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa
from datasets_on_disk import write_dataset
from lab import Lab

from wk_jupyter.errors import Conflict, DatasetNotFound, Forbidden, InvalidInput, NotFound
from wk_jupyter.store import DatasetQuery, Store, StoreConfig
from wk_jupyter.store.access import ANONYMOUS, Action, Principal
from wk_jupyter.store.catalog.tables import dataset_tags, dataset_uses, datasets
from wk_jupyter.store.dataset_settings import DatasetPatch


@pytest.fixture
def lab(tmp_path, database_url):
    for name in ("cells", "other"):
        write_dataset(tmp_path / "binaryData" / "lab", name)
    store = Store(StoreConfig(tmp_path, "lab", owner_name="ada", database_url=database_url))
    store.scan()
    yield Lab(store)
    store.close()


def update(lab, principal=None, expected=None, **fields):
    return lab.store.settings.update(
        principal or lab.ada, lab.dataset("cells").id, DatasetPatch(**fields), expected
    )


def found(lab, search):
    return [
        record.directory_name for record in lab.store.list_datasets(lab.ada, DatasetQuery(search)).records
    ]


def test_each_field_is_set_on_its_own_and_found_by_its_words(lab):
    fields = {
        "name": "  Cortex β, layer 4  ",
        "description": "A *fine* Gewürz",
        "tags": ("EM", "mouse", "EM"),
        "metadata": ({"key": "species", "type": "string[]", "value": ["Mus musculus"]},),
        "is_public": True,
        "sorting_key": 5,
    }
    kept = fields | {"name": "Cortex β, layer 4", "tags": ("EM", "mouse")}
    for name, value in fields.items():
        changed = update(lab, **{name: value})
        assert getattr(changed, name) == kept[name]
        assert changed == lab.dataset("cells")
    for search in ("cortex", "GEWÜRZ", "em mouse", "musculus", "species"):
        assert found(lab, search) == ["cells"], search
    assert update(lab, description=None).description is None
    assert found(lab, "gewürz") == []


def test_the_name_is_what_people_read_and_nothing_else(lab):
    before = lab.dataset("cells")
    changed = update(lab, name="<b>名前</b> 😀")
    assert (changed.id, changed.directory_name) == (before.id, "cells")
    assert lab.store.dataset(lab.ada, f"anything-{before.id}").name == "<b>名前</b> 😀"
    assert update(lab, name="other").name == lab.dataset("other").name  # names may repeat


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""}, {"name": "x" * 256}, {"name": "a\nb"}, {"name": "\0"}, {"name": "\ud800"},
        {"description": "x" * 70_000}, {"description": "nul\0"},
        {"tags": ("x" * 256,)}, {"tags": ("",)}, {"tags": ("a\tb",)}, {"tags": tuple(map(str, range(101)))},
        {"metadata": ({"key": "", "type": "string", "value": "x"},)},
        {"metadata": ({"key": "a", "type": "number", "value": "x"},)},
        {"metadata": ({"key": "a", "type": "string", "value": "x"},) * 2},
        {"metadata": ({"key": "a", "type": "blob", "value": "x"},)},
        {"sorting_key": 2**63},
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused_and_changes_nothing(lab, fields):
    before = lab.dataset("cells")
    with pytest.raises(InvalidInput, match=next(iter(fields)).replace("sorting_key", "sortingKey")):
        update(lab, is_public=True, **fields)
    assert lab.dataset("cells") == before


def test_tags_are_rows_too(lab):
    update(lab, tags=("a", "b"))
    update(lab, tags=("b", "c"))
    with lab.store.context.engine.connect() as connection:
        assert set(connection.scalars(sa.select(dataset_tags.c.tag))) == {"b", "c"}
    assert [r.name for r in lab.store.list_datasets(lab.ada, DatasetQuery(tags=("c", "b"))).records] == [
        "cells"
    ]


def test_nothing_is_noted_where_nothing_changes(lab):
    update(lab, name="Cells", tags=("a",))
    before = lab.store.changes.newest()
    update(lab, name="Cells", tags=("a",))
    assert lab.store.changes.newest() == before


def test_who_may(lab):
    team, managed = lab.team("reviewers"), lab.team("managed")
    lab.store.settings.set_teams(lab.ada, lab.dataset("cells").id, [team, managed])
    bob, mia = lab.hire("bob", member=(team,)), lab.hire("mia", manager=(managed,))
    dora, carl = lab.hire("dora", is_dataset_manager=True), lab.hire("carl")
    for editor in (lab.ada, dora, mia):
        assert update(lab, editor, description=editor.name).description == editor.name
    with pytest.raises(Forbidden, match="bob may not edit"):
        update(lab, bob, description="x")
    for stranger in (carl, lab.eve, ANONYMOUS):
        with pytest.raises(DatasetNotFound):
            update(lab, stranger, description="x")
    update(lab, is_public=True)
    for stranger in (carl, lab.eve, ANONYMOUS):
        with pytest.raises(Forbidden):
            update(lab, stranger, description="x")


def test_whoever_brought_it_keeps_it(lab):
    bob = lab.hire("bob")
    with lab.store.changes.writing() as writer:
        is_it = datasets.c.directory_name == "cells"
        writer.connection.execute(sa.update(datasets).where(is_it).values(owner_id=bob.user_id))
        writer.note("dataset", "changed", None, lab.store.home.id)
    assert update(lab, bob, description="mine").description == "mine"


def test_moving_needs_both_ends(lab):
    team, other = lab.team("reviewers"), lab.team("other")
    here, there, abroad = lab.folder("here", teams=(team,)), lab.folder("there", teams=(other,)), "f" * 24
    mia = lab.hire("mia", manager=(team,))
    update(lab, folder_id=here)
    assert update(lab, mia, description="x").folder_id == here
    with pytest.raises(NotFound, match="no folder"):
        update(lab, mia, folder_id=there)  # she does not see it
    with pytest.raises(Forbidden, match="folder"):
        update(lab, mia, folder_id=lab.store.home.root_folder_id)  # she sees it
    for unknown in (abroad, "", lab.elsewhere.root_folder_id):
        with pytest.raises(NotFound, match="no folder"):
            update(lab, folder_id=unknown)
    inner = lab.folder("inner", parent=here)
    assert update(lab, mia, folder_id=inner).folder_id == inner
    assert lab.dataset("cells").cumulative_team_ids == {team}


def test_a_team_manager_leaves_the_teams_of_others_alone(lab):
    hers, second, foreign = (lab.team(name) for name in ("hers", "second", "foreign"))
    mia = lab.hire("mia", manager=(hers, second))
    dataset = lab.dataset("cells").id

    def allow(principal, *teams):
        return lab.store.settings.set_teams(principal, dataset, teams).team_ids

    assert allow(lab.ada, hers, foreign) == {hers, foreign}
    assert allow(mia, second) == {second, foreign}
    assert allow(mia, foreign, hers) == {hers, foreign}
    with pytest.raises(Forbidden, match="'later'"):
        allow(mia, lab.team("later"))
    assert allow(mia) == {foreign}
    with pytest.raises(DatasetNotFound):  # that took away her own right
        allow(mia, hers)
    for unknown in ("f" * 24, lab.elsewhere.everyone_id):
        with pytest.raises(InvalidInput, match="no team"):
            allow(lab.ada, unknown)
    assert lab.dataset("cells").team_ids == {foreign}


def test_two_people_who_edit_at_once(lab):
    update(lab, description="as both saw it", tags=("a",))
    update(lab, description="the first one's", expected={"description": "as both saw it"})
    with pytest.raises(Conflict, match="the first one") as conflict:
        update(lab, description="the second one's", expected={"description": "as both saw it"})
    assert conflict.value.details["changed"] == {"description": "the first one's"}
    assert lab.dataset("cells").description == "the first one's"
    # What others changed elsewhere is in nobody's way.
    assert update(lab, tags=("b",), expected={"tags": ["a"]}).tags == ("b",)
    with pytest.raises(InvalidInput, match="expected"):
        update(lab, tags=("c",), expected={"colour": "red"})


def test_no_update_is_lost_among_threads(lab):
    """Each adds a tag to those it saw, and looks again when somebody was faster."""

    def add(tag):
        while True:
            seen = list(lab.dataset("cells").tags)
            try:
                update(lab, tags=(*seen, tag), expected={"tags": seen})
            except Conflict:
                continue
            return

    threads = [threading.Thread(target=add, args=(f"t{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(lab.dataset("cells").tags) == [f"t{number}" for number in range(6)]


def test_a_sharing_token(lab):
    settings, dataset = lab.store.settings, lab.dataset("cells").id
    bob = lab.hire("bob")
    token = settings.sharing_token(lab.ada, dataset)
    assert len(token) >= 22  # of 64 characters: more than 128 bit
    assert settings.sharing_token(lab.ada, dataset) == token
    guest = Principal("guest", sharing_token=token)
    assert lab.store.dataset(guest, dataset).id == dataset
    assert lab.store.list_datasets(guest, DatasetQuery()).total == 0
    with pytest.raises(DatasetNotFound):
        lab.store.dataset(guest, lab.dataset("other").id)
    with pytest.raises(Forbidden):
        settings.update(guest, dataset, DatasetPatch(name="x"))
    with pytest.raises(Forbidden, match="members"):
        settings.sharing_token(guest, dataset)
    with pytest.raises(DatasetNotFound):
        settings.sharing_token(bob, dataset)
    with pytest.raises(Forbidden):
        settings.revoke_sharing_token(guest, dataset)
    settings.revoke_sharing_token(lab.ada, dataset)
    with pytest.raises(DatasetNotFound):
        lab.store.dataset(guest, dataset)
    fresh = settings.sharing_token(lab.ada, dataset)
    assert fresh != token
    assert not lab.store.policy.may(guest, Action.READ, lab.dataset("cells"))


def test_the_catalog_alone_gives_no_token_away(lab):
    token = lab.store.settings.sharing_token(lab.ada, lab.dataset("cells").id)
    for file in lab.store.config.data_dir.rglob("*"):
        if file.is_file():
            assert token.encode() not in file.read_bytes(), file
    secret = lab.store.config.data_dir / ".wk_jupyter_secret"
    assert secret.stat().st_mode & 0o077 == 0
    assert token not in repr(lab.dataset("cells"))


def test_uses_are_ones_own(lab):
    bob = lab.hire("bob")
    record = lab.dataset("cells")
    for principal in (bob, bob, ANONYMOUS):
        lab.store.settings.note_use(principal, record)
    with lab.store.context.engine.connect() as connection:
        rows = connection.execute(sa.select(dataset_uses.c.user_id, dataset_uses.c.last_used)).all()
    assert [row.user_id for row in rows] == [bob.user_id]
    assert rows[0].last_used > record.created


def test_access_is_explained(lab):
    team, above = lab.team("reviewers"), lab.team("readers")
    dataset = lab.dataset("cells").id
    lab.store.settings.set_teams(lab.ada, dataset, [team])
    update(lab, folder_id=lab.folder("shared", teams=(above,)))
    bob, fay = lab.hire("bob", manager=(team,)), lab.hire("fay", member=(above,))
    carl, gone = lab.hire("carl"), lab.hire("gone", is_active=False, is_admin=True)

    def why(user, asking=None):
        return " ".join(lab.store.settings.explain_access(asking or lab.ada, dataset, user.user_id))

    assert "edit it as an admin" in why(lab.ada)
    assert "as a manager of the team 'reviewers', which is allowed on the dataset" in why(bob)
    assert "see it as a member of the team 'readers', which is allowed on a folder above it" in why(fay)
    assert "may not see it: none of her teams" in why(carl)
    with lab.store.context.engine.connect() as connection:
        (left,) = connection.execute(sa.text("SELECT id FROM users WHERE name = 'gone'")).scalars()
    assert gone == ANONYMOUS
    assert "not active" in lab.store.settings.explain_access(lab.ada, dataset, left)[0]
    assert why(fay, fay) == why(fay)
    with pytest.raises(Forbidden):
        why(bob, fay)
    with pytest.raises(DatasetNotFound):
        why(carl, carl)
    with pytest.raises(NotFound, match="no user"):
        why(lab.eve)


def test_a_scan_keeps_what_was_set(lab):
    before = update(lab, name="Cells", tags=("a",), description="words", is_public=True)
    write_dataset(lab.store.config.data_dir / "binaryData" / "lab", "cells")
    lab.store.scan()
    after = lab.dataset("cells")
    assert (after.name, after.tags, after.description, after.is_public, after.id) == (
        "Cells", ("a",), "words", True, before.id,
    )  # fmt: skip
    assert found(lab, "words") == ["cells"]


def test_a_data_source_that_somebody_else_edited_is_not_overwritten(lab):
    """Also by one who read it before the catalog has looked at the file again."""
    layer, *rest = (each.to_document() for each in lab.store.data_source(lab.dataset("cells")).layers)
    others = [{"name": each["name"]} for each in rest]
    seen = {"dataLayers": [{"name": layer["name"], "category": layer["category"]}, *others]}
    other = "color" if layer["category"] == "segmentation" else "segmentation"
    change = {"dataLayers": [{"name": layer["name"], "category": other}, *others]}
    update(lab, data_source=change, expected={"dataSource": seen})
    with pytest.raises(Conflict, match=f"category of {layer['name']} was .* and is now '{other}'") as caught:
        update(lab, data_source=change, expected={"dataSource": seen})
    assert caught.value.details["changed"] == {f"category of {layer['name']}": other}
    with pytest.raises(Conflict, match="layers was"):
        update(
            lab, data_source={"scale": [1, 1, 1]}, expected={"dataSource": {"dataLayers": [{"name": "gone"}]}}
        )
    with pytest.raises(Conflict, match="scale was"):
        update(lab, data_source={"scale": [1, 1, 1]}, expected={"dataSource": {"scale": [9, 9, 9]}})
    for nonsense in (7, {"dataLayers": 7}, {"dataLayers": [{}]}):
        with pytest.raises(InvalidInput, match="expected"):
            update(lab, data_source={"scale": [1, 1, 1]}, expected={"dataSource": nonsense})
