"""The command ``pagoefectivo_simulate``: plays the payer and the provider on a developer's machine."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.views.decorators.debug import sensitive_variables

from ...channels.base import Channel
from ...channels.memory import MemoryChannel
from ...errors import PagoEfectivoError
from ...flows.provider.accounts import channel_of
from ...flows.provider.environment import is_live
from ...models import Order
from ...models.database import database
from ...states import Fact
from ...testing.orders import expire, move_date, notify, pay, settle
from ...testing.sandbox import ask

DEEDS = ("pay", "expire", "take-back", "settle")
#: Hosts on which a sandbox of ours listens.
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Command(BaseCommand):
    """Pays, ends, takes back or settles an order whose channel is the sandbox or ``MemoryChannel``; needs ``DEBUG``."""

    help = (
        "With DEBUG only: pays an order, lets it expire, takes the payment back or settles it, where its channel is a "
        "sandbox on this machine or MemoryChannel."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("deed", choices=DEEDS, help=f"what happens: {', '.join(DEEDS)}")
        parser.add_argument("reference", help="the order's reference")

    @sensitive_variables()
    def handle(self, *args: Any, deed: str, reference: str, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("This plays with orders, so it needs DEBUG = True; it is for a developer's machine.")
        orders = Order.objects.using(database()).filter(reference=reference)
        order = orders.select_related("cip").order_by("-pk").first()
        if order is None or order.cip is None:
            raise CommandError(f"There is no order {reference!r} with a code.")
        try:
            channel = channel_of(order.cip)
            if isinstance(channel, MemoryChannel):
                _by_memory(order, deed)
            else:
                _by_sandbox(order, deed, channel)
        except PagoEfectivoError as error:
            raise CommandError(error.sentence) from None
        except AssertionError as error:  # of the helpers of tests, for developers
            raise CommandError(*error.args) from None
        except OSError as error:
            raise CommandError(f"The sandbox can't be reached ({type(error).__name__}); is it running?") from None
        order.reload()
        self.stdout.write(f"{order}: {order.get_state_display()}")


def _by_memory(order: Order, deed: str) -> None:
    match deed:
        case "pay":
            pay(order)
        case "expire":
            expire(order)
        case "settle":
            settle(order)
        case _:
            notify(order, Fact.PAYMENT_REVERSED, amount=order.amount, currency=order.currency)


def _by_sandbox(order: Order, deed: str, channel: Channel) -> None:
    """Use the sandbox's controls; the sandbox then notifies the shop's webhook, as a provider would."""
    address = urlsplit(str(channel.options.get("BASE_URL", "")))
    # A tunnel to a real provider ends on this machine, too.
    if address.hostname not in LOOPBACK or is_live(channel.account) or order.cip is None:
        raise CommandError(f"Channel {channel.alias!r} is no sandbox on this machine.")
    if deed == "settle":
        settle(order)
        return
    dialect = address.path.strip("/").split("/")[0]
    if dialect == "v1":
        ask(address.geturl(), f"/sandbox/{deed.replace('take-back', 'reverse')}", {"cip": order.code, "notify": True})
    else:
        names = {"reference": order.cip.transaction_code}
        ask(address.geturl(), f"/sandbox/{dialect}/{deed.replace('-', '_')}", names)
    if deed == "expire":
        move_date(order)  # the order ends at its own date: the worker's next round takes the last look
