"""A shop on django-payments is paid by PagoEfectivo: the package's own views, model and signal, and our bridge."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from decimal import Decimal
from typing import Any

import payments.core
import pytest
from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.test import Client
from django.utils import timezone
from payments import FraudStatus, PaymentError
from payments.signals import status_changed

import pagoefectivo_django.contrib.django_payments
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.contrib.django_payments import apps
from pagoefectivo_django.contrib.django_payments.provider import PagoEfectivoProvider
from pagoefectivo_django.errors import Misconfigured, OutcomeUnknown, Refused, Unavailable
from pagoefectivo_django.flows import cancel_order, create_order, reissue_code, resolve_discrepancy, tick
from pagoefectivo_django.flows.outbox.publish import deliver_again
from pagoefectivo_django.flows.privacy.forget import anonymise
from pagoefectivo_django.models import Delivery, Discrepancy, FailingReceiver, Order, Refund
from pagoefectivo_django.signals import SIGNALS
from pagoefectivo_django.states import Kind
from pagoefectivo_django.testing import check_receivers, deliver, expire, pay, settle
from tests.clock import later
from tests.concurrency import at_once, observing, posting, who_waits
from tests.factories.discrepancies import open_discrepancy
from tests.factories.messages import paid
from tests.factories.orders import ANA
from tests.factories.refunds import bring, refund_at
from tests.payments_shop.models import Payment

pytestmark = [pytest.mark.usefixtures("pagoefectivo_memory", "bridge"), pytest.mark.django_db(transaction=True)]
HOUR, NOTHING = timedelta(hours=1), Decimal(0)


@pytest.fixture
def bridge(settings: Any) -> Iterator[None]:
    """Connect the bridge, as its app does at start, and serve the shop's pages."""
    settings.ROOT_URLCONF = "tests.payments_shop.urls"
    apps.PagoEfectivoDjangoPaymentsConfig("x", pagoefectivo_django.contrib.django_payments).ready()
    payments.core.PROVIDER_CACHE.clear()
    yield
    payments.core.PROVIDER_CACHE.clear()
    for name in apps.HEARD:
        SIGNALS[name].disconnect(apps.RECEIVER)


@pytest.fixture
def told() -> Iterator[list[str]]:
    """The statuses that ``status_changed`` told, as the database has them in its receiver's transaction."""
    heard: list[str] = []

    def hear(sender: Any, instance: Payment, **kwargs: Any) -> None:
        heard.append(Payment.objects.get(pk=instance.pk).status)

    status_changed.connect(hear)
    yield heard
    status_changed.disconnect(hear)


def made(**changes: Any) -> Payment:
    """A payment of the shop's, as the package's manual makes one."""
    named = {"variant": "pagoefectivo", "total": Decimal("35.50"), "currency": "PEN", "description": "Two T-shirts"}
    named |= {"billing_email": "ana@example.com", "billing_first_name": "Ana", "billing_phone": "+51999888777"}
    payment: Payment = Payment.objects.create(**named | changes)
    return payment


def begun(**changes: Any) -> tuple[Payment, Order]:
    """A payment whose payer was sent to the voucher, and its order."""
    payment = made(**changes)
    answer = Client().get(f"/payments-shop/{payment.pk}/")
    order = Order.objects.get(reference=f"payment-{payment.pk}")
    assert (answer.status_code, answer.headers["Location"]) == (302, order.voucher_url)
    return payment, order


def fresh(payment: Payment) -> Payment:
    found: Payment = Payment.objects.get(pk=payment.pk)
    return found


def of(payment: Payment) -> tuple[str, str, Decimal]:
    now = fresh(payment)
    return now.status, now.message, now.captured_amount


def to(payment: Payment) -> str:
    """Where django-payments' own address of the payment leads."""
    answer = Client().get(payment.get_process_url())
    assert answer.status_code == 302
    return str(answer.headers["Location"])


def test_a_payer_pays(told: list[str]) -> None:
    payment, order = begun()
    assert (order.concept, order.payer.name, order.payer.phone) == ("Two T-shirts", "Ana", "999888777")
    assert order.code in Client().get(order.voucher_url).content.decode()
    assert of(payment) == ("waiting", "", NOTHING)
    assert to(payment) == order.voucher_url
    pay(order)
    assert of(payment) == ("confirmed", "", Decimal("35.50"))
    assert fresh(payment).transaction_id == str(order.public_id)
    assert told == ["confirmed"]
    assert to(payment) == payment.get_success_url()


