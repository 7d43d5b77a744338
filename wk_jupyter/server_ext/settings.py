"""What can be configured, each with its help. ``jupyter server --help-all`` shows it too."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

from jupyter_core.paths import jupyter_data_dir
from traitlets import Bool, Enum, Float, Int, List, Unicode, default
from traitlets.config import Configurable

_MIB = 1024**2


class WkSettings(Configurable):
    """The settings of the extension, as ``c.WkJupyterApp.… = …`` in a Jupyter configuration file."""

    data_dir = Unicode(
        config=True,
        help="""The folder that holds everything: datasets in binaryData/<organization>/<dataset>, and the
        catalog. Default: WK_JUPYTER_DATA_DIR in the environment, else a folder wk_jupyter in the user's
        Jupyter data directory (see `jupyter --paths`). It is made where it does not exist.""",
    )
    organization = Unicode(
        "default",
        config=True,
        help="""The organization's name: the folder below binaryData whose datasets are served.""",
    )
    owner = Unicode(
        config=True,
        help="""The name of the server's owner, who administers the organization. Default: the account's.""",
    )
    users_by_name = Bool(
        False,
        config=True,
        help="""Whether those whom Jupyter's identity provider lets in are the users of the catalog that have
        their names (others are anonymous). By default all of them are the owner: right for a server that
        belongs to one person, wrong for one that several people sign in to.""",
    )
    database_url = Unicode(
        config=True,
        help="""The catalog, as an SQLAlchemy URL. Default: WK_JUPYTER_DATABASE_URL in the environment, else
        wk_jupyter.sqlite in the data directory.""",
    )
    cache_bytes = Int(
        128 * _MIB,
        min=0,
        config=True,
        help="""Memory for decoded chunks of formats whose chunks are not passed on as they lie, in bytes.""",
    )
    thumbnail_cache_bytes = Int(
        32 * _MIB,
        min=0,
        config=True,
        help="""Memory for thumbnails that were drawn lately, in bytes.""",
    )
    max_open_files = Int(
        256,
        min=8,
        config=True,
        help="""How many files of stored bricks may be held open at once.""",
    )
    max_cutout_bytes = Int(
        1024 * _MIB,
        min=1,
        config=True,
        help="""The largest box that one request for raw voxels may ask for, in bytes. Boxes are sent in
        pieces, so this bounds the time that a request takes and not the server's memory.""",
    )
    max_bricks_per_request = Int(
        256,
        min=1,
        config=True,
        help="""How many bricks of 32 x 32 x 32 voxels one request may ask for.""",
    )
    concurrent_decodes = Int(
        4,
        min=1,
        config=True,
        help="""How many requests may read and decode boxes of voxels at once; more wait their turn.""",
    )
    scan_interval = Float(
        600.0,
        min=0.0,
        config=True,
        help="""Seconds between two scans of the data directory for datasets that came, went or changed;
        0 for a scan at the start only. A refresh in the interface scans at once.""",
    )

    allowed_roots = List(
        Unicode(),
        config=True,
        help="""Folders on the server from which admins may import, and to which links may lead. Default: the
        home of the account that runs the server.""",
    )
    max_upload_bytes = Int(
        0,
        min=0,
        config=True,
        help="""The largest upload, in bytes; 0: as much as the disk takes.""",
    )
    max_upload_files = Int(
        1_000_000,
        min=1,
        config=True,
        help="""How many files one upload may have.""",
    )
    max_chunk_bytes = Int(
        512 * _MIB,
        min=_MIB,
        config=True,
        help="""The largest chunk of an upload, in bytes. Chunks go to disk as they come.""",
    )
    upload_format = Enum(
        ["zarr3", "wkw"],
        default_value="zarr3",
        config=True,
        help="""How images are stored that are converted, where nobody says otherwise.""",
    )
    concurrent_jobs = Int(
        1,
        min=0,
        config=True,
        help="""How many jobs, such as conversions, run at once; 0: another server on this catalog does.""",
    )
    conversion_workers = Int(
        2,
        min=1,
        config=True,
        help="""How many processes work on one conversion.""",
    )

    @default("allowed_roots")
    def _default_allowed_roots(self) -> list[str]:
        return [str(Path.home())]

    @default("data_dir")
    def _default_data_dir(self) -> str:
        return os.environ.get("WK_JUPYTER_DATA_DIR") or str(Path(jupyter_data_dir()) / "wk_jupyter")

    @default("database_url")
    def _default_database_url(self) -> str:
        return os.environ.get("WK_JUPYTER_DATABASE_URL", "")

    @default("owner")
    def _default_owner(self) -> str:
        try:
            return getpass.getuser()
        except (KeyError, OSError):  # an account without a name, as in some containers
            return "owner"
