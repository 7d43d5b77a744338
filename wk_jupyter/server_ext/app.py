"""The composition root: from the configuration to handlers that share one store."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_server.extension.application import ExtensionApp
from jupyter_server.utils import url_path_join

from wk_jupyter.server_ext.routes import tornado_routes
from wk_jupyter.server_ext.services import Limits, Services
from wk_jupyter.server_ext.settings import WkSettings

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

    from wk_jupyter.store import Store

STATIC_FOLDER = Path(__file__).parent.parent / "widgets" / "static"


class WkJupyterApp(WkSettings, ExtensionApp):
    """Datasets of 3D images below ``<base_url>wk/``, and the widgets' code below ``static/wk_jupyter/``."""

    name = "wk_jupyter"
    load_other_extensions = True
    static_paths = [str(STATIC_FOLDER)]  # noqa: RUF012 - the default of a trait

    def initialize_settings(self) -> None:
        limits = Limits(
            cutout_bytes=self.max_cutout_bytes,
            bricks_per_request=self.max_bricks_per_request,
            concurrent_decodes=self.concurrent_decodes,
            kept_picture_bytes=self.thumbnail_cache_bytes,
            chunk_bytes=self.max_chunk_bytes,
        )
        self.services = Services(
            self.open_store,
            owner_name=self.owner,
            users_by_name=self.users_by_name,
            limits=limits,
            log=self.log,
        )
        self.services.logs_every_request = getattr(self.serverapp, "log_level", logging.INFO) in {
            logging.DEBUG,
            "DEBUG",
        }
        self._scanning: asyncio.Task[None] | None = None
        self._keep_hashed_files_in_caches()

    def initialize_handlers(self) -> None:
        self.handlers.extend(tornado_routes(self.services))

    def open_store(self) -> Store:
        """Open the store as it is configured. Called when it is first needed, not at the start."""
        from wk_jupyter.store import Store, StoreConfig  # noqa: PLC0415 - loads SQLAlchemy
        from wk_jupyter.store.allocator import keep_freed_memory  # noqa: PLC0415
        from wk_jupyter.store.volumes import block_files, tensorstore_volume  # noqa: PLC0415

        tensorstore_volume.configure(cache_bytes=self.cache_bytes)
        block_files.DEFAULT_CACHE.limit = self.max_open_files
        keep_freed_memory()  # replies are made of megabytes, again and again
        config = StoreConfig(
            data_dir=Path(self.data_dir).expanduser(),
            organization=self.organization,
            owner_name=self.owner,
            database_url=self.database_url or None,
            max_upload_bytes=self.max_upload_bytes or None,
            max_upload_files=self.max_upload_files,
            allowed_roots=tuple(Path(root).expanduser() for root in self.allowed_roots),
        )
        store = Store(config)
        store.start_jobs(
            at_once=self.concurrent_jobs,
            workers=self.conversion_workers,
            data_format=self.upload_format,
        )
        return store

    def _keep_hashed_files_in_caches(self) -> None:
        """The files in ``app/`` have their content's hash in their address: they never change."""
        hashed = url_path_join(self.static_url_prefix, "app/")
        self.settings["static_immutable_cache"] = [*self.settings.get("static_immutable_cache", []), hashed]

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Runs when the server is up: tell kernels where it is, and look what is in the data directory."""
        self._tell_kernels(url_path_join(serverapp.connection_url, "wk/"))
        self._scanning = asyncio.create_task(self.services.keep_scanning(self.scan_interval))

    def _tell_kernels(self, url: str) -> None:
        """Kernels inherit the environment: they find the server, and put samples where it looks."""
        os.environ["WK_JUPYTER_URL"] = url
        os.environ["WK_JUPYTER_DATA_DIR"] = str(Path(self.data_dir).expanduser().absolute())
        os.environ["WK_JUPYTER_ORGANIZATION"] = self.organization

    async def stop_extension(self) -> None:
        if self._scanning is not None:
            self._scanning.cancel()
        self.services.close()


def jupyter_server_extension_points() -> list[dict[str, Any]]:
    """For ``wk_jupyter._jupyter_server_extension_points``, by which Jupyter finds the app."""
    return [{"module": "wk_jupyter.server_ext.app", "app": WkJupyterApp}]
