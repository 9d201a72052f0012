"""The shop on django-payments with the bridge's app installed, as a shop installs it."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as OURS

INSTALLED_APPS = [*OURS, "pagoefectivo_django.contrib.django_payments"]
