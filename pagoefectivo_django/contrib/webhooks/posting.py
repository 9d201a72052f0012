"""The only way out to endpoints: one POST to an address that was checked, bounded in time and in bytes.

The name is resolved once, and the connection goes to the very address that was checked, so a name server that gives
another answer each time gains nothing. TLS proves the name all the same. No proxy of the environment is used, no
redirect is followed, and of the answer only the status and the headers are read.
"""

from __future__ import annotations

import io
import logging
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException

from ...errors import InvalidRequest
from .addresses import NotGlobal, Target, parse, resolve
from .models import Outcome

logger = logging.getLogger("pagoefectivo.delivery")

#: Seconds for everything: the name, the connection, TLS and the answer's headers.
LONGEST = 10.0
#: Seconds to connect to one of a name's addresses before the next is tried.
CONNECT_TIMEOUT = 3.05
#: The most bytes of an answer that are read.
MOST_READ = 64 * 1024


@dataclass(frozen=True)
class Answer:
    """How a POST ended: the outcome, and the HTTP status where an answer came."""

    outcome: Outcome
    status: int | None = None


class _TooLong(Exception):
    """The answer's headers have more than ``MOST_READ`` bytes."""


def post(url: str, headers: Mapping[str, str], body: bytes) -> Answer:
    """Send a POST to an endpoint and return how it ended; never raises, and uses no database."""
    end = time.monotonic() + LONGEST
    try:
        target = parse(url)  # again, since the settings may have changed
        with closing(_connect(target, resolve(target), end)) as line:
            answer = _ask(line, target, headers, body)
    except (InvalidRequest, NotGlobal):
        answer = Answer(Outcome.NOT_PUBLIC)
    except _TooLong:
        answer = Answer(Outcome.TOO_LONG)
    except TimeoutError:
        answer = Answer(Outcome.TIMED_OUT)
    except ssl.SSLError:
        answer = Answer(Outcome.TLS)
    except socket.gaierror:
        answer = Answer(Outcome.NO_ADDRESS)
    except (OSError, HTTPException):
        answer = Answer(Outcome.BROKEN)
    except Exception as error:  # an endpoint's answer never ends a worker; the text of any error may hold the address
        logger.error("An endpoint could not be asked (%s).", type(error).__name__)
        answer = Answer(Outcome.BROKEN)
    return answer


class _Line:
    """A connection as ``http.client`` uses a socket, with one end for everything and a limit on what is read."""

    def __init__(self, sock: socket.socket, end: float) -> None:
        self._socket, self._end = sock, end

    def sendall(self, content: bytes) -> None:
        _limit(self._socket, self._end)
        self._socket.sendall(content)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Bounded(self._socket, self._end))

    def close(self) -> None:
        self._socket.close()


class _Bounded(io.RawIOBase):
    """The bytes of an answer; raises ``TimeoutError`` at the end of the time and ``_TooLong`` beyond the limit.

    A time-out of the socket alone would begin anew with each byte of a slow answer.
    """

    def __init__(self, sock: socket.socket, end: float) -> None:
        self._socket, self._end, self._left = sock, end, MOST_READ

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        _limit(self._socket, self._end)
        count = self._socket.recv_into(buffer)
        self._left -= count
        if self._left < 0:
            raise _TooLong
        return count


def _limit(sock: socket.socket, end: float, most: float = LONGEST) -> None:
    """Set a socket's time-out to the time left; raises ``TimeoutError`` if none is left."""
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    sock.settimeout(min(left, most))


def _connect(target: Target, addresses: list[str], end: float) -> _Line:
    """Connect to the first of the addresses that answers; raises the last failure if none does."""
    failure: OSError = socket.gaierror()
    for address in addresses:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        try:
            _limit(sock, end, CONNECT_TIMEOUT)
            sock.connect((address, target.port))
        except OSError as error:
            sock.close()
            failure = error
            continue
        try:
            return _Line(_secured(sock, target, end) if target.secure else sock, end)
        except BaseException:
            sock.close()
            raise
    raise failure


def _secured(sock: socket.socket, target: Target, end: float) -> socket.socket:
    """Begin TLS: the certificate has to be valid for the name, whatever address the connection goes to."""
    _limit(sock, end)
    return ssl.create_default_context().wrap_socket(sock, server_hostname=target.host)


def _ask(line: _Line, target: Target, headers: Mapping[str, str], body: bytes) -> Answer:
    """Send the request, and return the answer by its status; 2xx is the only yes."""
    connection = HTTPConnection(target.host, target.port)
    connection.default_port = 443 if target.secure else 80  # the port that the header Host leaves out
    connection.sock = line
    own = {"User-Agent": "pagoefectivo-django", "Content-Type": "application/json", "Connection": "close"}
    connection.request("POST", target.path, body, {**own, **headers})
    status = connection.getresponse().status
    if 200 <= status < 300:
        return Answer(Outcome.OK, status)
    return Answer(Outcome.REDIRECTED if 300 <= status < 400 else Outcome.REFUSED, status)
