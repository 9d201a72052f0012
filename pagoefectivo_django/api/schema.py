"""The API's schema (OpenAPI 3.1), made from what the views say of themselves, and a page that shows the schema."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar, cast

from django.apps import apps
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import get_resolver
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.settings import patched_settings
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from .. import __version__
from ..documents.languages import LOCALES
from ..money import CURRENCIES
from . import filters
from .answers import Answer, ProblemAnswer
from .base import ApiView
from .bodies import LONGEST_REASON, Body, CloseBody, CreateBody, PayerBody, RefundBody, ResolveBody
from .keys import LONGEST
from .operations import Operation
from .pages import Pages
from .problems import CONTENT_TYPE

DESCRIPTION = """\
Orders that are paid by a PagoEfectivo code, with their refunds, events, discrepancies, settlements and balance.

Amounts are text with two decimals (`"120.50"`), times are ISO 8601 in UTC. Every error is a problem document (RFC 9457)
with a `code` for programs. A request with an `Idempotency-Key` can be repeated: the order is made once, and the answer
is the same. Follow `events/` by its cursor to hear of everything that happens, also after a day offline.
"""
#: drf-spectacular's settings for this schema, whatever the project has for its own.
SETTINGS = {
    "OAS_VERSION": "3.1.1",
    "TITLE": "PagoEfectivo orders",
    "DESCRIPTION": DESCRIPTION,
    "VERSION": __version__,
    "SCHEMA_PATH_PREFIX": "",
    "SCHEMA_PATH_PREFIX_TRIM": False,
    "SCHEMA_PATH_PREFIX_INSERT": "",
    "COMPONENT_SPLIT_REQUEST": False,
    "COMPONENT_NO_READ_ONLY_REQUIRED": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": [],
    "PREPROCESSING_HOOKS": [],
    "SORT_OPERATIONS": False,
    "APPEND_PATHS": {},
    "APPEND_COMPONENTS": {},
    "WEBHOOKS": [],
    "CAMELIZE_NAMES": False,
    "EXTENSIONS_ROOT": {},
    "EXTENSIONS_INFO": {},
    "TAGS": [],
    "SECURITY": [],
}
_TEXT = {"type": "string"}
#: By function that reads a parameter's text, the parameter's schema.
PARAMETERS: dict[Callable[[str], Any], dict[str, Any]] = {
    filters.flag: {"type": "boolean"},
    filters.moment: {"type": "string", "format": "date-time"},
    filters.day: {"type": "string", "format": "date"},
    filters.currency: {"type": "string", "pattern": "^[A-Z]{3}$"},
    filters.identifier: {"type": "string", "format": "uuid"},
    filters.plain: {"type": "string", "maxLength": 200},
    str: _TEXT,
}
PAGE_PARAMETERS: dict[str, dict[str, Any]] = {
    "cursor": _TEXT,
    "page_size": {"type": "integer", "minimum": 1, "maximum": Pages.max_page_size, "default": Pages.page_size},
}
ABOUT_KEY = "Repeat a request with the same key, and it is carried out once."
#: The ids in paths: of orders and of endpoints for webhooks, and of every other row.
UUID_TEXT = {"type": "string", "format": "uuid"}
ROW_ID = {"type": "integer", "minimum": 1, "maximum": 10**18 - 1}
AMOUNT = {"pattern": r"^[0-9]{1,10}(\.[0-9]{1,2})?$", "examples": ["120.50"]}
REASON = {"minLength": 1, "maxLength": LONGEST_REASON, "examples": ["The payer asked for it."]}
EXAMPLE = {"reference": "SHOP-1001", "amount": "120.50", "currency": "PEN", "payer": {"email": "ana@example.com"}}
#: What the flows ask of a body's fields and the fields' classes do not say.
BODIES: dict[type[Body], dict[str, dict[str, Any]]] = {
    CreateBody: {
        "reference": {"type": ["string", "integer"], "minLength": 1, "maxLength": 64},
        "amount": AMOUNT,
        "currency": {"enum": [*CURRENCIES]},
        "concept": {"maxLength": 200},
        "language": {"enum": [*LOCALES]},
    },
    PayerBody: {"email": {"format": "email", "maxLength": 254}},
    RefundBody: {"amount": AMOUNT, "reason": REASON},
    CloseBody: {"reason": REASON},
    ResolveBody: {"reason": REASON},
}
#: The problems that each operation can answer, and those of a body, of a key, of a path that names a row.
PROBLEMS = (400, 401, 403, 429, 503)
BODY_PROBLEMS = (409, 413, 415)
#: ``patched_settings`` changes drf-spectacular's settings for the whole process while a schema is made.
_one_at_a_time = threading.Lock()


class Schema(AutoSchema):
    """Describes a method of a view by its ``operations``."""

    @property
    def shown(self) -> ApiView:
        """The view that is described now."""
        return cast(ApiView, self.view)

    @property
    def operation(self) -> Operation:
        """The operation that is described now."""
        return self.shown.operations[self.method]

    def get_operation_id(self) -> str:
        """Return the operation's name."""
        return self.operation.name

    def get_summary(self) -> str:
        """Return the operation's name as words."""
        return self.operation.name.replace("_", " ").capitalize()

    def get_tags(self) -> list[str]:
        """Return the first part of the path."""
        return [self.path.strip("/").split("/")[0]]

    def get_request_serializer(self) -> Any:
        """Return the body."""
        return self.operation.body

    def get_response_serializers(self) -> Any:
        """Return the answers by status: the successes, and every problem."""
        of, problems = self.operation, [*PROBLEMS]
        if of.body:
            problems.extend(BODY_PROBLEMS)
        if of.key:
            problems.append(422)
        if "{" in self.path:
            problems.append(404)
        return {
            **dict.fromkeys(of.statuses, page_of(of.answer) if of.page and of.answer else of.answer),
            **{(status, CONTENT_TYPE): ProblemAnswer for status in sorted(problems)},
        }

    def get_override_parameters(self) -> list[Any]:
        """Return the parameters in path, query and headers, and the headers of answers."""
        of, place = self.operation, OpenApiParameter
        found = [place("id", _id_of(self.path), place.PATH)] if "{id}" in self.path else []
        found.extend([place("delivery", UUID_TEXT, place.PATH)] if "{delivery}" in self.path else [])
        if self.method == "GET":
            query = {name: _schema_of(read) for name, read in self.shown.filters.items()}
            query |= {name: PAGE_PARAMETERS[name] for name in self.shown.page_parameters if of.page}
            found.extend(place(name, schema, place.QUERY) for name, schema in query.items())
        if of.key:
            key = {"type": "string", "minLength": 1, "maxLength": LONGEST}
            found.append(place("Idempotency-Key", key, place.HEADER, description=ABOUT_KEY))
        statuses = [*of.statuses]
        found.extend(place(name, str, place.HEADER, response=statuses) for name in of.headers)
        found.append(place("Retry-After", int, place.HEADER, response=[409, 429, 503]))
        return found

    def get_serializer_name(self, serializer: Any, direction: Any) -> str:
        """Return the name of a component: the class's name, without a word for what it is."""
        return type(serializer).__name__.removesuffix("Answer")

    def _map_serializer(self, serializer: Any, direction: Any, bypass_extensions: bool = False) -> Any:
        found = super()._map_serializer(serializer, direction, bypass_extensions)  # type: ignore[no-untyped-call]
        for field in found.get("properties", {}).values():
            for each in (field, field.get("items", {})):
                each.pop("x-spec-enum-id", None)  # a mark for drf-spectacular's own hook, which this schema leaves out
        if not isinstance(serializer, Answer):  # a body; an unknown field is refused
            found["additionalProperties"] = False
            if isinstance(serializer, CreateBody):
                found["examples"] = [EXAMPLE]
            for name, more in BODIES.get(type(serializer), {}).items():
                found["properties"][name] |= more
        return found