def test_the_form_may_be_asked_for_again() -> None:
    payment, order = begun()
    for _ in range(2):
        assert Client().get(f"/payments-shop/{payment.pk}/").headers["Location"] == order.voucher_url
    pay(order)
    assert Client().get(f"/payments-shop/{payment.pk}/").headers["Location"] == order.voucher_url
    assert Order.objects.count() == 1


def test_a_changed_total_gets_another_code() -> None:
    payment, _ = begun()
    Payment.objects.filter(pk=payment.pk).update(total=Decimal("99.00"))
    Client().get(f"/payments-shop/{payment.pk}/")
    old, new = Order.objects.order_by("pk")
    assert (old.state, new.state, new.amount) == ("cancelled", "pending", Decimal("99.00"))
    assert of(payment) == ("waiting", "", NOTHING), "the old order's end is not the payment's"
    pay(new)
    assert of(payment) == ("confirmed", "", Decimal("99.00"))


def test_the_order_before_a_changed_total_is_paid_and_accepted() -> None:
    payment, old = begun()
    Payment.objects.filter(pk=payment.pk).update(total=Decimal("99.00"))
    Client().get(f"/payments-shop/{payment.pk}/")
    pay(old)
    assert fresh(payment).fraud_message == "pagoefectivo: duplicate_payment"
    new = Order.objects.latest("pk")
    cancel_order(new)
    resolve_discrepancy(Discrepancy.objects.get(), "accept", actor="marta", reason="The old price, then.")
    assert of(payment) == ("confirmed", "", Decimal("35.50"))


