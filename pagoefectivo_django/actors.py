"""Actor: who did something, a person or a program; no database, no network."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

#: The most characters of an actor in a column.
LONGEST = 150


class ActorKind(TextChoices):
    """The kinds of actors: a person, or the program through which the shop, the payer or the provider acts."""

    PERSON = "person", _("a person")
    SHOP = "shop", _("the shop")
    PAYER = "payer", _("the payer")
    PROVIDER = "provider", _("the provider")
    WORKER = "worker", _("the program")
    API = "api", _("the API")
    IMPORT = "import", _("the import of a statement")


#: The words for the programs that have a name.
_PROGRAMS = {
    "clock": _("the clock"),
    "poll": _("an answer of the provider"),
    "notification": _("a message of the provider"),
}


@dataclass(frozen=True)
class Actor:
    """Who did something: a kind and a name.

    The name of a person is shown as written, the name of a program (``clock``) by its words. A person without a name is
    nobody, and false.
    """

    kind: ActorKind
    name: str = ""

    @classmethod
    def of(cls, who: Actor | str) -> Actor:
        """Return an actor unchanged; a text is the name of a person."""
        return who if isinstance(who, Actor) else cls(ActorKind.PERSON, who.strip()[:LONGEST])

    @classmethod
    def parse(cls, text: str) -> Actor:
        """Return the actor stored in a text column by ``str()``."""
        kind, colon, name = text.partition(":")
        return cls(ActorKind(kind), name) if colon and kind in ActorKind.values else cls.of(text)

    def __str__(self) -> str:
        """Return the actor for a text column: a person's name, and ``kind:name`` for anybody else."""
        is_plain = self.kind == ActorKind.PERSON and self.name.partition(":")[0] not in ActorKind.values
        return (self.name if is_plain else f"{self.kind}:{self.name}")[:LONGEST]

    @property
    def label(self) -> str:
        """The actor in the active language: a person's name as written, a program by its words."""
        if self.kind == ActorKind.PERSON:
            return self.name
        if self.name and self.name not in _PROGRAMS:
            return f"{self.name} ({self.kind.label})"
        return str(_PROGRAMS.get(self.name, self.kind.label))

    def __bool__(self) -> bool:
        return self.kind != ActorKind.PERSON or bool(self.name)


SHOP, PAYER, PROVIDER = Actor(ActorKind.SHOP), Actor(ActorKind.PAYER), Actor(ActorKind.PROVIDER)
#: A message of the provider.
NOTIFICATION = Actor(ActorKind.PROVIDER, "notification")
#: The program itself; the program when a date has passed; and the program when it asked the provider.
PROGRAM, CLOCK, POLL = (Actor(ActorKind.WORKER, name) for name in ("", "clock", "poll"))
IMPORT = Actor(ActorKind.IMPORT)
