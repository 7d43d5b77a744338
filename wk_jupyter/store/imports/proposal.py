"""What an inspection answers with: what a delivery is, and what will come of it unless it is corrected."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from wk_jupyter.properties_document import Category, ElementClass
from wk_jupyter.store.readers.base import ImageRef


class LayerProposal(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A layer that will be made of an image, or of some of its channels.

    ``size`` in voxels x, y, z; ``voxel_size`` in nm, null for an axis of which the file doesn't say.
    ``number`` names the layer in corrections. ``element_class`` is what is written, ``source_type`` what
    the file has.
    """

    number: int
    name: str
    category: Category
    element_class: ElementClass
    source_type: str
    size: tuple[int, int, int]
    topleft: tuple[int, int, int] = (0, 0, 0)
    timepoints: int = 1
    channels: tuple[int, int] = (0, 1)
    voxel_size: tuple[float | None, float | None, float | None] = (None, None, None)
    files: int = 1
    format: str = ""
    intensity_range: tuple[float, float] | None = None
    color: tuple[int, int, int] | None = None
    notes: tuple[str, ...] = ()


class StoredLayer(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A layer that lies there as it will be shown: nothing is converted."""

    name: str
    category: Category
    element_class: ElementClass
    size: tuple[int, int, int]
    topleft: tuple[int, int, int]
    mags: tuple[str, ...]
    data_format: str


class Inspection(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What a delivery is. ``kind``: ``images`` are converted, ``stored`` formats taken as they are.

    ``voxel_size`` in nm; null for an axis that no file tells: it has to be given.
    """

    kind: Literal["images", "stored"]
    summary: str
    layers: tuple[LayerProposal, ...] = ()
    stored_layers: tuple[StoredLayer, ...] = ()
    voxel_size: tuple[float | None, float | None, float | None] = (None, None, None)
    needs_voxel_size: bool = False
    bytes: int = 0
    notes: tuple[str, ...] = ()


class Source(msgspec.Struct, frozen=True):
    """Where a proposed layer's voxels come from; kept on the server beside the proposal."""

    reader: str
    paths: tuple[str, ...]
    image: int = 0
    hints: dict[str, Any] = {}
    grain: tuple[int, int, int] = (1, 1, 1)  # z, y, x

    def ref(self) -> ImageRef:
        return ImageRef(self.reader, self.paths, self.image, self.hints)


class Inspected(msgspec.Struct, frozen=True):
    """An inspection with the sources of its layers, by their numbers; and the folder of a stored one."""

    inspection: Inspection
    sources: tuple[Source, ...] = ()
    root: str = ""
