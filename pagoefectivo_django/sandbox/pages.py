"""Plain HTML for people: the payment page (protocol 7.2), and the frame of the agent's counter."""

from decimal import Decimal
from html import escape

from .book import DELETED, EXPIRED, GENERATED, PAID, Cip
from .wire import Answer

#: PagoEfectivo's own word for paid is "Cancelado"; the sandbox's pages say "Pagado".
STATUS_TEXTS = {
    GENERATED: "Pendiente de pago",
    PAID: "Pagado",
    EXPIRED: "Vencido",
    DELETED: "Eliminado",
}

_STYLE = """
*{box-sizing:border-box}
body{margin:0;background:#f2f4f7;color:#1c2430;font:17px/1.5 system-ui,sans-serif}
main{max-width:30rem;margin:1rem auto;padding:1.25rem;background:#fff;border-radius:.5rem}
@media(max-width:32rem){main{margin:0;border-radius:0}}
h1{font-size:1.35rem;margin:0 0 1rem}
dt{color:#566072;font-size:.9rem}
dd{margin:0 0 .75rem;overflow-wrap:anywhere}
.code{font-size:1.9rem;font-weight:700;letter-spacing:.06em}
label{display:block;font-weight:600}
input{width:100%;padding:.7rem;font:inherit;font-size:1.3rem;border:1px solid #7a8496;border-radius:.35rem}
button{width:100%;margin-top:1rem;padding:.8rem;font:inherit;font-weight:600;color:#fff;background:#0b57a4;border:0;
border-radius:.35rem;cursor:pointer}
.note{padding:.75rem 1rem;border-left:.3rem solid #566072;background:#f2f4f7}
.good{border-color:#17733c;background:#e9f6ee}
.bad{border-color:#b3261e;background:#fbecea}
a{color:#0b57a4}
footer{margin-top:1.5rem;color:#566072;font-size:.85rem}
"""


def page(title: str, content: str, status: int = 200) -> Answer:
    """Return a whole page around content that is HTML already."""
    text = (
        '<!DOCTYPE html>\n<html lang="es-PE"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{content}"
        "<footer>Simulador local de PagoEfectivo. Ningún pago es real.</footer></main></body></html>\n"
    )
    return Answer(status, text.encode(errors="replace"), "text/html; charset=utf-8")


def describe(cip: Cip) -> str:
    """Return the facts that payer and agent compare: code, amount, concept, deadline, state."""
    rows = [
        ("Código de pago (CIP)", str(cip.number), "code"),
        ("Monto", money(cip.amount, cip.currency), ""),
        ("Concepto", cip.concept or cip.transaction_code, ""),
        ("Paga hasta", cip.expires_at.strftime("%d/%m/%Y %H:%M") + " (hora de Lima)", ""),
        ("Estado", STATUS_TEXTS[cip.status], ""),
    ]
    items = (f'<dt>{name}</dt><dd class="{kind}">{escape(value)}</dd>' for name, value, kind in rows)
    return f"<dl>{''.join(items)}</dl>"


def money(amount: Decimal, currency: str) -> str:
    """Return an amount as written in Peru."""
    return f"{'S/' if currency == 'PEN' else 'US$'} {amount:,.2f}"


def payment_page(cip: Cip) -> Answer:
    """Return the payment page of a code."""
    link = f'<p><a href="/counter?cip={cip.number}">Pagar este código en el agente simulado</a></p>'
    return page("PagoEfectivo", describe(cip) + link)


def missing_page(key: str) -> Answer:
    """Return the answer for a missing or deleted payment page, as the vendor's storage gives (protocol 5)."""
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code>'
        f"<Message>The specified key does not exist.</Message><Key>{escape(key)}</Key></Error>"
    )
    return Answer(404, text.encode(errors="replace"), "application/xml")
