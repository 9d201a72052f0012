"""Channels, which speak with providers: values in, values out, without a database."""

from __future__ import annotations

from django.utils.module_loading import import_string

from ..conf import conf
from ..errors import Misconfigured
from ..errors import gettext_noop as _
from .base import Channel


def get_channel(alias: str) -> Channel:
    """Return the channel of an alias by the present settings; raises ``Misconfigured`` if the alias is not set up."""
    backend, options = conf.channel(alias)
    return backend_class(backend)(alias, options)


def backend_class(path: str) -> type[Channel]:
    """Return the channel class at a BACKEND path; raises ``Misconfigured`` if the path names no channel class."""
    try:
        found = import_string(path)
    except (ImportError, TypeError, AttributeError):
        found = None
    if not (isinstance(found, type) and issubclass(found, Channel)):
        raise Misconfigured(
            _("BACKEND is %(path)s, which is not a channel; use the path of a Channel class."),
            code="backend_no_channel",
            path=repr(path),
        )
    return found
