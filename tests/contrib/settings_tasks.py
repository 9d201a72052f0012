"""A shop with Django's tasks. ``TEST_TASKS`` says which backend: ``immediate.ImmediateBackend``."""

import os

import django

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as OURS

INSTALLED_APPS = [*OURS, "tests.contrib.apps.ContribShopConfig", "pagoefectivo_django.contrib.tasks"]

PACKAGE = "django.tasks" if django.VERSION >= (6, 0) else "django_tasks"
TASKS = {"default": {"BACKEND": f"{PACKAGE}.backends.{os.environ['TEST_TASKS']}"}}
