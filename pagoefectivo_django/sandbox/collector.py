"""The collector: takes money at a counter, gives money back, and notifies the merchant (protocol 6)."""

from .book import Book, Cip, Payment, Taken
from .faults import Faults
from .notices import Postman


class Collector:
    """The events outside of the merchant's API: payment, reversal, expiry."""

    def __init__(self, book: Book, faults: Faults, postman: Postman) -> None:
        self._book = book
        self._faults = faults
        self._postman = postman

    def pay(self, cip: int, taken: Taken, *, force: bool = False, full: bool = True) -> Payment:
        """Take money for a code and send `cip.paid`; `full` selects the newer payload (protocol 6.3)."""
        paid, payment = self._book.pay(cip, taken, force)
        self._tell("cip.paid", paid, payment, full)
        return payment

    def reverse(self, cip: int, *, notify: bool = True, full: bool = True) -> Payment:
        """Undo the last payment of a code and send `cip.refunded` (protocol 6.4, 6.6)."""
        undone, payment = self._book.reverse(cip)
        if notify:
            self._tell("cip.refunded", undone, payment, full)
        return payment

    def expire(self, cip: int, *, notify: bool = False, full: bool = True) -> Cip:
        """Move a code's end into the past; `cip.expired` is sent only if asked, since not every merchant gets it
        (protocol 6.4).
        """
        expired = self._book.expire(cip)
        if notify:
            self._tell("cip.expired", expired, None, full)
        return expired

    def _tell(self, event: str, cip: Cip, payment: Payment | None, full: bool) -> None:
        fault = self._faults.take("webhook", {cip.number}, {cip.transaction_code})
        self._postman.tell(event, cip, payment, full, fault)
