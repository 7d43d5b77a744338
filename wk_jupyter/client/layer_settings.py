"""What one may set about a layer: each change is written to the properties file at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from wk_jupyter.client.guarded import Guarded
from wk_jupyter.datasource import LayerSource
from wk_jupyter.errors import InvalidInput
from wk_jupyter.geometry import BoundingBox

Edit: TypeAlias = Callable[[str, Mapping[str, Any]], LayerSource]


class LayerSettings(Guarded):
    """The part of a layer that is about what its dataset says of it. ``edit`` None: it cannot be changed."""

    source: LayerSource

    def __init__(self, source: LayerSource, edit: Edit | None) -> None:
        self.source = source
        self._edit = edit

    @property
    def name(self) -> str:
        """See ``rename``."""
        return self.source.name

    def rename(self, name: str) -> None:
        """Give the layer another name; its files stay where they are. Raises InvalidInput, Conflict."""
        self._change(name=name)

    @property
    def category(self) -> str:
        """``"color"`` or ``"segmentation"``."""
        return self.source.category

    @category.setter
    def category(self, value: str) -> None:
        if value not in ("color", "segmentation"):
            raise InvalidInput(f"category: {value!r} is neither 'color' nor 'segmentation'.")
        self._change(category=value)

    @property
    def bounding_box(self) -> BoundingBox:
        """Where the layer has voxels, in mag-1 voxels; set by a BoundingBox or by (topleft, size)."""
        return self.source.bounding_box

    @bounding_box.setter
    def bounding_box(self, value: BoundingBox | tuple[Sequence[int], Sequence[int]]) -> None:
        box = value if isinstance(value, BoundingBox) else BoundingBox(*value)
        self._change(boundingBox=box.to_json())

    @property
    def largest_segment_id(self) -> int | None:
        """The largest id of a segmentation, or None where it is not known."""
        return self.source.largest_segment_id

    @largest_segment_id.setter
    def largest_segment_id(self, value: int | None) -> None:
        self._change(largestSegmentId=None if value is None else int(value))

    def _change(self, **changes: Any) -> None:
        if self._edit is None:
            raise InvalidInput(f"the layer {self.name!r} is not one of a dataset that can be changed.")
        self.source = self._edit(self.name, changes)