def test_a_total_raised_after_the_code_was_made_is_not_confirmed_for_the_old_amount(
    told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    payment, order = begun()
    Payment.objects.filter(pk=payment.pk).update(total=Decimal("99.00"))
    pay(order)
    now = fresh(payment)
    assert (now.status, now.fraud_status, now.fraud_message) == ("waiting", "review", "pagoefectivo: total_changed")
    assert "The total of the payment of order" in caplog.text
    settle(order)
    assert fresh(payment).fraud_message == "pagoefectivo: total_changed", "a later event takes no mark away"
    assert told == []
    Payment.objects.filter(pk=payment.pk).update(total=Decimal("35.50"))
    deliver_again(Delivery.objects.get(receiver=apps.RECEIVER, event__kind="payment_confirmed"))
    deliver()
    assert of(payment) == ("confirmed", "", Decimal("35.50"))
    assert (fresh(payment).fraud_status, told) == (FraudStatus.UNKNOWN, ["confirmed"])


def test_what_expired_is_rejected_and_a_new_code_waits_again(told: list[str]) -> None:
    payment, order = begun()
    expire(order)
    assert of(payment) == ("rejected", "expired", NOTHING)
    assert to(payment) == payment.get_failure_url()
    reissue_code(order, expires_at=timezone.now() + HOUR)
    assert of(payment) == ("waiting", "", NOTHING)
    pay(order)
    assert of(payment) == ("confirmed", "", Decimal("35.50"))
    assert told == ["rejected", "waiting", "confirmed"]


def test_no_provider_would_issue() -> None:
    payment = made()
    MemoryChannel.fail("issue", Refused("no", codes=("111",)))
    Client().get(f"/payments-shop/{payment.pk}/")
    assert of(payment) == ("rejected", "rejected", NOTHING)


def test_paid_late_is_in_review_until_a_person_accepts(told: list[str]) -> None:
    payment, order = begun()
    expire(order)
    pay(order, paid_at=timezone.now() + HOUR)
    now = fresh(payment)
    assert (now.status, now.fraud_status, now.fraud_message) == ("rejected", "review", "pagoefectivo: late_payment")
    resolve_discrepancy(Discrepancy.objects.get(), "accept", actor="marta", reason="There is stock.")
    now = fresh(payment)
    assert (now.status, now.fraud_status, now.fraud_message) == ("confirmed", FraudStatus.UNKNOWN, "")
    assert told == ["rejected", "confirmed"]


def test_a_shop_s_own_fraud_message_stays() -> None:
    payment, order = begun()
    fresh(payment).change_fraud_status(FraudStatus.REVIEW, "the shop's own")
    pay(order)
    assert fresh(payment).fraud_message == "the shop's own"


def test_another_amount_that_a_person_accepts_is_what_was_captured() -> None:
    payment, order = begun()
    pay(order, amount=Decimal("30.00"))
    assert fresh(payment).fraud_status == "review"
    resolve_discrepancy(Discrepancy.objects.get(), "accept", actor="marta", reason="A discount.")
    assert of(payment) == ("confirmed", "", Decimal("30.00"))


def test_a_payment_goes_on_when_the_payer_s_data_is_erased() -> None:
    payment, order = begun()
    expire(order)
    assert anonymise(order.pk, actor="eva", reason="Ana asked for it.", now=later(days=400))
    pay(order, paid_at=timezone.now() - HOUR)
    assert of(payment) == ("confirmed", "", Decimal("35.50"))
    assert to(payment) == payment.get_success_url()


def test_money_for_no_order_moves_no_payment() -> None:
    payment, _ = begun()
    open_discrepancy(Kind.UNMATCHED)
    deliver()
    assert not Delivery.objects.filter(delivered_at=None).exists()
    assert (fresh(payment).status, fresh(payment).fraud_status) == ("waiting", FraudStatus.UNKNOWN)


# Repeated, late, killed in the middle.


def test_every_event_again_and_in_the_wrong_order_changes_nothing(told: list[str]) -> None:
    payment, order = begun()
    expire(order)
    reissue_code(order, expires_at=timezone.now() + HOUR)
    pay(order)
    before, heard = Payment.objects.values().get(pk=payment.pk), list(told)
    deliveries = list(Delivery.objects.filter(receiver=apps.RECEIVER).order_by("-pk"))
    assert [one.event.kind for one in deliveries[::-1]] == [
        *("cip_issued", "payment_expired", "cip_issued", "payment_confirmed")
    ]
    for delivery in deliveries:
        deliver_again(delivery)
        assert deliver() == 1
    assert Payment.objects.values().get(pk=payment.pk) == before
    assert told == heard


@pytest.mark.once
def test_the_receiver_conforms() -> None:
    check_receivers(lambda: begun()[1], only=(apps.RECEIVER,))


def test_a_shop_s_receiver_that_fails_is_called_again_with_the_payment_as_before() -> None:
    payment, order = begun()
    tries = []

    def ship(sender: Any, instance: Payment, **kwargs: Any) -> None:
        tries.append(instance.status)
        if len(tries) == 1:
            raise RuntimeError("the warehouse is closed")

    status_changed.connect(ship)
    try:
        pay(order)
        assert of(payment) == ("waiting", "", NOTHING), "half done"
        FailingReceiver.objects.all().delete()
        tick(now=timezone.now() + HOUR)
    finally:
        status_changed.disconnect(ship)
    assert of(payment) == ("confirmed", "", Decimal("35.50"))
    assert tries == ["confirmed", "confirmed"]


@pytest.mark.postgresql
@pytest.mark.mariadb
def test_a_payment_that_the_shop_is_writing_is_waited_for() -> None:
    payment, order = begun()
    heard: list[str] = []

    def ship(sender: Any, instance: Payment, **kwargs: Any) -> None:
        heard.append(instance.description)

    status_changed.connect(ship)
    try:
        with observing() as ask, ExitStack() as stack, transaction.atomic():
            mine = Payment.objects.select_for_update().get(pk=payment.pk)
            stack.enter_context(posting(paid(order)))
            who_waits(ask)
            mine.description = "noted"
            mine.save()
    finally:
        status_changed.disconnect(ship)
    assert of(payment) == ("confirmed", "", Decimal("35.50"))
    assert heard == ["noted"]


@pytest.mark.every_database
def test_two_forms_at_once_make_one_order() -> None:
    payment = made()

    def ask() -> str:
        return str(Client().get(f"/payments-shop/{payment.pk}/").headers["Location"])

    first, second = at_once(ask, ask)
    assert first == second == Order.objects.get().voucher_url


def test_a_payment_that_the_shop_deleted_holds_nobody_up() -> None:
    payment, order = begun()
    payment.delete()
    expire(order)
    assert not Delivery.objects.filter(delivered_at=None).exists()


def test_a_payment_that_is_gone_and_paid_is_a_failing_delivery_until_the_money_went_back() -> None:
    payment, order = begun()
    payment.delete()
    pay(order)
    waiting = Delivery.objects.get(delivered_at=None)
    assert (waiting.receiver, waiting.event.kind) == (apps.RECEIVER, "payment_confirmed")
    assert "does not know any more" in waiting.last_error
    refund_at("done", order)
    tick(now=timezone.now() + HOUR)
    assert not Delivery.objects.filter(delivered_at=None).exists()


def test_a_forgotten_order_of_no_payment_is_no_failing_delivery() -> None:
    order = expire(create_order(reference="SHOP-1", amount=Decimal("35.50"), currency="PEN", payer=ANA))
    assert anonymise(order.pk, actor="eva", reason="Ana asked for it.", now=later(days=400))
    pay(order, paid_at=timezone.now() - HOUR)
    assert not Delivery.objects.filter(delivered_at=None).exists()


# What a shop may ask of a payment.


def test_cancel(told: list[str]) -> None:
    payment, order = begun()
    payment.cancel()
    order.reload()
    assert (order.state, order.cip.status if order.cip else "") == ("cancelled", "deleted")
    assert of(payment)[0] == "cancelled"
    assert set(told) == {"cancelled"}
    assert Client().get(f"/payments-shop/{payment.pk}/").headers["Location"] == order.voucher_url


def test_cancelled_before_anything_was_asked_for() -> None:
    payment = made()
    payment.cancel()
    assert Client().get(f"/payments-shop/{payment.pk}/").headers["Location"] == payment.get_failure_url()
    assert not Order.objects.exists()


def test_cancel_a_payment_that_was_paid_meanwhile() -> None:
    stale, order = begun()
    pay(order)
    with pytest.raises(PaymentError, match="paid"):
        stale.cancel()
    assert of(stale) == ("confirmed", "", Decimal("35.50"))


def test_cancel_while_the_provider_is_away() -> None:
    payment, _ = begun()
    MemoryChannel.fail("delete", OutcomeUnknown("dropped"))
    with pytest.raises(PaymentError):
        payment.cancel()
    assert of(payment)[0] == "waiting"
    tick(now=timezone.now() + HOUR)
    assert of(payment)[0] == "cancelled"


def test_cancel_within_a_transaction() -> None:
    payment, order = begun()
    with transaction.atomic():
        payment.cancel()
    order.reload()
    assert (order.state, of(payment)[0]) == ("cancelled", "cancelled")


def test_a_refund_is_told_when_the_money_went(told: list[str]) -> None:
    payment, order = begun()
    pay(order)
    fresh(payment).refund()
    assert of(payment) == ("confirmed", "", Decimal("35.50"))
    refund = Refund.objects.get()
    assert (refund.amount, refund.status, refund.requested_by) == (Decimal("35.50"), "requested", "shop:")
    with pytest.raises(PaymentError):
        fresh(payment).refund()
    bring(refund, "done")
    assert of(payment) == ("refunded", "", NOTHING)
    assert told == ["confirmed", "refunded"]


def test_a_refund_of_a_stale_payment_overwrites_nothing() -> None:
    payment, order = begun()
    pay(order, operation_number="1")
    stale = fresh(payment)
    pay(order, operation_number="2")
    assert fresh(payment).fraud_message == "pagoefectivo: duplicate_payment"
    stale.refund()
    assert fresh(payment).fraud_message == "pagoefectivo: duplicate_payment"


def test_a_refund_in_part() -> None:
    payment, order = begun()
    pay(order)
    fresh(payment).refund(Decimal("10.00"))
    bring(Refund.objects.get(), "done")
    with pytest.raises(PaymentError):
        fresh(payment).refund(Decimal("30.00"))
    fresh(payment).refund(Decimal("25.50"))
    bring(Refund.objects.latest("pk"), "done")
    assert of(payment) == ("refunded", "", NOTHING)


def test_a_refund_that_staff_begins() -> None:
    payment, order = begun()
    refund_at("done", pay(order))
    assert of(payment)[0] == "refunded"


@pytest.mark.parametrize("deed", ["capture", "release"])
def test_nothing_is_ever_only_authorised(deed: str) -> None:
    payment, _ = begun()
    with pytest.raises(ValueError, match="pre-authorized"):
        getattr(payment, deed)()


def test_capture_and_release_of_a_provider_called_directly() -> None:
    payment, order = begun()
    provider = PagoEfectivoProvider()
    with pytest.raises(PaymentError, match="nothing to capture"):
        provider.capture(payment)
    with pytest.raises(PaymentError, match="nothing to release"):
        provider.release(payment)
    order.reload()
    assert order.state == "pending"
    with pytest.raises(PaymentError, match="no order"):
        provider.refund(made())


# Bad input.

BAD: dict[str, dict[str, Any]] = {
    "no address": {"billing_email": ""},
    "no amount": {"total": Decimal(0)},
    "another currency": {"currency": "EUR"},
    "a letter that nobody can print": {"billing_first_name": "A\x07"},
}


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD)
def test_a_payment_that_can_be_no_order(changes: dict[str, Any]) -> None:
    payment = made(**changes)
    answer = Client().get(f"/payments-shop/{payment.pk}/")
    assert answer.status_code == 400
    assert of(payment) == ("waiting", "", NOTHING)
    assert not Order.objects.exists()


