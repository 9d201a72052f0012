"""The step about the webhook: a signed test message goes out to the public address and returns; no money moves."""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import json
import socket
import uuid
from collections.abc import Iterator, Mapping
from urllib.parse import urljoin, urlsplit

from django.db.models import QuerySet
from django.urls import NoReverseMatch, reverse

from ..channels import get_channel
from ..channels.http import Answer, Call, Deadline, send
from ..conf import conf
from ..errors import Misconfigured, PagoEfectivoError
from ..flows.inbox.receive import TEST_BEGINS
from ..models import Notification
from ..models.database import database
from ..states import Mention
from .finding import Finding, Verdict, not_looked_at, well

#: Seconds for a message with its answer, and for an answer to a message's head alone.
PATIENCE, QUIET = 10.0, 3.0
#: A Content-Length (bytes) that a server should refuse before reading the body.
HUGE = 1024**3


def examine_webhooks() -> Iterator[Finding]:
    """Yield findings about each channel's address: known to the DNS, public, HTTPS, answered by this installation."""
    if not conf.public_url:
        hint = "Set PAGOEFECTIVO['PUBLIC_URL'] to your shop's address, such as 'https://shop.example'."
        yield Finding("webhook", Verdict.FAILURE, "The public address is not known.", hint)
        return
    for alias in conf.channels:
        step = f"webhook {alias}"
        try:
            path = reverse("pagoefectivo:webhook", args=[alias])
        except NoReverseMatch:
            hint = 'Add path("pay/", include("pagoefectivo_django.urls")) to your ROOT_URLCONF.'
            yield Finding(step, Verdict.FAILURE, "The app's addresses are in no urls.py.", hint)
            return
        try:
            yield from _reached(step, alias, urljoin(conf.public_url, path))
        except Misconfigured as error:
            yield Finding(step, Verdict.FAILURE, str(error), "Mend this channel's settings; the others were looked at.")
        except Exception as error:  # an option may have any type; the error's text may hold a secret
            yield not_looked_at(step, error)


def _reached(step: str, alias: str, address: str) -> Iterator[Finding]:
    parts = urlsplit(address)
    host = parts.hostname or ""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, parts.port or 443, type=socket.SOCK_STREAM)}
    except OSError as error:
        hint = "Is the name in PUBLIC_URL right, and is it in the DNS?"
        yield Finding(step, Verdict.FAILURE, f"{host} is not found ({type(error).__name__}).", hint)
        return
    here = all(not ipaddress.ip_address(one.partition("%")[0]).is_global for one in found)
    if here:
        hint = "The provider can't reach it there, unless it is another one from outside."
        yield Finding(step, Verdict.WARNING, f"{host} is an address of a private network here.", hint)
    if parts.scheme != "https":
        verdict = Verdict.WARNING if here else Verdict.FAILURE
        hint = "Serve it by HTTPS: payers' data passes there. PUBLIC_URL then begins with https://."
        yield Finding(step, verdict, f"{address} is not HTTPS.", hint)
    returned = _returned(step, alias, address)
    yield returned
    yield from _believes(step, address)
    if returned.verdict == Verdict.OK:
        yield _taken_in_pieces(step, alias, address)
        yield from _takes_everything(step, address)


def _message(alias: str) -> tuple[bytes, Mapping[str, str], QuerySet[Notification]]:
    """Return a signed test message without meaning, its headers, and a queryset of its row in this shop's database."""
    body = TEST_BEGINS + f',"nonce":"{uuid.uuid4().hex}"}}'.encode()
    headers = {"Content-Type": "application/json", **get_channel(alias).signed(body)}
    return (
        body,
        headers,
        Notification.objects.using(database()).filter(fact=Mention.TEST, identity=hashlib.sha256(body).hexdigest()),
    )


def _returned(step: str, alias: str, address: str) -> Finding:
    """Send a signed test message and return whether this shop's own database received the message."""
    body, headers, mine = _message(alias)
    try:
        answer = send(Call("POST", address, PATIENCE, headers, body), Deadline(PATIENCE))
    except PagoEfectivoError as error:
        mine.delete()  # the message may have arrived although the answer was lost
        hint = "Does the server run, does its certificate fit the name, and may this machine reach itself from outside?"
        return Finding(step, Verdict.FAILURE, f"{address} can't be reached. {error}", hint)
    if answer.status != 200:
        return _refused(step, address, answer)
    if mine.delete()[0]:
        return well(step, f"{address}: a signed test message left and returned; no money moved.")
    hint = "PUBLIC_URL leads to another installation, or to something that says yes to everything."
    return Finding(step, Verdict.FAILURE, f"{address} answered 200, but the message is not in this database.", hint)


