"""Deleting, restoring, purging; and what is left when somebody is killed in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from datasets_on_disk import write_dataset
from lab import Lab

from wk_jupyter.errors import Conflict, DatasetNotFound, Forbidden
from wk_jupyter.store import DatasetQuery, Store, StoreConfig
from wk_jupyter.store.access import ANONYMOUS
from wk_jupyter.store.dataset_settings import DatasetPatch


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "binaryData" / "lab"
    for name in ("cells", "other"):
        write_dataset(folder, name)
    return folder


@pytest.fixture
def lab(tmp_path, root, database_url):
    store = Store(StoreConfig(tmp_path, "lab", owner_name="ada", database_url=database_url))
    store.scan()
    yield Lab(store)
    store.close()


def names(lab, principal=None, **query):
    page = lab.store.list_datasets(principal or lab.ada, DatasetQuery(**query))
    return [record.name for record in page.records]


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_there_and_back(lab, root):
    settings, dataset = lab.store.settings, lab.dataset("cells").id
    settings.update(lab.ada, dataset, DatasetPatch(name="Cells", tags=("a",), description="words"))
    before, files = lab.dataset("cells"), contents(root / "cells")
    trashed = lab.store.trash.delete(lab.ada, dataset)
    assert names(lab) == ["other"]
    assert not (root / "cells").exists()
    assert trashed.trashed is not None
    assert trashed.trashed_from == "cells"
    lab.store.scan()
    assert names(lab) == ["other"]
    assert lab.store.dataset(lab.ada, dataset).trashed == trashed.trashed
    assert lab.store.trash.restore(lab.ada, dataset) == before
    assert contents(root / "cells") == files
    lab.store.scan()
    assert lab.dataset("cells") == before


def test_what_is_in_the_trash_is_there_for_editors_alone(lab):
    team = lab.team("reviewers")
    bob, mia = lab.hire("bob", member=(team,)), lab.hire("mia", manager=(team,))
    dataset = lab.dataset("cells").id
    lab.store.settings.set_teams(lab.ada, dataset, [team])
    lab.store.settings.update(lab.ada, dataset, DatasetPatch(is_public=True))
    token = lab.store.settings.sharing_token(lab.ada, dataset)
    with pytest.raises(Forbidden):
        lab.store.trash.delete(bob, dataset)
    lab.store.trash.delete(mia, dataset)
    for principal in (bob, lab.eve, ANONYMOUS):
        with pytest.raises(DatasetNotFound):
            lab.store.dataset(principal, dataset)
        for change in (lab.store.trash.restore, lab.store.trash.purge):
            with pytest.raises(DatasetNotFound):
                change(principal, dataset)
    assert lab.store.trash.restore(mia, dataset).id == dataset
    assert lab.store.settings.sharing_token(mia, dataset) != token


def test_a_new_dataset_may_take_the_folders_name(lab, root):
    first = lab.dataset("cells").id
    lab.store.trash.delete(lab.ada, first)
    write_dataset(root, "cells")
    lab.store.scan()
    second = lab.dataset("cells").id
    assert second != first
    restored = lab.store.trash.restore(lab.ada, first)
    assert restored.directory_name == f"cells-{first}"
    assert (root / restored.directory_name).is_dir()
    assert lab.dataset("cells").id == second


def test_purged_is_gone_for_good(lab, root):
    for name in ("cells", "other"):
        dataset = lab.dataset(name).id
        if name == "cells":
            lab.store.trash.delete(lab.ada, dataset)
        lab.store.trash.purge(lab.ada, dataset)
        with pytest.raises(DatasetNotFound):
            lab.store.dataset(lab.ada, dataset)
    assert list(root.rglob("*")) == [root / ".trash"]


def test_a_link_is_lost_and_not_what_it_leads_to(lab, root, tmp_path):
    write_dataset(tmp_path / "elsewhere", "big")
    files = contents(tmp_path / "elsewhere")
    (root / "linked").symlink_to(tmp_path / "elsewhere" / "big")
    (root / "other" / "borrowed").symlink_to(tmp_path / "elsewhere" / "big" / "color")
    lab.store.scan()
    for name in ("linked", "other"):
        dataset = lab.dataset(name).id
        lab.store.trash.delete(lab.ada, dataset)
        lab.store.trash.restore(lab.ada, dataset)
        assert (root / name).exists()
        lab.store.trash.purge(lab.ada, dataset)
        assert not os.path.lexists(root / name)
        assert contents(tmp_path / "elsewhere") == files
    assert (root / "cells").is_dir()


def test_twice_is_a_conflict(lab):
    dataset = lab.dataset("cells").id
    with pytest.raises(Conflict, match="not in the trash"):
        lab.store.trash.restore(lab.ada, dataset)
    lab.store.trash.delete(lab.ada, dataset)
    with pytest.raises(Conflict, match="Purge or restore"):
        lab.store.trash.delete(lab.ada, dataset)


def test_a_dataset_that_vanished_from_the_disk_can_be_deleted(lab, root):
    dataset = lab.dataset("cells").id
    (root / "cells").rename(root.parent / "away")
    lab.store.scan()
    lab.store.trash.delete(lab.ada, dataset)
    lab.store.trash.purge(lab.ada, dataset)
    assert names(lab) == ["other"]
    assert (root.parent / "away").is_dir()


def test_what_cannot_be_moved_is_told_and_stays(lab, root):
    (root / ".trash").write_text("a file in the way")
    before = lab.dataset("cells")
    with pytest.raises(Conflict, match="cannot be moved"):
        lab.store.trash.delete(lab.ada, before.id)
    assert lab.dataset("cells") == before
    assert (root / "cells").is_dir()


KILLED = """
import os, signal, sys
from pathlib import Path
from wk_jupyter.store import Store, StoreConfig
from wk_jupyter.store import trash
from wk_jupyter.store.access import owner

