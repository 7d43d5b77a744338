"""Many bricks in one reply: what our viewer and our client read."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from wk_jupyter.api.frames import failure_payload
from wk_jupyter.errors import TooLarge, WkError
from wk_jupyter.server_ext.handlers.layers import LayerHandler
from wk_jupyter.store.brick_batch import give_away_memory
from wk_jupyter.store.bricks import BrickRequest

if TYPE_CHECKING:
    from tornado.http1connection import HTTP1Connection


class BricksHandler(LayerHandler):
    frequent = True

    async def post(self, dataset: str, layer: str) -> None:
        request: BrickRequest = self.body(BrickRequest)
        limit = self.services.limits.bricks_per_request
        if len(request.bricks) > limit:
            raise TooLarge(
                f"{len(request.bricks)} bricks are too many.", hint=f"Ask for at most {limit} at once."
            )
        reader = await self.layer(dataset, layer)
        offered = self.request.headers.get("Accept-Encoding", "")
        reply = await reader.bricks(
            request,
            zstd_body="zstd" in offered,
            slots=self.services.decode_slots,
            tell=self._failure,
            lend=True,
        )
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("Vary", "Accept-Encoding")
        if reply.content_encoding is not None:
            self.set_header("Content-Encoding", reply.content_encoding)
        self.set_header("Content-Length", str(len(reply.body)))
        # Past tornado's own buffer, which takes nothing but bytes, and joins them with the head.
        self.flush()
        connection = cast("HTTP1Connection", self.request.connection)
        connection.write(reply.body)  # type: ignore[arg-type]
        if connection.stream.writing():  # the client is slower than we are
            give_away_memory()
        self.finish()

    def _failure(self, error: WkError) -> bytes:
        return failure_payload(WkError(self.told(error.message), hint=self.told(error.hint)))
