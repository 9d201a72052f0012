"""A shop with Celery.

``TEST_BROKER_URL``  the address of its broker
``TEST_BEAT_EVERY``  seconds between two ticks, if not those of the schedule
``PAGOEFECTIVO_*``   the provider, if not the one in memory
"""

import os

import environ

from pagoefectivo_django.conf import from_env
from pagoefectivo_django.contrib.celery.schedule import BEAT_SCHEDULE
from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as OURS

INSTALLED_APPS = [*OURS, "tests.contrib.apps.ContribShopConfig", "pagoefectivo_django.contrib.celery"]

CELERY_BROKER_URL = os.environ["TEST_BROKER_URL"]
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_SCHEDULE = BEAT_SCHEDULE

if "TEST_BEAT_EVERY" in os.environ:
    every = {"schedule": float(os.environ["TEST_BEAT_EVERY"])}
    CELERY_BEAT_SCHEDULE = {name: entry | every for name, entry in BEAT_SCHEDULE.items()}

if "PAGOEFECTIVO_SERVICE_ID" in os.environ:
    PAGOEFECTIVO = from_env(environ.Env()) | {"MESSAGES": ()}
