"""Uploads: reserved, sent in chunks that go to disk as they come, finished or given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tornado.web import stream_request_body

from wk_jupyter.api.documents import attachment_field
from wk_jupyter.api.uploads import (
    AttachmentReservation,
    ChunkQuery,
    DatasetReservation,
    FinishedUpload,
    LinkedLayer,
    MagReservation,
    OldReservation,
    OldUpload,
    UnfinishedUpload,
    UploadQuery,
)
from wk_jupyter.errors import InvalidInput, TooLarge
from wk_jupyter.server_ext.handlers.base import WkHandler
from wk_jupyter.server_ext.multipart import FormReader

if TYPE_CHECKING:
    from wk_jupyter.store.imports.imports import Taken
    from wk_jupyter.store.upload_session import Chunk, Reservation, UploadSession
    from wk_jupyter.store.uploads import ChunkWriter

_AT_ONCE: Final = 2**20  # bytes that are collected before they go to disk
_FORM_BYTES: Final = 2**20  # a chunk's form has besides the chunk


class ReserveHandler(WkHandler):
    async def post(self) -> None:
        store = await self.store()
        wanted: DatasetReservation = self.body(DatasetReservation)
        about = wanted.resumable_upload_info
        reservation = _reservation(
            upload_id=about.upload_id,
            name=wanted.dataset_name,
            file_count=about.total_file_count,
            byte_count=about.total_file_size_in_bytes,
            folder_id=wanted.folder_id,
            team_ids=tuple(wanted.initial_team_ids),
            links=_links(wanted.layers_to_link),
            options=wanted.options,
        )
        await self.services.run(store.uploads.reserve, self.principal, reservation)
        self.send({})


class OldReserveHandler(WkHandler):
    async def post(self) -> None:
        store = await self.store()
        wanted: OldReservation = self.body(OldReservation)
        reservation = _reservation(
            upload_id=wanted.upload_id,
            name=wanted.name,
            file_count=wanted.total_file_count,
            byte_count=wanted.total_file_size_in_bytes,
            folder_id=wanted.folder_id,
            team_ids=tuple(wanted.initial_teams),
            links=_links(wanted.layers_to_link),
            options=wanted.options,
        )
        await self.services.run(store.uploads.reserve, self.principal, reservation)
        self.send({})


class ReserveMagHandler(WkHandler):
    async def post(self) -> None:
        from wk_jupyter.store.upload_parts import MagPart  # noqa: PLC0415 - with the store

        store = await self.store()
        wanted: MagReservation = self.body(MagReservation)
        about, mag = wanted.resumable_upload_info, wanted.mag
        reservation = _reservation(
            upload_id=about.upload_id,
            name=wanted.layer_name,
            file_count=about.total_file_count,
            byte_count=about.total_file_size_in_bytes,
            part=MagPart(wanted.dataset_id, wanted.layer_name, mag.mag, mag.axis_order, mag.channel_index),
        )
        await self.services.run(store.uploads.reserve, self.principal, reservation)
        self.send({})


class ReserveAttachmentHandler(WkHandler):
    async def post(self) -> None:
        from wk_jupyter.store.upload_parts import AttachmentPart  # noqa: PLC0415 - with the store

        store = await self.store()
        wanted: AttachmentReservation = self.body(AttachmentReservation)
        about, told = wanted.resumable_upload_info, wanted.attachment
        kind = attachment_field(wanted.attachment_type)
        reservation = _reservation(
            upload_id=about.upload_id,
            name=told.name,
            file_count=about.total_file_count,
            byte_count=about.total_file_size_in_bytes,
            part=AttachmentPart(wanted.dataset_id, wanted.layer_name, kind, told.name, told.data_format),
        )
        await self.services.run(store.uploads.reserve, self.principal, reservation)
        self.send({})


@stream_request_body
class ChunkHandler(WkHandler):
    """A chunk as a form; asked by GET, whether it is there. A chunk is never whole in memory."""

    _form: FormReader | None = None
    _writer: ChunkWriter | None = None
    _failed: Exception | None = None

    async def prepare(self) -> None:  # type: ignore[override]
        await super().prepare()
        if self.request.method == "POST":
            largest = self.services.limits.chunk_bytes + _FORM_BYTES
            told = self.request.headers.get("Content-Length", "0")
            if told.isdigit() and int(told) > largest:
                raise TooLarge(f"a chunk has at most {self.services.limits.chunk_bytes:,} bytes.")
            self.request.connection.set_max_body_size(largest)  # type: ignore[union-attr]
            self._waiting: list[bytes] = []
            self._form = FormReader(self.request.headers.get("Content-Type", ""))

    async def data_received(self, chunk: bytes) -> None:
        """Called as the body comes; the next part is read from the network when this is through."""
        if self._form is None or self._failed is not None:
            return
        try:
            await self._take(self._form, chunk)
        except Exception as error:  # noqa: BLE001 - answered when the body is through, in ``post``
            self._failed = error

    async def get(self) -> None:
        store = await self.store()
        query = self.query(ChunkQuery)
        upload_id, path = _split(query.resumable_identifier)
        number = query.resumable_chunk_number
        is_there = await self.services.run(store.uploads.has, self.principal, upload_id, path, number)
        self.set_status(200 if is_there else 204)
        self.finish()

    async def post(self) -> None:
        try:
            if self._failed is not None:
                raise self._failed
            if self._form is None or not self._form.is_over or self._writer is None:
                raise InvalidInput("the form ended before its file.", hint="Send the chunk again.")
            await self._write()
            await self.services.run(self._writer.finish)
        finally:
            self._close()
        self.send({})

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self._close()

    async def _take(self, form: FormReader, data: bytes) -> None:
        self._waiting += form.feed(data)
        if form.file_begun and self._writer is None:
            store = await self.store()
            upload_id, chunk = _chunk_of(form.fields)
            make = store.uploads.writer
            self._writer = await self.services.run(make, self.principal, upload_id, chunk)
        if sum(map(len, self._waiting)) >= _AT_ONCE:
            await self._write()

    async def _write(self) -> None:
        assert self._writer is not None
        data, self._waiting = b"".join(self._waiting), []
        await self.services.run(self._writer.write, data)

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()


class FinishHandler(WkHandler):
    async def post(self) -> None:
        store = await self.store()
        upload_id = self.query(UploadQuery).upload_id
        self.send(_finished(await self.services.run(store.uploads.finish, self.principal, upload_id)))


class OldFinishHandler(WkHandler):
    async def post(self) -> None:
        store = await self.store()
        wanted: OldUpload = self.body(OldUpload)
        self.send(_finished(await self.services.run(store.uploads.finish, self.principal, wanted.upload_id)))


class CancelHandler(WkHandler):
    async def post(self) -> None:
        store = await self.store()
        upload_id = self.query(UploadQuery).upload_id
        await self.services.run(store.uploads.cancel, self.principal, upload_id)
        self.send({})


class OldCancelHandler(WkHandler):
    async def post(self) -> None:
        store = await self.store()
        wanted: OldUpload = self.body(OldUpload)
        await self.services.run(store.uploads.cancel, self.principal, wanted.upload_id)
        self.send({})


class UnfinishedHandler(WkHandler):
    async def get(self) -> None:
        store = await self.store()
        found = await self.services.run(store.uploads.unfinished, self.principal)
        self.send([_unfinished(session) for session in found])


def _reservation(**values: Any) -> Reservation:
    from wk_jupyter.store.upload_session import Reservation  # noqa: PLC0415 - with the store

    return Reservation(**values)


def _links(wanted: list[LinkedLayer] | None) -> tuple[dict[str, Any], ...]:
    return tuple(
        {"datasetId": link.dataset_id, "layerName": link.layer_name, "newLayerName": link.new_layer_name}
        for link in wanted or ()
    )


def _split(identifier: str) -> tuple[str, str]:
    from wk_jupyter.store.upload_parts import SINGLE  # noqa: PLC0415 - with the store

    upload_id, slash, path = identifier.partition("/")
    if not slash:
        raise InvalidInput("resumableIdentifier: it is <upload id>/<path>.")
    # So the official client calls a file that it sends without a folder.
    return upload_id, SINGLE if path == "." else path


def _chunk_of(fields: dict[str, str]) -> tuple[str, Chunk]:
    from wk_jupyter.store.upload_session import Chunk  # noqa: PLC0415 - with the store

    names = (
        "resumableChunkNumber", "resumableTotalChunks", "resumableChunkSize", "resumableCurrentChunkSize",
        "resumableTotalSize",
    )  # fmt: skip
    numbers = []
    for name in names:
        text = fields.get(name, "")
        if not text.isdecimal() or len(text) > 18:
            raise InvalidInput(f"{name}: it is a whole number, not {text[:40]!r}.")
        numbers.append(int(text))
    upload_id, path = _split(fields.get("resumableIdentifier", ""))
    number, count, chunk_size, size, file_size = numbers
    return upload_id, Chunk(path, number, count, chunk_size, size, file_size)


def _finished(taken: Taken) -> FinishedUpload:
    return FinishedUpload(dataset_id=taken.dataset_id, new_dataset_id=taken.dataset_id, job_id=taken.job_id)


def _unfinished(session: UploadSession) -> UnfinishedUpload:
    reserved = session.meta.reservation
    return UnfinishedUpload(
        upload_id=reserved.upload_id,
        dataset_name=reserved.name,
        created=session.meta.created,
        folder_id=reserved.folder_id,
        file_paths=session.paths(),
        bytes_there=session.bytes_there(),
        total_file_size_in_bytes=reserved.byte_count,
        total_file_count=reserved.file_count,
    )
