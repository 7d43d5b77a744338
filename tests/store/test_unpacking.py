"""What comes out of a ZIP, and what is refused: nothing is ever left half unpacked."""

from __future__ import annotations

import stat
import struct
import zipfile
from pathlib import Path

import pytest

from wk_jupyter.errors import CorruptData, InvalidInput, TooLarge, UnsupportedFormat, WkError
from wk_jupyter.store.unpacking import UnpackingLimits, unpack

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def packed(tmp_path: Path, entries, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    """A ZIP of names (or infos) and contents."""
    archive = tmp_path / "brought.zip"
    with zipfile.ZipFile(archive, "w", compression) as opened:
        for name, data in entries:
            opened.writestr(name, data)
    return archive


def of_kind(name: str, kind: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (kind | 0o644) << 16
    return info


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def unpacked(tmp_path: Path, entries) -> dict[str, bytes]:
    archive = packed(tmp_path, entries)
    unpack(archive, tmp_path / "out")
    return files(tmp_path / "out")


def refused(archive: Path, kind: type[WkError], limits: UnpackingLimits | None = None) -> WkError:
    """How an archive is refused, with nothing left beside it."""
    before = set(archive.parent.iterdir())
    with pytest.raises(kind) as caught:
        unpack(archive, archive.parent / "out", limits=limits)
    assert set(archive.parent.iterdir()) == before
    assert caught.value.hint or kind is TooLarge
    return caught.value


def test_hidden_files_are_left_out_but_for_those_of_zarr(tmp_path):
    found = unpacked(
        tmp_path,
        [
            ("color/.zgroup", b"g"),
            ("color/1/.zarray", b"a"),
            ("color/1/.zattrs", b"t"),
            ("color/1/0.0.0", b"v"),
            ("color/.DS_Store", b"-"),
            (".git/config", b"-"),
            ("__MACOSX/color/._1", b"-"),
            ("color/Thumbs.db", b"-"),
            ("empty.txt", b""),
            ("folder/", b""),
        ],
    )
    assert found == {
        "color/.zgroup": b"g",
        "color/1/.zarray": b"a",
        "color/1/.zattrs": b"t",
        "color/1/0.0.0": b"v",
        "empty.txt": b"",
    }


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["a/b/1.tif", "a/b/2.tif"], ["1.tif", "2.tif"]),
        (["a/b/1.tif", "a/c/2.tif"], ["b/1.tif", "c/2.tif"]),
        (["./a/1.tif"], ["1.tif"]),
        (["a/color/1.tif", "a/color/2.tif"], ["color/1.tif", "color/2.tif"]),
        (["segmentation/1/header.wkw"], ["segmentation/1/header.wkw"]),
        (["ds/em/1/header.wkw", "ds/em/1/z0/y0/x0.wkw"], ["em/1/header.wkw", "em/1/z0/y0/x0.wkw"]),
        (["ds/2/header.wkw", "ds/2/z0/y0/x0.wkw"], ["ds/2/header.wkw", "ds/2/z0/y0/x0.wkw"]),
        (["ds/em/zarr.json", "ds/em/1/zarr.json"], ["em/1/zarr.json", "em/zarr.json"]),
        (["ds/em.n5/attributes.json", "ds/em.n5/s0/attributes.json"],
         ["em.n5/attributes.json", "em.n5/s0/attributes.json"]),
        (["ds/datasource-properties.json", "ds/zarr.json"], ["datasource-properties.json", "zarr.json"]),
        (["__MACOSX/x", "a/1.tif"], ["1.tif"]),
    ],
)  # fmt: skip
def test_common_folders_go_down_to_a_layer(tmp_path, names, wanted):
    assert sorted(unpacked(tmp_path, [(name, b"x") for name in names])) == wanted


def test_archives_in_the_archive_stay_files(tmp_path):
    inner = packed(tmp_path, [("../out.txt", b"x")]).read_bytes()
    assert unpacked(tmp_path, [("a/inner.zip", inner), ("a/b.tif", b"y")]) == {
        "inner.zip": inner,
        "b.tif": b"y",
    }


def test_names_with_umlauts_and_spaces(tmp_path):
    assert unpacked(tmp_path, [("Großhirn 1/Schnitt ä.tif", b"1"), ("b.tif", b"2")]) == {
        "Großhirn 1/Schnitt ä.tif": b"1",
        "b.tif": b"2",
    }


@pytest.mark.parametrize(
    "name",
    ["../evil.txt", "a/../../evil.txt", "/etc/evil", "a\\..\\evil", "C:\\evil", "a//b", "a\x07b",
     "x" * 256, "/".join("d" * 40), ".hidden/../../x"],
)  # fmt: skip
def test_a_name_that_leads_out_is_refused(tmp_path, name):
    error = refused(packed(tmp_path, [("ok.tif", b"x"), (name, b"x")]), InvalidInput)
    assert repr(name[:100]) in error.message
    assert not (tmp_path.parent / "evil.txt").exists()


