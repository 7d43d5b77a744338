"""What a dataset is made of: a voxel size and layers, each with a box, an element class and mags.

Read from ``datasource-properties.json`` in its old and new spellings, written back in the new one.
Fields that we do not know stay in ``document`` and are written back as they were.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import msgspec
import numpy as np

from wk_jupyter.errors import InvalidDataSource, InvalidInput, LayerNotFound
from wk_jupyter.geometry import MAX_COORDINATE, BoundingBox, Mag, VoxelSize
from wk_jupyter.properties_document import (
    MAX_PROPERTIES_BYTES,
    PROPERTIES_FILE,
    BigIntDocument,
    Category,
    DataFormat,
    DataSourceDocument,
    ElementClass,
    LayerDocument,
    MagValue,
    decode_document,
)

_T = TypeVar("_T")
ELEMENT_DTYPES: Final[dict[str, str]] = {
    "uint8": "uint8", "uint16": "uint16", "uint24": "uint8", "uint32": "uint32", "uint64": "uint64",
    "int8": "int8", "int16": "int16", "int32": "int32", "int64": "int64",
    "float": "float32", "double": "float64",
}  # fmt: skip
_MAX_JSON_INTEGER: Final = 2**53 - 1  # larger ones travel in the bigint envelope


def element_class_of(dtype: np.dtype[Any], num_channels: int = 1) -> ElementClass:
    """Return the element class of voxels of ``dtype``. Raises InvalidInput where there is none."""
    if dtype == np.uint8 and num_channels == 3:
        return "uint24"
    name = next(
        (name for name, kind in ELEMENT_DTYPES.items() if kind == dtype.name and name != "uint24"), None
    )
    if name is None:
        raise InvalidInput(
            f"voxels of type {dtype} cannot be a layer.", hint=f"Use one of {', '.join(ELEMENT_DTYPES)}."
        )
    return cast("ElementClass", name)


@dataclass(frozen=True)
class MagSource:
    """Where one mag of a layer lies: ``path`` is relative to the dataset, None means ``<layer>/<mag>``."""

    mag: Mag
    path: str | None = None
    axis_order: Mapping[str, int] | None = None
    channel_index: int | None = None
    document: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def to_document(self) -> dict[str, Any]:
        known = {
            "mag": list(self.mag),
            "path": self.path,
            "axisOrder": dict(self.axis_order) if self.axis_order is not None else None,
            "channelIndex": self.channel_index,
        }
        return merge_document(self.document, known)


@dataclass(frozen=True)
class AdditionalAxis:
    """An axis beside x, y, z and channel, such as t: ``lower <= p < upper``, array dimension ``index``."""

    name: str
    lower: int
    upper: int
    index: int

    def to_document(self) -> dict[str, Any]:
        return {"name": self.name, "bounds": [self.lower, self.upper], "index": self.index}


@dataclass(frozen=True)
class LayerSource:
    """One layer as its dataset describes it; the box is in mag-1 voxels, ``mags`` are finest first."""

    name: str
    category: Category
    bounding_box: BoundingBox
    element_class: ElementClass
    data_format: DataFormat
    mags: tuple[MagSource, ...]
    num_channels: int = 1
    largest_segment_id: int | None = None
    additional_axes: tuple[AdditionalAxis, ...] = ()
    default_view_configuration: Mapping[str, Any] = field(default_factory=dict)
    admin_view_configuration: Mapping[str, Any] = field(default_factory=dict)
    coordinate_transformations: tuple[Mapping[str, Any], ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of one channel of a voxel."""
        return np.dtype(ELEMENT_DTYPES[self.element_class])

    @property
    def bytes_per_voxel(self) -> int:
        return self.dtype.itemsize * self.num_channels

    def to_document(self) -> dict[str, Any]:
        known: dict[str, Any] = {
            "name": self.name,
            "category": self.category,
            "boundingBox": self.bounding_box.to_json(),
            "elementClass": self.element_class,
            "dataFormat": self.data_format,
            "mags": [mag.to_document() for mag in self.mags],
            "numChannels": self.num_channels,
            "largestSegmentId": _encode_big(self.largest_segment_id),
            "additionalAxes": [axis.to_document() for axis in self.additional_axes] or None,
            "defaultViewConfiguration": dict(self.default_view_configuration) or None,
            "adminViewConfiguration": dict(self.admin_view_configuration) or None,
            "coordinateTransformations": [dict(t) for t in self.coordinate_transformations] or None,
        }
        merged = merge_document(self.document, known)
        merged.pop("wkwResolutions", None)
        return merged


