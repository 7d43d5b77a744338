from __future__ import annotations

import asyncio
import sys
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parent))

from roles import Roles, make_roles
from sample_datasets import ORGANIZATION, TOKEN, Samples, write_samples

from wk_jupyter.store.catalog.tables import datasets


@pytest.fixture
def samples(tmp_path) -> Samples:
    return write_samples(tmp_path / "data")


@pytest.fixture
def settings() -> dict:
    """More settings of the extension, for tests to change."""
    return {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Most tests run on SQLite alone: the store's own tests run on both databases."""
    if metafunc.definition.get_closest_marker("both_databases"):
        metafunc.parametrize("catalog", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def catalog(request) -> dict:
    """The setting that says where the catalog lies; none: in the data directory."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return {}
    made = request.getfixturevalue("made_postgres")
    return {"database_url": request.getfixturevalue("postgres").url(template=made)}


@pytest.fixture
def jp_server_config(samples, settings, catalog):
    return {
        "ServerApp": {
            "jpserver_extensions": {"wk_jupyter": True, "jupyter_server_terminals": False},
            "allow_unauthenticated_access": False,
        },
        "IdentityProvider": {"token": TOKEN},
        "WkJupyterApp": {
            "data_dir": str(samples.data_dir),
            "organization": ORGANIZATION,
            "owner": "ada",
            "scan_interval": 0,
            "allowed_roots": [str(samples.data_dir)],
            "concurrent_jobs": 0,
            **catalog,
            **settings,
        },
    }


class WkClient:
    """An HTTP client of the extension; ``role`` says with which credentials it comes."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.headers = {"owner": {"X-Auth-Token": TOKEN}, "anonymous": {}}
        self.http = httpx.AsyncClient(timeout=60)

    async def request(self, method: str, path: str, *, role: str = "owner", **kwargs) -> httpx.Response:
        headers = dict(self.headers[role])
        headers |= kwargs.pop("headers", {})
        return await self.http.request(method, self.url + path, headers=headers, **kwargs)

    async def get(self, path: str, **kwargs) -> httpx.Response:
        return await self.request("GET", path, **kwargs)

    async def post(self, path: str, **kwargs) -> httpx.Response:
        return await self.request("POST", path, **kwargs)

    async def id_of(self, name: str) -> str:
        found = (await self.get("api/v16/datasets", params={"searchQuery": name})).json()
        return next(entry["id"] for entry in found if entry["name"] == name)


@pytest.fixture
def wk(jp_serverapp, http_server_client, jp_asyncio_loop, jp_http_port, jp_base_url):
    """A client of a server whose data directory has been scanned. The login cookie is never kept."""
    client = WkClient(f"http://127.0.0.1:{jp_http_port}{jp_base_url}wk/")
    client.http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    scanned = jp_asyncio_loop.run_until_complete(client.post("api/datasets/refresh"))
    assert scanned.status_code == 200, scanned.text
    yield client
    jp_asyncio_loop.run_until_complete(client.http.aclose())


@pytest.fixture
def roles(wk, jp_serverapp, jp_asyncio_loop) -> Roles:
    """Everybody who may come, for ``wk`` to come as; the dataset is ``cells``, in a folder of its own."""
    services = jp_serverapp.web_app.settings["wk_jupyter"].services
    made = make_roles(jp_asyncio_loop.run_until_complete(services.store()), "cells", "rgb")
    wk.headers.update(made.headers)
    return made


@pytest.fixture
def fetch_raw(jp_http_port, jp_base_url):
    """Send an address exactly as it is written, which HTTP clients would tidy up; return the status."""

    async def fetch(path: str) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", jp_http_port)
        request = f"GET {jp_base_url}wk/{path} HTTP/1.1\r\nHost: localhost\r\nX-Auth-Token: {TOKEN}\r\n\r\n"
        writer.write(request.encode())
        status = int((await reader.readline()).split()[1])
        writer.close()
        return status

    return fetch


@pytest.fixture
def make_public(jp_serverapp):
    """Let everybody see a dataset."""

    async def make(name: str) -> None:
        store = await jp_serverapp.web_app.settings["wk_jupyter"].services.store()
        with store._engine.begin() as connection:
            connection.execute(
                sa.update(datasets).where(datasets.c.directory_name == name).values(is_public=True)
            )
        store._records.clear()

    return make
