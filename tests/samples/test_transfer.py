from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import pytest
from foreign_host import Host, serve

from wk_jupyter.errors import Conflict, CorruptData, Unreachable
from wk_jupyter.samples.transfer import Expected, Transfer

CONTENT = bytes(range(256)) * 4000  # 1.024 MB
EXPECTED = Expected(megabytes=1)


class Pauses(list[float]):
    """In place of the clock."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def ignore(have: int, total: int | None) -> None:
    pass


def transfer(host: Host, folder: Path, expected: Expected = EXPECTED) -> Transfer:
    return Transfer(host.url, folder / "sample.zip", expected, ignore, Pauses())


def test_a_file_arrives_whole_with_progress_to_the_end(tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    with serve(Host(CONTENT)) as host:
        Transfer(host.url, tmp_path / "sample.zip", EXPECTED, lambda have, of: seen.append((have, of))).run()
    assert (tmp_path / "sample.zip").read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [have for have, _ in seen] == sorted(have for have, _ in seen)
    assert [file.name for file in tmp_path.iterdir()] == ["sample.zip"]


def test_a_cut_connection_is_continued_where_it_broke(tmp_path: Path) -> None:
    with serve(Host(CONTENT, cut_after=300_000)) as host:
        transfer(host, tmp_path).run()
    assert (tmp_path / "sample.zip").read_bytes() == CONTENT
    assert host.asked == [None, "bytes=300000-", "bytes=600000-", "bytes=900000-"]


def test_a_server_without_ranges_is_asked_from_the_start(tmp_path: Path) -> None:
    with serve(Host(CONTENT, ranges=False, cut_after=300_000, cuts=1)) as host:
        transfer(host, tmp_path).run()
    assert (tmp_path / "sample.zip").read_bytes() == CONTENT
    assert host.asked == [None, "bytes=300000-"]


def test_without_a_validator_nothing_is_continued(tmp_path: Path) -> None:
    with serve(Host(CONTENT, etag=None, cut_after=300_000, cuts=1)) as host:
        transfer(host, tmp_path).run()
    assert (tmp_path / "sample.zip").read_bytes() == CONTENT
    assert host.asked == [None, None]


def test_two_versions_are_never_mixed(tmp_path: Path) -> None:
    newer = CONTENT[::-1]
    with serve(Host(CONTENT, cut_after=300_000, cuts=1)) as host:
        job = transfer(host, tmp_path)

        def renew(_: float) -> None:
            host.content, host.etag = newer, '"two"'

        job.pause = renew
        job.run()
    assert (tmp_path / "sample.zip").read_bytes() == newer


def test_a_stopped_download_is_continued_by_the_next_call(tmp_path: Path) -> None:
    def stop(have: int, total: int | None) -> None:
        if have > 400_000:
            raise KeyboardInterrupt

    with serve(Host(CONTENT)) as host:
        with pytest.raises(KeyboardInterrupt):
            Transfer(host.url, tmp_path / "sample.zip", EXPECTED, stop).run()
        have = (tmp_path / "sample.zip.part").stat().st_size
        assert 400_000 < have < len(CONTENT)
        transfer(host, tmp_path).run()
    assert (tmp_path / "sample.zip").read_bytes() == CONTENT
    assert host.asked == [None, f"bytes={have}-"]


def test_a_busy_server_is_asked_again(tmp_path: Path) -> None:
    with serve(Host(CONTENT, statuses=[503, 429])) as host:
        job = transfer(host, tmp_path)
        job.run()
    assert (tmp_path / "sample.zip").read_bytes() == CONTENT
    assert job.pause == [2.0, 4.0]


def test_a_length_that_is_never_reached_ends_in_words_and_keeps_what_came(tmp_path: Path) -> None:
    with (
        serve(Host(CONTENT, claimed_length=len(CONTENT) + 10)) as host,
        pytest.raises(Unreachable, match=r"1,024,000 bytes have come and are kept"),
    ):
        transfer(host, tmp_path).run()
    assert (tmp_path / "sample.zip.part").stat().st_size == len(CONTENT)
    assert not (tmp_path / "sample.zip").exists()


@pytest.mark.parametrize("claimed", [10, 3_000_000, 10**13])
def test_a_size_that_was_not_announced_is_refused_before_anything_is_stored(
    claimed: int, tmp_path: Path
) -> None:
    with (
        serve(Host(CONTENT, claimed_length=claimed)) as host,
        pytest.raises(CorruptData, match="about 1 MB were announced"),
    ):
        transfer(host, tmp_path).run()
    assert (tmp_path / "sample.zip.part").stat().st_size == 0


def test_a_stream_without_a_length_is_taken_as_long_as_it_is_not_too_long(tmp_path: Path) -> None:
    with serve(Host(CONTENT, chunked=True)) as host:
        transfer(host, tmp_path).run()
        assert (tmp_path / "sample.zip").read_bytes() == CONTENT
        host.content = CONTENT * 8
        with pytest.raises(CorruptData, match="about 1 MB were announced"):
            transfer(host, tmp_path).run()
    assert (tmp_path / "sample.zip.part").stat().st_size <= 2_000_000


def test_a_known_checksum_is_checked(tmp_path: Path) -> None:
    good = Expected(1, hashlib.sha256(CONTENT).hexdigest())
    with serve(Host(CONTENT)) as host:
        transfer(host, tmp_path, good).run()
        host.content = CONTENT[::-1]
        with pytest.raises(CorruptData, match="is not the published file"):
            transfer(host, tmp_path, good).run()
    assert (tmp_path / "sample.zip").read_bytes() == CONTENT


def test_an_error_of_the_server_is_told_with_what_else_can_be_done(tmp_path: Path) -> None:
    with (
        serve(Host(CONTENT, statuses=[404])) as host,
        pytest.raises(Unreachable, match=r"answered 404 Not Found.*wk\.samples\.generate\(\)"),
    ):
        transfer(host, tmp_path).run()
    assert len(host.asked) == 1


def test_no_network_is_told_with_what_else_can_be_done(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/sample.zip"
        pauses = Pauses()
        job = Transfer(url, tmp_path / "sample.zip", EXPECTED, ignore, pauses)
        with pytest.raises(Unreachable, match=r"Without a network, wk\.samples\.generate\(\)"):
            job.run()
    assert pauses == [2.0, 4.0, 8.0, 16.0]


def test_one_file_is_downloaded_by_one_at_a_time(tmp_path: Path) -> None:
    with serve(Host(CONTENT)) as host:

        def again(have: int, total: int | None) -> None:
            transfer(host, tmp_path).run()

        with pytest.raises(Conflict, match="is being downloaded already"):
            Transfer(host.url, tmp_path / "sample.zip", EXPECTED, again).run()
