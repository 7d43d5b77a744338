from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from contracts.reader_contract import ReaderContract, Written, refusal, require_image

from wk_jupyter.errors import InvalidInput, UnsupportedFormat


class TestArrays(ReaderContract):
    reader = "array"

    def write(self, folder: Path) -> Written:
        voxels = np.random.default_rng(1).integers(0, 2**16, (2, 3, 4, 5, 7), np.uint16)
        np.save(folder / "Feld.npy", voxels)
        return Written([folder / "Feld.npy"], voxels)


@pytest.mark.parametrize(
    ("shape", "axes", "as_tczyx"),
    [
        ((5, 7), None, (1, 1, 1, 5, 7)),
        ((4, 5, 7), None, (1, 1, 4, 5, 7)),
        ((3, 4, 5, 7), None, (1, 3, 4, 5, 7)),
        ((5, 7, 3), "yxc", (1, 3, 1, 5, 7)),
        ((2, 7, 5, 4), "txyz", (2, 1, 4, 5, 7)),
    ],
)
def test_axes_are_the_last_of_tczyx_or_what_is_said(tmp_path, shape, axes, as_tczyx):
    array = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    np.save(tmp_path / "a.npy", array)
    names = axes or "tczyx"[-len(shape) :]
    order = [names.index(axis) for axis in "tczyx" if axis in names]
    expected = array.transpose(order).reshape(as_tczyx)
    require_image("array", [tmp_path / "a.npy"], expected, {"axes": axes} if axes else {})


@pytest.mark.parametrize("dtype", [">u2", ">f4", "<i8", "?"])
def test_any_byte_order_is_read_and_bools_are_0_and_1(tmp_path, dtype):
    array = (np.arange(60).reshape(3, 4, 5) % 2).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    native = np.uint8 if dtype == "?" else np.dtype(dtype).newbyteorder("=")
    require_image("array", [tmp_path / "a.npy"], array[None, None].astype(native))


@pytest.mark.parametrize("order", ["C", "F"])
def test_either_order_in_memory_is_read(tmp_path, order):
    array = np.asarray(np.arange(60, dtype=np.uint8).reshape(3, 4, 5), order=order)
    np.save(tmp_path / "a.npy", array)
    require_image("array", [tmp_path / "a.npy"], array[None, None])


@pytest.mark.parametrize(
    ("array", "hints", "error"),
    [
        (np.zeros((2, 2), np.complex64), {}, UnsupportedFormat),
        (np.zeros((2, 2), "U3"), {}, UnsupportedFormat),
        (np.zeros((2, 2), [("a", "u1")]), {}, UnsupportedFormat),
        (np.zeros((2, 2), "M8[s]"), {}, UnsupportedFormat),
        (np.zeros((2, 2)), {"axes": "yy"}, InvalidInput),
        (np.zeros((2, 2)), {"axes": "zy"}, InvalidInput),
        (np.zeros((2, 2)), {"axes": "zyx"}, InvalidInput),
        (np.zeros((2, 2)), {"axes": 5}, InvalidInput),
        (np.zeros((1,) * 6), {}, InvalidInput),
        (np.zeros(3), {}, InvalidInput),
        (np.array(3.0), {}, InvalidInput),
    ],
)
def test_what_is_no_image_is_refused(tmp_path, array, hints, error):
    np.save(tmp_path / "a.npy", array)
    told = refusal("array", [tmp_path / "a.npy"], hints)
    assert isinstance(told, error)
    assert "a.npy" in str(told)


def test_pickled_objects_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}, []], object), allow_pickle=True)
    assert refusal("array", [tmp_path / "a.npy"]) is not None
