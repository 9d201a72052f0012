"""Kind 16: several services in one process, each with its keys, its tokens, its codes and its webhook."""

from __future__ import annotations

import hashlib
import hmac
import subprocess
from collections.abc import Iterator
from itertools import permutations

import pytest

from .running import PATIENCE, Client, Shop, command, listening, order, running, wait_for

MAIN = {
    "SERVICE_ID": "1001",
    "ACCESS_KEY": "EXAMPLEACCESSKEY0001",
    "SECRET_KEY": "ExampleSecretKey00000000000000000000/+01",
}
QR = {
    "SERVICE_ID": "2002",
    "ACCESS_KEY": "EXAMPLEACCESSKEY0002",
    "SECRET_KEY": "ExampleSecretKey00000000000000000000/+02",
}
LATER = {
    "SERVICE_ID": "30303",
    "ACCESS_KEY": "EXAMPLEACCESSKEY0003",
    "SECRET_KEY": "ExampleSecretKey00000000000000000000/+03",
}

Services = list[tuple[Client, Shop]]


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    """The clients of three services, and the shop that hears the webhooks of each."""
    with listening() as main, listening() as qr, listening() as later:
        arguments = []
        for keys, shop in ((MAIN, main), (QR, qr), (LATER, later)):
            arguments += ["--service-id", keys["SERVICE_ID"], "--access-key", keys["ACCESS_KEY"]]
            arguments += ["--secret-key", keys["SECRET_KEY"], "--webhook-url", shop.url]
        with running(*arguments) as first:
            others = [Client(first.process, first.base, keys) for keys in (QR, LATER)]
            yield list(zip([first, *others], [main, qr, later], strict=True))
            for other in others:
                other.session.close()


def test_each_has_its_keys_and_its_webhook(services: Services) -> None:
    for client, shop in services:
        number = int(client.keys["SERVICE_ID"])
        cip = client.create(serviceId=number, transactionCode=f"OF-{number}")
        assert client.book(cip)["serviceId"] == number
        client.tell("pay", cip=cip)
        wait_for(lambda shop=shop, cip=cip: shop.about(cip))  # type: ignore[misc]
        body, signature = next(each for each in shop.received if str(cip).encode() in each[0])
        assert signature == hmac.new(client.keys["SECRET_KEY"].encode(), body, hashlib.sha256).hexdigest()
        assert not any(other.about(cip) for _, other in services if other is not shop)
        assert client.search(cip)[0]["status"] == 23


def test_none_knows_the_codes_of_another(services: Services) -> None:
    for (own, _), (other, _) in permutations(services, 2):
        cip = own.create(serviceId=None)
        assert other.search(cip) == [{}]
        for method, body in (("PATCH", {"dateExpiry": order()["dateExpiry"]}), ("DELETE", None)):
            answer = other.call(method, f"/v1/cips/{cip}", body)
            assert [(each["code"], each["field"]) for each in answer.json()["data"]] == [("113", "cip")]
        assert own.search(cip)[0]["status"] == 22
        answer = other.call("POST", "/v1/cips", order(serviceId=int(own.keys["SERVICE_ID"])))
        assert (answer.status_code, answer.json()["code"]) == (400, "508")


def test_keys_are_not_exchanged(services: Services) -> None:
    for (own, _), (other, _) in permutations(services, 2):
        mixed = own.keys | {"SECRET_KEY": other.keys["SECRET_KEY"]}
        assert Client(own.process, own.base, mixed).authorize().status_code == 401
        assert own.authorize(accessKey=other.keys["ACCESS_KEY"]).status_code == 401
        assert own.authorize(idService=int(other.keys["SERVICE_ID"])).status_code == 401


def test_the_controls_name_a_service_or_mean_all(services: Services) -> None:
    (first, heard_first), (second, heard_second), _ = services
    number = int(second.keys["SERVICE_ID"])
    first.tell("notify", serviceId=number, body={"eventType": "cip.new"})
    body, signature = heard_second.received[-1]
    assert signature == hmac.new(second.keys["SECRET_KEY"].encode(), body, hashlib.sha256).hexdigest()
    first.tell("notify", body={"eventType": "cip.newer"})
    assert b"cip.newer" in heard_first.received[-1][0]
    with listening() as shop:
        first.tell("webhook", url=shop.url)
        try:
            for client, _ in services:
                first.tell("notify", serviceId=client.keys["SERVICE_ID"], body={"eventType": client.keys["SERVICE_ID"]})
            assert len(shop.received) == 3
            first.tell("webhook", serviceId=number, url="")
            assert first.send("POST", "/sandbox/notify", {"serviceId": number, "body": {}}).status_code == 400
            first.tell("notify", body={})
        finally:
            for client, heard in services:
                first.tell("webhook", serviceId=client.keys["SERVICE_ID"], url=heard.url)
    for control in ("notify", "webhook"):
        answer = first.send("POST", f"/sandbox/{control}", {"serviceId": 9, "url": "", "body": {}})
        assert answer.status_code == 400
        assert "serviceId" in answer.text


def test_a_ready_env_is_printed() -> None:
    """Every line below the address is NAME=value; made-up keys belong to their service, at every start."""
    arguments = ("--port", "0", "--service-id", "7", "--webhook-url", "http://127.0.0.1:9/a", "--service-id", "8")
    printed = []
    for _ in range(2):
        with subprocess.Popen(
            command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdout is not None
            address = process.stdout.readline().removeprefix("PagoEfectivo sandbox: ").strip()
            lines = [process.stdout.readline().strip() for _ in range(12)]
            process.terminate()
            process.wait(PATIENCE)
        named = dict(line.split("=", 1) for line in lines)
        assert named.pop("PAGOEFECTIVO_BASE_URL") == address
        printed.append(named)
    assert printed[0] == printed[1]
    (named, _) = printed
    assert [named[name] for name in ("SERVICE_ID", "SERVICE_ID_2", "WEBHOOK_URL", "WEBHOOK_URL_2")] == [
        "7",
        "8",
        "http://127.0.0.1:9/a",
        "",
    ]
    assert len({named[f"{name}_KEY{end}"] for name in ("ACCESS", "SECRET") for end in ("", "_2")}) == 4
    for name in ("SERVICE_ID", "ACCESS_KEY", "SECRET_KEY"):
        assert named[f"PAGOEFECTIVO_{name}"] == named[name]
    with running("--service-id", "8") as alone:
        assert alone.keys["SECRET_KEY"] == named["SECRET_KEY_2"]
