"""A shop with users of its own, in another time zone, without an admin."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as THEIRS

INSTALLED_APPS = [app for app in THEIRS if app != "django.contrib.admin"] + ["tests.hosts.people"]
AUTH_USER_MODEL = "people.Person"
ROOT_URLCONF = "tests.hosts.urls"
TIME_ZONE = "Asia/Shanghai"
