"""What becomes of a code that was issued, refused, lost, deleted or that expired."""

from __future__ import annotations

from ...channels.base import Report
from ...conf import conf
from ...models import Cip, Discrepancy, Payment
from ...states import TABLE, CipStatus, Condition, Fact, Kind, Standing, Wish
from ..provider.accounts import account_at
from .book import Book
from .doubts import doubt, now_confirmed
from .history import closed
from .refunds import given_back
from .watch import deadline


def issued(book: Book, cip: Cip, report: Report, asked: bool) -> None:
    """The provider says that the code can be paid."""
    rule = TABLE[book.state][Fact.ISSUED]
    live = book.live_cip()
    was = CipStatus(cip.status)
    # Whoever hears of it first: the code lives on, as was wished for.
    asked = asked or (was == CipStatus.EXPIRED and book.order.wish == Wish.EXTEND)
    # What was not asked for with a search: the answer of a request for a code, which may be written late.
    answered = report.asked_at is not None
    book.learn(cip, report, date=answered or was != CipStatus.CURRENT)
    if was == CipStatus.PAID and not answered:
        return  # it says nothing of what became of the code since
    if was == CipStatus.PAID:
        if taken := _taken(book, cip):
            doubt(book, Kind.REVERSED, report, cip, taken[-1])
        else:
            book.delete_at_provider(cip)
            book.note(Fact.ISSUED, cip)
    elif was == CipStatus.CURRENT:
        if asked and report.expires_at and book.order.expires_at != report.expires_at:
            now_confirmed(book, "The provider says until when it can be paid.")
            book.order.expires_at = report.expires_at
            book.touch(cip)
            book.note(Fact.ISSUED, cip, f"extended until {report.expires_at.isoformat()}")
    elif _reaches(was, live, cip, asked) and rule.to and (not rule.condition or (asked and not book.ordered_again())):
        if live and live is not cip:
            book.move_cip(live, CipStatus.SUPERSEDED)
            book.delete_at_provider(live)
        book.move_cip(cip, CipStatus.CURRENT)
        cip.next_attempt_at = None
        book.order.expires_at = cip.expires_at
        book.move_order(rule.to, Fact.ISSUED, cip, ended=Wish.REISSUE if asked else Wish.ISSUE)
    else:
        if was in (CipStatus.REQUESTED, CipStatus.LOST):
            book.move_cip(cip, CipStatus.SUPERSEDED)
        book.delete_at_provider(cip)
        book.note(Fact.ISSUED, cip)


def _reaches(was: CipStatus, live: Cip | None, cip: Cip, asked: bool) -> bool:
    """Return whether a code that can be paid becomes the order's: it was requested, found again, or wished for."""
    return was == CipStatus.REQUESTED or asked or (was == CipStatus.LOST and live in (None, cip))


def ended(book: Book, cip: Cip, report: Report, asked: bool) -> None:
    """The code was refused, got lost, expired or was deleted."""
    was, fact = CipStatus(cip.status), report.fact
    # Whoever hears of it first: another code follows a deletion that was wished for.
    asked = asked or (fact == Fact.CODE_DELETED and book.order.wish == Wish.REISSUE)
    becomes, from_these = {
        Fact.REFUSED: (CipStatus.REFUSED, {CipStatus.REQUESTED}),
        Fact.LOST: (CipStatus.LOST, {CipStatus.REQUESTED}),
        Fact.CODE_EXPIRED: (
            CipStatus.SUPERSEDED if asked else CipStatus.EXPIRED,
            {CipStatus.REQUESTED, CipStatus.CURRENT, CipStatus.LOST},
        ),
        Fact.CODE_DELETED: (
            CipStatus.SUPERSEDED if asked else CipStatus.DELETED,
            {CipStatus.REQUESTED, CipStatus.CURRENT, CipStatus.LOST, CipStatus.EXPIRED},
        ),
    }[fact]
    reaches = was == (CipStatus.REQUESTED if fact in (Fact.REFUSED, Fact.LOST) else CipStatus.CURRENT)
    if was in from_these:
        book.move_cip(cip, becomes)
    if fact in (Fact.CODE_DELETED, Fact.CODE_EXPIRED) and cip.next_attempt_at:
        cip.next_attempt_at = None
        book.touch(cip)
        questions = Discrepancy.objects.using(book.alias).filter(kind=Kind.STILL_PAYABLE, cip=cip).open()
        questions.update(**closed(book.actor, f"The provider says: {fact.label}.", book.now))
    past = fact == Fact.CODE_DELETED and deadline(book.order.expires_at) <= book.now
    rule = TABLE[book.state][Fact.LAPSED if past and reaches else fact]
    early = fact == Fact.CODE_EXPIRED and book.now < book.order.expires_at
    wanted = fact in (Fact.CODE_DELETED, Fact.CODE_EXPIRED) and asked
    last = rule.condition != Condition.LAST_ROUTE or _no_route_left(book)
    if was == CipStatus.PAID and report.asked_at and fact in (Fact.CODE_DELETED, Fact.CODE_EXPIRED):
        missing_there(book, cip, report)
    if reaches and rule.to and last and not early and not wanted and not book.in_question():
        book.move_order(rule.to, fact, cip, report.detail)
        now_confirmed(book, f"The provider says: {fact.label}.")
    elif rule.noted or cip.status != was or rule.to:
        book.note(fact, cip, report.detail)


def unknown(book: Book, cip: Cip, report: Report, asked: bool) -> None:
    """The provider said something that we don't know, or knows no such code: shown to staff, never guessed."""
    if cip.status == CipStatus.PAID and report.fact == Fact.ABSENT:
        missing_there(book, cip, report)
    book.note(report.fact, cip, report.detail)


def missing_there(book: Book, cip: Cip, report: Report) -> None:
    """We say paid, and the provider's own answer says otherwise."""
    if _taken(book, cip):
        doubt(book, Kind.MISSING_THERE, report, cip)


def _taken(book: Book, cip: Cip) -> list[Payment]:
    """Return the payments of a code that the provider should still know of: nobody took or gave them back."""
    standing = [payment for payment in book.payments_of(cip) if payment.standing != Standing.REVERSED]
    return [payment for payment in standing if not given_back(book, payment)]


def _no_route_left(book: Book) -> bool:
    refused = {cip.account for cip in book.cips if cip.status == CipStatus.REFUSED}
    return all(account_at(alias) in refused for alias in conf.route(book.order.currency))
