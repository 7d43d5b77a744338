"""A server extension beside ours, in the same process: handlers of constant bytes, and the loop's delay."""

from __future__ import annotations

import asyncio
import time

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web

from wk_jupyter.server_ext.handlers.base import WkHandler
from wk_jupyter.server_ext.operations import Access, Operation


class ConstantHandler(JupyterHandler):
    """Authenticated as ours is, by Jupyter's own way; answers as many bytes as a batch of bricks has."""

    def compute_etag(self) -> None:
        return None

    def check_xsrf_cookie(self) -> None:
        return None

    @web.authenticated
    def post(self) -> None:
        self.set_header("Content-Type", "application/octet-stream")
        self.finish(self.settings["bench_body"])

    @web.authenticated
    def put(self) -> None:
        self.settings["bench_body"] = self.request.body
        self.finish()


class OwnConstantHandler(WkHandler):
    """The same bytes by our own base class, written as bricks are: what these cost beyond it are bricks."""

    frequent = True

    def post(self) -> None:
        body = self.settings["bench_body"]
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("Vary", "Accept-Encoding")
        self.set_header("Content-Length", str(len(body)))
        self.flush()
        self.request.connection.write(body)
        self.finish()


class DelayHandler(JupyterHandler):
    """The longest time, in ms, that the event loop was kept from a timer since this was last asked."""

    @web.authenticated
    def get(self) -> None:
        worst, self.settings["bench_delay"] = self.settings["bench_delay"], 0.0
        self.finish({"ms": worst * 1000})


async def _watch(settings: dict) -> None:
    pause = 0.002
    while True:
        before = time.perf_counter()
        await asyncio.sleep(pause)
        settings["bench_delay"] = max(settings["bench_delay"], time.perf_counter() - before - pause)


def _add_own(app, path: str) -> None:
    """When all extensions are there: the handler needs what ours shares among its own."""
    [ours] = app.extension_manager.extension_apps.get("wk_jupyter") or [None]
    if ours is not None:
        post = Operation("POST", "data", "own", OwnConstantHandler, Access.VISIBLE, "Constant bytes", "")
        options = {"operations": {"POST": post}, "services": ours.services}
        app.web_app.add_handlers(".*$", [(path, OwnConstantHandler, options)])


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "benchmarks.constant"}]


def _load_jupyter_server_extension(app) -> None:
    settings = app.web_app.settings
    settings |= {"bench_body": b"", "bench_delay": 0.0}
    base = settings["base_url"]
    rules = [
        (url_path_join(base, "bench/constant"), ConstantHandler),
        (url_path_join(base, "bench/delay"), DelayHandler),
    ]
    app.web_app.add_handlers(".*$", rules)
    app.io_loop.call_later(0, lambda: _add_own(app, url_path_join(base, "bench/own")))
    app.io_loop.call_later(0, lambda: settings.update(bench_watch=asyncio.ensure_future(_watch(settings))))
