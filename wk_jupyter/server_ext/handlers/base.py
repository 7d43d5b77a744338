"""The base of all handlers: who asks, what she may, and how errors are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast, get_origin

import msgspec
from jupyter_server.base.handlers import JupyterHandler
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError

from wk_jupyter.api.versions import CURRENT_API_VERSION, DATA_VERSION
from wk_jupyter.errors import Forbidden, InvalidInput, TooLarge, WkError
from wk_jupyter.server_ext import auth
from wk_jupyter.server_ext.addresses import outer_address
from wk_jupyter.server_ext.discretion import without_server_paths
from wk_jupyter.server_ext.errors import body_of, status_of
from wk_jupyter.server_ext.operations import Access
from wk_jupyter.server_ext.ranges import Unsatisfiable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping
    from types import TracebackType

    from wk_jupyter.server_ext.operations import Operation
    from wk_jupyter.server_ext.services import Services
    from wk_jupyter.store import DatasetRecord, Store
    from wk_jupyter.store.access import Principal

T = TypeVar("T", bound=msgspec.Struct)

_METHODS = ("get", "head", "post", "put", "patch", "delete", "options")
_READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_MAX_HOSTS = 64
_MAX_BODY_BYTES = 4 * 1024**2  # of JSON, which is decoded on the event loop: some ten milliseconds
_OWN_HEADERS = "MISSING-BUCKETS, X-Total-Count, Content-Range, Accept-Ranges"


class WkHandler(JupyterHandler):
    """Subclasses write ``get``, ``post``, …; by then access is checked."""

    identity = auth.ANONYMOUS
    principal: Principal
    """On whose behalf the store is asked."""
    version: int
    _record: DatasetRecord | None = None
    frequent: ClassVar[bool] = False
    """Of the routes that are called thousands of times: success and absence are not logged."""

    def __init_subclass__(cls) -> None:
        """Tell Jupyter that these methods check access themselves (see ``prepare``)."""
        super().__init_subclass__()
        for name in _METHODS:
            if name in cls.__dict__:
                setattr(cls.__dict__[name], "__allow_unauthenticated", True)

    def initialize(self, operations: Mapping[str, Operation], services: Services) -> None:
        self.operations = operations
        self.services = services

    # --- before the method ------------------------------------------------------------------

    async def prepare(self) -> None:  # type: ignore[override]
        """Refuse what may not be done. Unlike Jupyter's own, never redirect to a login page."""
        if not self.check_host():
            raise HTTPError(403)
        version = self.path_kwargs.pop("version", None)
        self.version = int(version) if version else CURRENT_API_VERSION
        method = self.request.method or ""
        if method == "OPTIONS":
            return
        operation = self.operations.get("GET" if method == "HEAD" else method)
        if operation is None:
            raise HTTPError(405)
        self.identity = await auth.identify(self)
        self.set_cors_headers()
        if self.identity.is_by_cookie:
            self._check_that_our_own_page_asks(method)
        if operation.access is Access.OPEN and self.identity is auth.ANONYMOUS:
            return  # nothing is asked of the store, which may not be open yet
        self.principal = await auth.principal_of(self.identity, self.services)
        if operation.needs_sign_in and not self.principal.is_signed_in:
            raise self._not_signed_in()
        if operation.access is Access.MANAGING and not self.principal.manages_something:
            raise Forbidden(
                "This needs an admin, a dataset manager or a team manager.", hint="Ask one of them."
            )

    def _not_signed_in(self) -> Forbidden:
        if self.identity.tokens:
            return Forbidden(
                "This token is not accepted here: it is unknown or revoked, it has expired, or its user is "
                "not active.",
                hint="Make a new one (wk.tokens, or `wk-jupyter token create`), or ask an admin.",
            )
        return Forbidden(
            "This needs somebody who is signed in.",
            hint="Sign in to Jupyter, or send a token in the header X-Auth-Token.",
        )

    def check_host(self) -> bool:
        """Jupyter's answer, kept for hosts that it lets in: it takes their address apart each time."""
        host, known = self.request.host, self.services.allowed_hosts
        if host in known:
            return True
        is_allowed = super().check_host()
        # What looks like a socket's path is looked up on the disk, which may change.
        if is_allowed and "%" not in host and "/" not in host and len(known) < _MAX_HOSTS:
            known.add(host)
        return is_allowed

    def _check_that_our_own_page_asks(self, method: str) -> None:
        """A browser sends cookies along with whatever any page asks it to send."""
        if not self.check_origin():
            raise Forbidden(
                "This request comes from a page of another site.", hint="See ServerApp.allow_origin."
            )
        if method not in _READING_METHODS:
            self.check_xsrf_cookie()

    def set_cors_headers(self) -> None:
        """Only what ``ServerApp.allow_origin`` allows, not Jupyter's exception for tokens."""
        if self.allow_origin or self.allow_origin_pat:
            super().set_cors_headers()
            self.set_header("Access-Control-Expose-Headers", _OWN_HEADERS)

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Content-Type", "application/json")

    @property
    def content_security_policy(self) -> str:
        return "default-src 'none'; frame-ancestors 'self'"

    def compute_etag(self) -> None:
        """Hashing each body costs more than sending it."""
        return

    # --- for the methods --------------------------------------------------------------------

    async def store(self) -> Store:
        return await self.services.store()

    async def dataset(self, ref: str) -> DatasetRecord:
        """The dataset of an id or ``name-id``; raises DatasetNotFound where the principal may not see it."""
        store = await self.services.store()
        record = store.cached_dataset(self.principal, ref)
        if record is None:
            record = await self.services.run(store.dataset, self.principal, ref)
        self._record = record
        return record

    @property
    def sees_server_paths(self) -> bool:
        """Admins of the server's own organization, who are let in to its disk in other ways too."""
        principal = getattr(self, "principal", None)  # none where the request failed before
        return principal is not None and principal.is_admin and self.services.is_at_home(principal)

    def told(self, text: str, record: DatasetRecord | None = None) -> str:
        """``text`` without what this client may not know of the server's disk.

        ``record`` is the dataset that it is about, else the one that was asked for.
        """
        if self.sees_server_paths:
            return text
        record = record or self._record
        return without_server_paths(text, self.services.folder(record) if record else None)

    def query(self, model: type[T]) -> T:
        """The query as a model; raises InvalidInput naming the parameter. Others are ignored."""
        raw: dict[str, Any] = {}
        for field in msgspec.structs.fields(model):
            name = field.encode_name
            if name in self.request.query_arguments:
                is_many = get_origin(field.type) is list
                raw[name] = self.get_query_arguments(name) if is_many else self.get_query_argument(name)
        try:
            return msgspec.convert(raw, model, strict=False)
        except msgspec.ValidationError as error:
            raise InvalidInput(
                f"A query parameter is wrong: {error}.".replace(" - at `$.", " at `")
            ) from error

    def body(self, model: Any) -> Any:
        """The JSON body as a model; raises InvalidInput naming the field, TooLarge before it is decoded."""
        if len(self.request.body) > _MAX_BODY_BYTES:
            raise TooLarge(
                f"The body of the request has {len(self.request.body):,} bytes.",
                hint=f"At most {_MAX_BODY_BYTES:,} are taken: ask for less at once.",
            )
        try:
            return msgspec.json.decode(self.request.body, type=model)
        except (msgspec.DecodeError, RecursionError) as error:  # a ValidationError is a DecodeError
            raise InvalidInput(f"The body of the request is wrong: {error}.") from error

    def base(self) -> str:
        """The absolute address of the extension without a slash at its end, as this client reaches it."""
        trusted = getattr(self.serverapp, "trust_xheaders", False)
        return outer_address(self.request, self.base_url, trusts_proxies=trusted) + "wk"

    def data_base(self) -> str:
        return f"{self.base()}/data/v{DATA_VERSION}"

    def send(self, value: Any) -> None:
        """Finish with a model or plain data as JSON."""
        self.finish(msgspec.json.encode(value))

    async def head(self, **variables: str) -> None:
        """Answer as ``get`` does; tornado leaves out the body."""
        await cast("Awaitable[None]", self.get(**variables))

    async def options(self, **_: str) -> None:
        """Answer a browser that asks before it sends a request of another site."""
        self.set_cors_headers()
        self.set_header("Access-Control-Allow-Methods", ", ".join(self._methods()))
        self.set_header(
            "Access-Control-Allow-Headers", "content-type, authorization, x-auth-token, x-xsrftoken, range"
        )
        self.set_status(204)
        self.finish()

    def _methods(self) -> list[str]:
        head = ["HEAD"] if "GET" in self.operations else []
        return sorted([*self.operations, *head])

    # --- errors and the log -----------------------------------------------------------------

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else HTTPError(status_code)
        status = status_of(error)
        self.set_status(status)
        self.set_cors_headers()
        if status == 405:
            self.set_header("Allow", ", ".join(self._methods()))
        if isinstance(error, Unsatisfiable):
            self.set_header("Content-Range", f"bytes */{error.size}")
        self.finish(body_of(error, status, self.told))

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Without the query of the address, which may hold a token."""
        what = f"{self.request.method} {self.request.path}"
        if isinstance(value, WkError | HTTPError):
            self.log.debug("%s: %s", what, value)
        elif isinstance(value, StreamClosedError):
            self.log.debug("%s: the client went away", what)
        else:
            self.log.error("%s failed", what, exc_info=(typ, value, tb))  # type: ignore[arg-type]

    def _log(self) -> None:
        """Jupyter makes a line of each request, also where its level drops the line: 5 % of a batch."""
        is_dull = self.frequent and self.get_status() in {200, 206, 404}
        if self.services.logs_every_request or not is_dull:
            super()._log()


for _method in (WkHandler.head, WkHandler.options):
    setattr(_method, "__allow_unauthenticated", True)
