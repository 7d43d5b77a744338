"""Where a command finds the catalog, and as whom it comes: as whoever holds the data directory."""

from __future__ import annotations

import difflib
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar

from wk_jupyter.errors import NotFound
from wk_jupyter.samples import places

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from wk_jupyter.store import Store
    from wk_jupyter.store.access import Principal

_DATA_DIR_HELP: Final = (
    "the folder that holds datasets in binaryData/<organization>/<dataset>, and the catalog "
    "(default: $WK_JUPYTER_DATA_DIR, else wk_jupyter in the user's Jupyter data directory)"
)
_DATABASE_HELP: Final = (
    "the catalog as an SQLAlchemy URL, where it does not lie in the data directory "
    "(default: $WK_JUPYTER_DATABASE_URL, which others on this machine do not see)"
)
_NAME: Final = "the command line"


class Opened(NamedTuple):
    """``admin`` may do everything in the organization that was asked for, ``holder`` in all of them."""

    store: Store
    admin: Principal
    holder: Principal


class Named(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


def add_data_dir(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data-dir", type=Path, help=_DATA_DIR_HELP)


def add_organization(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--organization",
        default=places.default_organization(),
        help="the folder below binaryData (default: $WK_JUPYTER_ORGANIZATION, else default)",
    )


def add_database(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--database-url", default=os.environ.get("WK_JUPYTER_DATABASE_URL"), help=_DATABASE_HELP
    )


@contextmanager
def opened(options: argparse.Namespace) -> Iterator[Opened]:
    """Open a catalog that is there, for the options' organization, or, where there is no such option, any.

    Raises NotFound: a name that is misspelt shall not make anything.
    """
    from wk_jupyter.store import Store, StoreConfig  # noqa: PLC0415 - loads SQLAlchemy
    from wk_jupyter.store.access import Principal, owner  # noqa: PLC0415

    data_dir = places.data_dir(options.data_dir)
    names = _organizations(data_dir, options.database_url)
    wanted = getattr(options, "organization", names[0])
    if wanted not in names:
        raise NotFound(
            f"there is no organization {wanted!r}.",
            hint=f"There is {', '.join(names)}; `wk-jupyter organization add` makes another.",
        )
    store = Store(StoreConfig(data_dir, wanted, owner_name=None, database_url=options.database_url))
    try:
        admin = Principal(_NAME, organization_id=store.home.id, is_admin=True)
        yield Opened(store, admin, owner(_NAME))
    finally:
        store.close()


def _organizations(data_dir: Path, database_url: str | None) -> list[str]:
    from wk_jupyter.store.catalog.database import open_database  # noqa: PLC0415 - loads SQLAlchemy
    from wk_jupyter.store.catalog.organizations import all_organizations  # noqa: PLC0415
    from wk_jupyter.store.data_dir import CATALOG_FILE  # noqa: PLC0415

    names: list[str] = []
    if database_url or (data_dir / CATALOG_FILE).exists():
        engine = open_database(database_url or f"sqlite:///{data_dir / CATALOG_FILE}")
        names = [each.name for each in all_organizations(engine)]
        engine.dispose()
    if not names:
        raise NotFound(
            f"there is no catalog in {data_dir}." if not database_url else "the catalog is empty.",
            hint="Name the server's data directory (--data-dir), or make it: start the server, or "
            "`wk-jupyter scan`.",
        )
    return names


def find(things: Sequence[T], text: str, noun: str) -> T:
    """Return the one of a name or id. Raises NotFound with similar names."""
    for thing in things:
        if text in (thing.name, thing.id):
            return thing
    near = difflib.get_close_matches(text, [thing.name for thing in things], n=3, cutoff=0.5)
    raise NotFound(
        f"there is no {noun} {text!r}.",
        hint=f"Did you mean {' or '.join(map(repr, near))}?" if near else f"See `wk-jupyter {noun} list`.",
    )
