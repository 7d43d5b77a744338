"""The viewer: three planes of a dataset in a cell. Its state is traits, in both directions."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import urlsplit

import anywidget
import traitlets

from wk_jupyter.errors import InvalidInput, UnknownOption, Unreachable, WkError
from wk_jupyter.widgets.layer_settings import LayersSettings, checked

if TYPE_CHECKING:
    from wk_jupyter.client.dataset import Dataset
    from wk_jupyter.datasource import DataSource, LayerSource

STATIC: Final = Path(__file__).parent / "static"
_LOADER: Final = STATIC / "loader.js"
_BUNDLE: Final = STATIC / "bundle.js"
_WITHOUT_BUILD: Final = (
    "export default {render: ({el}) => "
    "{el.textContent = 'The viewer is not built: run make build in the project.'}}"
)
_OPTIONS: Final = ("position", "zoom", "layers", "blend_mode", "render_missing_data_black", "height")
_READERS: Final = ThreadPoolExecutor(2, thread_name_prefix="wk-viewer")


class _Numbers(traitlets.List[Any]):
    """Three finite numbers x, y, z."""

    def validate(self, obj: Any, value: Any) -> Any:  # noqa: ARG002 traitlets' signature
        if not isinstance(value, str | bytes | Mapping):
            try:
                numbers = [float(number) for number in value]
            except (TypeError, ValueError):
                numbers = []
            if len(numbers) == 3 and all(map(math.isfinite, numbers)):
                return numbers
        raise InvalidInput(f"{self.name} is three numbers x, y, z in voxels, not {value!r}.")


class Viewer(anywidget.AnyWidget):
    """A dataset on view. Made by ``ds.view()``; ``?Viewer.position`` and the like explain each trait."""

    _esm: ClassVar[Any] = _LOADER if _LOADER.exists() else _WITHOUT_BUILD

    scene = traitlets.Dict(help="What is shown: layers, boxes, mags and voxel size. Read-only.").tag(
        sync=True
    )
    source = traitlets.Dict(help="Where the page gets bricks from. Never holds a token. Read-only.").tag(
        sync=True
    )
    position = _Numbers(help="The middle of all planes: x, y, z in mag-1 voxels.").tag(sync=True)
    zoom = traitlets.Float(
        1.0, help="Mag-1 voxels, along the finest axis, per pixel: larger shows more."
    ).tag(sync=True)
    layer_settings = traitlets.Dict(help="Each layer's settings; easier by viewer.layers.").tag(
        sync=True, name="layers"
    )
    blend_mode = traitlets.Enum(
        ("additive", "cover"), "additive", help="How colour layers come together."
    ).tag(sync=True)
    render_missing_data_black = traitlets.Bool(
        False, help="Show bricks that were never written as black, else coarser mags show through."
    ).tag(sync=True)
    additional_coordinates = traitlets.Dict(help='Places on other axes, as {"t": 3}.').tag(sync=True)
    height = traitlets.Int(480, min=120, max=10_000, help="Height of the picture in pixels.").tag(sync=True)
    hovered = traitlets.Dict(
        None, allow_none=True, help="What is under the pointer: position, and the value in each layer."
    ).tag(sync=True)
    loading = traitlets.Bool(False, help="Whether the page waits for bricks. Read-only.").tag(sync=True)
    error = traitlets.Unicode("", help="What went wrong in the page, empty when nothing did. Read-only.").tag(
        sync=True
    )

    def __init__(self, dataset: Dataset, **settings: Any) -> None:
        self._dataset = dataset
        self._closed = threading.Event()  # before anything is refused: also a half-made widget is closed
        unknown = set(settings) - set(_OPTIONS)
        if unknown:
            raise UnknownOption(
                f"the viewer has no option {', '.join(sorted(unknown))}.",
                hint=f"It has {', '.join(_OPTIONS)}.",
            )
        super().__init__(
            scene=scene_of(dataset.data_source, dataset.name),
            source=_source_of(dataset),
            **_state_of(dataset, settings),
        )
        self.on_msg(self._on_message)

    @classmethod
    def of(cls, dataset: Dataset, **settings: Any) -> Viewer:
        """Show a dataset; what ``settings`` leave open comes from its view configuration."""
        return cls(dataset, **settings)

    @property
    def dataset(self) -> Dataset:
        return self._dataset

    @property
    def layers(self) -> LayersSettings:
        """The layers' settings: ``viewer.layers["color"].opacity = 50``."""
        return LayersSettings(self)

    def destroy(self) -> None:
        """Take the viewer from the page and free all that it holds. Using it afterwards does nothing."""
        self.close()

    def close(self) -> None:
        self._closed.set()
        super().close()

    @traitlets.validate("zoom")
    def _valid_zoom(self, proposal: Any) -> float:
        zoom: float = proposal["value"]
        if not (math.isfinite(zoom) and zoom > 0):
            raise InvalidInput(f"zoom is a number above 0, in voxels per pixel, not {zoom!r}.")
        return zoom

    @traitlets.validate("layer_settings")
    def _valid_layers(self, proposal: Any) -> dict[str, Any]:
        names = [layer["name"] for layer in self.scene.get("layers", [])]
        result = {}
        for name, settings in proposal["value"].items():
            if name not in names:
                raise InvalidInput(f"the viewer has no layer {name!r}.", hint=f"It has {', '.join(names)}.")
            result[name] = {**self.layer_settings.get(name, {}), **checked(settings, name)}
        return {**self.layer_settings, **result}

    @traitlets.validate("hovered")
    def _valid_hovered(self, proposal: Any) -> dict[str, Any] | None:
        """Ids of 64 bits come as text, because JSON's numbers cannot hold them."""
        hovered = proposal["value"]
        if hovered is None:
            return None
        values = {name: int(v) if isinstance(v, str) else v for name, v in hovered["values"].items()}
        return {"position": tuple(hovered["position"]), "values": values}

    def _on_message(self, _widget: Any, content: Any, _buffers: Any) -> None:
        kind = content.get("type") if isinstance(content, dict) else None
        if kind == "bricks":
            _READERS.submit(self._send_bricks, content)
        elif kind == "bundle" and _BUNDLE.exists():
            self.send({"type": "bundle"}, [_BUNDLE.read_bytes()])
        elif kind == "token":
            connection = self._dataset.connection
            self.send({"type": "token", "token": connection.endpoint.token if connection else None})

    def _send_bricks(self, request: Mapping[str, Any]) -> None:
        if self._closed.is_set():
            return
        number = request.get("id")
        try:
            wanted = {
                key: request[key] for key in ("mags", "bricks", "additionalCoordinates") if key in request
            }
            frame = self._dataset.read_bricks(str(request["layer"]), wanted)
        except WkError as error:
            self.send({"type": "bricks", "id": number, "error": str(error)})
        except Exception as error:  # noqa: BLE001 whatever a page may have sent, it must hear an answer
            self.send({"type": "bricks", "id": number, "error": f"the bricks could not be read ({error})."})
        else:
            self.send({"type": "bricks", "id": number}, [frame])

    def __repr__(self) -> str:
        x, y, z = (math.floor(number) for number in self.position)
        return f"<Viewer of {self.scene.get('name')!r} at {x}, {y}, {z}, zoom {self.zoom:g}>"