def test_a_payment_that_is_not_saved() -> None:
    with pytest.raises(PaymentError, match="Save the payment"):
        PagoEfectivoProvider().get_form(Payment(variant="pagoefectivo", total=Decimal(1), currency="PEN"))


def test_a_long_description_is_cut() -> None:
    _, order = begun(description="word \n" * 100)
    assert order.concept == ("word " * 40).strip()


def test_a_reference_of_somebody_else_is_not_taken_over() -> None:
    payment = made()
    reference = f"payment-{payment.pk}"
    theirs = create_order(reference=reference, amount=payment.total, currency="PEN", payer=ANA)
    assert Client().get(f"/payments-shop/{payment.pk}/").status_code == 400
    pay(theirs)
    assert of(payment)[0] == "waiting"


def test_the_provider_is_down_and_the_voucher_waits_for_the_code() -> None:
    payment = made()
    MemoryChannel.fail("issue", Unavailable("down"))
    answer = Client().get(f"/payments-shop/{payment.pk}/")
    assert (answer.status_code, of(payment)[0]) == (302, "waiting")
    assert Client().get(answer.headers["Location"]).status_code == 200


STRANGERS: dict[str, Callable[[Payment], Any]] = {
    "says that it was paid": lambda payment: Client().post(payment.get_process_url(), {"status": "confirmed"}),
    "asks for no payment": lambda payment: Client().get("/payments/process/0fbb5ad1-9a39-4b9f-8d1c-3c2d1d1f0e0a/"),
    "sends a message to the static address": lambda payment: Client().post("/payments/process/pagoefectivo/"),
}


