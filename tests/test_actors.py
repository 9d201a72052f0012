"""Who did something, in a column and on a page."""

import pickle

import pytest
from django.utils import translation

from pagoefectivo_django import actors
from pagoefectivo_django.actors import Actor, ActorKind

PROGRAMS = [value for value in vars(actors).values() if isinstance(value, Actor)]
PEOPLE = [Actor.of(name) for name in ("rosa", "clock", "shop:rosa", "worker:", "a:b", "x" * 200)]


@pytest.mark.parametrize("actor", [*PROGRAMS, *PEOPLE], ids=str)
def test_a_column_keeps_who_it_was(actor: Actor) -> None:
    assert Actor.parse(str(actor)) == Actor.of(actor) == pickle.loads(pickle.dumps(actor)) == actor  # our own bytes


def test_a_text_is_the_name_of_a_person_and_a_blank_one_of_nobody() -> None:
    assert Actor.of(" rosa ") == Actor(ActorKind.PERSON, "rosa")
    assert str(Actor.of("rosa")) == "rosa"
    assert not Actor.of("  ")
    assert all(PROGRAMS)


@pytest.mark.parametrize("language", ["es", "zh-hans"])
def test_a_program_is_shown_in_words_and_a_person_as_written(language: str) -> None:
    labels = {actor: actor.label for actor in PROGRAMS}
    with translation.override(language):
        assert Actor.of("clock").label == "clock"
        assert Actor(ActorKind.API, "rosa").label == f"rosa ({ActorKind.API.label})"
        for actor, english in labels.items():
            assert actor.label not in ("", english, str(actor), actor.name)
