"""The voucher of an order, as a page and as a PDF."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_safe

from ..codes import groups
from ..conf import conf
from ..documents.barcode import barcode_svg
from ..documents.moments import moment
from ..documents.pdf import voucher_pdf as write_pdf
from ..documents.qr import qr_svg
from ..documents.voucher import Voucher
from ..documents.ways import COMPANY
from ..errors import InvalidRequest
from ..flows.messages.voucher import voucher_content
from ..models.clock import current_time
from .discreet import discreet, strictest
from .status import etag_of


@discreet
@require_safe
@csrf_protect
def voucher(request: HttpRequest, token: uuid.UUID) -> HttpResponse:
    """Return the voucher page in the order's language: amount, code, ways to pay, deadline and state."""
    found = _found(request, token)
    with translation.override(found.language):
        response = render(request, "pagoefectivo/voucher.html", _context(request, token, found))
    response["Content-Language"] = found.language
    if found.on_press:
        # The form leads to the provider's page, on a host that is not known yet. With "no-referrer" browsers would send
        # the form with "Origin: null", and Django's CSRF check would refuse it.
        response["Referrer-Policy"] = "same-origin"
        if conf.content_security_policy is None:
            response["Content-Security-Policy"] = strictest("'self' https:")
    return response


@discreet
@require_safe
def voucher_pdf(request: HttpRequest, token: uuid.UUID) -> HttpResponse:
    """Return the voucher as a PDF download."""
    found = _found(request, token)
    name = f"pagoefectivo-{found.code or 'voucher'}.pdf"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Language": found.language}
    return HttpResponse(write_pdf(found), content_type="application/pdf", headers=headers)


def _found(request: HttpRequest, token: uuid.UUID) -> Voucher:
    try:
        found = voucher_content(token, current_time())
    except InvalidRequest:
        raise Http404 from None  # the 404 page gives no reason
    page = reverse("pagoefectivo:voucher", args=[token])
    return found if found.url else replace(found, url=request.build_absolute_uri(page))


def _context(request: HttpRequest, token: uuid.UUID, found: Voucher) -> dict[str, Any]:
    now = current_time()
    seconds = max(0, int((found.expires_at - now).total_seconds()))
    context: dict[str, Any] = {
        "voucher": found,
        "refund": found.refund,
        "language": found.language,
        "token": token,
        "etag": etag_of(found),
        "now": now,
        "expires": moment(found.expires_at, found.language),
        "paid": moment(found.paid_at, found.language) if found.paid_at else "",
        "left": _left(seconds),
        "company": COMPANY[found.money.currency],
        "renewal_failed": "renewal" in request.GET,
        "payment_failed": "payment" in request.GET,
        "writes": bool(conf.messages),
    }
    if found.payable:
        context["whatsapp"] = f"https://wa.me/?text={quote(_invitation(found, context['expires']))}"
        if found.code:
            context["groups"] = groups(found.code)
            context["barcode"] = barcode_svg(found.code, _("Barcode of the payment code"))
        context["qr_pays"] = bool(found.qr_picture) or found.qr_text != found.provider_url
        if found.qr_text and not found.qr_picture:
            label = _("QR code of PagoEfectivo's page")
            if found.by_link:
                label = _("QR code of the payment page")
            elif context["qr_pays"]:
                label = _("QR code that pays this code")
            context["qr"] = qr_svg(found.qr_text, label)
    return context


def _left(seconds: int) -> str:
    """Return the remaining time as text, in the format that the page's script goes on counting in.

    Hours, minutes and seconds always have two digits, so the text's width does not change.
    """
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    parts = (_("%d d") % days, _("%02d h") % hours, _("%02d min") % minutes, _("%02d s") % (seconds % 60))
    return " ".join(parts if days else parts[1:])


def _invitation(found: Voucher, expires: str) -> str:
    said = {"amount": found.money.display, "code": found.code, "expires": expires, "url": found.url}
    if found.by_link:
        return _("Pay %(amount)s here. It expires on %(expires)s. %(url)s") % said
    return _("Pay %(amount)s with PagoEfectivo. Code (CIP): %(code)s. It expires on %(expires)s. %(url)s") % said
