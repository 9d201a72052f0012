"""Callers of the API: Django REST framework's own client, with a user's token."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

Caller = Callable[..., APIClient]


@pytest.fixture(autouse=True)
def uncounted() -> None:
    """Begin each test without requests counted against the throttle."""
    cache.clear()


@pytest.fixture
def caller(db: None) -> Caller:
    """A function that returns a client whose user has the permissions named, or all with ``everything``."""

    def call(*permissions: str, name: str = "warehouse", everything: bool = False) -> APIClient:
        user, _new = User.objects.get_or_create(username=name, defaults={"is_superuser": everything})
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        token, _new = Token.objects.get_or_create(user=user)
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Token {token.key}")
        return client

    return call


@pytest.fixture
def shop(caller: Caller) -> APIClient:
    """A client that may do everything."""
    return caller(name="shop", everything=True)
