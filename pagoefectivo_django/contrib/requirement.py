"""What a bridge needs: the package of the other side."""

from __future__ import annotations

from importlib.util import find_spec

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured


def require(app: AppConfig, module: str, package: str, extra: str) -> None:
    """Raise ``ImproperlyConfigured`` with the command that helps, if a bridge's package is not installed.

    ``module``: the module that the package installs. ``extra``: the extra of ours that requires the package.
    """
    if find_spec(module) is None:
        raise ImproperlyConfigured(
            f"INSTALLED_APPS has {app.name!r}, but {package} is not installed; "
            f"pip install 'pagoefectivo-django[{extra}]'."
        )
