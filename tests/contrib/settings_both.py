"""A shop with Celery and with Django's tasks."""

from tests.contrib.settings_celery import *  # noqa: F403
from tests.contrib.settings_celery import INSTALLED_APPS as THEIRS
from tests.contrib.settings_tasks import TASKS as TASKS

INSTALLED_APPS = [*THEIRS, "pagoefectivo_django.contrib.tasks"]
