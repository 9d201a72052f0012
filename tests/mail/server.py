"""A mail server in this process: as much SMTP as Django speaks, and what a test tells it to refuse."""

from __future__ import annotations

import email
import email.policy
import socketserver
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.message import EmailMessage

from django.core.mail import EmailMessage as EmailMessageOfDjango
from django.core.mail.backends.base import BaseEmailBackend


class Talkative(BaseEmailBackend):
    """A mail service of somebody else's, whose errors repeat all that they were given."""

    def send_messages(self, email_messages: Sequence[EmailMessageOfDjango]) -> int:
        raise LookupError(f"No such account: {[each.message().as_string() for each in email_messages]}")


class MailServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        self.received: list[EmailMessage] = []
        #: Answer to ``RCPT TO``; a refusal repeats the address, as real ones do.
        self.says = "250 2.1.5 fine"
        #: When set, a mail is taken only after it is released.
        self.gate: threading.Event | None = None
        super().__init__(("127.0.0.1", port), Conversation)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Conversation(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self._say("220 made-up.example")
        while line := self.rfile.readline():
            verb = line.split()[0].upper() if line.split() else b""
            if verb == b"RCPT":
                self._say(self.server.says.replace("{}", line.decode().strip()))
            elif verb == b"DATA":
                self._say("354 go on")
                self._take()
            elif verb == b"QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 fine")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def _take(self) -> None:
        content = b""
        while (line := self.rfile.readline()) != b".\r\n":
            content += line.removeprefix(b".") if line.startswith(b"..") else line
        if self.server.gate:
            self.server.gate.wait(20)
        message = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.server.received.append(message)
        self._say("250 taken")


@contextmanager
def serving(port: int = 0) -> Iterator[MailServer]:
    with MailServer(port) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
