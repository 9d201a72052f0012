"""The steps about mail and text messages: whether servers and options are ready; nothing is sent."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core import mail
from django.core.checks import ERROR
from django.utils.module_loading import import_string

from ..carriers import carrier_class
from ..conf import conf
from ..errors import Misconfigured
from .finding import Finding, Verdict, well

#: Seconds to wait for a mail server whose settings name no timeout.
PATIENCE = 10
#: Modules of Django's mail backends that never reach a payer.
TOYS = ("console", "dummy", "filebased", "locmem")


def examine_mail() -> Iterator[Finding]:
    """Yield whether the mail backend opens a connection."""
    if not conf.messages:
        yield well("mail", "No messages are sent: MESSAGES is empty.")
        return
    backend = _backend()
    name = f"{type(backend).__module__}.{type(backend).__name__}"
    if type(backend).__module__.startswith("django.core.mail.backends.") and name.split(".")[-2] in TOYS:
        hint = "Set Django's mail settings to a server that delivers."
        yield Finding("mail", Verdict.WARNING, f"{name} reaches no payer.", hint)
        return
    if getattr(backend, "timeout", 0) is None:
        hint = "Set EMAIL_TIMEOUT (Django 6.1: timeout in MAILERS), or a mute mail server stops a worker."
        yield Finding("mail", Verdict.WARNING, f"{name} waits for ever.", hint)
        backend.timeout = PATIENCE
    try:
        backend.open()
        backend.close()
    except Exception as error:  # each backend raises errors of its own, whose text may hold a password
        hint = "Check host, port, user and password of Django's mail settings; payers get no messages until then."
        yield Finding("mail", Verdict.FAILURE, f"{name} can't be opened ({type(error).__name__}).", hint)
        return
    yield well("mail", f"{name} opens; nothing was sent.")


def _backend() -> Any:
    """Return the backend of Django's mails: the default of MAILERS where set (Django 6.1), else EMAIL_BACKEND."""
    if hasattr(settings, "MAILERS"):
        return mail.mailers["default"]
    with warnings.catch_warnings():
        # Django 6.1 deprecates the older settings and warns at every mail; a second warning here would tell nothing
        # new.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        return import_string(settings.EMAIL_BACKEND)(fail_silently=False)


def examine_carriers() -> Iterator[Finding]:
    """Yield whether each carrier's options are complete; no text message is sent, because each costs money."""
    for alias, entry in conf.carriers.items():
        step = f"carrier {alias}"
        try:
            found = carrier_class(entry.get("BACKEND", "")).check(alias, entry.get("OPTIONS", {}))
        except Misconfigured as error:
            yield Finding(step, Verdict.FAILURE, str(error), "Name a Carrier class as BACKEND.")
            continue
        for message in found:
            verdict = Verdict.FAILURE if message.level >= ERROR else Verdict.WARNING
            yield Finding(step, verdict, str(message.msg), message.hint or "")
        if not found:
            yield well(step, "Its options are whole; no text was sent, since each costs money.")
