"""Thumbnails, histograms, and where there is data."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Literal

from wk_jupyter.api.models import FoundData, Histogram, PictureQuery
from wk_jupyter.errors import InvalidInput
from wk_jupyter.server_ext.handlers.layers import LayerHandler
from wk_jupyter.server_ext.handlers.zarr import mag_of
from wk_jupyter.server_ext.picture_cache import Picture

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wk_jupyter.store import DatasetRecord


class PictureHandler(LayerHandler):
    """Draws what is not kept. An error is told as JSON: it never looks like a picture of nothing."""

    async def send_picture(
        self,
        record: DatasetRecord,
        query: PictureQuery,
        configuration: Mapping[str, Any],
        layers: Mapping[str, dict[str, Any]],
    ) -> None:
        """Send ``layers``, with their settings; the configuration tells what the query leaves open."""
        image_format: Literal["JPEG", "PNG"] = (
            "PNG" if self.request.path.rstrip("/").endswith(".png") else "JPEG"
        )
        # All that a picture is made of: a change in any of it makes another key.
        made_of = repr((query, configuration, layers)).encode()
        key = (record.id, (record.disk_key, image_format, hashlib.sha256(made_of).digest()))
        kept = self.services.pictures
        picture = kept.get(key)
        if picture is None:
            picture = Picture.of(await self._draw(record, query, configuration, layers, image_format))
            kept.put(key, picture)
        self.set_header("Content-Type", f"image/{image_format.lower()}")
        self.set_header("ETag", picture.etag)
        # Asked again each time, which costs little: voxels change on disk without a word.
        self.set_header("Cache-Control", "private, no-cache")
        if self.check_etag_header():
            self.set_status(304)
            self.finish()
        else:
            self.finish(picture.image)

    async def _draw(
        self,
        record: DatasetRecord,
        query: PictureQuery,
        configuration: Mapping[str, Any],
        layers: Mapping[str, dict[str, Any]],
        image_format: Literal["JPEG", "PNG"],
    ) -> bytes:
        from wk_jupyter.store.pictures import PictureLayer, picture, view_of  # noqa: PLC0415 - loads Pillow

        drawn = []
        for name, settings in layers.items():
            reader = await self.reader(record, name)
            mag = mag_of(reader.layer, query.mag) if query.mag is not None else None
            drawn.append(PictureLayer(reader, settings, mag))
        zoom = query.zoom if query.zoom is not None else _positive(configuration.get("zoom"))
        size, center = (query.width, query.height), _center(query, configuration)
        view = view_of(drawn, size=size, center=center, zoom=zoom)
        blend_mode = str(configuration.get("blendMode", "Additive"))
        async with self.services.decode_slots:
            return await picture(drawn, view, blend_mode=blend_mode, image_format=image_format)


class LayerThumbnailHandler(PictureHandler):
    async def get(self, dataset: str, layer: str) -> None:
        query = self.query(PictureQuery)
        record = await self.dataset(dataset)
        (await self.data_source_of(record)).layer(layer)
        store = await self.store()
        configuration = await self.services.run(store.view_configuration, record)
        settings = _settings_of(configuration, layer) | _overrides(query)
        # A layer that is asked for is shown, whatever it weighs among others.
        settings["alpha"] = 100
        await self.send_picture(record, query, configuration, {layer: settings})


class DatasetThumbnailHandler(PictureHandler):
    async def get(self, dataset: str) -> None:
        query = self.query(PictureQuery)
        record = await self.dataset(dataset)
        source = await self.data_source_of(record)
        store = await self.store()
        configuration = await self.services.run(store.view_configuration, record)
        names = shown_layers({layer.name: layer.category for layer in source.layers}, configuration)
        layers = {name: _settings_of(configuration, name) for name in names}
        await self.send_picture(record, query, configuration, layers)


class HistogramHandler(LayerHandler):
    async def get(self, dataset: str, layer: str) -> None:
        from wk_jupyter.store.probes import histogram  # noqa: PLC0415

        reader = await self.layer(dataset, layer)
        async with self.services.decode_slots:
            channels = await histogram(reader)
        self.send(
            [
                Histogram(
                    number_of_elements=channel.count,
                    min=channel.low,
                    max=channel.high,
                    histogram=channel.bins,
                )
                for channel in channels
            ]
        )


class FindDataHandler(LayerHandler):
    async def get(self, dataset: str, layer: str) -> None:
        from wk_jupyter.store.probes import find_data  # noqa: PLC0415

        reader = await self.layer(dataset, layer)
        async with self.services.decode_slots:
            found = await find_data(reader)
        if found is None:
            self.send(FoundData(position=None, mag=None))
        else:
            position, mag = found
            self.send(FoundData(position=position, mag=mag.as_vec()))


def shown_layers(categories: Mapping[str, str], configuration: Mapping[str, Any]) -> list[str]:
    """The enabled colour layers in the configured order, then one segmentation; never nothing."""
    order = [name for name in configuration.get("colorLayerOrder") or () if name in categories]
    names = [*order, *(name for name in categories if name not in order)]
    enabled = [name for name in names if not _settings_of(configuration, name).get("isDisabled")]
    segmentations = [name for name in enabled if categories[name] == "segmentation"]
    return [name for name in enabled if categories[name] == "color"] + segmentations[:1] or names[:1]


def _settings_of(configuration: Mapping[str, Any], layer: str) -> dict[str, Any]:
    settings = (configuration.get("layers") or {}).get(layer)
    return dict(settings) if isinstance(settings, dict) else {}


def _overrides(query: PictureQuery) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if query.intensity_min is not None and query.intensity_max is not None:
        settings["intensityRange"] = [query.intensity_min, query.intensity_max]
    if query.color is not None:
        if not re.fullmatch(r"#?[0-9A-Fa-f]{6}", query.color):
            raise InvalidInput(f"color: {query.color[:20]!r} is no colour.", hint="Write it as rrggbb.")
        settings["color"] = list(bytes.fromhex(query.color.removeprefix("#")))
    if query.invert_color is not None:
        settings["isInverted"] = query.invert_color
    return settings


def _center(query: PictureQuery, configuration: Mapping[str, Any]) -> tuple[float, float, float] | None:
    if query.x is not None and query.y is not None and query.z is not None:
        return (query.x, query.y, query.z)
    match configuration.get("position"):
        case [int() | float() as x, int() | float() as y, int() | float() as z]:
            return (x, y, z)
    return None


def _positive(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and value > 0 else None
