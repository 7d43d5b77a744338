"""Parts of datasets in others, by links."""

from __future__ import annotations

import json
import os

import pytest
from datasets_on_disk import properties, write_dataset
from lab import Lab

from wk_jupyter.errors import Conflict, DatasetNotFound, Forbidden, InvalidInput, LayerNotFound, NotFound
from wk_jupyter.geometry import Mag
from wk_jupyter.store import Store, StoreConfig
from wk_jupyter.store.dataset_settings import DatasetPatch

MAG1, MAG2 = Mag(1), Mag((2, 2, 1))


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "binaryData" / "lab"
    document = properties()
    document["dataLayers"][1]["attachments"] = {"meshes": [{"name": "m", "path": "./cells/m.hdf5"}]}
    for name in ("raw", "study"):
        folder = write_dataset(root, name, document)
        for part in ("color/1", "cells/1"):
            (folder / part / "x0.wkw").write_text(f"{name}/{part}")
        (folder / "cells" / "m.hdf5").write_text("meshes")
    return root


@pytest.fixture
def lab(tmp_path, root, database_url):
    store = Store(StoreConfig(tmp_path, "lab", owner_name="ada", database_url=database_url))
    store.scan()
    yield Lab(store)
    store.close()


def add_layer(lab, principal=None, *, layer="cells", name="borrowed"):
    target, source = lab.dataset("study").id, lab.dataset("raw").id
    return lab.store.composing.add_layer(principal or lab.ada, target, source=source, layer=layer, name=name)


def test_a_layer_of_another_dataset(lab, root):
    record = add_layer(lab)
    source = lab.store.data_source(record)
    assert [layer.name for layer in source.layers] == ["color", "cells", "borrowed"]
    assert source.layer("borrowed").element_class == "uint32"
    place = lab.store.mag_folder(record, "borrowed", MAG1)
    assert (place / "x0.wkw").read_text() == "raw/cells/1"
    assert record.segmentation_layer_names == ("cells", "borrowed")
    lab.store.trash.delete(lab.ada, record.id)
    lab.store.trash.purge(lab.ada, record.id)
    assert (root / "raw" / "cells" / "1" / "x0.wkw").read_text() == "raw/cells/1"


def test_a_mag_of_another_dataset(lab, root):
    target, source = lab.dataset("study").id, lab.dataset("raw").id

    def add(layers, mags):
        return lab.store.composing.add_mag(lab.ada, target, source=source, layers=layers, mags=mags)

    record = add(("color", "color"), (MAG1, MAG2))
    assert [mag.mag for mag in lab.store.data_source(record).layer("color").mags] == [MAG1, MAG2]
    place = lab.store.mag_folder(record, "color", MAG2)
    assert (place / "x0.wkw").read_text() == "raw/color/1"
    with pytest.raises(Conflict, match="already"):
        add(("color", "color"), (MAG1, MAG2))
    with pytest.raises(NotFound, match="no mag"):
        add(("color", "color"), (Mag(8), Mag(8)))
    with pytest.raises(InvalidInput, match="element_class"):
        add(("cells", "color"), (MAG1, Mag(4)))


def test_an_attachment_of_another_dataset(lab, root):
    target, source = lab.dataset("study").id, lab.dataset("raw").id

    def add(names, kind="meshes"):
        return lab.store.composing.add_attachment(
            lab.ada, target, source=source, layers=("cells", "cells"), kind=kind, names=names
        )

    add(("m", "theirs"))
    listed = json.loads((root / "study" / "datasource-properties.json").read_bytes())["dataLayers"][1]
    entry = listed["attachments"]["meshes"][1]
    assert entry == {"name": "theirs", "path": "./cells/meshes/theirs.hdf5"}
    assert (root / "study" / entry["path"]).read_text() == "meshes"
    with pytest.raises(Conflict, match="already"):
        add(("m", "theirs"))
    with pytest.raises(NotFound, match="no attachment"):
        add(("nothing", "x"))
    for name in ("../../../x", "a/b", "", "nul\0"):
        with pytest.raises(InvalidInput, match="targetAttachmentName"):
            add(("m", name))


def test_who_may(lab):
    seen, managed = lab.team("seen"), lab.team("managed")
    mia = lab.hire("mia", manager=(managed,))
    target, source = lab.dataset("study").id, lab.dataset("raw").id
    lab.store.settings.set_teams(lab.ada, target, [managed])
    with pytest.raises(DatasetNotFound):  # she does not see the source
        add_layer(lab, mia)
    lab.store.settings.update(lab.ada, source, DatasetPatch(is_public=True))
    assert "borrowed" in dict(add_layer(lab, mia).layers)
    bob = lab.hire("bob", member=(managed, seen))
    with pytest.raises(Forbidden):
        add_layer(lab, bob, name="again")
    with pytest.raises(DatasetNotFound):
        add_layer(lab, lab.eve, name="again")


@pytest.mark.parametrize("name", ["color", "", "../up", "a/b", ".hidden", "nul\0"])
def test_a_wrong_name_is_refused_and_leaves_nothing(lab, root, name):
    raw = (root / "study" / "datasource-properties.json").read_bytes()
    before = sorted(str(path) for path in root.rglob("*"))
    with pytest.raises((Conflict, InvalidInput)):
        add_layer(lab, name=name)
    assert (root / "study" / "datasource-properties.json").read_bytes() == raw
    assert sorted(str(path) for path in root.rglob("*")) == before


def test_what_is_not_there_is_told(lab, root):
    with pytest.raises(LayerNotFound):
        add_layer(lab, layer="nothing")
    (root / "raw" / "cells" / "1" / "x0.wkw").unlink()
    (root / "raw" / "cells" / "1").rmdir()
    with pytest.raises(NotFound, match="the source has nothing"):
        add_layer(lab)
    assert not os.path.lexists(root / "study" / "borrowed")
    lab.store.trash.delete(lab.ada, lab.dataset("raw").id)
    with pytest.raises(DatasetNotFound):
        lab.dataset("raw")


def test_nothing_is_written_behind_a_link(lab, root, tmp_path):
    away = tmp_path / "away"
    (root / "study" / "color").rename(away)
    (root / "study" / "color").symlink_to(away)
    with pytest.raises(InvalidInput, match="somewhere else"):
        lab.store.composing.add_mag(
            lab.ada, lab.dataset("study").id, source=lab.dataset("raw").id,
            layers=("color", "color"), mags=(MAG1, MAG2),
        )  # fmt: skip
    assert sorted(path.name for path in away.iterdir()) == ["1"]
