"""Receivers that end the process they run in, and the program that such a process runs.

``python -m tests.receivers.deadly sell | pay REFERENCE | work``; ``DEADLY`` says which receivers kill.
"""

import os
import signal
import sys
from typing import Any

import django
from django.core.management import call_command

ATOMIC, MAIL = "deadly", "deadly-mail"


def die_if_deadly(name: str) -> None:
    if name in os.environ.get("DEADLY", "").split(","):
        os.kill(os.getpid(), signal.SIGKILL)


def ship(sender: Any, order: Any, event: Any, **kwargs: Any) -> None:
    from tests.shop.models import Heard

    Heard.objects.create(signal=ATOMIC, reference=order.reference, event=event.pk, state=order.state)
    die_if_deadly(ATOMIC)


def mail(sender: Any, order: Any, event: Any, **kwargs: Any) -> None:
    from tests.shop.models import Heard

    Heard.objects.create(signal=MAIL, reference=order.reference, event=event.pk, state=order.state)
    die_if_deadly(MAIL)


def main(command: str) -> None:
    django.setup()
    from pagoefectivo_django.signals import payment_confirmed
    from pagoefectivo_django.testing import pay
    from tests.factories.orders import make

    payment_confirmed.connect(ship, dispatch_uid=ATOMIC)
    payment_confirmed.connect(mail, dispatch_uid=MAIL, atomic=False)
    if command == "sell":
        pay(make())
    else:
        call_command("pagoefectivo_worker", "--once")


if __name__ == "__main__":
    main(sys.argv[1])
