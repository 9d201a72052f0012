"""A start of a process: ``django.setup()`` with the app and without it, each in fresh processes."""

import os
import statistics
import subprocess
import sys
import tempfile
from typing import NamedTuple

START = """
import sys
import time
from django.conf import settings

settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", *sys.argv[1:]],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    USE_TZ=True,
)
import django

begin = time.perf_counter()
django.setup()
took = time.perf_counter() - begin
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(took * 1000, int(status["VmHWM"].split()[0]) / 1024, len(sys.modules))
"""


class Start(NamedTuple):
    """What a start costs."""

    milliseconds: float
    mebibytes: float
    modules: float


def starting(times: int = 25) -> tuple[Start, Start]:
    """The medians with the app and without it, in turns."""
    ours: list[Start] = []
    floor: list[Start] = []
    with tempfile.TemporaryDirectory() as folder:
        start("pagoefectivo_django", cache=folder), start(cache=folder)  # they compile
        for _ in range(times):
            ours.append(start("pagoefectivo_django", cache=folder))
            floor.append(start(cache=folder))
    return median(ours), median(floor)


def start(*apps: str, cache: str) -> Start:
    # Like an installed package: compiled before, whatever this run is told about that.
    environment = os.environ | {"PYTHONPYCACHEPREFIX": cache, "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-c", START, *apps]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    return Start(*map(float, told.split()))


def median(starts: list[Start]) -> Start:
    return Start(*map(statistics.median, zip(*starts, strict=True)))
