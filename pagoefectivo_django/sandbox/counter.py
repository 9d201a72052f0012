"""The agent's counter at /counter: a person types a code, sees the amount, and takes the money."""

from html import escape
from urllib.parse import parse_qs

from .book import DELETED, EXPIRED, GENERATED, PAID, Book, NotPossible, Taken
from .collector import Collector
from .pages import describe, money, page
from .rules import read_cip
from .wire import Answer, Request

TITLE = "Agente de pagos"

_AGAIN = '<p><a href="/counter">Atender otro código</a></p>'
_REFUSALS = {
    PAID: "Este código ya está pagado. No cobres otra vez.",
    EXPIRED: "Este código está vencido. No se puede cobrar.",
    DELETED: "Este código fue eliminado por el comercio. No se puede cobrar.",
}
_UNKNOWN = "No existe un código con ese número. Revisa los dígitos."


class Counter:
    """The pages for the person behind the counter."""

    def __init__(self, book: Book, collector: Collector) -> None:
        self._book = book
        self._collector = collector

    def answer(self, request: Request) -> Answer:
        """Return the form, the code's page, or the result of the payment."""
        sent = request.query if request.method == "GET" else request.body.decode(errors="replace")
        try:
            form = parse_qs(sent, max_num_fields=10)
        except ValueError:
            return _refuse(_UNKNOWN, 400)
        if request.method not in ("GET", "POST"):
            return Answer(405, headers=(("Allow", "GET, POST"),))
        typed = form.get("cip", [""])[0]
        if not typed.strip():
            return page(TITLE, _form())
        # People copy a code in groups, so blanks and hyphens are ignored.
        number = read_cip("".join(typed.split()).replace("-", ""))
        if request.method == "POST" and "confirm" in form and number is not None:
            return self._pay(number)
        return self._show(number, typed)

    def _show(self, number: int | None, typed: str) -> Answer:
        cip = self._book.find(number)
        if cip is None:
            return page(TITLE, _note(_UNKNOWN, "bad") + _form(typed), 404)
        status = cip.status
        if status != GENERATED:
            return page(TITLE, _note(_REFUSALS[status], "bad") + describe(cip) + _AGAIN, 409)
        confirm = (
            '<form method="post" action="/counter"><input type="hidden" name="cip" '
            f'value="{cip.number}"><button name="confirm" value="1">Cobrar {money(cip.amount, cip.currency)}'
            "</button></form>"
        )
        return page(TITLE, describe(cip) + confirm + _AGAIN)

    def _pay(self, number: int) -> Answer:
        try:
            payment = self._collector.pay(number, Taken())
        except NotPossible as error:
            text = _UNKNOWN if error.status is None else _REFUSALS[error.status]
            return _refuse(text, 404 if error.status is None else 409)
        paid = money(payment.amount, payment.currency)
        text = f"Pago registrado: {paid}. Número de operación: {payment.operation_number}."
        return page(TITLE, _note(text, "good") + _AGAIN)


def _refuse(text: str, status: int) -> Answer:
    return page(TITLE, _note(text, "bad") + _AGAIN, status)


def _note(text: str, kind: str) -> str:
    return f'<p class="note {kind}" role="status">{escape(text)}</p>'


def _form(typed: str = "") -> str:
    return (
        '<form method="post" action="/counter"><label for="cip">Código de pago (CIP)</label>'
        '<input id="cip" name="cip" inputmode="numeric" autocomplete="off" maxlength="30" required '
        f'value="{escape(typed)}">'
        "<button>Buscar</button></form>"
    )