class Generator(SchemaGenerator):
    """Describes all views, and calls the id in a path ``id``, whatever the view calls it."""

    def coerce_path(self, path: str, method: str, view: Any) -> str:
        """Return the path as the schema writes it."""
        return path.replace("{public_id}", "{id}").replace("{pk}", "{id}")


def _id_of(path: str) -> dict[str, Any]:
    return UUID_TEXT if path.startswith(("/orders/", "/webhook-endpoints/")) else ROW_ID


def _schema_of(read: Callable[[str], Any]) -> dict[str, Any]:
    if isinstance(read, filters.Choice):
        return {"type": "string", "enum": sorted(read.values)}
    return PARAMETERS[read]


@cache
def page_of(answer: type[Answer]) -> type[Answer]:
    """Return the description of a page of a list."""
    fields = {
        "results": answer(many=True),
        "next": serializers.CharField(allow_null=True, help_text="The address of the next page."),
        "previous": serializers.CharField(allow_null=True, help_text="The address of the page before."),
        "page_size": serializers.IntegerField(),
        "__doc__": "A page of a list.",
    }
    return type(f"{answer.__name__.removesuffix('Answer')}PageAnswer", (Answer,), fields)


@cache
def _schema() -> dict[str, Any]:
    """Return the schema of the API's views, without the address of a server."""
    views = get_resolver("pagoefectivo_django.api.urls").url_patterns
    with _one_at_a_time, patched_settings(SETTINGS):
        found: dict[str, Any] = Generator(patterns=views).get_schema(public=True)  # type: ignore[no-untyped-call]
    return found


class SchemaView(ApiView):
    """``schema/``: this API's schema, for everybody; the code is public, and so is what it offers."""

    authentication_classes = ()
    permission_classes = ()  # type: ignore[assignment]
    page_parameters: ClassVar[frozenset[str]] = frozenset()
    schema = None

    def get(self, request: Request) -> Response:
        """Return the schema as JSON."""
        self.asked(request)
        server = request.build_absolute_uri("..").rstrip("/")
        return Response({**_schema(), "servers": [{"url": server}]})


@login_not_required
def page(request: HttpRequest) -> HttpResponse:
    """Show the schema to people, with scripts and styles from the project's own static files."""
    if not apps.is_installed("drf_spectacular_sidecar"):
        raise Http404("Add drf_spectacular_sidecar to INSTALLED_APPS.")
    return render(request, "pagoefectivo/api.html")


# The views don't know drf-spectacular; this module does.
ApiView.schema = Schema()
