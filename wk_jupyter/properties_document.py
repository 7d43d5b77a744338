"""The JSON of ``datasource-properties.json`` as it stands in files, old spellings and new.

Decoding goes straight into these structs (msgspec checks types in C and names the field that is
wrong), so that a scan of ten thousand datasets stays cheap. ``datasource`` makes values of them.
The schema is WEBKNOSSOS's: https://docs.webknossos.org/webknossos-py/spec/datasource_properties.html
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec

from wk_jupyter.errors import InvalidDataSource
from wk_jupyter.geometry import MAX_COORDINATE

PROPERTIES_FILE: Final = "datasource-properties.json"
MAX_PROPERTIES_BYTES: Final = 16 * 2**20
_SUPPORTED_VERSION: Final = 1

Category: TypeAlias = Literal["color", "segmentation"]
DataFormat: TypeAlias = Literal["wkw", "zarr", "zarr3", "n5", "neuroglancerPrecomputed"]
ElementClass: TypeAlias = Literal[
    "uint8", "uint16", "uint24", "uint32", "uint64",
    "int8", "int16", "int32", "int64", "float", "double",
]  # fmt: skip

_Coordinate: TypeAlias = Annotated[int, msgspec.Meta(ge=-MAX_COORDINATE, le=MAX_COORDINATE)]
_Extent: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=MAX_COORDINATE)]
_Length: TypeAlias = Annotated[float, msgspec.Meta(gt=0)]
# Bounds are checked by Mag: msgspec (0.22) crashes on a constrained int in a union with a tuple.
MagValue: TypeAlias = int | tuple[int, int, int] | str
# A layer's name becomes a folder and a URL: no separator, no leading dot, no control character.
_LayerName: TypeAlias = Annotated[
    str, msgspec.Meta(pattern=r"^[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*$", max_length=255)
]


class BoundingBoxDocument(msgspec.Struct, rename="camel", frozen=True):
    top_left: tuple[_Coordinate, _Coordinate, _Coordinate]
    width: _Extent
    height: _Extent
    depth: _Extent


class VoxelSizeDocument(msgspec.Struct, rename="camel", frozen=True):
    factor: tuple[_Length, _Length, _Length]
    unit: str = "nanometer"


class MagDocument(msgspec.Struct, rename="camel", frozen=True):
    mag: MagValue
    path: str | None = None
    axis_order: dict[str, Annotated[int, msgspec.Meta(ge=0, le=31)]] | None = None
    channel_index: Annotated[int, msgspec.Meta(ge=0)] | None = None


class WkwResolutionDocument(msgspec.Struct, rename="camel", frozen=True):
    resolution: MagValue


class AdditionalAxisDocument(msgspec.Struct, rename="camel", frozen=True):
    name: str
    bounds: tuple[int, int]
    index: Annotated[int, msgspec.Meta(ge=0, le=31)]


class BigIntDocument(msgspec.Struct, rename="camel", frozen=True):
    """WEBKNOSSOS's envelope for integers that a JavaScript number cannot hold."""

    custom_json_encoding: Literal["bigint"]
    value: Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]{1,20}$")]


class LayerDocument(msgspec.Struct, rename="camel", frozen=True):
    name: _LayerName
    category: Category
    bounding_box: BoundingBoxDocument
    element_class: ElementClass
    data_format: DataFormat
    mags: list[MagDocument] | None = None
    wkw_resolutions: list[WkwResolutionDocument] | None = None
    num_channels: Annotated[int, msgspec.Meta(ge=1, le=255)] | None = None
    largest_segment_id: int | BigIntDocument | None = None
    additional_axes: list[AdditionalAxisDocument] | None = None
    default_view_configuration: dict[str, Any] | None = None
    admin_view_configuration: dict[str, Any] | None = None
    coordinate_transformations: list[dict[str, Any]] | None = None


class DataSourceIdDocument(msgspec.Struct, frozen=True):
    name: str = ""
    team: str = ""


class DataSourceDocument(msgspec.Struct, rename="camel", frozen=True):
    scale: tuple[_Length, _Length, _Length] | VoxelSizeDocument
    data_layers: Annotated[list[LayerDocument], msgspec.Meta(min_length=1, max_length=1000)]
    id: DataSourceIdDocument = DataSourceIdDocument()
    version: int = _SUPPORTED_VERSION
    default_view_configuration: dict[str, Any] | None = None


_decoder: Final = msgspec.json.Decoder(DataSourceDocument)


def decode_document(raw: bytes, *, origin: str) -> DataSourceDocument:
    """Decode and check the bytes of a properties file; ``origin`` is the file that errors name.

    Raises InvalidDataSource with the field's JSON path where there is one.
    """
    if len(raw) > MAX_PROPERTIES_BYTES:
        raise InvalidDataSource(
            f"{origin} has {len(raw):,} bytes; a properties file may have {MAX_PROPERTIES_BYTES:,}.",
            path=origin,
        )
    try:
        document = _decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise _named(error, origin) from None
    except RecursionError:
        raise InvalidDataSource(f"{origin} is nested absurdly deep.", path=origin) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidDataSource(
            f"{origin} is not valid JSON: {error}.",
            path=origin,
            hint="Mend the file, then refresh the datasets.",
        ) from None
    if document.version != _SUPPORTED_VERSION:
        raise InvalidDataSource(
            f"{origin} has version {document.version}; version {_SUPPORTED_VERSION} is what can be read.",
            field="version",
            path=origin,
        )
    return document


def _named(error: msgspec.ValidationError, origin: str) -> InvalidDataSource:
    message, _, where = str(error).partition(" - at `$")
    field = where.rstrip("`").lstrip(".")
    if "matching regex" in message:
        message = "a layer's name must not begin with a dot nor hold slashes or control characters"
    place = f" (field {field})" if field else ""
    return InvalidDataSource(
        f"{origin}: {message[:1].lower()}{message[1:]}{place}.",
        field=field,
        path=origin,
        hint="Correct this field in the file, then refresh the datasets.",
    )
