"""The page on which a payer names the bank account for a refund."""

from __future__ import annotations

from contextlib import suppress

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from ..documents.languages import known_language
from ..errors import InvalidRequest
from ..flows.refunds.refund import give_account, refund_of
from ..forms import BANKS, AccountForm
from ..models import Refund
from .discreet import discreet


@discreet
@require_http_methods(["GET", "HEAD", "POST"])
@csrf_protect
@sensitive_post_parameters("bank", "cci", "holder")
def refund(request: HttpRequest, token: str) -> HttpResponse:
    """Return the form for the account; once an account is named, a page that shows only the last digits.

    An unknown or outdated link answers 404.
    """
    try:
        found = refund_of(token)
    except InvalidRequest:
        return _page(request, None, None)
    with translation.override(known_language(found.order.language)):
        form = AccountForm(request.POST if request.method == "POST" else None)
        if not form.is_valid():
            return _page(request, found, form)
    with suppress(InvalidRequest):  # named meanwhile or no longer needed: the page says so
        give_account(found, **form.cleaned_data)
    return redirect(request.path)


def _page(request: HttpRequest, found: Refund | None, form: AccountForm | None) -> HttpResponse:
    language = known_language(found.order.language) if found else translation.get_language()
    context = {"refund": found, "form": form, "banks": BANKS, "language": language}
    response = render(request, "pagoefectivo/refund.html", context, status=200 if found else 404)
    # Not "no-referrer", with which browsers would send the form with "Origin: null", and Django's CSRF check would
    # refuse it.
    response["Referrer-Policy"] = "same-origin"
    return response
