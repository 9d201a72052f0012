"""The protection of all payer pages: never cached, indexed, framed, or named to another site."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.templatetags.static import static
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables

from ..conf import conf

View = Callable[..., HttpResponse]


def discreet(view: View) -> View:
    """Return a view that needs no login, with headers against caches, search engines, frames and referrers."""

    @login_not_required
    @never_cache
    @sensitive_variables()
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **named: Any) -> HttpResponse:
        response = view(request, *args, **named)
        response.headers.setdefault("Referrer-Policy", "no-referrer")
        response["X-Robots-Tag"] = "noindex"
        response["X-Content-Type-Options"] = "nosniff"
        policy = strictest() if conf.content_security_policy is None else conf.content_security_policy
        if policy:
            response.headers.setdefault("Content-Security-Policy", policy)
        return response

    return guarded


def strictest(forms: str = "'self'") -> str:
    """Return the Content-Security-Policy of our pages: nothing inline, and sources only of the shop and its static
    files. ``forms``: where forms may lead, redirects included.
    """
    try:
        place = urlsplit(static("pagoefectivo/voucher.css"))
    except ValueError:  # a manifest without our style sheet: a page without style still goes out
        place = urlsplit("")
    host = f"{place.scheme}://{place.netloc}" if place.scheme else place.netloc
    ours = f"'self' {host}".strip()
    return (
        f"default-src 'none'; script-src {ours}; style-src {ours}; img-src {ours} data:; font-src {ours}; "
        f"connect-src 'self'; form-action {forms}; base-uri 'none'; frame-ancestors 'none'"
    )