@dataclass(frozen=True)
class DataSource:
    """A dataset's layers and voxel size. ``document`` is the JSON that it was read from."""

    name: str
    voxel_size: VoxelSize
    layers: tuple[LayerSource, ...]
    default_view_configuration: Mapping[str, Any] = field(default_factory=dict)
    document: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def layer(self, name: str) -> LayerSource:
        for layer in self.layers:
            if layer.name == name:
                return layer
        names = ", ".join(repr(layer.name) for layer in self.layers)
        raise LayerNotFound(f"the dataset {self.name!r} has no layer {name!r}.", hint=f"It has {names}.")

    @property
    def bounding_box(self) -> BoundingBox:
        """The smallest box that holds all layers, in mag-1 voxels."""
        box = self.layers[0].bounding_box
        for layer in self.layers[1:]:
            box = box.union(layer.bounding_box)
        return box

    def to_document(self) -> dict[str, Any]:
        """Return the JSON in its new spelling; unknown fields are kept where they stood."""
        known: dict[str, Any] = {
            "id": merge_document(self.document.get("id") or {}, {"name": self.name}),
            "scale": self.voxel_size.to_json(),
            "dataLayers": [layer.to_document() for layer in self.layers],
            "defaultViewConfiguration": dict(self.default_view_configuration) or None,
            "version": 1,
        }
        known["id"].setdefault("team", "")
        return merge_document(self.document, known)


