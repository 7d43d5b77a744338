"""Configuration, start and static files."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys

import pytest
from traitlets.config import Config

from wk_jupyter.server_ext.app import STATIC_FOLDER, WkJupyterApp
from wk_jupyter.server_ext.settings import WkSettings


def test_every_setting_has_help():
    for name, trait in WkSettings.class_own_traits(config=True).items():
        assert len(trait.help) > 30, name


def test_the_data_directory_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("WK_JUPYTER_DATA_DIR", "/data/ours")
    assert WkSettings().data_dir == "/data/ours"
    assert WkSettings(config=Config(WkSettings={"data_dir": "/set"})).data_dir == "/set"
    monkeypatch.delenv("WK_JUPYTER_DATA_DIR")
    monkeypatch.setenv("JUPYTER_DATA_DIR", "/home/ada/jupyter")
    assert WkSettings().data_dir == "/home/ada/jupyter/wk_jupyter"


def test_a_server_that_starts_loads_no_heavy_library():
    """They would delay every start of every Jupyter server on which the package is installed."""
    code = (
        "import sys, wk_jupyter.server_ext.app;"
        "print([m for m in ('sqlalchemy','alembic','tensorstore','zarr','PIL','pandas','dask','ipywidgets')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_when_the_server_is_up(jp_serverapp, monkeypatch, wk, samples):
    """Kernels learn the address, and the data directory is scanned in the background."""
    monkeypatch.delenv("WK_JUPYTER_URL", raising=False)
    app = jp_serverapp.web_app.settings["wk_jupyter"]
    assert isinstance(app, WkJupyterApp)
    (samples.folder / "rgb").rename(samples.folder / "renamed")
    await app._start_jupyter_server_extension(jp_serverapp)
    assert os.environ["WK_JUPYTER_URL"].endswith("/a%40b/wk/")
    assert "token" not in os.environ["WK_JUPYTER_URL"]
    await app._scanning
    names = {entry["name"] for entry in (await wk.get("api/datasets?isActive=true")).json()}
    assert "renamed" in names


async def test_a_list_waits_for_the_scan_at_the_start(jp_serverapp, wk, samples):
    services = jp_serverapp.web_app.settings["wk_jupyter"].services
    (samples.folder / "rgb").rename(samples.folder / "renamed")
    scanning = asyncio.create_task(services.keep_scanning(0))
    await asyncio.sleep(0)
    assert not scanning.done()
    assert "renamed" in {entry["name"] for entry in (await wk.get("api/datasets?isActive=true")).json()}
    await scanning


async def test_a_scan_that_fails_is_logged_and_the_server_serves(jp_serverapp, wk, monkeypatch, caplog):
    app = jp_serverapp.web_app.settings["wk_jupyter"]
    store = await app.services.store()

    def fail():
        raise OSError("the disk is gone")

    monkeypatch.setattr(store, "scan", fail)
    await app.services.keep_scanning(0)
    assert "the disk is gone" in caplog.text
    assert (await wk.get("api/datasets")).status_code == 200


async def test_static_files_need_no_login_and_hashed_ones_are_kept(wk, jp_base_url, tmp_path):
    root = wk.url.removesuffix("wk/")
    for place, cached in (("app/0123abcd", True), ("", False)):
        folder = STATIC_FOLDER / place
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"test-{os.getpid()}.js"
        file.write_text("export default 1;")
        try:
            reply = await wk.http.get(
                f"{root}static/wk_jupyter/{place}/{file.name}".replace("//test", "/test")
            )
        finally:
            file.unlink()
            if cached:
                folder.rmdir()
        assert reply.status_code == 200
        assert "javascript" in reply.headers["content-type"]
        assert ("immutable" in reply.headers["cache-control"]) is cached


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_no_method_of_ours_is_open_by_mistake(wk, recwarn, method):
    """Jupyter warns of handlers that forget to say who may use them; ours all say so."""
    warnings = [str(w.message) for w in recwarn.list if "wk/" in str(w.message)]
    assert warnings == []
    assert json.loads((await wk.get("api/buildinfo")).content)


class TestCaches:
    @pytest.fixture
    def settings(self):
        from wk_jupyter.store.volumes import block_files, tensorstore_volume

        before = block_files.DEFAULT_CACHE.limit, tensorstore_volume._engine._cache_bytes
        yield {"cache_bytes": 1_000_000, "max_open_files": 9}
        block_files.DEFAULT_CACHE.limit = before[0]
        tensorstore_volume.configure(cache_bytes=before[1])

    async def test_their_sizes_are_those_configured(self, wk):
        from wk_jupyter.store.volumes import block_files, tensorstore_volume

        assert block_files.DEFAULT_CACHE.limit == 9
        assert tensorstore_volume._engine._cache_bytes == 1_000_000
