"""The agent's counter, as a person with a browser sees it."""

import hashlib
import hmac

import pytest

from .running import wait_for


def look(sandbox, **form):
    return sandbox.session.post(f"{sandbox.site}/counter", data=form, timeout=20)


def test_a_person_pays(sandbox, shop):
    cip = sandbox.create(amount=1035.5, paymentConcept='Polo "M" & más')
    empty = sandbox.session.get(f"{sandbox.site}/", timeout=20)
    assert empty.url == f"{sandbox.site}/counter"
    assert 'name="cip"' in empty.text
    assert 'name="viewport"' in empty.text
    typed = f" {str(cip)[:4]}-{str(cip)[4:]} "
    shown = look(sandbox, cip=typed)
    assert shown.status_code == 200
    assert "Polo &quot;M&quot; &amp; más" in shown.text
    assert "Cobrar S/ 1,035.50" in shown.text
    assert sandbox.search(cip)[0]["status"] == 22
    done = look(sandbox, cip=str(cip), confirm="1")
    assert done.status_code == 200
    (payment,) = sandbox.book(cip)["payments"]
    assert f"Número de operación: {payment['operationNumber']}" in done.text
    body, signature = wait_for(lambda: shop.received)[0]
    assert signature == hmac.new(sandbox.keys["SECRET_KEY"].encode(), body, hashlib.sha256).hexdigest()
    assert f'"cip":"{cip}"'.encode() in body
    assert b'"amount":1035.50' in body
    again = look(sandbox, cip=str(cip), confirm="1")
    assert again.status_code == 409
    assert "ya está pagado" in again.text
    assert len(sandbox.book(cip)["payments"]) == 1


def test_the_link_of_the_payment_page(sandbox):
    cip = sandbox.create(paymentConcept=None, transactionCode="NO-CONCEPT")
    shown = sandbox.session.get(f"{sandbox.site}/counter?cip={cip}", timeout=20)
    assert "NO-CONCEPT" in shown.text
    assert "Cobrar S/ 35.50" in shown.text


@pytest.mark.parametrize("form", [{}, {"confirm": "1"}])
def test_codes_that_cannot_be_paid(sandbox, form):
    expired, deleted = sandbox.create(), sandbox.create()
    sandbox.tell("expire", cip=expired)
    sandbox.call("DELETE", f"/v1/cips/{deleted}")
    for cip, text, status in (
        (str(expired), "vencido", 409),
        (str(deleted), "eliminado", 409),
        ("1", "No existe", 404),
        ("<script>", "No existe", 404),
        ("1" * 15, "No existe", 404),
    ):
        answer = look(sandbox, cip=cip, **form)
        assert answer.status_code == status
        assert text in answer.text
        assert "<script>" not in answer.text
    assert sandbox.book(expired)["payments"] == sandbox.book(deleted)["payments"] == []


def test_too_many_fields(sandbox):
    assert look(sandbox, **{f"f{number}": "1" for number in range(20)}).status_code == 400
