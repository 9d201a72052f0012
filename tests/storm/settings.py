"""The project of every process in the storm: ``tests.settings`` with a direct channel and receivers that make trouble.

``STORM_CHANNEL``    the OPTIONS of the channel, as JSON
``STORM_HINTING``    the OPTIONS, as JSON, of a second account's channel: the provider of hints, which takes the dollars
``STORM_LINKING``    the same of a third account: at the provider of links, which takes a thousand soles or more; then
                     ``tests/storm/routes.py`` chooses, and orders of five thousand or more go to whoever is up
``STORM_SITES``      the addresses of the providers themselves, as JSON by alias: those in OPTIONS lead there while they
                     are open (``tests/storm/doors.py``)
``STORM_CACHE``      the address of the cache that all processes share
``STORM_ALIAS``      the alias of the channel; unset: ``default``
``STORM_AHEAD``      seconds by which the clock of this process's machine is ahead
``TEST_BROKER_URL``  the broker by which this process hands its events over to Celery; unset: it publishes them itself
"""

import json
import os
import socket
import time
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from pagoefectivo_django.contrib.celery.schedule import BEAT_SCHEDULE
from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as OURS
from tests.settings import REST_FRAMEWORK as OUR_API

if "STORM_AHEAD" in os.environ:  # before anybody remembers what tells the time
    ahead, right, seconds = float(os.environ["STORM_AHEAD"]), timezone.now, time.time
    timezone.now = lambda: right() + timedelta(seconds=ahead)
    time.time = lambda: seconds() + ahead
    socket.gethostname = lambda: "ahead"

INSTALLED_APPS = [*OURS, "tests.storm.apps.StormConfig"]
if "TEST_BROKER_URL" in os.environ:
    INSTALLED_APPS.append("pagoefectivo_django.contrib.celery")
    CELERY_BROKER_URL = os.environ["TEST_BROKER_URL"]
    CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
    CELERY_BEAT_SCHEDULE = BEAT_SCHEDULE

REST_FRAMEWORK = dict[str, Any](OUR_API, DEFAULT_THROTTLE_RATES={"pagoefectivo": None})
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": os.environ["STORM_CACHE"]}}
CHANNEL = {
    "BACKEND": "pagoefectivo_django.channels.pagoefectivo.PagoEfectivoChannel",
    "OPTIONS": json.loads(os.environ["STORM_CHANNEL"]),
}
ALIAS = os.environ.get("STORM_ALIAS", "default")
PAGOEFECTIVO = dict[str, Any](
    CHANNELS={ALIAS: CHANNEL},
    EXPIRES_AFTER=timedelta(hours=3),
    POLL_AFTER_PAYMENT=timedelta(days=3),
    SEARCHES_PER_MINUTE=60_000,
    MESSAGES=(),
)
if "STORM_HINTING" in os.environ:
    options = json.loads(os.environ["STORM_HINTING"])
    PAGOEFECTIVO["CHANNELS"]["hinting"] = {"BACKEND": "tests.providers.hinting.HintingChannel", "OPTIONS": options}
    PAGOEFECTIVO["ROUTES"] = {"PEN": [ALIAS], "USD": ["hinting"]}
if "STORM_LINKING" in os.environ:
    options = json.loads(os.environ["STORM_LINKING"]) | {"MIN_AMOUNT": Decimal(1000)}
    PAGOEFECTIVO["CHANNELS"]["linking"] = {"BACKEND": "tests.providers.linking.LinkingChannel", "OPTIONS": options}
    PAGOEFECTIVO["ROUTES"] = "tests.storm.routes.choose"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {"django": {"handlers": [], "level": "WARNING", "propagate": True}},
}
