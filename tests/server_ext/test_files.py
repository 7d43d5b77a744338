from __future__ import annotations

import os

import pytest

from wk_jupyter.errors import NotFound
from wk_jupyter.server_ext.files import open_below


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "dataset" / "color" / "1"
    (folder / "z0").mkdir(parents=True)
    (folder / "z0" / "x0.wkw").write_bytes(b"voxels")
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "dataset" / "other").write_bytes(b"other")
    return folder


def read(*args, **kwargs):
    descriptor, size = open_below(*args, **kwargs)
    try:
        content = os.read(descriptor, 100)
    finally:
        os.close(descriptor)
    assert len(content) == size
    return content


def test_a_file_below(folder):
    assert read(folder, "z0/x0.wkw") == b"voxels"


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "z0",
        "z0/",
        "z0/missing",
        "z0/x0.wkw/",
        "../../../secret",
        "z0/../../../../secret",
        "/etc/passwd",
        "//etc/passwd",
        "z0//x0.wkw",
        "./z0/x0.wkw",
        "z0/x0.wkw\0",
        "..\\..\\secret",
        "z0/" + "x" * 5000,
    ],
)
def test_hostile_or_absent(folder, rest):
    with pytest.raises(NotFound):
        open_below(folder, rest)


def test_a_link_out_is_refused_and_one_within_the_dataset_followed(folder, tmp_path):
    (folder / "out").symlink_to(tmp_path / "secret")
    (folder / "near").symlink_to(tmp_path / "dataset" / "other")
    (folder / "up").symlink_to(tmp_path)
    with pytest.raises(NotFound):
        open_below(folder, "out", also_below=[tmp_path / "dataset"])
    with pytest.raises(NotFound):
        open_below(folder, "up/secret", also_below=[tmp_path / "dataset"])
    with pytest.raises(NotFound):
        open_below(folder, "near")
    assert read(folder, "near", also_below=[tmp_path / "dataset"]) == b"other"


def test_the_folder_itself_may_be_a_link(folder, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert read(link, "z0/x0.wkw") == b"voxels"


def test_a_sibling_whose_name_begins_alike(folder, tmp_path):
    sibling = folder.parent / "1-old"
    sibling.mkdir()
    (sibling / "file").write_bytes(b"old")
    (folder / "link").symlink_to(sibling / "file")
    with pytest.raises(NotFound):
        open_below(folder, "link")


def test_loops_pipes_and_sockets(folder):
    (folder / "loop").symlink_to(folder / "loop")
    os.mkfifo(folder / "pipe")
    for name in ("loop", "pipe"):
        with pytest.raises(NotFound):
            open_below(folder, name)
