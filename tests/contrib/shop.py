"""A shop's process that does what it is told, one line at a time: ``python -m tests.contrib.shop``."""

import importlib
import json
import os
import sys
import time
from dataclasses import asdict
from typing import Any

import django
from django.db import transaction

django.setup()
if "TEST_BROKER_URL" in os.environ:
    importlib.import_module("tests.contrib.celery_app")  # as the project of a shop does that has Celery

from django.utils import timezone  # noqa: E402

from pagoefectivo_django import flows  # noqa: E402
from pagoefectivo_django.models import Order  # noqa: E402
from pagoefectivo_django.states import Fact  # noqa: E402
from tests.factories.messages import paid, post  # noqa: E402
from tests.factories.orders import make  # noqa: E402
from tests.factories.provider import channel  # noqa: E402


class Shop:
    """Each public method is a command; what it returns is the answer."""

    def create(self, reference: str) -> str:
        return make(reference=reference).code

    def pay(self, reference: str) -> str:
        """Have the payer pay, also inside a transaction, where ``testing.pay`` says no."""
        order = Order.objects.get(reference=reference)
        channel().set(order.code, Fact.PAYMENT, paid_at=timezone.now())
        assert post(paid(order)).status_code == 200
        order.refresh_from_db()
        return str(order.state)

    def refresh(self, reference: str) -> str:
        return str(flows.refresh_order(Order.objects.get(reference=reference)).state)

    def begin(self) -> None:
        self.transaction = transaction.atomic()
        self.transaction.__enter__()

    def commit(self) -> None:
        self.transaction.__exit__(None, None, None)

    def roll_back(self) -> None:
        transaction.set_rollback(True)
        self.commit()

    def tick(self) -> dict[str, int]:
        return asdict(flows.tick())

    def queued(self) -> list[str]:
        """What waits in the dummy backend."""
        return [result.task.module_path for result in _tasks().default_task_backend.results]

    def run_tick_as_task(self) -> Any:
        return importlib.import_module("pagoefectivo_django.contrib.tasks.tasks").tick.enqueue().return_value


def _tasks() -> Any:
    return importlib.import_module("django.tasks" if django.VERSION >= (6, 0) else "django_tasks")


def main() -> None:
    shop = Shop()
    for line in sys.stdin:
        command, *arguments = line.split()
        begin = time.monotonic()
        answer = getattr(shop, command)(*arguments)
        print(json.dumps({"answer": answer, "seconds": time.monotonic() - begin}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
