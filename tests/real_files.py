"""Real files of every format, and how what was read of them is compared with the truth.

The files lie beside some checkouts (``shared_data`` in conftest.py): a manifest tells for each array its
axes, shape, type and the sha256 of its voxels.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from wk_jupyter.datasource import DataSource, LayerSource, MagSource, element_class_of
from wk_jupyter.geometry import BoundingBox, Mag, Vec3Int

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
VOLUME_FORMATS = ("wkw", "zarr", "n5", "precomputed")
_DATA_FORMATS = {
    "zarr": "zarr",
    "zarr3": "zarr3",
    "n5": "n5",
    "neuroglancer_precomputed": "neuroglancerPrecomputed",
}


@dataclass(frozen=True)
class Truth:
    """One array of an entry: ``axes`` has a letter for each dimension, of c, x, y, z.

    ``path`` is relative to the entry's folder. ``offset`` is the first voxel (x, y, z) that counts.
    """

    entry: str
    path: str
    data_format: str
    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    sha256: str | None
    offset: Vec3Int
    tolerance: int = 0

    @property
    def is_readable(self) -> bool:
        return self.sha256 is not None

    @property
    def box(self) -> BoundingBox:
        sizes = dict(zip(self.axes, self.shape, strict=True))
        return BoundingBox(self.offset, [sizes.get(axis, 1) for axis in "xyz"])

    @property
    def num_channels(self) -> int:
        return dict(zip(self.axes, self.shape, strict=True)).get("c", 1)

    def layer(self) -> LayerSource:
        """Return a layer of this one array, as a properties file would describe it."""
        assert self.dtype is not None
        order = {axis: number for number, axis in enumerate(self.axes)}
        kind = np.dtype(np.uint8) if self.dtype.kind == "b" else self.dtype
        return LayerSource(
            name="layer",
            category="color",
            bounding_box=self.box,
            element_class=element_class_of(kind, self.num_channels),
            data_format=self.data_format,  # type: ignore[arg-type]
            mags=(MagSource(Mag(1), self.path, order if self.data_format != "wkw" else None),),
            num_channels=self.num_channels,
        )

    def ordered(self, voxels: NDArray[Any]) -> NDArray[Any]:
        """Bring voxels (c, x, y, z) into this array's order of axes."""
        missing = tuple(n for n, axis in enumerate("cxyz") if axis not in self.axes)
        kept = [axis for axis in "cxyz" if axis in self.axes]
        return voxels.squeeze(missing).transpose([kept.index(axis) for axis in self.axes])

    def check(self, voxels: NDArray[Any], reference: NDArray[Any] | None = None) -> None:
        """Assert that voxels (c, x, y, z) are the true ones. Types may differ where values don't.

        ``reference`` is needed where the truth allows a tolerance: the same voxels, stored without loss.
        """
        assert self.dtype is not None
        assert voxels.shape == (self.num_channels, *self.box.size)
        array = self.ordered(voxels)
        cast = array.astype(self.dtype)
        np.testing.assert_array_equal(cast.astype(array.dtype), array)
        data = np.ascontiguousarray(cast).astype(self.dtype.newbyteorder("<"), copy=False)
        if hashlib.sha256(data.tobytes()).hexdigest() == self.sha256:
            return
        assert self.tolerance, f"{self.entry}/{self.path}: the voxels are not the true ones"
        assert reference is not None, f"{self.entry}/{self.path} differs from the truth"
        assert np.abs(voxels.astype(int) - reference.astype(int)).max() <= self.tolerance


@dataclass(frozen=True)
class Entry:
    """One folder of real files. ``arrays`` is empty where it has no voxels."""

    id: str
    format: str
    path: str
    arrays: tuple[Truth, ...]

    def folder(self, shared_data: Path, scratch: Path) -> Path:
        """Return where the entry lies; what is packed is unpacked below ``scratch``."""
        folder = shared_data / self.path
        archives = list(folder.glob("*.zip"))
        if not archives:
            return folder
        target = scratch / self.id
        if not target.exists():
            with zipfile.ZipFile(archives[0]) as archive:
                archive.extractall(target)
        return target


