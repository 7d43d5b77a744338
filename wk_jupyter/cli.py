"""The command ``wk-jupyter``: samples, conversion, a scan of the data directory, who may come."""

# ruff: noqa: T201 - what a command says goes to its output
from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from wk_jupyter import __version__
from wk_jupyter.commands import converting, organizations, teams, tokens, users
from wk_jupyter.commands.opening import add_data_dir, add_database, add_organization
from wk_jupyter.errors import WkError
from wk_jupyter.samples import catalog, download, generate, generator, places

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0, 1 for an error that is told, 2 for wrong usage."""
    options = parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except WkError as error:
        print(f"{options.command}: {error.message}", file=sys.stderr)
        if error.hint:
            print(error.hint, file=sys.stderr)
    except OSError as error:
        print(f"{options.command}: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"{options.command}: stopped", file=sys.stderr)
    return 1


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="wk-jupyter", description="3D image datasets inside Jupyter.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_sample(commands)
    _add_scan(commands)
    for module in (converting, users, teams, tokens, organizations):
        module.add_to(commands)
    version = commands.add_parser("version", help="print the version")
    version.set_defaults(run=_version)
    return top


def _add_sample(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sample = commands.add_parser(
        "sample",
        help="put a sample dataset into the data directory",
        description="Make a sample that looks like an electron micrograph (no network needed), or download "
        "a public one. Prints the dataset's folder. A sample that is there already is left alone.",
    )
    add_data_dir(sample)
    add_organization(sample)
    sample.add_argument("--list", action="store_true", help="show the public samples, and do nothing else")
    sample.add_argument(
        "--download", metavar="NAME", help="download this public sample; continues an interrupted download"
    )
    sample.add_argument(
        "--name", default=generator.NAME, help="name of the made sample (default: %(default)s)"
    )
    sample.add_argument(
        "--shape",
        nargs=3,
        type=int,
        default=(512, 512, 128),
        metavar=("X", "Y", "Z"),
        help="voxels of the made sample (default: 512 512 128)",
    )
    sample.add_argument("--seed", type=int, default=7, help="another number makes other tissue")
    sample.add_argument("--format", choices=("zarr3", "wkw"), default="zarr3", help="how it is stored")
    sample.set_defaults(run=_sample)


def _add_scan(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    scan = commands.add_parser(
        "scan",
        help="look for datasets in the data directory and list them in its catalog",
        description="What a running server does at its start, at a refresh and every few minutes.",
    )
    add_data_dir(scan)
    add_organization(scan)
    add_database(scan)
    scan.set_defaults(run=_scan)


def _sample(options: argparse.Namespace) -> int:
    if options.list:
        print(catalog.as_text())
        return 0
    if options.download:
        folder = download(options.download, data_dir=options.data_dir, organization=options.organization)
    else:
        folder = generate(
            options.name,
            data_dir=options.data_dir,
            organization=options.organization,
            shape=tuple(options.shape),
            seed=options.seed,
            format=options.format,
        )
    print(folder)
    return 0


def _scan(options: argparse.Namespace) -> int:
    from wk_jupyter.store import Store, StoreConfig  # noqa: PLC0415 - SQLAlchemy, for this command only

    data_dir = places.data_dir(options.data_dir)
    # Who owns the server is the server's to know.
    config = StoreConfig(data_dir, options.organization, owner_name=None, database_url=options.database_url)
    store = Store(config)
    try:
        report = store.scan()
    finally:
        store.close()
    print(f"{report.datasets} datasets in {data_dir / 'binaryData' / options.organization}")
    print(f"{report.added} new, {report.changed} changed, {report.missing} gone, {report.unusable} unusable")
    for notice in report.notices:
        print(notice)
    return 0


def _version(_: argparse.Namespace) -> int:
    print(__version__)
    return 0


if __name__ == "__main__":
    sys.exit(main())
