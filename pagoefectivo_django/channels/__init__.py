"""Speaks with providers: values in, values out; no database here."""

from __future__ import annotations

from django.utils.module_loading import import_string

from ..conf import conf
from ..errors import Misconfigured
from .base import Channel


def get_channel(alias: str) -> Channel:
    """Return the channel of an alias as it is set now; raises ``Misconfigured`` if it isn't."""
    backend, options = conf.channel(alias)
    return backend_class(backend)(alias, options)


def backend_class(path: str) -> type[Channel]:
    """Return the class at a BACKEND path; raises ``Misconfigured`` for one that is no channel."""
    try:
        found = import_string(path)
    except (ImportError, TypeError, AttributeError):
        found = None
    if not (isinstance(found, type) and issubclass(found, Channel)):
        raise Misconfigured(f"BACKEND is {path!r}, which is not a channel; use the path of a Channel class.")
    return found
