"""A shop whose receiver takes its time: ``python -m tests.worker.shop migrate | sell N | work [--once]``."""

import itertools
import logging
import sys
import time
from typing import Any

import django
from django.core.management import call_command

NAME = "unhurried"


def ship(sender: Any, order: Any, event: Any, **kwargs: Any) -> None:
    from tests.shop.models import Heard

    Heard.objects.create(signal=NAME, reference=order.reference, event=event.pk, state=order.state)
    time.sleep(0.1)


def main(command: str, *arguments: str) -> None:
    django.setup()
    from pagoefectivo_django.channels.memory import MemoryChannel
    from pagoefectivo_django.flows.outbox.publish import hand_over_to
    from pagoefectivo_django.signals import payment_confirmed
    from pagoefectivo_django.testing import pay
    from tests.factories.orders import make

    payment_confirmed.connect(ship, dispatch_uid=NAME)
    if command == "migrate":
        call_command("migrate", verbosity=0, run_syncdb=True)
    elif command == "sell":
        MemoryChannel._codes = itertools.count(time.time_ns() % 10**13)  # not those of the process before
        hand_over_to(lambda: None)  # what is to be delivered is the worker's
        for number in range(int(arguments[0])):
            order = make(reference=f"SHOP-{number}-{time.time_ns()}")
            while not order.code:  # the worker was quicker, and is asking for the order's code at this moment
                time.sleep(0.05)
                order.reload()
            pay(order)
    else:
        logging.basicConfig(level="INFO", stream=sys.stderr, format="%(name)s %(message)s")
        call_command("pagoefectivo_worker", *arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
