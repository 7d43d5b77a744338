"""Thumbnails, histograms, and where there is data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from wk_jupyter.api.models import FoundData, Histogram, PictureQuery
from wk_jupyter.errors import InvalidInput
from wk_jupyter.server_ext.handlers.layers import LayerHandler
from wk_jupyter.server_ext.handlers.zarr import mag_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wk_jupyter.store.pictures import PictureLayer


class PictureHandler(LayerHandler):
    async def send_picture(
        self, layers: Sequence[PictureLayer], query: PictureQuery, configuration: Mapping[str, Any]
    ) -> None:
        """Draw and send; what the query leaves open comes from the view configuration."""
        from wk_jupyter.store.pictures import picture, view_of  # noqa: PLC0415 - loads Pillow

        center = _center(query, configuration)
        zoom = query.zoom if query.zoom is not None else _positive(configuration.get("zoom"))
        view = view_of(layers, size=(query.width, query.height), center=center, zoom=zoom)
        image_format: Literal["JPEG", "PNG"] = (
            "PNG" if self.request.path.rstrip("/").endswith(".png") else "JPEG"
        )
        blend_mode = str(configuration.get("blendMode", "Additive"))
        async with self.services.decode_slots:
            image = await picture(layers, view, blend_mode=blend_mode, image_format=image_format)
        self.set_header("Content-Type", f"image/{image_format.lower()}")
        self.finish(image)


class LayerThumbnailHandler(PictureHandler):
    async def get(self, dataset: str, layer: str) -> None:
        from wk_jupyter.store.pictures import PictureLayer  # noqa: PLC0415

        query = self.query(PictureQuery)
        reader = await self.layer(dataset, layer)
        store = await self.store()
        configuration = await self.services.run(store.view_configuration, await self.dataset(dataset))
        settings = _settings_of(configuration, layer) | _overrides(query)
        mag = mag_of(reader.layer, query.mag) if query.mag is not None else None
        # A layer that is asked for is shown, whatever it weighs among others.
        settings["alpha"] = 100
        await self.send_picture([PictureLayer(reader, settings, mag)], query, configuration)


class DatasetThumbnailHandler(PictureHandler):
    async def get(self, dataset: str) -> None:
        from wk_jupyter.store.pictures import PictureLayer  # noqa: PLC0415

        query = self.query(PictureQuery)
        record = await self.dataset(dataset)
        source = await self.data_source_of(record)
        store = await self.store()
        configuration = await self.services.run(store.view_configuration, record)
        names = shown_layers({layer.name: layer.category for layer in source.layers}, configuration)
        layers = [
            PictureLayer(
                await self.services.run(store.layer, record, name), _settings_of(configuration, name)
            )
            for name in names
        ]
        await self.send_picture(layers, query, configuration)


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
