"""What a view says of itself for the schema: by method, the operation's name, its body and its answers."""

from __future__ import annotations

from dataclasses import dataclass

from rest_framework.serializers import Serializer

from .answers import Answer


@dataclass(frozen=True)
class Operation:
    """A method of a view, described for the schema.

    ``name``: the operation's id, from which generated clients name their functions. ``statuses``: those of a success.
    ``page``: the answer is a page of a list. ``key``: takes ``Idempotency-Key``.
    """

    name: str
    #: None: the success has no body.
    answer: type[Answer] | None
    statuses: tuple[int, ...] = (200,)
    body: type[Serializer] | None = None  # type: ignore[type-arg]
    page: bool = False
    key: bool = False
    #: The names of the headers of a success, each as text.
    headers: tuple[str, ...] = ()
