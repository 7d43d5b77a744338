"""``wk-jupyter inspect`` and ``wk-jupyter convert``: image files to a dataset, without a server."""

# ruff: noqa: T201 - what a command says goes to its output
from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wk_jupyter.errors import InvalidInput, WkError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wk_jupyter.store.imports.options import ImportOptions
    from wk_jupyter.store.imports.process import ImportProcess
    from wk_jupyter.store.imports.proposal import Inspection

_PATIENCE_SECONDS: Final = 0.5


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    inspect = commands.add_parser(
        "inspect",
        help="say what image files are, and what would come of them",
        description="Look at a file or a folder, and say which layers a dataset made of it would have.",
    )
    inspect.set_defaults(run=_inspect)
    convert = commands.add_parser(
        "convert",
        help="convert image files to a dataset",
        description="Convert a file or a folder of images to a new dataset's folder, with all mags. What was "
        "begun and stopped goes on when the same is asked again.",
    )
    convert.set_defaults(run=_convert)
    for command in (inspect, convert):
        command.add_argument("source", metavar="SRC", type=Path, help="a file or a folder")
        _add_hints(command)
    convert.add_argument("target", metavar="DST", type=Path, help="the new dataset's folder")
    convert.add_argument("--voxel-size", type=_numbers, metavar="X,Y,Z", help="where the files don't tell it")
    convert.add_argument("--unit", default="nanometer", help="of the voxel size (default: %(default)s)")
    convert.add_argument("--format", choices=("zarr3", "wkw"), default="zarr3", help="how it is stored")
    convert.add_argument("--compression", help="zstd:LEVEL for zarr3 (default: zstd:1), lz4 or lz4hc for wkw")
    convert.add_argument("--downsampling", choices=("mean", "median"), help="of grey values (default: mean)")
    convert.add_argument("--category", choices=("color", "segmentation"), help="of all layers")
    convert.add_argument("--layer-name", help="where there is one layer")
    convert.add_argument(
        "--workers", type=int, default=2, metavar="N", help="processes (default: %(default)s)"
    )


def _add_hints(command: argparse.ArgumentParser) -> None:
    raw = command.add_argument_group("for RAW files, which don't describe themselves")
    raw.add_argument("--shape", type=_integers, metavar="X,Y,Z", help="voxels along x, y, z")
    raw.add_argument("--dtype", help="type of the voxels, such as uint8")
    raw.add_argument("--order", choices=("F", "C"), help="F: x is the fastest axis (default), C: z is")
    raw.add_argument("--byteorder", choices=("little", "big"), help="default: little")
    raw.add_argument("--offset", type=int, help="bytes before the first voxel")


def _numbers(text: str) -> tuple[float, ...]:
    numbers = tuple(float(part) for part in text.split(","))
    if len(numbers) != 3:
        raise argparse.ArgumentTypeError("it is three numbers, as 4,4,40")
    return numbers


def _integers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _hints(options: argparse.Namespace) -> dict[str, Any]:
    names = ("shape", "dtype", "order", "byteorder", "offset")
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _inspect(options: argparse.Namespace) -> int:
    from wk_jupyter.store.imports.archives import archive_of, unpacked  # noqa: PLC0415 - loads formats
    from wk_jupyter.store.imports.inspection import inspect  # noqa: PLC0415 - loads formats

    with tempfile.TemporaryDirectory() as scratch:
        archive = archive_of(options.source)
        source = unpacked(archive, Path(scratch)) if archive else options.source
        for line in described(inspect(source, _hints(options)).inspection):
            print(line)
    return 0


def described(found: Inspection) -> list[str]:
    """Return an inspection as lines to read."""
    size = " × ".join("?" if axis is None else f"{axis:g}" for axis in found.voxel_size)
    lines = [found.summary, f"voxel size: {size} nm{' (to be given)' if found.needs_voxel_size else ''}"]
    for layer in found.layers:
        extent = " × ".join(map(str, layer.size))
        times = f", {layer.timepoints} points in time" if layer.timepoints > 1 else ""
        lines.append(f"  {layer.name}: {layer.category}, {layer.element_class}, {extent}{times}")
        lines += [f"    {note}" for note in layer.notes]
    for stored in found.stored_layers:
        extent = " × ".join(map(str, stored.size))
        mags = ", ".join(stored.mags)
        lines.append(f"  {stored.name}: {stored.category}, {stored.element_class}, {extent}, mags {mags}")
    return lines + [f"note: {note}" for note in found.notes]


def _convert(options: argparse.Namespace) -> int:
    from wk_jupyter.store.imports.process import ImportProcess, Request  # noqa: PLC0415 - loads formats

    target = options.target.absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InvalidInput(f"{target} is there already.", hint="Give the name of a new folder.")
    if not options.source.exists():
        raise InvalidInput(f"{options.source} is not there.")
    target.parent.mkdir(parents=True, exist_ok=True)
    work = target.parent / f".{target.name}.converting"
    source = str(options.source.absolute())
    request = Request(target.name, source, is_own=False, options=_options(options), workers=options.workers)
    request.write(work)
    try:
        with ImportProcess(work) as process:
            said = _followed(process)
        made = Path(_made(said))
    except WkError:
        shutil.rmtree(work, ignore_errors=True)
        raise
    if target.exists():
        target.rmdir()
    made.rename(target)
    shutil.rmtree(work, ignore_errors=True)
    print(target)
    return 0


def _options(options: argparse.Namespace) -> ImportOptions:
    from wk_jupyter.store.imports.options import ImportOptions  # noqa: PLC0415 - msgspec

    return ImportOptions(
        voxel_size=options.voxel_size,
        unit=options.unit,
        data_format=options.format,
        compression=options.compression,
        downsampling=options.downsampling,
        category=options.category,
        layer_name=options.layer_name,
        hints=_hints(options),
    )


def _followed(process: ImportProcess) -> Mapping[str, Any]:
    """Show how far it is on a terminal, and return the last word."""
    is_terminal = sys.stderr.isatty()
    while True:
        said = process.next(_PATIENCE_SECONDS)
        if said is None and process.is_over:
            return process.died()
        if said is not None and "progress" not in said:
            if is_terminal:
                print("\r\033[K", end="", file=sys.stderr, flush=True)
            return said
        if said is not None and is_terminal:
            bar = "█" * round(30 * said["progress"])
            text = f"\r\033[K{bar:░<30} {said['progress']:4.0%} {said['message']}"
            print(text, end="", file=sys.stderr, flush=True)


def _made(said: Mapping[str, Any]) -> str:
    if "made" in said:
        return str(said["made"])
    error = said["error"]
    raise WkError(error["message"], hint=error["hint"])