def test_a_name_with_a_zero_byte_is_refused(tmp_path):
    archive = packed(tmp_path, [("aXb.tif", b"x")])
    archive.write_bytes(archive.read_bytes().replace(b"aXb.tif", b"a\0b.tif"))
    refused(archive, InvalidInput)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path, kind):
    archive = packed(tmp_path, [("ok.tif", b"x"), (of_kind("a/odd", kind), b"/etc/passwd")])
    assert "a/odd" in refused(archive, InvalidInput).message


@pytest.mark.parametrize(
    "names", [("a.tif", "A.tif"), ("Color/1.tif", "color/2.tif"), ("a", "a/b.tif"), ("a/b.tif", "a"),
              ("\u00e9.tif", "e\u0301.tif")],
)  # fmt: skip
def test_names_that_clash_are_refused(tmp_path, names):
    error = refused(packed(tmp_path, [(name, b"x") for name in names]), InvalidInput)
    assert names[1].split("/")[0] in error.message


def test_an_entry_that_is_there_twice_is_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        archive = packed(tmp_path, [("a.tif", b"x"), ("a.tif", b"y")])
    assert "a.tif" in refused(archive, InvalidInput).message


def test_an_encrypted_entry_is_refused(tmp_path):
    archive = packed(tmp_path, [("secret.tif", b"x")])
    data = bytearray(archive.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    assert "secret.tif in the ZIP is encrypted" in refused(archive, UnsupportedFormat).message


def test_bombs_are_refused(tmp_path):
    archive = packed(tmp_path, [("a.raw", bytes(2**20)), ("b.raw", bytes(2**20))])
    refused(archive, TooLarge, UnpackingLimits(bytes=2**20 + 1))
    refused(archive, TooLarge, UnpackingLimits(files=1))
    refused(archive, TooLarge, UnpackingLimits(ratio=100, small=2**20))
    unpack(archive, tmp_path / "out", limits=UnpackingLimits(ratio=100, small=2**21))
    assert len(files(tmp_path / "out")) == 2


def test_an_entry_that_lies_about_its_size_is_refused(tmp_path):
    """The table of contents says 10 bytes; 1 MiB is packed."""
    archive = packed(tmp_path, [("a.raw", bytes(2**20))])
    data = bytearray(archive.read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\x01\x02") + 24, 10)
    archive.write_bytes(data)
    assert "a.raw" in refused(archive, CorruptData).message


def test_damage_is_named(tmp_path):
    archive = packed(tmp_path, [("a.tif", b"abc" * 100), ("b.tif", b"x" * 999)], zipfile.ZIP_STORED)
    whole = archive.read_bytes()
    archive.write_bytes(whole.replace(b"abcabc", b"abcabd", 1))
    assert "a.tif" in refused(archive, CorruptData).message
    for end in (len(whole) - 1, len(whole) // 2, 4, 0):
        archive.write_bytes(whole[:end])
        refused(archive, CorruptData)
    archive.write_bytes(b"\x89PNG" + bytes(500))
    refused(archive, CorruptData)


def test_an_unknown_packing_is_refused(tmp_path):
    archive = packed(tmp_path, [("a.tif", b"abc" * 100)])
    data = bytearray(archive.read_bytes())
    struct.pack_into("<H", data, 8, 98)
    struct.pack_into("<H", data, data.index(b"PK\x01\x02") + 10, 98)
    archive.write_bytes(data)
    assert "a.tif" in refused(archive, UnsupportedFormat).message


def test_nothing_in_it(tmp_path):
    refused(packed(tmp_path, [("folder/", b""), (".hidden", b"x")]), InvalidInput)


def test_progress_and_a_stop_leave_nothing(tmp_path):
    archive = packed(tmp_path, [(f"{n}.raw", bytes(1000)) for n in range(4)])
    told: list[float] = []
    unpack(archive, tmp_path / "whole", progress=told.append)
    assert told == [0.25, 0.5, 0.75, 1.0]

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(archive, tmp_path / "out", progress=stop)
    assert {path.name for path in tmp_path.iterdir()} == {"brought.zip", "whole"}


@pytest.mark.skipif(not SHARED.exists(), reason="the shared data is not there")
@pytest.mark.parametrize(("name", "kind"), [("slip-relative", InvalidInput), ("truncated", CorruptData)])
def test_malformed_ones(tmp_path, name, kind):
    archive = tmp_path / f"{name}.zip"
    archive.write_bytes((SHARED / "malformed" / "zip" / f"{name}.zip").read_bytes())
    refused(archive, kind)
