"""Ways to break the three promises, each by one small change of a flow, and the tests that notice."""

from dataclasses import dataclass

FLOWS = "pagoefectivo_django/flows"


@dataclass(frozen=True)
class Mutation:
    """A change that breaks a promise, and the tests that pass without it and fail with it."""

    #: What goes wrong in a shop that runs this.
    name: str
    #: The number of the promise in docs/explanation/promises.rst: 1 no payment is lost, 2 nothing is paid twice or
    #: shipped unpaid, 3 doubt goes to a person.
    promise: int
    #: The mutated file, below ``pagoefectivo_django/flows``.
    file: str
    #: What is replaced; it stands exactly once in the file.
    text: str
    replacement: str
    #: Each as file and function, without parameters. All must fail, each in at least one of its cases.
    tests: tuple[str, ...]
    database: str = "sqlite"

    @property
    def path(self) -> str:
        """The mutated file, below the project's root."""
        return f"{FLOWS}/{self.file}"

    def applied_to(self, source: str) -> str:
        """Return the source with the change; raises ``ValueError`` if the text doesn't stand in it exactly once."""
        if (found := source.count(self.text)) != 1:
            raise ValueError(f"{self.name!r}: its text stands {found} times in {self.path}, not once.")
        return source.replace(self.text, self.replacement)


