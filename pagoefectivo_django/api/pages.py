"""Pages of lists by cursor: a page stays where it was while rows are added."""

from __future__ import annotations

from base64 import b64decode
from typing import Any
from urllib.parse import parse_qs

from django.utils.translation import gettext as _
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from .problems import BadRequest


class Pages(CursorPagination):
    """Pages of ``page_size`` rows by primary key, newest first; an unusable cursor or size is 400."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200
    ordering = "-pk"
    #: The size of the page that is answered.
    size = page_size

    def get_page_size(self, request: Request) -> int:
        """Return the size that the caller asks for, else the default."""
        asked = request.query_params.get("page_size", str(self.page_size))
        if not (asked.isascii() and asked.isdigit() and len(asked) < 5 and 0 < int(asked) <= self.max_page_size):
            sentence = _("Ask for 1 to %(most)d rows.") % {"most": self.max_page_size}
            raise BadRequest("page_size_invalid", f"page_size: {sentence}", {"page_size": [sentence]})
        self.size = int(asked)
        return self.size

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Return the place that the caller's cursor names; None without a cursor, which is the first page."""
        text = request.query_params.get(self.cursor_query_param)
        if text is None:
            return None
        try:
            named = parse_qs(b64decode(text.encode("ascii"), validate=True).decode("ascii"), strict_parsing=True)
            (place,) = named["p"]
            if not place.isdigit() or len(place) > 18 or {*named} - {"p", "r"}:
                raise ValueError
        except (ValueError, KeyError):
            sentence = _("No page has this cursor; begin without one, or follow the links next and previous.")
            raise BadRequest("cursor_unknown", f"cursor: {sentence}", {"cursor": [sentence]}) from None
        return Cursor(offset=0, reverse=named.get("r") == ["1"], position=int(place))

    def get_paginated_response(self, data: Any) -> Response:
        """Return the answer for a page."""
        return Response(
            {
                "results": data,
                "next": self.get_next_link(),
                "previous": self.get_previous_link(),
                "page_size": self.size,
            }
        )
