"""What all views of the API share: JSON in and out, problems, permissions, throttles, pages, filters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.permissions import SAFE_METHODS
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView

from .. import strict_json
from ..actors import Actor, ActorKind
from ..errors import Malformed
from ..models.database import outside_atomic_requests
from ..traces import traced
from .operations import Operation
from .pages import Pages
from .permissions import UserPermission
from .problems import BadRequest, answer_to

Row = TypeVar("Row", bound=Model)


class OnlyJson(BaseContentNegotiation):
    """Answers JSON whatever ``Accept`` says: the API has no other form."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        """Return the parser of the request's content type; None for any type but JSON, which is 415."""
        kind = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == kind), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the first renderer."""
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


class StrictJson(BaseParser):
    """Reads a body that is one JSON object which every database can store; numbers with a point as ``Decimal``."""

    media_type = "application/json"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the object; raises ``BadRequest`` for anything else."""
        try:
            # The whole body, which Django limits by DATA_UPLOAD_MAX_MEMORY_SIZE; a stream is not limited.
            return strict_json.load((parser_context or {})["request"].body)
        except Malformed as error:
            detail = _("The body is no JSON object that can be read: %(problem)s") % {"problem": error}
            raise BadRequest("body_not_json", detail) from None


class ApiThrottle(UserRateThrottle):
    """At most 1200 requests a minute for a user, unless DRF's ``DEFAULT_THROTTLE_RATES`` names ``pagoefectivo``.

    Without a working cache no request is limited.
    """

    scope = "pagoefectivo"

    def get_rate(self) -> Any:
        """Return the rate in the project's settings, else ours."""
        return api_settings.DEFAULT_THROTTLE_RATES.get(self.scope, "1200/min")

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Return whether the request is within the rate."""
        try:
            return bool(super().allow_request(request, view))
        except Exception:  # each cache raises errors of its own
            return True


class ApiView(APIView):
    """A view of the API.

    Authentication is by the project's own DRF classes; the project's throttles apply besides ours.
    """

    #: By method, the permission of the app that a caller needs; a method without an entry is forbidden.
    permissions: ClassVar[Mapping[str, str]] = {}
    #: The query parameters besides the page's, each with a function from text to a value (or ``ValueError``).
    filters: ClassVar[Mapping[str, Callable[[str], Any]]] = {}
    #: By method, what the schema says of the view.
    operations: ClassVar[Mapping[str, Operation]] = {}
    #: The query parameters that ``Pages`` reads.
    page_parameters: ClassVar[frozenset[str]] = frozenset({"cursor", "page_size"})

    parser_classes = (StrictJson,)
    renderer_classes = (JSONRenderer,)
    content_negotiation_class = OnlyJson
    permission_classes = (UserPermission,)
    pagination_class: ClassVar[type[Pages]] = Pages

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Return the view outside of ``ATOMIC_REQUESTS``, since inside a transaction no flow can ask the provider."""
        return outside_atomic_requests(super().as_view(**initkwargs))

    @sensitive_variables()
    @traced()
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer in the caller's language (``Accept-Language``), under a trace."""
        with translation.override(translation.get_language_from_request(request)):
            response = super().dispatch(request, *args, **kwargs)
            response.headers.setdefault("Content-Language", translation.get_language() or "en")
        response.headers.setdefault("Cache-Control", "no-cache, private")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        patch_vary_headers(response, ["Accept-Language", "Authorization"])
        return response

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse what the caller may not do, and the parameters of a write, which has none."""
        super().initial(request, *args, **kwargs)
        for name in request.query_params if request.method not in SAFE_METHODS else ():
            self._unknown(name, ())

    def get_exception_handler(self) -> Callable[[Exception, Mapping[str, Any]], Any]:
        """Return our handler, whatever ``EXCEPTION_HANDLER`` the project has for its own API."""
        return answer_to

    def get_throttles(self) -> list[Any]:
        """Return the project's throttles and ours."""
        return [*super().get_throttles(), ApiThrottle()]

    @property
    def actor(self) -> Actor:
        """The caller, for the history: the name as the columns keep it, so that both are equal."""
        return Actor.parse(str(Actor(ActorKind.API, self.request.user.get_username())))

    def page(self, rows: QuerySet[Row], to_json: Callable[[list[Row]], list[dict[str, Any]]]) -> Response:
        """Return the page of rows that the query asks for."""
        pages = self.pagination_class()
        found = pages.paginate_queryset(rows, self.request, self)
        return pages.get_paginated_response(to_json(list(found or ())))

    def asked(self, request: Request) -> dict[str, Any]:
        """Return the values of the query's parameters; raises ``BadRequest`` for an unknown parameter or value."""
        found: dict[str, Any] = {}
        for name, values in request.query_params.lists():
            if name in self.page_parameters:
                continue
            if name not in self.filters:
                self._unknown(name, {*self.filters, *self.page_parameters})
            try:
                (text,) = values
                found[name] = self.filters[name](text)
            except ValueError:
                self._refuse(name, _("This value is unknown, or the parameter comes twice."))
        return found

    def _unknown(self, name: str, known: Iterable[str]) -> None:
        words = {"known": ", ".join(sorted(known)) or "-"}
        self._refuse(name, _("There is no such parameter; use %(known)s.") % words)

    def _refuse(self, name: str, sentence: str) -> None:
        raise BadRequest("filter_unknown", f"{name}: {sentence}", {name: [sentence]})