MUTATIONS = (
    # ledger: what counts as a payment, and what is written.
    Mutation(
        name="a payment of another amount pays the order",
        promise=2,
        file="ledger/payments.py",
        text="if payment.amount != locked.order.amount:",
        replacement="if False:",
        tests=(
            "tests/flows/test_codes.py::test_what_does_not_fit_is_held",
            "tests/flows/test_codes.py::test_an_order_in_review_is_frozen_until_a_person_answers",
        ),
    ),
    Mutation(
        name="a payment in another currency pays the order",
        promise=2,
        file="ledger/payments.py",
        text="if payment.currency != locked.order.currency:",
        replacement="if False:",
        tests=("tests/flows/test_codes.py::test_what_does_not_fit_is_held",),
    ),
    Mutation(
        name="a payment within the grace is held as late",
        promise=1,
        file="ledger/payments.py",
        text="> deadline(order.expires_at)",
        replacement="> order.expires_at",
        tests=("tests/flows/test_expiry.py::test_a_payment_until_the_end_of_the_grace_is_on_time",),
    ),
    Mutation(
        name="a repetition of a payment counts as another payment",
        promise=2,
        file="ledger/payments.py",
        text="if known := same_payment(locked.payments_of(cip), report):",
        replacement="if known := None:",
        tests=("tests/flows/test_rounds.py::test_an_answer_that_still_tells_of_a_payment_taken_back_is_that_payment",),
    ),
    Mutation(
        name="an answer from before a reversal pays the order again",
        promise=2,
        file="ledger/advance.py",
        text="cip.reversed_version > max(report.version, 0)",
        replacement="False",
        tests=("tests/flows/test_money.py::test_an_answer_from_before_a_reversal_pays_nothing",),
    ),
    Mutation(
        name="an order's new state is told and not saved",
        promise=1,
        file="ledger/locked.py",
        text="_save([locked.order for locked in self.locked_orders], _SAVED, self.alias)",
        replacement="_save([locked.order for locked in self.locked_orders], _SAVED[1:], self.alias)",
        tests=("tests/flows/test_expiry.py::test_a_payment_that_nobody_told_of_is_found_by_the_last_look",),
    ),
    Mutation(
        name="an order moves without an event, so that no receiver hears of it",
        promise=1,
        file="ledger/locked.py",
        text="self.history.tell(self.order, TOLD[to], fact, cip, data, before=before, reason=reason)",
        replacement="pass",
        tests=(
            "tests/flows/test_expiry.py::test_an_expired_order_paid_on_time_and_heard_late_comes_back",
            "tests/flows/test_expiry.py::test_receivers_hear_of_it_once",
        ),
    ),
    Mutation(
        name="two payments at once each move an order that neither has locked",
        promise=2,
        file="ledger/locked.py",
        text="(orders.select_for_update() if wait else unless_locked(orders)).defer(*without)",
        replacement="orders.defer(*without)",
        tests=("tests/flows/test_two_at_once.py::test_the_second_payment_waits_for_the_first_and_counts_beside_it",),
        database="postgresql",
    ),
    Mutation(
        name="a glitch that a person ignored silences what really happens later",
        promise=3,
        file="ledger/contradictions.py",
        text="anew = said != cip.answer",
        replacement="anew = False",
        tests=(
            "tests/flows/test_contradicting_answers.py::test_another_amount_is_asked_about_although_one_was_answered",
            "tests/flows/test_contradicting_answers.py::test_one_doubt_after_the_other_is_news",
        ),
    ),
    # receive: what is believed, and what is kept.
    Mutation(
        name="a message without a signature is believed",
        promise=2,
        file="inbox/receive.py",
        text="return channels[-1], channels[-1].verify(incoming)",
        replacement='return channels[-1], Proof("signed_body", "", "0" * 64, incoming)',
        tests=("tests/hostile/test_webhook.py::test_unproven_is_refused_and_not_kept",),
    ),
    Mutation(
        name="a message whose transaction was lost is answered by 200 and not kept",
        promise=1,
        file="inbox/receive.py",
        text="return _keep(row, lambda kept: kept, wait=row.fact != Mention.TEST)",
        replacement="return row",
        tests=("tests/hostile/test_webhook.py::test_what_cannot_be_applied_now_is_kept_and_applied_later",),
    ),
    Mutation(
        name="a message that is applied late counts as received then, so that its payment is late",
        promise=1,
        file="inbox/apply.py",
        text="report = replace(item, received_at=row.heard_at)",
        replacement="report = replace(item, received_at=now)",
        tests=("tests/hostile/test_webhook.py::test_first_received_in_time_counts_however_late_it_is_applied",),
    ),
    Mutation(
        name="of two repetitions at once one is not counted",
        promise=1,
        file="inbox/receive.py",
        text="        .select_for_update()\n",
        replacement="",
        tests=("tests/flows/test_two_at_once.py::test_a_repetition_waits_for_who_has_the_message_and_is_counted",),
        database="postgresql",
    ),
    Mutation(
        name="a payment of a code that nobody knows is given up in silence",
        promise=3,
        file="inbox/apply.py",
        text="ask_person(row, Kind.UNMATCHED, now)",
        replacement="pass",
        tests=(
            "tests/hostile/test_webhook.py::test_an_unknown_code_waits_and_then_a_person_is_asked",
            "tests/flows/test_codes.py::test_an_unknown_code_is_a_discrepancy_and_adopting_it_answers",
        ),
    ),
    # publish: who hears of it, and how often.
    Mutation(
        name="a delivery is marked and committed before its receiver ran",
        promise=1,
        file="outbox/publish.py",
        text="one_transaction() if receiver.atomic else nullcontext()",
        replacement="nullcontext()",
        tests=("tests/receivers/test_promises.py::test_one_that_raises_is_called_again_alone_with_growing_pauses",),
    ),
    Mutation(
        name="a receiver of mail that failed once is never called again",
        promise=1,
        file="outbox/publish.py",
        text="if receiver.atomic and not _mark(delivery, now):",
        replacement="if not _mark(delivery, now):",
        tests=("tests/receivers/test_promises.py::test_an_error_of_the_database_is_an_error",),
    ),
    Mutation(
        name="a delivery that another worker has taken is delivered a second time",
        promise=2,
        file="outbox/publish.py",
        text="if not delivery.claim(moment):",
        replacement="if not delivery.claim(moment) and False:",
        tests=("tests/receivers/test_promises.py::test_what_another_worker_took_meanwhile_is_left_to_it",),
    ),
    Mutation(
        name="a worker that outlived its lease delivers a second time",
        promise=2,
        file="outbox/publish.py",
        text="_this(delivery).filter(delivered_at__isnull=True)\n",
        replacement="_this(delivery)\n",
        tests=("tests/receivers/test_promises.py::test_a_worker_that_outlived_its_lease_finds_nothing_left_to_do",),
    ),
    # expire: no payment is thrown away at the end.
    Mutation(
        name="an order expires without a last look at the provider",
        promise=1,
        file="worker/expire.py",
        text="answers |= search(channel, mine, budget)",
        replacement="answers |= {"
        'cip.pk: Report(account=account, fact=Fact.CODE_EXPIRED, code=cip.code or "") for cip in mine}',
        tests=(
            "tests/flows/test_expiry.py::test_a_payment_that_nobody_told_of_is_found_by_the_last_look",
            "tests/flows/test_expiry.py::test_a_code_that_the_provider_does_not_know_postpones",
        ),
    ),
    Mutation(
        name="an order expires while its code can still be paid",
        promise=1,
        file="worker/expire.py",
        text="answer = _delete(cip, now)",
        replacement="answer = report_on(cip, Fact.CODE_EXPIRED)",
        tests=(
            "tests/flows/test_expiry.py::test_a_code_still_open_past_its_date_is_deleted_before_the_order_ends",
            "tests/flows/test_expiry.py::test_a_deletion_that_is_not_confirmed_postpones",
        ),
    ),
    Mutation(
        name="an order whose end nobody confirms waits for ever, and no person knows",
        promise=3,
        file="worker/expire.py",
        text="if look.in_doubt and now - deadline(order.expires_at) > LIMIT:",
        replacement="if False:",
        tests=(
            "tests/flows/test_expiry.py::test_an_unreachable_provider_postpones_and_after_a_day_a_person_knows",
            "tests/flows/test_expiry.py::test_a_code_that_the_provider_does_not_know_postpones",
        ),
    ),
    # What waits for somebody.
    Mutation(
        name="an approved refund waits for an account that nobody asks for",
        promise=3,
        file="ledger/refunds.py",
        text="if row.wants_account:",
        replacement="if False:",
        tests=("tests/mail/test_refund_account_mails.py::test_who_is_to_get_money_is_asked_where_to_once",),
    ),
    Mutation(
        name="a message that could not be applied at once is never due",
        promise=1,
        file="worker/due.py",
        text='    "notifications": (Notification, "retry_at"),\n',
        replacement="",
        tests=(
            "tests/flows/test_recovery.py::test_the_second_payment_of_the_same_bytes_is_applied_although_its_transaction_was_lost",
        ),
    ),
    Mutation(
        name="a change that met a discrepancy is never taken up again",
        promise=3,
        file="worker/tick.py",
        text='part(take_up, "deferred_actions")',
        replacement="pass",
        tests=(
            "tests/flows/test_refund_steps.py"
            "::test_a_pending_action_that_meets_a_discrepancy_is_taken_up_however_that_is_closed",
        ),
    ),
)