def merge_document(old: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``old`` with known fields replaced, or taken out where they are None. Order is kept."""
    merged = {
        key: value for key, value in old.items() if known.get(key, value) is not None or key not in known
    }
    merged.update((key, value) for key, value in known.items() if value is not None)
    return merged


def parse_data_source(
    raw: bytes | str | Mapping[str, Any], *, origin: str, name: str | None = None
) -> DataSource:
    """Make a data source of the JSON of a properties file.

    ``origin`` is the file that errors name, ``name`` the folder's name, which wins over the one in the
    file. Raises InvalidDataSource, naming file and field.
    """
    data = raw if isinstance(raw, bytes) else raw.encode() if isinstance(raw, str) else _encode(raw, origin)
    document = decode_document(data, origin=origin)
    loaded = raw if isinstance(raw, Mapping) else msgspec.json.decode(data)
    return _data_source(document, loaded, origin, name)


def check_document(document: DataSourceDocument, *, origin: str) -> None:
    """Check what types cannot tell, without building values: a scan asks this of thousands of files.

    Raises InvalidDataSource where parsing would.
    """
    scale = document.scale
    suspect = not isinstance(scale, tuple) and scale.unit != "nanometer"
    names = {layer.name for layer in document.data_layers}
    suspect = suspect or len(names) != len(document.data_layers)
    if suspect or not all(map(_looks_right, document.data_layers)):
        _data_source(document, None, origin, None)  # says exactly what is wrong, or that nothing is


def _looks_right(layer: LayerDocument) -> bool:
    """Whether a layer is of the common form, which needs no closer look."""
    if layer.mags is None or layer.additional_axes or layer.element_class == "uint24":
        return False
    return _mags_look_right(tuple([source.mag for source in layer.mags]))


@lru_cache(maxsize=256)  # thousands of layers have the same few lists of mags
def _mags_look_right(mags: tuple[MagValue, ...]) -> bool:
    triples = [mag for mag in mags if isinstance(mag, tuple)]
    within = all(0 < n <= MAX_COORDINATE for mag in triples for n in mag)
    return bool(mags) and len(set(triples)) == len(mags) and within


def encode_document(source: DataSource) -> bytes:
    """Return the JSON of a data source, in the new spelling."""
    return msgspec.json.encode(source.to_document())


def read_properties(path: Path) -> DataSource:
    """Read a properties file, or the one in a folder. Raises InvalidDataSource, naming file and field."""
    file = path / PROPERTIES_FILE if path.is_dir() else path
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_PROPERTIES_BYTES + 1)
    except OSError as error:
        raise InvalidDataSource(f"{file} cannot be read: {error.strerror}.", path=str(file)) from None
    return parse_data_source(raw, origin=str(file), name=file.parent.name)


def write_properties(folder: Path, source: DataSource) -> None:
    """Write ``datasource-properties.json`` into a folder, at once or not at all."""
    text = msgspec.json.format(encode_document(source), indent=2)
    handle, temporary = tempfile.mkstemp(prefix=".properties-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(text + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(folder / PROPERTIES_FILE)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _encode(document: Mapping[str, Any], origin: str) -> bytes:
    try:
        return msgspec.json.encode(document)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidDataSource(f"{origin} is not JSON: {error}.", path=origin) from None


def _encode_big(number: int | None) -> int | dict[str, Any] | None:
    if number is None or abs(number) <= _MAX_JSON_INTEGER:
        return number
    return {"customJsonEncoding": "bigint", "value": str(number)}


def _data_source(
    document: DataSourceDocument, raw: Mapping[str, Any] | None, origin: str, name: str | None
) -> DataSource:
    def build(field_name: str, make: Callable[[], _T]) -> _T:
        try:
            return make()
        except InvalidDataSource:
            raise
        except InvalidInput as error:
            message = f"{origin}: {error.message.rstrip('.')} (field {field_name})."
            raise InvalidDataSource(message, field=field_name, path=origin, hint=error.hint) from None

    scale = document.scale
    voxel_size = build(
        "scale", lambda: VoxelSize(scale) if isinstance(scale, tuple) else VoxelSize(scale.factor, scale.unit)
    )
    layers = tuple(
        build(f"dataLayers[{i}]", partial(_layer, layer, raw["dataLayers"][i] if raw else {}))
        for i, layer in enumerate(document.data_layers)
    )
    names = [layer.name for layer in layers]
    for i, layer_name in enumerate(names):
        if layer_name in names[:i]:
            raise InvalidDataSource(
                f"{origin}: two layers are called {layer_name!r} (field dataLayers[{i}].name).",
                field=f"dataLayers[{i}].name",
                path=origin,
            )
    return DataSource(
        name=name or document.id.name,
        voxel_size=voxel_size,
        layers=layers,
        default_view_configuration=document.default_view_configuration or {},
        document=raw or {},
    )


def _layer(document: LayerDocument, raw: Mapping[str, Any]) -> LayerSource:
    box = document.bounding_box
    channels = document.num_channels or (3 if document.element_class == "uint24" else 1)
    if document.element_class == "uint24" and channels != 3:
        raise InvalidInput(f'the layer {document.name!r} is "uint24", which has 3 channels, not {channels}.')
    largest = document.largest_segment_id
    return LayerSource(
        name=document.name,
        category=document.category,
        bounding_box=BoundingBox(box.top_left, (box.width, box.height, box.depth)),
        element_class=document.element_class,
        data_format=document.data_format,
        mags=_mags(document, raw),
        num_channels=channels,
        largest_segment_id=int(largest.value) if isinstance(largest, BigIntDocument) else largest,
        additional_axes=_additional_axes(document),
        default_view_configuration=document.default_view_configuration or {},
        admin_view_configuration=document.admin_view_configuration or {},
        coordinate_transformations=tuple(document.coordinate_transformations or ()),
        document=raw,
    )


def _mags(document: LayerDocument, raw: Mapping[str, Any]) -> tuple[MagSource, ...]:
    if document.mags is not None:
        mags = [
            MagSource(
                Mag(mag.mag), mag.path, mag.axis_order, mag.channel_index, raw["mags"][i] if raw else {}
            )
            for i, mag in enumerate(document.mags)
        ]
    else:
        mags = [MagSource(Mag(mag.resolution)) for mag in document.wkw_resolutions or ()]
    if not mags:
        raise InvalidInput(
            f"the layer {document.name!r} has no mags.", hint='List at least one under "mags".'
        )
    mags.sort(key=lambda source: source.mag)
    for finer, coarser in pairwise(mags):
        if finer.mag == coarser.mag:
            raise InvalidInput(f"the layer {document.name!r} lists mag {finer.mag} twice.")
    return tuple(mags)


def _additional_axes(document: LayerDocument) -> tuple[AdditionalAxis, ...]:
    axes = tuple(
        AdditionalAxis(a.name, a.bounds[0], a.bounds[1], a.index) for a in document.additional_axes or ()
    )
    for axis in axes:
        if axis.upper <= axis.lower:
            raise InvalidInput(f"the axis {axis.name!r} of layer {document.name!r} has no positions.")
    return axes
