"""A ZIP is looked at, converted and taken as the files in it are."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from wk_jupyter.cli import main
from wk_jupyter.client.opening import open_folder
from wk_jupyter.store.imports.archives import archive_of
from wk_jupyter.store.imports.process import ImportProcess, Request

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
CREMI = SHARED / "wkw" / "wkw-cremi-volume-zip" / "data_1_Volume.zip"


@pytest.fixture
def sections(tmp_path) -> tuple[Path, np.ndarray]:
    """A ZIP of a folder of sections, as people make it, and their voxels as x, y, z."""
    from PIL import Image

    voxels = np.random.default_rng(3).integers(0, 255, (40, 30, 5), dtype=np.uint8)
    archive = tmp_path / "Großhirn 1.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for z in range(5):
            path = tmp_path / f"section{z}.png"
            Image.fromarray(voxels[:, :, z].T).save(path)
            opened.write(path, f"Großhirn 1/section{z}.png")
            path.unlink()
        opened.writestr("__MACOSX/Großhirn 1/._section0.png", b"junk")
    return archive, voxels


def test_sections_in_a_zip_are_converted(tmp_path, sections, capsys):
    archive, voxels = sections
    target = tmp_path / "made"
    assert main(["convert", str(archive), str(target), "--voxel-size", "4,4,40"]) == 0
    assert np.array_equal(open_folder(target).layers["color"].read(mag="1"), voxels)
    assert {path.name for path in tmp_path.iterdir()} == {archive.name, "made"}
    capsys.readouterr()
    assert main(["inspect", str(archive)]) == 0
    assert "5 files" in capsys.readouterr().out


def test_a_zip_that_is_refused_leaves_nothing(tmp_path, capsys):
    archive = tmp_path / "bad.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("../../evil.png", b"x")
    assert main(["convert", str(archive), str(tmp_path / "made")]) == 1
    assert main(["inspect", str(archive)]) == 1
    told = capsys.readouterr().err
    assert told.count("'../../evil.png'") == 2
    assert "Traceback" not in told
    assert [path.name for path in tmp_path.iterdir()] == ["bad.zip"]


def test_what_was_unpacked_before_a_kill_is_used_again(tmp_path, sections):
    archive, voxels = sections
    folder = tmp_path / "job"
    request = Request("it", str(archive), is_own=False, is_inspection=True)
    for _ in range(2):
        request.write(folder)
        (folder / ".unpacked.part").mkdir(exist_ok=True)
        with ImportProcess(folder) as process:
            said = process.last_word()
        assert said["inspection"]["layers"][0]["size"] == list(voxels.shape)
        archive.write_bytes(b"")


def test_a_zip_alone_in_its_folder_is_the_delivery(tmp_path):
    (tmp_path / "a.ZIP").write_bytes(b"")
    assert archive_of(tmp_path) == archive_of(tmp_path / "a.ZIP") == tmp_path / "a.ZIP"
    (tmp_path / ".hidden").write_bytes(b"")
    assert archive_of(tmp_path) is not None
    (tmp_path / "b.png").write_bytes(b"")
    assert archive_of(tmp_path) is None
    assert archive_of(tmp_path / "gone.zip") is None


@pytest.mark.skipif(not CREMI.exists(), reason="the shared data is not there")
def test_a_zip_of_bare_mags_is_taken_as_it_is(tmp_path, capsys):
    assert main(["convert", str(CREMI), str(tmp_path / "made"), "--voxel-size", "4,4,40"]) == 0
    layers = open_folder(tmp_path / "made").layers
    assert list(layers) == ["color"]
    assert layers["color"].read(mag="8").any()
    capsys.readouterr()
    assert main(["inspect", str(CREMI)]) == 0
    assert "mags 1, 2, 4, 8, 16" in capsys.readouterr().out
