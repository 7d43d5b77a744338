"""Reading a folder in this process: the one place where the kernel's side uses the stored formats."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from wk_jupyter.datasource import DataSource, LayerSource
from wk_jupyter.geometry import BoundingBox, Mag
from wk_jupyter.store.bricks import BrickRequest, LayerReader
from wk_jupyter.store.explore import Exploration, explore
from wk_jupyter.store.pictures import PictureLayer, picture, view_of
from wk_jupyter.store.volumes import open_volume
from wk_jupyter.view_configuration import view_configuration

T = TypeVar("T")


def open_folder(path: Path) -> Exploration:
    """Tell what a folder holds, also without properties. Raises UnsupportedFormat, InvalidDataSource."""
    return explore(path)


def make_reader(layer: LayerSource, folder: Path, roots: Sequence[Path]) -> LayerReader:
    return LayerReader(layer, folder, functools.partial(open_volume, roots=roots), max_read_bytes=2**62)


def read_box(reader: LayerReader, mag: Mag, box: BoundingBox, position: Mapping[str, int]) -> NDArray[Any]:
    """Return (c, x, y, z) voxels of ``box``, in voxels of ``mag``, which lies inside of the layer's box."""
    axes = {axis.name: axis.lower for axis in reader.layer.additional_axes}
    voxels = reader.volume(mag).read(box, {**axes, **position})
    channels = voxels[: reader.layer.num_channels]
    return channels if channels.dtype == reader.layer.dtype else _cast(channels, reader.layer)


def draw(source: DataSource, readers: Sequence[LayerReader], size: tuple[int, int]) -> bytes:
    """Return a PNG of the middle of a dataset, with its own view configuration."""
    configuration = view_configuration(source)
    shown = [
        reader for reader in readers if not configuration["layers"][reader.layer.name]["isDisabled"]
    ] or readers
    layers = [PictureLayer(reader, configuration["layers"][reader.layer.name]) for reader in shown]
    view = view_of(layers, size=size, center=configuration["position"], zoom=configuration["zoom"])
    return run(picture(layers, view, blend_mode=configuration["blendMode"], image_format="PNG"))


def bricks(reader: LayerReader, request: Mapping[str, Any]) -> bytes:
    """Return a brick frame of raw voxels, for a page that asks the kernel."""
    import msgspec  # noqa: PLC0415

    asked = msgspec.convert({**request, "accept": ["raw"]}, BrickRequest)
    return bytes(run(reader.bricks(asked)).body)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Wait for a coroutine on an event loop beside the kernel's own."""
    return asyncio.run_coroutine_threadsafe(work, _loop()).result()


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="wk_jupyter", daemon=True).start()
    return loop


def _cast(voxels: NDArray[Any], layer: LayerSource) -> NDArray[Any]:
    """Bring voxels to the layer's element class: an id read as another sign is the same id."""
    if voxels.dtype.itemsize == layer.dtype.itemsize:
        return voxels.view(layer.dtype)
    return np.asarray(voxels, layer.dtype)
