"""The channels of this package."""

from __future__ import annotations

import importlib
import pkgutil

from . import __path__ as folders
from .base import Channel


def built_in() -> list[type[Channel]]:
    """Return the classes of the channels in the folders beside this module, by the names of the folders."""
    found = []
    for each in pkgutil.iter_modules(folders):
        if each.ispkg:
            module = importlib.import_module(f"{__package__}.{each.name}")
            found += [getattr(module, name) for name in module.__all__]
    return found
