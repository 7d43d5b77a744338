"""The brick frame: what is put in comes out, and nothing hostile gets through."""

from __future__ import annotations

import gzip
import json
import struct

import lz4.block
import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from wk_jupyter.api.frames import (
    FAILED_CODE,
    MAX_BRICKS,
    MISSING_CODE,
    Encoding,
    Entry,
    Status,
    decode_frame,
    decode_payload,
    encode_frame,
    encode_zstd_body,
    failure_payload,
    ok_code,
    zstd_stored,
)
from wk_jupyter.errors import CorruptData

BROKEN = CorruptData("x0.wkw is damaged.", hint="Copy it again.")


def nowhere() -> str:
    return "block 3 of x0.wkw"


def decoded_body(body: bytes) -> bytes:
    """What a browser makes of ``Content-Encoding: zstd``."""
    with zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True) as stream:
        return stream.readall()


_entries = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([ok_code(e) for e in Encoding]), st.binary(max_size=300)),
        st.just((MISSING_CODE, b"")),
        st.just((FAILED_CODE, failure_payload(BROKEN))),
    ),
    max_size=MAX_BRICKS,
)


@given(_entries)
def test_what_is_put_in_comes_out(entries: list[tuple[int, bytes]]) -> None:
    frame = encode_frame([code for code, _ in entries], [payload for _, payload in entries])
    found = decode_frame(frame)
    assert [(e.status | e.encoding << 8, bytes(e.payload)) for e in found] == entries


def test_the_layout_is_as_written_down() -> None:
    frame = encode_frame([ok_code(Encoding.LZ4), MISSING_CODE, FAILED_CODE], [b"abc", b"", b"{}"])
    assert frame == (b"WKB1\x03\0\0\0\x00\x01\0\0\x03\0\0\0\x01\x00\0\0\x00\0\0\0\x02\x00\0\0\x02\0\0\0abc{}")


def test_payloads_may_be_any_bytes_like() -> None:
    frame = encode_frame([0, 0, 0], [b"a", bytearray(b"b"), memoryview(b"cd")])
    assert [bytes(e.payload) for e in decode_frame(bytearray(frame))] == [b"a", b"b", b"cd"]


def test_entries_tell_voxels_missing_and_failure_apart() -> None:
    frame = encode_frame(
        [ok_code(Encoding.RAW), MISSING_CODE, FAILED_CODE], [b"12345678", b"", failure_payload(BROKEN)]
    )
    ok, missing, failed = decode_frame(frame)
    assert ok.voxels(8) == b"12345678"
    assert missing.voxels(8) is None
    with pytest.raises(CorruptData, match=r"x0\.wkw is damaged") as caught:
        failed.voxels(8)
    assert caught.value.hint == "Copy it again."
    with pytest.raises(CorruptData):
        ok.voxels(9)


@pytest.mark.parametrize("payload", [b"", b"\xff", b"[1]", b"3", b"{}", b'{"hint": 1}', b"[" * 100_000])
def test_a_failure_without_a_reason_is_still_a_failure(payload: bytes) -> None:
    with pytest.raises(CorruptData):
        Entry(Status.FAILED, Encoding.RAW, payload).voxels(8)


GOOD = encode_frame([0, MISSING_CODE, FAILED_CODE], [b"abcd", b"", b"{}"])


def changed(offset: int, data: bytes) -> bytes:
    return GOOD[:offset] + data + GOOD[offset + len(data) :]


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"WKB1",
        b"WKB1\1\0\0\0",
        GOOD[:-1],
        GOOD + b"\0",
        changed(0, b"wkb1"),
        changed(4, b"\x02"),
        changed(4, b"\xff\xff\xff\xff"),
        changed(8, b"\x03"),
        changed(9, b"\x04"),
        changed(10, b"\x01"),
        changed(12, b"\xff\xff\xff\xff"),
        changed(12, b"\x05"),
        changed(16, b"\x01\x01"),
        changed(16, b"\x01\x00\0\0\x01\0\0\0"),
        changed(24, b"\x02\x02"),
        b"<!DOCTYPE html><html><body>502</body></html>",
        struct.pack("<4sI", b"WKB1", MAX_BRICKS + 1) + bytes(8 * (MAX_BRICKS + 1)),
    ],
)
def test_what_is_no_frame_is_refused(frame: bytes) -> None:
    with pytest.raises(CorruptData):
        decode_frame(frame)


@given(st.binary(max_size=200))
def test_noise_is_refused_or_is_a_frame(noise: bytes) -> None:
    for data in (noise, b"WKB1" + noise, b"WKB1\x02\0\0\0" + noise):
        try:
            entries = decode_frame(data)
        except CorruptData:
            continue
        assert len(data) == 8 + 8 * len(entries) + sum(len(e.payload) for e in entries)


