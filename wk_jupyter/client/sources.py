"""Where a dataset's voxels come from: a folder that this process can read, or a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from numpy.typing import NDArray

from wk_jupyter.client.connection import Connection
from wk_jupyter.datasource import DataSource, LayerSource
from wk_jupyter.errors import MagNotFound
from wk_jupyter.geometry import BoundingBox, Mag

_ID_FILE: Final = ".wk_jupyter_id"
_BINARY_DATA: Final = "binaryData"


class VoxelSource(Protocol):
    """Reads boxes of voxels. Blocks."""

    def read(
        self, layer: LayerSource, mag: Mag, box: BoundingBox, position: Mapping[str, int]
    ) -> NDArray[Any]:
        """Return (c, x, y, z) voxels of ``box``, in voxels of ``mag``, which lies in the layer's box."""
        ...

    def thumbnail(self, layer: str | None, width: int, height: int) -> bytes:
        """Return a PNG."""
        ...


class LocalSource:
    """Voxels from a folder, without any server. ``roots`` are folders that absolute mag paths may lie in."""

    def __init__(self, folder: Path, source: DataSource, roots: Sequence[Path] = ()) -> None:
        self.folder = folder
        self._source = source
        self._roots = tuple(roots)
        self._readers: dict[str, Any] = {}

    def read(
        self, layer: LayerSource, mag: Mag, box: BoundingBox, position: Mapping[str, int]
    ) -> NDArray[Any]:
        from wk_jupyter.client.local import read_box  # noqa: PLC0415 loads the stored formats

        return read_box(self.reader(layer), mag, box, position)

    def thumbnail(self, layer: str | None, width: int, height: int) -> bytes:
        from wk_jupyter.client.local import draw  # noqa: PLC0415

        layers = [one for one in self._source.layers if layer in (None, one.name)]
        return draw(self._source, [self.reader(one) for one in layers], (width, height))

    def reader(self, layer: LayerSource) -> Any:
        """Return the reader of a layer, which keeps its files open."""
        from wk_jupyter.client.local import make_reader  # noqa: PLC0415

        if layer.name not in self._readers:
            self._readers[layer.name] = make_reader(layer, self.folder, self._roots)
        return self._readers[layer.name]


def source_on_this_machine(connection: Connection, source: DataSource) -> LocalSource | None:
    """Return a way to read a served dataset's own files, where they are on this machine.

    A path that happens to exist here proves nothing; the data directory's random id does.
    """
    wanted = connection.health.get("dataDirId")
    path = next((mag.path for layer in source.layers for mag in layer.mags if mag.path), None)
    if wanted is None or path is None or not path.startswith("/"):
        return None
    for parent in Path(path).parents:
        if parent.name != _BINARY_DATA:
            continue
        try:
            if (parent.parent / _ID_FILE).read_text().strip() == wanted:
                return LocalSource(parent, source, [parent])
        except OSError:
            continue
    return None


def find_mag(layer: LayerSource, mag: Mag) -> Mag:
    """Return a mag that a layer has. Raises MagNotFound, naming those that are there."""
    if any(source.mag == mag for source in layer.mags):
        return mag
    there = ", ".join(source.mag.name for source in layer.mags)
    raise MagNotFound(f"the layer {layer.name!r} has no mag {mag}.", hint=f"It has {there}.")