def _believes(step: str, address: str) -> Iterator[Finding]:
    """Yield a failure if the address accepts a message without a signature."""
    body = TEST_BEGINS + f',"nonce":"{uuid.uuid4().hex}"}}'.encode()
    try:
        answer = send(Call("POST", address, PATIENCE, {"Content-Type": "application/json"}, body), Deadline(PATIENCE))
    except PagoEfectivoError:
        return  # _returned has reported it
    if answer.status < 300:
        hint = "Find out what answers there: whoever knows the address could tell it of payments."
        yield Finding(
            step, Verdict.FAILURE, f"{address} answered {answer.status} to a message without signature.", hint
        )


def _taken_in_pieces(step: str, alias: str, address: str) -> Finding:
    """Send a signed message with Transfer-Encoding: chunked, and return how the server treated the message."""
    body, headers, mine = _message(alias)
    hint = (
        "A provider that sends so is not heard. Have the proxy in front read requests whole before it passes them on "
        "(nginx does, unless proxy_request_buffering is off), or use a server that reads them, such as gunicorn."
    )
    try:
        answer = send(Call("POST", address, PATIENCE, headers, body, chunked=True), Deadline(PATIENCE))
    except PagoEfectivoError as error:
        mine.delete()
        return Finding(step, Verdict.WARNING, f"A message in pieces (chunked) got no answer. {error}", hint)
    arrived = bool(mine.delete()[0])
    if answer.status == 200 and arrived:
        return well(step, "A message in pieces (chunked) is read.")
    said = {
        200: "answered 200, and is not in this database",
        403: "refused (403): it reached the app without its body",
        411: "refused (411): this server does not tell the app where it ends",
    }
    seen = said.get(answer.status, f"answered {answer.status}")
    return Finding(step, Verdict.WARNING, f"A message in pieces (chunked) is {seen}.", hint)


def _takes_everything(step: str, address: str) -> Iterator[Finding]:
    """Yield whether the server refuses a message of 1 GiB by its head, before taking in the body.

    Only the head is sent. Under ASGI, Django itself writes every body to disk before any code of a project runs.
    """
    parts = urlsplit(address)
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=QUIET)
    try:
        connection.putrequest("POST", parts.path)
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(HUGE))
        connection.endheaders()
        status = connection.getresponse().status
    except TimeoutError:
        seen = f"A message that says it has {HUGE:,} bytes is not refused before they are sent."
        hint = (
            "Servers of ASGI store all of it first, before any code of yours runs. Have the proxy in front refuse it: "
            "nginx by client_max_body_size, 64k for the webhook."
        )
        yield Finding(step, Verdict.WARNING, seen, hint)
    except (OSError, http.client.HTTPException):
        return  # closed without an answer: the body is not taken in
    else:
        yield well(step, f"A message that says it has {HUGE:,} bytes is answered {status} before they are sent.")
    finally:
        connection.close()


def _refused(step: str, address: str, answer: Answer) -> Finding:
    seen = f"{address} answered {answer.status}"
    if 300 <= answer.status < 400:
        seen += ", a redirect"
        hint = "Providers follow none: leave it out of your login, and name the final host in PUBLIC_URL."
    elif answer.status == 403 and _is_ours(answer):
        seen += ": it takes the signature for another's"
        hint = "The server there has other webhook secrets than this machine, or WEBHOOK_ALLOWED_NETWORKS "
        hint += "does not list this machine."
    elif answer.status in (401, 403):
        seen += ", and not by this app"
        hint = "Is it behind a firewall, a login, or a middleware of yours that wants a CSRF token?"
    elif answer.status == 404:
        hint = "Does PUBLIC_URL lead to the project whose urls.py has this app, and is the channel's alias the same?"
    else:
        hint = "Look at that server's log: it could not keep the message."
    return Finding(step, Verdict.FAILURE, f"{seen}.", hint)


def _is_ours(answer: Answer) -> bool:
    try:
        return bool(json.loads(answer.body).get("message") == "invalid signature")
    except (ValueError, AttributeError):
        return False