# --- as Content-Encoding: zstd -----------------------------------------------------------------


def test_a_zstd_body_decodes_to_the_frame_of_raw_voxels() -> None:
    voxels = [bytes([i]) * 4096 for i in range(3)]
    stored = [
        zstandard.ZstdCompressor(level=1, write_checksum=i == 1).compress(v) for i, v in enumerate(voxels)
    ]
    codes = [
        ok_code(Encoding.ZSTD),
        MISSING_CODE,
        ok_code(Encoding.ZSTD),
        FAILED_CODE,
        ok_code(Encoding.ZSTD),
    ]
    payloads = [stored[0], b"", stored[1], failure_payload(BROKEN), memoryview(stored[2])]
    frame = decoded_body(encode_zstd_body(codes, payloads, 4096))
    entries = decode_frame(frame)
    assert [e.status for e in entries] == [0, 1, 0, 2, 0]
    assert [e.voxels(4096) for e in (entries[0], entries[2], entries[4])] == voxels
    assert json.loads(bytes(entries[3].payload))["error"] == BROKEN.message


def test_a_stored_frame_of_another_size_fails_alone() -> None:
    pack = zstandard.ZstdCompressor().compress
    payloads = [pack(bytes(4096)), pack(bytes(4095)), b"no zstd at all", pack(bytes(4096))]
    entries = decode_frame(decoded_body(encode_zstd_body([ok_code(Encoding.ZSTD)] * 4, payloads, 4096)))
    assert [e.status for e in entries] == [0, 2, 2, 0]
    assert entries[3].voxels(4096) == bytes(4096)


@pytest.mark.parametrize("size", [0, 1, 5, 2**17 - 1, 2**17, 2**17 + 1, 300_000])
def test_bytes_wrapped_without_packing_are_zstd(size: int) -> None:
    data = np.random.default_rng(0).bytes(size)
    assert decoded_body(zstd_stored(data)) == data
    assert zstandard.frame_content_size(zstd_stored(data)) == size


# --- payloads ----------------------------------------------------------------------------------

VOXELS = bytes(range(256)) * 16
PACKED = {
    Encoding.RAW: VOXELS,
    Encoding.LZ4: lz4.block.compress(VOXELS, store_size=False),
    Encoding.ZSTD: zstandard.ZstdCompressor().compress(VOXELS),
    Encoding.GZIP: gzip.compress(VOXELS),
}


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("encoding", Encoding)
def test_payloads_are_unpacked(encoding: Encoding, wrap: type) -> None:
    assert decode_payload(wrap(PACKED[encoding]), encoding, len(VOXELS), nowhere) == VOXELS


def test_a_zstd_frame_that_does_not_tell_its_size_is_unpacked() -> None:
    frame = zstandard.ZstdCompressor(write_content_size=False).compress(VOXELS)
    assert zstandard.frame_content_size(frame) == -1
    assert decode_payload(frame, Encoding.ZSTD, len(VOXELS), nowhere) == VOXELS
    with pytest.raises(CorruptData):
        decode_payload(frame, Encoding.ZSTD, len(VOXELS) - 1, nowhere)


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize("other", [1, len(VOXELS) - 1, len(VOXELS) + 1, 10 * len(VOXELS)])
def test_another_size_is_refused(encoding: Encoding, other: int) -> None:
    with pytest.raises(CorruptData, match=r"block 3 of x0\.wkw"):
        decode_payload(PACKED[encoding], encoding, other, nowhere)


@pytest.mark.parametrize("encoding", [Encoding.LZ4, Encoding.ZSTD, Encoding.GZIP])
def test_cut_or_spoiled_bytes_are_refused(encoding: Encoding) -> None:
    packed = PACKED[encoding]
    for hostile in (b"", packed[:-1], packed[: len(packed) // 2], b"\xff" * 64, b"\0" * 64):
        with pytest.raises(CorruptData):
            decode_payload(hostile, encoding, len(VOXELS), nowhere)


@given(st.sampled_from([Encoding.LZ4, Encoding.ZSTD, Encoding.GZIP]), st.data())
def test_a_changed_byte_is_refused_or_keeps_the_size(encoding: Encoding, data: st.DataObject) -> None:
    packed = bytearray(PACKED[encoding])
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        voxels = decode_payload(packed, encoding, len(VOXELS), nowhere)
    except CorruptData:
        return
    assert len(voxels) == len(VOXELS)


@pytest.mark.parametrize("encoding", [Encoding.ZSTD, Encoding.GZIP])
def test_a_bomb_is_not_unpacked(encoding: Encoding) -> None:
    bomb = bytes(2**26)
    packed = zstandard.ZstdCompressor().compress(bomb) if encoding == Encoding.ZSTD else gzip.compress(bomb)
    with pytest.raises(CorruptData):
        decode_payload(packed, encoding, 4096, nowhere)
