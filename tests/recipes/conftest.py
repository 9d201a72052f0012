"""Our service as a shop elsewhere has it: its API and its webhooks, over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone
from rest_framework.authtoken.models import Token

from pagoefectivo_django.contrib.webhooks.models import Endpoint, EndpointSecret
from pagoefectivo_django.contrib.webhooks.signing import new_secret
from tests.contrib.webhooks.conftest import local, webhooks  # noqa: F401  fixtures of the webhooks' tests
from tests.recipes.bridge import Service

#: Where our webhooks go is known once the bridge is served, and the bridge needs the secret before.
Listen = Callable[[str], None]


@pytest.fixture
def service(live_server: Any) -> Service:
    """The API, with the token of a user who may do one thing: create orders."""
    user = User.objects.create(username="bridge")
    user.user_permissions.set(Permission.objects.filter(codename="add_order"))
    return Service(f"{live_server.url}/pay/api", Token.objects.create(user=user).key)


@pytest.fixture
def secret() -> str:
    return new_secret()


@pytest.fixture
def listen(secret: str, local: None, webhooks: None, transactional_db: None) -> Listen:  # noqa: F811
    """A function that has our webhooks go to an address."""

    def begin(url: str) -> None:
        endpoint = Endpoint.objects.create(url=f"{url}/pagoefectivo", kinds=[], created_at=timezone.now())
        EndpointSecret.objects.create(endpoint=endpoint, value=secret, created_at=timezone.now())

    return begin
