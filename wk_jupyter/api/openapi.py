"""The OpenAPI description, made from the table of routes and the models."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from wk_jupyter.api.models import Messages
from wk_jupyter.api.versions import CURRENT_API_VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

EVENT_STREAM: Final = "text/event-stream"
_REFERENCE: Final = "#/components/schemas/{name}"
_SECURITY: Final = {
    "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
    "jupyterToken": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`token <the server's token>`",
    },
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "username-<host>",
        "description": "The login of Jupyter; other methods than GET also send X-XSRFToken.",
    },
}


class Described(Protocol):
    """What is told of one method of one address; ``response`` is a model or a media type."""

    @property
    def method(self) -> str: ...
    @property
    def area(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def variables(self) -> tuple[str, ...]: ...
    @property
    def query(self) -> type[msgspec.Struct] | None: ...
    @property
    def body(self) -> Any: ...
    @property
    def response(self) -> Any: ...
    @property
    def streamed(self) -> bool: ...
    @property
    def access_text(self) -> str: ...
    @property
    def needs_sign_in(self) -> bool: ...


def describe(operations: Sequence[Described], *, server: str, version: str) -> dict[str, Any]:
    """Return an OpenAPI 3.1 document; ``server`` is the address that the paths are relative to."""
    models = _models(operations)
    schemas, components = msgspec.json.schema_components(models, ref_template=_REFERENCE)
    by_model = dict(zip(map(repr, models), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        address = f"/{operation.area}/{operation.path}".replace("*}", "}")
        paths.setdefault(address, {})[operation.method.lower()] = _operation(operation, by_model)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "wk_jupyter",
            "version": version,
            "description": (
                "The WEBKNOSSOS API, as far as it is served here. Each address is also answered with a "
                f"version after its first piece, as in /api/v{CURRENT_API_VERSION}/datasets."
            ),
        },
        "servers": [{"url": server}],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _SECURITY},
    }


def _models(operations: Sequence[Described]) -> list[Any]:
    found: dict[str, Any] = {repr(Messages): Messages}
    for operation in operations:
        for model in (operation.body, operation.response):
            if model is not None and not isinstance(model, str):
                found[repr(model)] = model
    return list(found.values())


def _operation(operation: Described, schemas: dict[str, Any]) -> dict[str, Any]:
    error = {"description": "What is wrong", "content": _json(schemas[repr(Messages)])}
    document: dict[str, Any] = {
        "operationId": _operation_id(operation),
        "summary": operation.summary,
        "description": f"For {operation.access_text}.",
        "tags": [operation.area],
        "parameters": _parameters(operation),
        "responses": {"200": _success(operation, schemas), "default": error},
        "security": [{name: []} for name in _SECURITY] + ([] if operation.needs_sign_in else [{}]),
    }
    if operation.body is not None:
        document["requestBody"] = {"required": True, "content": _json(schemas[repr(operation.body)])}
    return document


def _operation_id(operation: Described) -> str:
    words = re.findall(r"\w+", operation.path.replace(".", "_"))
    return "_".join([operation.method.lower(), operation.area, *words])


def _parameters(operation: Described) -> list[dict[str, Any]]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in operation.variables
    ]
    if operation.query is None:
        return in_path
    schema = msgspec.json.schema(operation.query)["$defs"][operation.query.__name__]
    required = set(schema.get("required", ()))
    return in_path + [
        {"name": name, "in": "query", "required": name in required, "schema": field}
        for name, field in schema["properties"].items()
    ]


def _success(operation: Described, schemas: dict[str, Any]) -> dict[str, Any]:
    if isinstance(operation.response, str):
        return {"description": "Done", "content": {operation.response: {}}}
    schema = schemas[repr(operation.response)]
    if operation.streamed:
        return {"description": "Events as they happen", "content": {EVENT_STREAM: {"schema": schema}}}
    return {"description": "Done", "content": _json(schema)}


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
