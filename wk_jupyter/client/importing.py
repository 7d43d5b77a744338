"""``wk.upload``: files and arrays become datasets; ``wk.inspect``: what files are, before anything else."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from wk_jupyter.client.allowed_teams import team_ids
from wk_jupyter.client.connection import Connection, current
from wk_jupyter.client.dataset import Dataset, dataset_of_entry
from wk_jupyter.client.folders import Folder, Folders
from wk_jupyter.client.jobs import Job
from wk_jupyter.client.progress import Progress
from wk_jupyter.client.uploading import Wanted, send
from wk_jupyter.errors import InvalidInput

_AXES: Final = {2: "xy", 3: "xyz", 4: "xyzc"}
_SLAB: Final = 2**26  # bytes of an array that are written at once


def upload(
    source: str | Path | Any,
    name: str | None = None,
    *,
    voxel_size: Sequence[float] | None = None,
    folder: Folder | str | None = None,
    teams: Iterable[Any] = (),
    wait: bool = True,
    **options: Any,
) -> Dataset | Job:
    """Make a dataset of a file, a folder or an array, and return it.

    ``source``: a path of this machine, or an array with axes x, y, z[, channel] (numpy, dask, xarray, zarr).
    ``name``: default: that of the file. ``voxel_size``: x, y, z in nm, or in ``unit="micrometer"``; what
    files tell themselves need not be given. ``folder``: a folder or its path; ``teams``: those
    that may see the dataset. More options:

    - ``format="zarr3"`` or ``"wkw"``, ``compression="zstd:3"`` (``"lz4"``, ``"lz4hc"`` for WKW),
      ``downsampling="mean"`` or ``"median"``
    - ``category="color"`` or ``"segmentation"``, ``layer_name=…`` for all layers
    - ``layers=[{"number": 0, "name": …, "category": …, "topleft": (x, y, z), "isLeftOut": True}, …]``:
      corrections of what ``wk.inspect`` tells
    - ``hints={"shape": (x, y, z), "dtype": "uint16", "order": "F", "byteorder": "big", "offset": 512}``
      for RAW files

    With ``wait=False`` the job is returned that makes the dataset. An upload that was interrupted goes on
    when the same is asked again. Raises InvalidInput, UnsupportedFormat, CorruptData naming the file,
    Forbidden.
    """
    connection = current()
    with _on_disk(source) as (path, hints):
        wanted = Wanted(
            name=name or _name_of(path, is_array=bool(hints)),
            folder_id=_folder_id(connection, folder),
            team_ids=tuple(team_ids(connection, teams, {"allowedTeamsCumulative": []})),
            options=_options(voxel_size, hints, options),
        )
        with Progress(f"Uploading {wanted.name}", 1000) as bar:
            made = send(connection, path, wanted, bar.reach)
    if made["jobId"] is None:
        return _dataset(connection, made["datasetId"])
    job = Job(connection, connection.get(f"jobs/{made['jobId']}"))
    return _followed(connection, job) if wait else job


def inspect(source: str | Path, **hints: Any) -> Inspection:
    """Say what a file or folder of this machine is, and what a dataset made of it would have.

    ``hints`` as in ``upload``, for RAW files. Nothing is sent anywhere. Raises UnsupportedFormat,
    CorruptData, InvalidInput naming the file, the reason and the next step.
    """
    from wk_jupyter.client.inspecting import inspected  # noqa: PLC0415 loads the formats

    path = Path(source).expanduser().absolute()
    if not path.exists():
        raise InvalidInput(f"there is nothing at {path}.", hint="Check the path.")
    return Inspection(inspected(path, hints))


class Inspection:
    """What files are. ``layers``: what each would become, numbered for corrections in ``upload``."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._told = told

    @property
    def kind(self) -> Literal["images", "stored"]:
        """``images`` are converted, ``stored`` formats are taken as they are."""
        kind: Literal["images", "stored"] = self._told["kind"]
        return kind

    @property
    def layers(self) -> list[dict[str, Any]]:
        return [dict(layer) for layer in self._told["layers"] or self._told["storedLayers"]]

    @property
    def voxel_size(self) -> tuple[float | None, float | None, float | None]:
        """In nm along x, y, z; None for an axis of which the files don't tell."""
        x, y, z = self._told["voxelSize"]
        return (x, y, z)

    @property
    def needs_voxel_size(self) -> bool:
        return bool(self._told["needsVoxelSize"])

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self._told["notes"])

    def __repr__(self) -> str:
        size = " × ".join("?" if axis is None else f"{axis:g}" for axis in self.voxel_size)
        lines = [str(self._told["summary"])]
        lines.append(f"voxel size: {size} nm{' (to be given)' if self.needs_voxel_size else ''}")
        for layer in self.layers:
            extent = " × ".join(map(str, layer["size"]))
            times = f", {layer['timepoints']} points in time" if layer.get("timepoints", 1) > 1 else ""
            number = f"{layer['number']}: " if "number" in layer else ""
            lines.append(
                f"  {number}{layer['name']}, {layer['category']}, {layer['elementClass']}, {extent}{times}"
            )
            lines += [f"     {note}" for note in layer.get("notes", ())]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


