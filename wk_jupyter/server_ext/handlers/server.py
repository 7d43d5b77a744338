"""The server itself: versions, health, who is asking, where the data are, this API's description."""

from __future__ import annotations

import wk_jupyter
from wk_jupyter.api.models import BuildInfo, DataStore, Health, HttpApiVersioning, Software
from wk_jupyter.api.openapi import describe
from wk_jupyter.api.versions import CURRENT_API_VERSION, OLDEST_API_VERSION
from wk_jupyter.server_ext.handlers.base import WkHandler

DATA_STORE_NAME = "localhost"


class BuildInfoHandler(WkHandler):
    async def get(self) -> None:
        self.send(
            BuildInfo(
                # The name by which clients know the API; the version is our own.
                webknossos=Software(name="webknossos", version=f"wk_jupyter-{wk_jupyter.__version__}"),
                http_api_versioning=HttpApiVersioning(
                    current_api_version=CURRENT_API_VERSION,
                    oldest_supported_api_version=OLDEST_API_VERSION,
                ),
            )
        )


class HealthHandler(WkHandler):
    async def get(self) -> None:
        health = Health(version=wk_jupyter.__version__, scanning=self.services.scanning)
        if self.sees_server_paths:
            health.data_dir_id = (await self.store()).data_dir_id
            if self.identity.is_by_cookie:
                _ = self.xsrf_token  # sets the cookie on pages that have none yet, as Voila's
        self.send(health)


class DataStoresHandler(WkHandler):
    async def get(self) -> None:
        self.send([data_store(self)])


class OpenApiHandler(WkHandler):
    async def get(self) -> None:
        from wk_jupyter.server_ext.routes import OPERATIONS  # noqa: PLC0415 - the table names this handler

        self.send(describe(OPERATIONS, server=self.base(), version=wk_jupyter.__version__))


class NowhereHandler(WkHandler):
    """Any other address below ``wk/``: told in JSON, not by Jupyter's page."""

    async def prepare(self) -> None:  # type: ignore[override]
        from wk_jupyter.errors import NotFound  # noqa: PLC0415

        raise NotFound("There is nothing at this address.", hint="api/openapi.json lists all addresses.")


def data_store(handler: WkHandler) -> DataStore:
    """Ourselves as a data store, at the address by which this client reached us."""
    return DataStore(url=handler.base(), name=DATA_STORE_NAME, allows_upload=True)
