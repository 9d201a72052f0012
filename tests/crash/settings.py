"""A shop that is paid through the sandbox and listens to everything. The driver says where the sandbox is."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as THEIRS

INSTALLED_APPS = [*THEIRS, "tests.crash.apps.CrashConfig"]
PAGOEFECTIVO = {"MESSAGES": ()}
