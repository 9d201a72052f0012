"""Whatever a process was doing when it was killed: those that go on lose nothing and double nothing."""

import pytest

from pagoefectivo_django import flows

from . import stage, stories
from .conftest import Tell
from .stories import STORIES

pytestmark = [
    pytest.mark.once,
    pytest.mark.postgresql,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("first_round"),
]


@pytest.mark.parametrize("story", list(STORIES))
def test_nothing_is_lost_and_nothing_doubled(story: str, tell: Tell) -> None:
    counted = tell(story)
    assert not counted["problems"], "\n".join(counted["problems"])
    assert counted["killed"]
    assert counted["points"] > 5


def test_every_flow_has_a_story() -> None:
    assert {*flows.__all__} - {"tick", "actions_of"} <= vars(stories).keys() | vars(stage).keys()
