"""Permissions of the API: those of Django, the same as in the admin; a token may do what its user may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework import exceptions
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from ..flows.possible.rules import full_name

if TYPE_CHECKING:
    from .base import ApiView


class UserPermission(BasePermission):
    """Requires an active user with the permission that the view's ``permissions`` names for the method."""

    def has_permission(self, request: Request, view: ApiView) -> bool:  # type: ignore[override]
        """Return whether the user may; a method without an entry is 405."""
        if not (request.user and request.user.is_authenticated):
            return False
        wanted = view.permissions.get("GET" if request.method == "HEAD" else str(request.method))
        if wanted is None:
            raise exceptions.MethodNotAllowed(str(request.method))
        return may(request, wanted)


def may(request: Request, permission: str) -> bool:
    """Return whether the user of a request has a permission of the app, named without the app, or of an app named."""
    return bool(request.user.is_active and request.user.has_perm(full_name(permission)))


def require(request: Request, permission: str) -> None:
    """Raise ``PermissionDenied`` (403) unless the user of a request has a permission of the app."""
    if not may(request, permission):
        raise exceptions.PermissionDenied
