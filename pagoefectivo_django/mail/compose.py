"""Mails to the payer, composed from a voucher and the name of a message."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.encoding import punycode
from django.utils.text import Truncator

from ..codes import groups
from ..documents.moments import moment
from ..documents.pdf import voucher_pdf
from ..documents.voucher import Voucher
from ..documents.ways import COMPANY

#: The most characters of a subject; mail programs show no more in a list.
LONGEST_SUBJECT = 150


def compose(name: str, voucher: Voucher, *, to: str, event_id: uuid.UUID) -> EmailMultiAlternatives:
    """Return an unsent mail to the payer, in the voucher's language, from ``DEFAULT_FROM_EMAIL``.

    ``name`` is one of ``conf.MESSAGES``; the words are the templates ``pagoefectivo/mail/<name>.subject.txt``, ``.txt``
    and ``.html``. The Message-ID depends only on the event and the name, so mail programs hide a repeated mail.
    """
    context = told(name, voucher)
    with translation.override(voucher.language):
        subject, text, html = (
            render_to_string(f"pagoefectivo/mail/{name}.{kind}", context) for kind in ("subject.txt", "txt", "html")
        )
    pdf = (
        [(f"pagoefectivo-{voucher.code or 'voucher'}.pdf", voucher_pdf(voucher), "application/pdf")]
        if name == "created"
        else []
    )
    return EmailMultiAlternatives(
        subject=Truncator(" ".join(subject.split())).chars(LONGEST_SUBJECT),
        body=re.sub(r"\n{3,}", "\n\n", text.strip()) + "\n",
        to=[to],
        alternatives=[(html.strip() + "\n", "text/html")],
        attachments=pdf,
        headers={
            "Message-ID": f"<{event_id}.{name}@{_domain()}>",
            "Content-Language": voucher.language,
            "Auto-Submitted": "auto-generated",  # RFC 3834: prevents automatic replies
        },
    )


def told(name: str, voucher: Voucher) -> dict[str, Any]:
    """Return the context of a message's templates."""
    refund = voucher.refund
    if refund and not voucher.url:  # without PUBLIC_URL the address is a path, useless in a mail
        refund = replace(refund, account_url="")
    link = voucher.pay_url or voucher.url or voucher.provider_url
    return {
        "voucher": voucher,
        "refund": refund,
        "language": voucher.language,
        "expires": moment(voucher.expires_at, voucher.language),
        "paid": moment(voucher.paid_at, voucher.language) if voucher.paid_at else "",
        "groups": groups(voucher.code),
        "company": COMPANY[voucher.money.currency],
        "link": (refund.account_url if refund else "") if name == "refund_account" else link,
    }


def _domain() -> str:
    domain = parseaddr(str(settings.DEFAULT_FROM_EMAIL))[1].partition("@")[2]
    return punycode(domain) if domain else "localhost"