@contextmanager
def _on_disk(source: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A path as it is; an array in a file for as long as it is sent, with hints on its axes."""
    if isinstance(source, str | Path):
        path = Path(source).expanduser().absolute()
        if not path.exists():
            raise InvalidInput(f"there is nothing at {path}.", hint="Check the path.")
        yield path, {}
        return
    if not hasattr(source, "shape") or not hasattr(source, "dtype"):
        raise InvalidInput(f"{type(source).__name__} is neither a path nor an array.")
    axes = _AXES.get(len(source.shape))
    if axes is None or 0 in source.shape:
        raise InvalidInput(
            f"an array of the shape {tuple(source.shape)} cannot be a layer.",
            hint="Axes are x, y, z and, where there are several, channels.",
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "array.npy"
        _save(source, path)
        is_rgb = axes == "xyzc" and source.shape[3] == 3 and np.dtype(source.dtype) == np.uint8
        yield path, {"axes": axes, **({"rgb": True} if is_rgb else {})}


def _save(array: Any, path: Path) -> None:
    """Write an array a slab of z at a time: it may be larger than memory."""
    dtype = np.dtype(array.dtype)
    if dtype.kind not in "uifb":
        raise InvalidInput(f"an array of {dtype} cannot be a layer.", hint="Use real numbers.")
    target = np.lib.format.open_memmap(path, "w+", dtype, tuple(array.shape), fortran_order=True)
    if len(array.shape) == 2:
        target[:] = np.asarray(array)
    else:
        plane = int(np.prod(array.shape)) // array.shape[2] * dtype.itemsize
        step = max(1, _SLAB // max(1, plane))
        for z in range(0, array.shape[2], step):
            target[:, :, z : z + step] = np.asarray(array[:, :, z : z + step])
    target.flush()


def _options(
    voxel_size: Sequence[float] | None, hints: Mapping[str, Any], options: dict[str, Any]
) -> dict[str, Any]:
    """Return options as the API names them. Raises InvalidInput for one that there is not."""
    names = {
        "format": "dataFormat", "compression": "compression", "downsampling": "downsampling",
        "unit": "unit", "category": "category", "layer_name": "layerName", "layers": "layers",
        "hints": "hints",
    }  # fmt: skip
    unknown = sorted(set(options) - set(names))
    if unknown:
        raise InvalidInput(f"there is no option {unknown[0]!r}.", hint=f"There are {', '.join(names)}.")
    told = {names[name]: value for name, value in options.items()}
    told["hints"] = {**told.get("hints", {}), **hints}
    if voxel_size is not None:
        told["voxelSize"] = [float(number) for number in voxel_size]
    return told


def _name_of(path: Path, *, is_array: bool) -> str:
    if is_array:
        raise InvalidInput("an array has no name.", hint='Give one: wk.upload(array, "my_dataset").')
    return path.name.split(".")[0] or path.name


def _folder_id(connection: Connection, folder: Folder | str | None) -> str | None:
    if folder is None:
        return None
    return folder.id if isinstance(folder, Folder) else Folders(connection)[folder].id


def _followed(connection: Connection, job: Job) -> Dataset:
    """Show how far a job is, and return its dataset."""
    with Progress(f"Making {job.dataset_name}", 1000) as bar:
        for progress in job.follow():
            bar.reach(round(1000 * progress), 1000)
    job.raise_if_failed()
    assert job.dataset_id is not None
    return _dataset(connection, job.dataset_id)


def _dataset(connection: Connection, dataset_id: str) -> Dataset:
    return dataset_of_entry(connection.get(f"datasets/{dataset_id}"), connection)
