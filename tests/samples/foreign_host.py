"""A web server of another house, which can misbehave."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Host:
    """Serves ``content`` at any path, and notes the Range header of each request (None: none)."""

    content: bytes
    etag: str | None = '"one"'
    ranges: bool = True
    cut_after: int | None = None  # bytes of each answer, after which the connection is closed
    cuts: int = 10**6  # how many answers are cut
    claimed_length: int | None = None  # in place of the true one
    chunked: bool = False
    redirects: list[str] = field(default_factory=list)  # answered first, each a Location
    headers: dict[str, str] = field(default_factory=dict)  # of each answer, in place of our own
    statuses: list[int] = field(default_factory=list)  # answered first, in this order
    asked: list[str | None] = field(default_factory=list)
    url: str = ""


@contextmanager
def serve(host: Host) -> Iterator[Host]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer(self, host)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    host.url = f"http://127.0.0.1:{server.server_address[1]}/sample.zip"
    try:
        yield host
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer(request: BaseHTTPRequestHandler, host: Host) -> None:
    wanted = request.headers["Range"]
    host.asked.append(wanted)
    if host.statuses:
        request.send_response(host.statuses.pop(0))
        request.send_header("Content-Length", "0")
        request.end_headers()
        return
    if host.redirects:
        request.send_response(302)
        request.send_header("Location", host.redirects.pop(0))
        request.send_header("Content-Length", "0")
        request.end_headers()
        return
    start = 0
    if wanted and host.ranges and request.headers["If-Range"] == host.etag:
        start = int(wanted.removeprefix("bytes=").rstrip("-"))
    body = host.content[start:]
    total = len(host.content) if host.claimed_length is None else host.claimed_length
    request.send_response(206 if start else 200)
    headers = {}
    if start:
        headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
    if host.etag:
        headers["ETag"] = host.etag
    if not host.chunked:
        headers["Content-Length"] = str(total - start)
    for name, value in (headers | host.headers).items():
        request.send_header(name, value)
    request.end_headers()
    if host.cut_after is not None and len(body) > host.cut_after and host.cuts > 0:
        host.cuts -= 1
        body = body[: host.cut_after]
    request.wfile.write(body)
    # Without a length, or where it is not reached, the end of the connection is the end of the answer.
    request.close_connection = True
