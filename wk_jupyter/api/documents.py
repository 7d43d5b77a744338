"""The datasource-properties document as it is served: with the dataset, beside Zarr, beside the files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from wk_jupyter.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wk_jupyter.datasource import DataSource, LayerSource, MagSource

ATTACHMENT_TYPES: Final = {
    "meshes": "mesh",
    "agglomerates": "agglomerate",
    "segmentIndex": "segmentIndex",
    "segmentStatistics": "segmentStatistics",
    "cumsum": "cumsum",
    "connectomes": "connectome",
}
"""Field of a layer's ``attachments`` -> the type's name in addresses."""

_FIELDS: Final = {kind: field for field, kind in ATTACHMENT_TYPES.items()} | {
    field: field for field in ATTACHMENT_TYPES
}
_SECRET_FIELDS: Final = ("credentials",)


def dataset_document(
    source: DataSource,
    *,
    identity: dict[str, str],
    mag_path: Callable[[LayerSource, MagSource], str | None],
    attachment_path: Callable[[str], str],
) -> dict[str, Any]:
    """The ``dataSource`` of a dataset's JSON; ``identity`` is ``{"name", "team"}``.

    Both callables give the path to tell for what lies on disk; ``mag_path`` None leaves the path as it is.
    """
    document = source.to_document()
    document["id"] = identity
    for layer, layer_document in _layers(source, document):
        for mag, mag_document in zip(layer.mags, layer_document["mags"], strict=True):
            path = mag_path(layer, mag)
            if path is not None:
                mag_document["path"] = path
        for _, attachment in attachments(layer_document):
            if "path" in attachment:
                attachment["path"] = attachment_path(str(attachment["path"]))
    return document


def zarr_document(source: DataSource, *, data_format: Literal["zarr", "zarr3"]) -> dict[str, Any]:
    """What lies beside the served Zarr groups: arrays c, additional axes, x, y, z, and nothing else."""
    document = source.to_document()
    for layer, layer_document in _layers(source, document):
        axes = layer.additional_axes
        first = 1 + len(axes)
        order = {"c": 0, "x": first, "y": first + 1, "z": first + 2}
        layer_document["dataFormat"] = data_format
        layer_document["numChannels"] = layer.num_channels
        layer_document["mags"] = [
            {"mag": list(mag.mag), "path": f"./{layer.name}/{mag.mag.name}", "axisOrder": order}
            for mag in layer.mags
        ]
        if axes:
            layer_document["additionalAxes"] = [
                axis.to_document() | {"index": index} for index, axis in enumerate(axes, start=1)
            ]
        layer_document.pop("attachments", None)
    return document


def proxy_document(source: DataSource) -> dict[str, Any]:
    """What lies beside the proxied files: the stored format, and paths that the proxy answers."""
    document = source.to_document()
    for layer, layer_document in _layers(source, document):
        for mag, mag_document in zip(layer.mags, layer_document["mags"], strict=True):
            mag_document["path"] = f"./layers/{layer.name}/mags/{mag.mag.name}"
        for kind, attachment in attachments(layer_document):
            attachment["path"] = f"./layers/{layer.name}/attachments/{kind}/{attachment.get('name', '')}"
    return document


def attachment_field(kind: str) -> str:
    """Return the field of a type, which may be told by either of its names. Raises InvalidInput."""
    if kind not in _FIELDS:
        raise InvalidInput(f"attachmentType: {kind[:100]!r} is none.", hint=f"One of {', '.join(_FIELDS)}.")
    return _FIELDS[kind]


def attachments(layer_document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each attachment of a layer's JSON with the name of its type; what is malformed is left out."""
    listed = layer_document.get("attachments")
    if not isinstance(listed, dict):
        return
    for field, kind in ATTACHMENT_TYPES.items():
        found = listed.get(field)
        for attachment in found if isinstance(found, list) else [found]:
            if isinstance(attachment, dict):
                yield kind, attachment


def _layers(source: DataSource, document: dict[str, Any]) -> Iterator[tuple[LayerSource, dict[str, Any]]]:
    """Layers with their JSON, which may be changed: it is copied as deep as we change it."""
    layers = [_copied(layer) for layer in document["dataLayers"]]
    document["dataLayers"] = layers
    yield from zip(source.layers, layers, strict=True)


def _copied(layer: dict[str, Any]) -> dict[str, Any]:
    copy = dict(layer)
    copy["mags"] = [
        {key: value for key, value in mag.items() if key not in _SECRET_FIELDS} for mag in layer["mags"]
    ]
    listed = layer.get("attachments")
    if isinstance(listed, dict):
        copy["attachments"] = {field: _copied_attachments(value) for field, value in listed.items()}
    return copy


def _copied_attachments(value: Any) -> Any:
    if isinstance(value, list):
        return [_copied_attachments(item) for item in value]
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if key not in _SECRET_FIELDS}
    return value
