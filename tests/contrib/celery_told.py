"""The shop's Celery as the tests start its worker: it tells in words of ours that it is ready, and what it did."""

import os
from typing import Any

from celery.signals import task_success, worker_ready

from tests.contrib.celery_app import app as app


def tell(text: str) -> None:
    os.write(2, f"told: {text}\n".encode())


@worker_ready.connect
def ready(**_: Any) -> None:
    tell("ready")


@task_success.connect
def did(sender: Any, **_: Any) -> None:
    tell(f"did {sender.name}")