def scene_of(source: DataSource, name: str) -> dict[str, Any]:
    """Return what the page has to know of a dataset."""
    return {
        "name": name,
        "voxelSize": source.voxel_size.to_json(),
        "boundingBox": source.bounding_box.to_json(),
        "layers": [_layer_of(layer) for layer in source.layers],
    }


def _layer_of(layer: LayerSource) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": layer.name,
        "category": layer.category,
        "elementClass": layer.element_class,
        "dtype": layer.dtype.name,
        "numChannels": layer.num_channels,
        "boundingBox": layer.bounding_box.to_json(),
        "mags": [list(source.mag) for source in layer.mags],
        "additionalAxes": [{"name": a.name, "bounds": [a.lower, a.upper]} for a in layer.additional_axes],
    }
    if layer.largest_segment_id is not None:
        described["largestSegmentId"] = str(layer.largest_segment_id)
    return described


def _source_of(dataset: Dataset) -> dict[str, Any]:
    connection = dataset.connection
    if connection is None:
        return {"kind": "comm"}
    # The page may know its own server by another name than this process does; so only a path is told.
    base = urlsplit(connection.url).path if connection.endpoint.is_own else connection.url
    return {"kind": "http", "base": base, "dataset": dataset.id}


def _state_of(dataset: Dataset, settings: Mapping[str, Any]) -> dict[str, Any]:
    try:
        configuration = dataset.view_configuration
    except Unreachable:
        from wk_jupyter.view_configuration import view_configuration  # noqa: PLC0415

        configuration = view_configuration(dataset.data_source)
    names = dataset.layers
    given = settings.get("layers", {})
    for name in given:
        names[name]  # says which layers there are, where this one isn't
    layers = {
        name: {**_page_settings(configuration, name), **checked(given.get(name, {}), name)} for name in names
    }
    state = {
        "position": configuration["position"] or list(dataset.bounding_box.center),
        "zoom": configuration["zoom"] or _fitting_zoom(dataset),
        "blend_mode": str(configuration["blendMode"]).lower(),
        "render_missing_data_black": configuration["renderMissingDataBlack"],
        "additional_coordinates": {
            axis.name: axis.lower for layer in dataset.data_source.layers for axis in layer.additional_axes
        },
    }
    return {
        **state,
        **{key: value for key, value in settings.items() if key != "layers"},
        "layer_settings": layers,
    }


def _page_settings(configuration: Mapping[str, Any], name: str) -> dict[str, Any]:
    layer = configuration["layers"][name]
    return {
        "visible": not layer["isDisabled"],
        "opacity": layer["alpha"],
        "color": list(layer["color"]),
        "intensityRange": layer.get("intensityRange"),
        "gamma": layer["gammaCorrectionValue"],
        "inverted": layer["isInverted"],
        "interpolation": configuration["interpolation"],
    }


def _fitting_zoom(dataset: Dataset) -> float:
    """The zoom at which the x, y plane fits into a usual picture, or 1 where the data are larger."""
    sizes = dataset.voxel_size.factor
    extent = dataset.bounding_box.size
    finest = min(sizes)
    needed = max(extent.x * sizes[0] / finest / 480, extent.y * sizes[1] / finest / 440)
    return min(1.0, max(0.02, needed))
