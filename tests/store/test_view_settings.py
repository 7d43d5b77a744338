"""Who sees a dataset how, and who may set that."""

from __future__ import annotations

import pytest
from datasets_on_disk import write_dataset
from lab import Lab

from wk_jupyter.errors import DatasetNotFound, Forbidden, TooLarge
from wk_jupyter.store import Store, StoreConfig
from wk_jupyter.store.access import ANONYMOUS


@pytest.fixture
def lab(tmp_path, database_url):
    write_dataset(tmp_path / "binaryData" / "lab", "cells")
    store = Store(StoreConfig(tmp_path, "lab", owner_name="ada", database_url=database_url))
    store.scan()
    yield Lab(store)
    store.close()


@pytest.fixture
def cells(lab):
    return lab.dataset("cells")


def layer_of(cells) -> str:
    return cells.layers[0][0]


def test_ones_own_are_over_the_defaults_and_nobody_elses(lab, cells):
    readers = lab.team("readers")
    bob = lab.hire("bob", member=(readers,))
    lab.store.settings.set_teams(lab.ada, cells.id, [readers])
    name = layer_of(cells)
    lab.store.views.set_defaults(
        lab.ada, cells.id, {"zoom": 3, "layers": {name: {"alpha": 10, "color": [1, 2, 3]}}}
    )
    shown = lab.store.views.change_own(bob, cells.id, {"layers": {name: {"alpha": 20}}})
    assert (shown["zoom"], shown["layers"][name]["alpha"], shown["layers"][name]["color"]) == (
        3,
        20,
        [1, 2, 3],
    )
    assert shown == lab.store.views.of(bob, lab.dataset("cells"))
    for other in (lab.ada, ANONYMOUS):
        assert lab.store.views.of(other, lab.dataset("cells"))["layers"][name]["alpha"] == 10
    # What is not set follows the defaults.
    lab.store.views.set_defaults(lab.ada, cells.id, {"zoom": 5})
    shown = lab.store.views.of(bob, lab.dataset("cells"))
    assert (shown["zoom"], shown["layers"][name]["alpha"]) == (5, 20)


def test_settings_are_put_over_each_other_and_forgotten_by_path(lab, cells):
    name, change = layer_of(cells), lab.store.views.change_own
    before = lab.store.views.defaults(cells)
    change(lab.ada, cells.id, {"zoom": 2, "layers": {name: {"alpha": 20}}})
    shown = change(lab.ada, cells.id, {"fourBit": True, "layers": {name: {"color": [1, 2, 3]}}})
    assert (shown["zoom"], shown["fourBit"]) == (2, True)
    assert (shown["layers"][name]["alpha"], shown["layers"][name]["color"]) == (20, [1, 2, 3])
    shown = change(
        lab.ada, cells.id, {}, [["zoom"], ["layers", name, "alpha"], ["layers", "gone", "x"], ["a", "b"]]
    )
    assert shown["zoom"] == before["zoom"]
    assert shown["layers"][name] == before["layers"][name] | {"color": [1, 2, 3]}
    assert change(lab.ada, cells.id, {}, [[]]) == before


def test_what_is_unknown_or_invalid_is_left_out(lab, cells):
    name = layer_of(cells)
    nonsense = {"zoom": -1, "sparkle": 1, "layers": {"gone": {"alpha": 1}, name: {"alpha": 1000, "glow": 1}}}
    before = lab.store.views.defaults(cells)
    assert lab.store.views.set_defaults(lab.ada, cells.id, nonsense) == before
    assert lab.store.views.change_own(lab.ada, cells.id, nonsense) == before
    assert lab.store.views.change_own(lab.ada, cells.id, {"layers": [1], "zoom": 2})["zoom"] == 2
    assert lab.store.views.change_own(lab.ada, cells.id, {"layers": {name: 7}})["zoom"] == 2
    assert lab.dataset("cells").admin_view_configuration == {}
    with pytest.raises(TooLarge):
        lab.store.views.change_own(lab.ada, cells.id, {"colorLayerOrder": ["x" * 300_000]})


def test_who_may(lab, cells):
    readers = lab.team("readers")
    bob, zoe = lab.hire("bob", member=(readers,)), lab.hire("zoe")
    lab.store.settings.set_teams(lab.ada, cells.id, [readers])
    with pytest.raises(Forbidden):
        lab.store.views.set_defaults(bob, cells.id, {})
    for call in (lab.store.views.set_defaults, lab.store.views.change_own):
        with pytest.raises(DatasetNotFound):
            call(zoe, cells.id, {})
    with pytest.raises(Forbidden):
        lab.store.views.change_own(ANONYMOUS, cells.id, {})
    newest = lab.store.changes.newest()
    lab.store.views.change_own(bob, cells.id, {"zoom": 2})
    assert lab.store.changes.newest() == newest  # it concerns nobody else
    lab.store.views.set_defaults(lab.ada, cells.id, {"zoom": 2})
    assert lab.store.changes.newest() == newest + 1
