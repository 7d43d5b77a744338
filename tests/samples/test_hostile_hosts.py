"""Hosts and archives that mean harm, or are very broken: a sentence for each, and nothing left behind."""

from __future__ import annotations

import random
import warnings
import zipfile
from pathlib import Path

import pytest
from archives import BLOCK, PROPERTIES, dataset_zip, zip_of
from foreign_host import Host, serve
from hypothesis import given, settings
from hypothesis import strategies as st

from wk_jupyter.errors import CorruptData, TooLarge, Unreachable, WkError
from wk_jupyter.samples.transfer import Expected, Transfer
from wk_jupyter.samples.unpack import unpack

CONTENT = random.Random(2).randbytes(1_000_000)


def transfer(host: Host, folder: Path) -> Transfer:
    return Transfer(host.url, folder / "sample.zip", Expected(1), lambda *_: None, lambda _: None)


def test_another_host_may_have_the_file(tmp_path: Path) -> None:
    with serve(Host(CONTENT)) as second, serve(Host(b"", redirects=[second.url])) as first:
        transfer(first, tmp_path).run()
    assert (tmp_path / "sample.zip").read_bytes() == CONTENT


def test_a_download_is_resumed_at_another_host(tmp_path: Path) -> None:
    with serve(Host(CONTENT, cut_after=300_000, cuts=1)) as second:
        with serve(Host(b"", redirects=[second.url, second.url])) as first:
            transfer(first, tmp_path).run()
        assert second.asked == [None, "bytes=300000-"]
    assert (tmp_path / "sample.zip").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "location",
    ["/sample.zip", "ftp://127.0.0.1/x", "file:///etc/passwd", "http://[", "http://127.0.0.1:99999/", "//"],
)
def test_a_redirect_that_leads_nowhere(location: str, tmp_path: Path) -> None:
    with serve(Host(CONTENT, redirects=[location] * 200)) as host, pytest.raises(Unreachable) as caught:
        transfer(host, tmp_path).run()
    assert "wk.samples.generate()" in str(caught.value)
    assert not (tmp_path / "sample.zip").exists()


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Length": "9" * 5000},
        {"Content-Length": "-5"},
        {"Content-Length": "many"},
        {"Content-Length": str(10**15)},
        {"Content-Length": "3"},
        {"Content-Encoding": "gzip"},
        {"ETag": "\x7f" * 3000},
        {"Location": "http://127.0.0.1/"},
        {"Transfer-Encoding": "gzip, chunked"},
    ],
)
def test_odd_heads_of_an_answer(headers: dict[str, str], tmp_path: Path) -> None:
    """Either the file is there as it was, or nothing is, and a sentence tells why."""
    with serve(Host(CONTENT, headers=headers)) as host:
        try:
            transfer(host, tmp_path).run()
        except (Unreachable, CorruptData, TooLarge) as error:
            assert host.url in str(error)  # noqa: PT017 either is right
            assert not (tmp_path / "sample.zip").exists()
        else:
            assert (tmp_path / "sample.zip").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "place", ["bytes 5-9/" + "9" * 5000, "bytes 0-3/4", "bytes */9", "bytes ²-9/10", "x"]
)
def test_a_resumed_answer_that_begins_elsewhere(place: str, tmp_path: Path) -> None:
    with serve(Host(CONTENT, cut_after=300_000, cuts=1)) as host:
        job = transfer(host, tmp_path)

        def lie(_: float) -> None:
            host.headers = {"Content-Range": place}

        job.pause = lie
        try:
            job.run()
        except (Unreachable, CorruptData):
            assert not (tmp_path / "sample.zip").exists()
        else:
            assert (tmp_path / "sample.zip").read_bytes() == CONTENT


def unpacked(tmp_path: Path, content: bytes) -> Path:
    archive, folder = tmp_path / "some.zip", tmp_path / "inner"
    archive.write_bytes(content)
    folder.mkdir()
    unpack(archive, folder)
    return folder


@pytest.mark.parametrize(
    "names",
    [
        ["color/x", "color/x/y"],
        ["color/x/y", "color/x"],
        ["color/x", "color//x"],
        ["color/x", "./color/x"],
        ["color/" + "n" * 300],
        ["color/" + "/".join(["d" * 200] * 30)],
    ],
)
def test_names_that_cannot_be_beside_each_other(names: list[str], tmp_path: Path) -> None:
    with pytest.raises(CorruptData, match=r"was not unpacked: its entry") as caught:
        unpacked(tmp_path, zip_of(dict.fromkeys(names, b"1")))
    assert len(str(caught.value)) < 1000


def test_a_length_that_is_a_lie(tmp_path: Path) -> None:
    """An entry that says 10 bytes and has 20 MB."""
    content = bytearray(zip_of({"color/x": bytes(20_000_000)}, zipfile.ZIP_DEFLATED))
    central = content.index(b"PK\x01\x02")
    for at in (22, central + 24):
        content[at : at + 4] = (10).to_bytes(4, "little")
    with pytest.raises(CorruptData, match="is not a whole zip file"):
        unpacked(tmp_path, bytes(content))
    assert sum(file.stat().st_size for file in (tmp_path / "inner").rglob("*") if file.is_file()) <= 10


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_rare_ways_of_packing_that_are_damaged(method: int, tmp_path: Path) -> None:
    content = bytearray(zip_of({"color/x": BLOCK[:9000]}, method))
    content[60:90] = bytes(30)
    with pytest.raises(CorruptData, match="is not a whole zip file"):
        unpacked(tmp_path, bytes(content))


SMALL = dataset_zip(block=b"some voxels")


@settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_any_damage_is_told(tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]) -> None:
    content = bytearray(SMALL)
    for at, value in changes:
        content[at] = value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            unpacked(tmp_path_factory.mktemp("damaged"), bytes(content))
        except WkError as error:
            assert "some.zip" in str(error)  # noqa: PT017 either is right: the damage may be in what is left out


def test_the_dataset_in_it_is_what_is_made(tmp_path: Path) -> None:
    assert (unpacked(tmp_path, SMALL) / "datasource-properties.json").is_file()
    assert PROPERTIES["dataLayers"]
