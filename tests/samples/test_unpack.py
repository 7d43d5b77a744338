from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest
from archives import BLOCK, dataset_zip, zip_of

from wk_jupyter.errors import CorruptData, TooLarge
from wk_jupyter.samples.unpack import unpack


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def put(tmp_path: Path, content: bytes) -> tuple[Path, Path]:
    archive, folder = tmp_path / "some.zip", tmp_path / "inner" / "folder"
    archive.write_bytes(content)
    folder.mkdir(parents=True)
    return archive, folder


@pytest.mark.parametrize("wrapping", ["", "e2006_wkw/", "data/binaryData/e2006_wkw/"])
def test_folders_round_everything_are_left_out(wrapping: str, tmp_path: Path) -> None:
    archive, folder = put(tmp_path, dataset_zip(wrapping))
    unpack(archive, folder)
    found = files_of(folder)
    assert sorted(found) == ["color/1/z0/y0/x0.wkw", "datasource-properties.json"]
    assert found["color/1/z0/y0/x0.wkw"] == BLOCK


@pytest.mark.parametrize("layer", ["color", "segmentation"])
def test_the_folder_of_a_layer_stays(layer: str, tmp_path: Path) -> None:
    archive, folder = put(tmp_path, zip_of({f"{layer}/1/header.wkw": b"WKW"}))
    unpack(archive, folder)
    assert sorted(files_of(folder)) == [f"{layer}/1/header.wkw"]


def test_hidden_files_that_are_data_stay(tmp_path: Path) -> None:
    archive, folder = put(tmp_path, zip_of({"a/color/1/.zarray": b"{}", "a/.git/config": b"x"}))
    unpack(archive, folder)
    assert sorted(files_of(folder)) == ["color/1/.zarray"]


@pytest.mark.parametrize(
    "name",
    ["../../outside", "/etc/outside", "a/../../../outside", "a\\..\\outside", "C:outside", "../.hidden"],
)
def test_an_entry_that_would_land_outside_stops_everything(name: str, tmp_path: Path) -> None:
    archive, folder = put(tmp_path, zip_of({"color/1/x": b"1", name: b"2"}))
    with pytest.raises(CorruptData, match="would be written outside"):
        unpack(archive, folder)
    assert not files_of(tmp_path / "inner")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["inner", "some.zip"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(kind: int, tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("color/1/link")
    entry.external_attr = (kind | 0o777) << 16
    archive, folder = put(tmp_path, zip_of({entry: b"/etc/passwd"}))
    with pytest.raises(CorruptData, match="is a link or a device"):
        unpack(archive, folder)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    archive, folder = put(tmp_path, zip_of({"color/1/x": bytes(20_000_000)}, zipfile.ZIP_DEFLATED))
    with pytest.raises(TooLarge, match="20,000,000 bytes"):
        unpack(archive, folder)
    assert not files_of(folder)


def test_an_entry_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = zip_of({zipfile.ZipInfo("color/x"): b"1", zipfile.ZipInfo("color/x"): b"2"})
    archive, folder = put(tmp_path, content)
    with pytest.raises(CorruptData, match="is there twice"):
        unpack(archive, folder)


def test_an_empty_archive_is_refused(tmp_path: Path) -> None:
    archive, folder = put(tmp_path, zip_of({}))
    with pytest.raises(CorruptData, match="has no files"):
        unpack(archive, folder)


def test_an_encrypted_entry_is_refused(tmp_path: Path) -> None:
    plain = zip_of({"color/1/x": b"secret"})
    local, central = plain.index(b"PK\x03\x04"), plain.index(b"PK\x01\x02")
    locked = bytearray(plain)
    locked[local + 6] |= 1
    locked[central + 8] |= 1
    archive, folder = put(tmp_path, bytes(locked))
    with pytest.raises(CorruptData, match="is encrypted"):
        unpack(archive, folder)


@pytest.mark.parametrize("damage", ["cut", "flipped", "no zip"])
def test_damage_is_found(damage: str, tmp_path: Path) -> None:
    whole = dataset_zip()
    broken = {
        "cut": whole[: len(whole) // 2],
        "flipped": whole.replace(BLOCK[5000:5010], bytes(10)),
        "no zip": b"<html>Please sign in to the network</html>",
    }[damage]
    archive, folder = put(tmp_path, broken)
    with pytest.raises(CorruptData, match="is not a whole zip file"):
        unpack(archive, folder)