def cases(formats: tuple[str, ...] = VOLUME_FORMATS) -> list[Any]:
    """Return the entries as parameters of tests; one that skips where the files are not here."""
    if not (SHARED_DATA / "manifest.json").exists():
        reason = f"the real sample files are not here ({SHARED_DATA})"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason), id="absent")]
    return [pytest.param(entry, id=entry.id) for entry in entries(SHARED_DATA, formats)]


def entries(shared_data: Path, formats: tuple[str, ...] = VOLUME_FORMATS) -> Iterator[Entry]:
    """Yield the entries of these formats, in the manifest's order."""
    manifest = json.loads((shared_data / "manifest.json").read_text())
    for document in (*manifest["real"], *manifest["derived"]):
        if document["format"] in formats:
            truth = document.get("truth") or []
            arrays = truth["arrays"] if isinstance(truth, dict) else truth
            found = tuple(_truth(document, array, shared_data) for array in arrays if "shape" in array)
            yield Entry(document["id"], document["format"], document["path"], found)


def locate(
    source: DataSource, folder: Path, truth: Truth, root: Path
) -> tuple[list[tuple[LayerSource, MagSource]], Truth]:
    """Find an array that lies below ``root`` in a data source of ``folder``.

    Returns the layers and mags that show it, one for each channel where these are layers of their own,
    and the truth with the axes that the data source gives it. The list is empty where it isn't in there.
    """
    wanted = (root / truth.path).resolve()
    found = [
        (layer, mag)
        for layer in source.layers
        for mag in layer.mags
        if (folder / (mag.path or f"{layer.name}/{mag.mag.name}")).resolve() == wanted
    ]
    order = found[0][1].axis_order if found and truth.data_format in ("zarr", "zarr3", "n5") else None
    if order is None:
        return found, truth
    return found, replace(truth, axes="".join(sorted(order, key=lambda axis: order[axis])))


def _truth(document: Mapping[str, Any], array: Mapping[str, Any], shared_data: Path) -> Truth:
    folder = shared_data / document["path"]
    path = array.get("path") or _only_array(folder)
    if document["format"] == "wkw" and not list(folder.glob("*.zip")):  # relative to the dataset's folder
        [found] = [header.parent for header in folder.rglob("header.wkw") if header.parent.match(path)]
        path = str(found.relative_to(folder))
    driver = array.get("driver") or _driver(folder / path)
    shape = tuple(array["shape"])
    offset = array.get("offset") or (array.get("origin") if document["format"] == "precomputed" else None)
    if driver == "neuroglancer_precomputed":
        path = f"{path}/{json.loads((folder / path / 'info').read_text())['scales'][0]['key']}"
    if document["format"] == "wkw":
        driver = "wkw"
    return Truth(
        entry=document["id"],
        path=path,
        data_format=_DATA_FORMATS.get(driver, driver),
        axes=_axes(array["axes"], document, len(shape)),
        shape=shape,
        dtype=np.dtype(array["dtype"]) if array.get("sha256") else None,
        sha256=array.get("sha256"),
        offset=Vec3Int.of((offset or (0, 0, 0))[:3]),
        tolerance=2 if "jpeg" in document["id"] else 0,
    )


def _axes(text: str, document: Mapping[str, Any], rank: int) -> str:
    """Return a letter for each dimension; where the manifest has none, what the format's metadata says."""
    named = text.lower().replace("channel", "c").replace(",", "")
    if len(named) == rank and set(named) <= set("cxyz"):
        return named
    if document["format"] == "n5":
        return {"n5-astronaut-gzip": "cxy"}.get(document["id"], "xyz"[:rank] if rank < 4 else "cxyz")
    special = {
        "zarr2-astronaut-blosc": "yxc",
        "omezarr04-viv-blobs": "cyx",
        "omezarr04-valid-image-04": "cyx",
    }
    return special.get(document["id"], "czyx"[-rank:])


def _only_array(folder: Path) -> str:
    [found] = [path.parent for name in (".zarray", "zarr.json", "info") for path in folder.rglob(name)]
    return str(found.relative_to(folder))


def _driver(path: Path) -> str:
    if (path / "info").exists():
        return "neuroglancer_precomputed"
    return "zarr3" if (path / "zarr.json").exists() else "zarr"
