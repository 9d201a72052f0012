"""Carriers, which send short texts to telephones, without a database."""

from __future__ import annotations

from django.utils.module_loading import import_string

from ..conf import conf
from ..errors import Misconfigured
from ..errors import gettext_noop as _
from .base import Carrier


def get_carrier(alias: str) -> Carrier:
    """Return the carrier of an alias by the present settings; raises ``Misconfigured`` if the alias is not set up."""
    try:
        entry = conf.carriers[alias]
        path, options = entry["BACKEND"], entry.get("OPTIONS", {})
    except (KeyError, TypeError, AttributeError):
        raise Misconfigured(
            _("PAGOEFECTIVO['CARRIERS'][%(alias)s] is missing or has no BACKEND; add it."),
            code="carrier_missing",
            alias=repr(alias),
        ) from None
    return carrier_class(path)(alias, options)


def carrier_class(path: str) -> type[Carrier]:
    """Return the carrier class at a BACKEND path; raises ``Misconfigured`` if the path names no carrier class."""
    try:
        found = import_string(path)
    except (ImportError, TypeError, AttributeError):
        found = None
    if not (isinstance(found, type) and issubclass(found, Carrier)):
        raise Misconfigured(
            _("BACKEND is %(path)s, which is not a carrier; use the path of a Carrier class."),
            code="backend_no_carrier",
            path=repr(path),
        )
    return found
