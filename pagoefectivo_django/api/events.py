"""The feed of events in the API: what happened, in the order in which it can be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from ..errors import InvalidRequest
from ..flows.outbox.feed import entries_after
from .answers import EventAnswer
from .base import ApiView
from .operations import Operation
from .pages import Pages
from .payload import event_data
from .problems import BadRequest


class Events(ApiView):
    """``events/``: the events after a cursor, oldest first; without a cursor from the beginning."""

    permissions = {"GET": "view_orderevent"}
    operations = {"GET": Operation("list_events", EventAnswer, page=True)}
    filters: ClassVar[Mapping[str, Callable[[str], Any]]] = {"after": str}
    page_parameters = frozenset({"page_size"})

    def get(self, request: Request) -> Response:
        """Return a page of events; ``next`` is None at the present end of the feed."""
        asked, size = self.asked(request), Pages().get_page_size(request)
        try:
            after = entries_after(asked.get("after"))
        except InvalidRequest as error:
            raise BadRequest(error.code, f"after: {error.sentence}", {"after": [error.sentence]}) from None
        page = list(after.select_related("event__order")[: size + 1])
        results = [event_data(entry.event, entry.cursor) for entry in page[:size]]
        following = None
        if len(page) > size:
            following = replace_query_param(request.build_absolute_uri(), "after", results[-1]["cursor"])
        return Response({"results": results, "next": following, "previous": None, "page_size": size})