data_dir, database_url, action, dataset, moment = sys.argv[1:]
store = Store(StoreConfig(Path(data_dir), "lab", owner_name="ada", database_url=database_url))
rename, remove = Path.rename, trash._remove

def killed_before(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def killed_after(source, target):
    rename(source, target)
    os.kill(os.getpid(), signal.SIGKILL)

def killed_half_way(path):
    next(file for file in path.rglob("*") if file.is_file()).unlink()
    os.kill(os.getpid(), signal.SIGKILL)

if moment == "before the move":
    Path.rename = killed_before
elif moment == "after the move":
    Path.rename = killed_after
elif moment == "while removing":
    trash._remove = killed_half_way
getattr(store.trash, action)(owner("test"), dataset)
"""


@pytest.mark.parametrize("action", ["delete", "purge"])
@pytest.mark.parametrize("moment", ["before the move", "after the move", "while removing"])
def test_killed_in_between(lab, root, tmp_path, database_url, *, action, moment):
    before, files = lab.dataset("cells"), contents(root / "cells")
    command = [sys.executable, "-c", KILLED, str(tmp_path), database_url, action, before.id, moment]
    ended = subprocess.run(command, check=False).returncode
    finished = (action, moment) == ("delete", "while removing")  # nothing is removed
    assert ended == (0 if finished else -signal.SIGKILL)
    again = Store(StoreConfig(tmp_path, "lab", owner_name="ada", database_url=database_url))
    report = again.scan()
    if moment == "while removing":
        assert names(Lab(again)) == ["other"]
        assert not (root / "cells").exists()
        left = [path.name for path in (root / ".trash").iterdir()]
        assert left == ([before.id] if action == "delete" else [])
    else:  # it never held
        assert Lab(again).dataset("cells") == before
        assert contents(root / "cells") == files
        assert any("it is back" in notice for notice in report.notices) == (moment == "after the move")
    again.close()


def test_killed_while_restoring(lab, root, tmp_path, database_url):
    before, files = lab.dataset("cells"), contents(root / "cells")
    lab.store.trash.delete(lab.ada, before.id)
    command = [sys.executable, "-c", KILLED, str(tmp_path), database_url, "restore"]
    command += [before.id, "after the move"]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert any("half restored" in notice for notice in lab.store.scan().notices)
    assert names(lab) == ["other"]
    assert lab.store.trash.restore(lab.ada, before.id) == before
    lab.store.scan()
    assert names(lab) == ["cells", "other"]
    assert contents(root / "cells") == files
