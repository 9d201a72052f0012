"""The JSON that the API answers, described field by field for the schema; ``payload`` writes it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from ..models import Discrepancy
from ..money import CURRENCIES
from ..signals import SIGNALS
from ..states import Kind, OrderState, RefundStatus, Resolution, SettlementStatus, StatementKind
from .payload import ACTIONS, REFUND_ACTIONS

AMOUNT = r"^-?[0-9]+\.[0-9]{2}$"


class Answer(serializers.Serializer[Any]):
    """A JSON object in an answer."""


class AmountField(serializers.RegexField):
    """An amount as text with two decimals: ``120.50``."""

    def __init__(self, **named: Any) -> None:
        super().__init__(regex=AMOUNT, **named)


class MoneyAnswer(Answer):
    """A sum of money."""

    amount = AmountField()
    currency = serializers.CharField(help_text="ISO 4217; a settlement may be in any currency.")


class PayerAnswer(serializers.DictField):
    """The payer's data, by field; empty fields are left out."""

    child = serializers.CharField()


class OrderAnswer(Answer):
    """What the shop wants paid."""

    id = serializers.UUIDField()
    reference = serializers.CharField(help_text="The shop's number of the order.")
    state = serializers.ChoiceField([str(state) for state in OrderState])
    in_review = serializers.BooleanField(help_text="A person has to decide about the order's money first.")
    amount = AmountField()
    currency = serializers.ChoiceField(CURRENCIES)
    refunded = MoneyAnswer(help_text="The sum of the refunds sent.")
    presents = serializers.ChoiceField(["code", "link", "qr"], allow_null=True, help_text="What the payer pays by.")
    code = serializers.CharField(allow_null=True)
    qr = serializers.CharField(allow_null=True, help_text="The content of the QR code.")
    payment_url = serializers.CharField(allow_null=True, help_text="The provider's page on which the payer pays.")
    concept = serializers.CharField(allow_blank=True)
    language = serializers.CharField()
    expires_at = serializers.DateTimeField()
    paid_at = serializers.DateTimeField(allow_null=True)
    settled_at = serializers.DateTimeField(allow_null=True)
    operation_number = serializers.CharField(allow_null=True)
    actions = serializers.ListField(
        child=serializers.ChoiceField(ACTIONS), help_text="What the caller can do to the order now."
    )
    metadata = serializers.DictField(help_text="What the shop gave when the order was created.")
    created_at = serializers.DateTimeField()
    payer = PayerAnswer(required=False, allow_null=True, help_text="With the permission `see_personal_data`.")
    voucher_url = serializers.CharField(
        required=False, help_text="The payer's page; after creating, and with the permission `change_order`."
    )
    pdf_url = serializers.CharField(required=False, help_text="The same as a PDF.")


class RefundAnswer(Answer):
    """Money that goes back to a payer."""

    id = serializers.IntegerField()
    order = serializers.UUIDField()
    amount = AmountField()
    currency = serializers.ChoiceField(CURRENCIES)
    status = serializers.ChoiceField([str(status) for status in RefundStatus])
    by_provider = serializers.BooleanField(help_text="The provider sends the money; else the shop does.")
    account_known = serializers.BooleanField(help_text="The payer's bank account is known.")
    actions = serializers.ListField(
        child=serializers.ChoiceField(REFUND_ACTIONS), help_text="What the caller can do to the refund now."
    )
    requested_at = serializers.DateTimeField()
    approved_at = serializers.DateTimeField(allow_null=True)
    sent_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)


class EventAnswer(Answer):
    """What happened to an order, or to money without an order."""

    id = serializers.UUIDField(help_text="The same in every answer and webhook that tells of the event.")
    cursor = serializers.CharField(help_text="Pass it as `after` to read what came later.")
    kind = serializers.CharField(help_text=f"{', '.join(SIGNALS)}; there may be more in later versions.")
    order = serializers.UUIDField(allow_null=True)
    discrepancy = serializers.IntegerField(allow_null=True)
    data = serializers.DictField(  # type: ignore[assignment]
        help_text="The manual's page of keys says what each means."
    )
    occurred_at = serializers.DateTimeField()


class DiscrepancyAnswer(Answer):
    """A case that no rule decides, for a person."""

    id = serializers.IntegerField()
    kind = serializers.CharField(help_text=f"{', '.join(map(str, Kind))}; there may be more in later versions.")
    status = serializers.ChoiceField([str(status) for status in Discrepancy.Status])
    order = serializers.UUIDField(allow_null=True)
    settlement = serializers.IntegerField(allow_null=True)
    account = serializers.CharField(allow_null=True)
    amount = AmountField(allow_null=True)
    currency = serializers.CharField(allow_null=True)
    evidence = serializers.ListField(
        child=serializers.DictField(), help_text="The manual's page of keys says what each means."
    )
    suggestion = serializers.ChoiceField([str(each) for each in Resolution], allow_null=True)
    resolution = serializers.ChoiceField([str(each) for each in Resolution], allow_null=True)
    closed_because = serializers.CharField(allow_null=True, help_text="Why a program closed it.")
    actions = serializers.ListField(
        child=serializers.ChoiceField([str(each) for each in Resolution]),
        help_text="The resolutions that the caller can choose now.",
    )
    created_at = serializers.DateTimeField()
    resolved_at = serializers.DateTimeField(allow_null=True)


class SettlementAnswer(Answer):
    """A provider's statement of payments paid out, or taken."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField([str(kind) for kind in StatementKind])
    status = serializers.ChoiceField(
        [str(status) for status in SettlementStatus], help_text="A draft counts in no report."
    )
    account = serializers.CharField()
    reference = serializers.CharField(allow_null=True)
    dated = serializers.DateField()
    currency = serializers.CharField()
    gross = MoneyAnswer()
    fee = MoneyAnswer()
    tax = MoneyAnswer()
    net = MoneyAnswer()
    open = MoneyAnswer(help_text="The part of the net sum that has not been seen at the bank.")
    line_count = serializers.IntegerField()
    fault_count = serializers.IntegerField(help_text="Lines that could not be read.")
    file_name = serializers.CharField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class BooksAnswer(Answer):
    """The sums of one currency."""

    currency = serializers.CharField(help_text="ISO 4217.")
    payments = MoneyAnswer()
    in_transit = MoneyAnswer()
    settled = MoneyAnswer()
    gross = MoneyAnswer()
    matched = MoneyAnswer()
    unmatched = MoneyAnswer()
    fees = MoneyAnswer()
    tax = MoneyAnswer()
    net = MoneyAnswer()
    refunds = MoneyAnswer()
    deposits = MoneyAnswer()
    open_payouts = MoneyAnswer()
    holds = serializers.BooleanField(help_text="The sums agree with each other.")


class BalanceAnswer(Answer):
    """What payers paid, what was settled, and what reached the bank."""

    since = serializers.DateField(allow_null=True)
    until = serializers.DateField(allow_null=True)
    results = BooksAnswer(many=True)
    open_discrepancies = serializers.IntegerField()


class ProblemAnswer(Answer):
    """Problem details (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What is wrong, in the caller's language (`Accept-Language`).")
    code = serializers.CharField(help_text="The same case for programs; never changes.")
    trace = serializers.CharField(allow_blank=True, help_text="Joins the answer with the shop's log.")
    errors = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField()),
        help_text="By field, as in `payer.email`, what is wrong.",
    )
