"""The mails that the shop "sent": Django's file-based backend writes them, here they are read again."""

from __future__ import annotations

import email
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from pathlib import Path

from django.conf import settings

#: What the backend writes after each mail.
_END = b"\n" + b"-" * 79 + b"\n"


@dataclass(frozen=True)
class Mail:
    """One mail as it was sent."""

    name: str
    message: EmailMessage

    @property
    def subject(self) -> str:
        """What it is about."""
        return str(self.message["Subject"] or "")

    @property
    def to(self) -> str:
        """To whom it goes."""
        return str(self.message["To"] or "")

    @property
    def sent_at(self) -> datetime | None:
        """When it was written."""
        header = self.message["Date"]
        # Django writes -0000, which Python reads as a time of nowhere; it is UTC.
        return header.datetime.replace(tzinfo=header.datetime.tzinfo or UTC) if header else None

    @property
    def text(self) -> str:
        """What a program without HTML shows."""
        return self._body("plain")

    @property
    def html(self) -> str:
        """What most programs show."""
        return self._body("html")

    @property
    def attachments(self) -> list[EmailMessage]:
        """What hangs on it."""
        return list(self.message.iter_attachments())

    @property
    def filenames(self) -> list[str]:
        """The names of what hangs on it; a template takes ``part.get_filename`` for a header."""
        return [part.get_filename() or "?" for part in self.attachments]

    def _body(self, kind: str) -> str:
        part = self.message.get_body((kind,))
        return str(part.get_content()) if part else ""


def sent() -> list[Mail]:
    """Return all mails, newest first."""
    folder = Path(settings.MAILS)  # type: ignore[misc]  # of this project
    files = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime_ns) if folder.is_dir() else []
    return [mail for path in reversed(files) for mail in reversed(_read(path))]


def _read(path: Path) -> list[Mail]:
    """Return the mails of a file; one that is just being written has no end yet, and is not there yet."""
    *whole, _ = path.read_bytes().split(_END)
    messages = (email.message_from_bytes(content, policy=policy.default) for content in whole)
    return [Mail(f"{path.stem}-{place}", message) for place, message in enumerate(messages)]