@pytest.mark.parametrize(("asks", "status"), [*zip(STRANGERS.values(), (302, 404, 400), strict=True)], ids=STRANGERS)
def test_a_stranger_moves_nothing(asks: Callable[[Payment], Any], status: int) -> None:
    payment, _ = begun()
    assert asks(payment).status_code == status
    assert of(payment) == ("waiting", "", NOTHING)


# Settings.


def test_without_the_app_no_payment_would_be_confirmed() -> None:
    SIGNALS["payment_confirmed"].disconnect(apps.RECEIVER)
    with pytest.raises(Misconfigured, match="INSTALLED_APPS"):
        PagoEfectivoProvider()


def test_nothing_is_captured_later() -> None:
    with pytest.raises(Misconfigured, match="capture"):
        PagoEfectivoProvider(capture=False)


def test_without_django_payments_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "payments", None)
    config: AppConfig = apps.PagoEfectivoDjangoPaymentsConfig("x", pagoefectivo_django.contrib.django_payments)
    with pytest.raises(ImproperlyConfigured, match=r"pagoefectivo-django\[django-payments\]"):
        config.ready()


START = """
import django
django.setup()
from django.core.management import call_command
from payments.core import provider_factory
call_command("check")
provider_factory("pagoefectivo")
"""


@pytest.mark.once
def test_a_shop_s_process_starts_with_the_app_installed(child_environment: dict[str, str]) -> None:
    environment = child_environment | {"DJANGO_SETTINGS_MODULE": "tests.payments_shop.settings"}
    command = [sys.executable, "-W", "error", "-c", START]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (run.returncode, run.stderr) == (0, "")
