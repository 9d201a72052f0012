"""Tells stories, kills the processes in them, and looks at the books afterwards.

It has one thread and no connection to the database, so that its processes can be forks of it.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import random
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.test import Client as Browser
from django.urls import resolve
from django.utils import timezone

from pagoefectivo_django.channels.pagoefectivo import PagoEfectivoChannel
from pagoefectivo_django.payer import Payer
from pagoefectivo_django.states import OrderState
from tests.providers.control import Hinting, LinkingAfar, hinting, linking
from tests.sandbox.running import Client, running

from . import receivers
from .books import Books, heard_again
from .locks import watched
from .points import points
from .stage import WEBHOOK, HintingStage, LinkingStage, Stage, TwoProvidersStage, sweep
from .stories import STORIES, Story

#: Seconds after which a process is taken to hang.
PATIENCE = 60
#: How many points of a story die in the short form, besides the last two.
SHORT = 1
#: How far the clock of a machine is wrong.
AHEAD = timedelta(hours=1)


class Providers(NamedTuple):
    """The providers of one life of the driver."""

    sandbox: Client
    hinting: Hinting
    linking: LinkingAfar


class Ending(NamedTuple):
    """How a process ended, and what it said."""

    killed: bool
    said: dict[str, Any]


class AfterDeath(NamedTuple):
    """What happens after one death."""

    #: The payer pays before anybody goes on.
    early: bool
    #: Another process asks the provider about every code before anybody goes on.
    polled: bool
    #: Whoever wanted it wants it again: at once, later, or not.
    again: str
    #: Whose machine has a clock that is an hour ahead of the database's: the process's that dies, or who goes on.
    ahead: str = ""
    #: The shop gives its channel another alias before anybody goes on.
    renamed: bool = False
    #: One receiver hangs, until the process that went on is killed too.
    hangs: bool = False


@dataclass
class Count:
    """What was done for one story."""

    points: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    killed: int = 0
    #: Processes that were killed while a receiver hung.
    hung: int = 0
    rounds: int = 0
    events: int = 0
    heard_again: int = 0
    became: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def add(self, said: dict[str, Any]) -> None:
        for name, value in said.items():
            setattr(self, name, getattr(self, name) + (Counter(value) if isinstance(value, dict) else value))


def fork(work: Callable[[], dict[str, Any]]) -> Ending:
    """Do some work in a process of its own."""
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as log:
        pid = os.fork()
        if not pid:
            _child(work, said, log)
        _, status = os.waitpid(pid, 0)
        said.seek(0)
        log.seek(0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            return Ending(True, {})
        text = said.read()
        failed = {"problems": [f"the process ended with {status}: {log.read()[-6000:]}"]}
        return Ending(False, json.loads(text) if status == 0 else failed)


def _child(work: Callable[[], dict[str, Any]], said: Any, log: Any) -> None:
    """Never returns: what the parent would do at its end is not this process's."""
    signal.alarm(PATIENCE)
    os.dup2(log.fileno(), 2)
    status = 1
    try:
        json.dump(work(), said)
        said.flush()
        status = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    os._exit(status)


def set_stage(
    reference: str, providers: Providers, story: Story, *, alias: str = "default", ahead: bool = False
) -> Stage:
    """Let this process be one of the shop's, on a machine whose clock may be an hour ahead."""
    sandbox, hints, links = providers
    if ahead:
        right, seconds = timezone.now, time.time
        timezone.now = lambda: right() + AHEAD
        time.time = lambda: seconds() + AHEAD.total_seconds()
        socket.gethostname = lambda: "ahead"
        PagoEfectivoChannel.clock = staticmethod(timezone.now)
    options: dict[str, Any] = {**sandbox.options, "BASE_URL": sandbox.base, "ENVIRONMENT": "sandbox"}
    if story.hinting:
        options = hints.options(hints.site)
    elif story.linking:
        options = links.options()
    channels = {alias: {"BACKEND": story.channel, "OPTIONS": options}}
    if story.first:
        second = {"BACKEND": "tests.providers.hinting.HintingChannel", "OPTIONS": hints.options(hints.site)}
        channels["hinting"] = second
    route = sorted(channels, key=lambda each: each != story.first)
    settings.PAGOEFECTIVO = {"CHANNELS": channels, "ROUTES": {"PEN": route}, "SEARCHES_PER_MINUTE": 100_000}
    # Sessions of its own: a connection is of one process.
    mine = Client(sandbox.process, sandbox.base, sandbox.keys)
    hints, links = Hinting(hints.site), LinkingAfar(links.site)
    points.watch(mine.session, hints.session, links.session)
    if story.linking:
        return LinkingStage(reference, mine, linking=links)
    if story.first:
        return TwoProvidersStage(reference, mine, hinting=hints)
    return HintingStage(reference, mine, hinting=hints) if story.hinting else Stage(reference, mine)


def begin(reference: str, providers: Providers, story: Story, after: AfterDeath, fatal: int) -> dict[str, Any]:
    """Tell the story until its fatal point; 0: to its end."""
    stage = set_stage(reference, providers, story, ahead=after.ahead == "who dies")
    sweep()
    story.scene(stage)
    stage.now += story.at
    with points.counted(fatal) as names, watched() as locks:
        story.act(stage)
    return {"names": names, "problems": sorted(locks.problems)}


def go_on(reference: str, providers: Providers, story: Story, after: AfterDeath, reached: list[str]) -> dict[str, Any]:
    """Go on where the process died after reaching these points, until all is quiet, and look at the books."""
    alias, ahead = "renamed" if after.renamed else "default", after.ahead == "who goes on"
    stage = set_stage(reference, providers, story, alias=alias, ahead=ahead)
    stage.now += story.at
    until = stage.now + timedelta(hours=story.hours)
    if after.early:
        stage.payer_pays()
    if after.polled:
        stage.poll()
    if after.again == "at once" and story.again:
        story.again(stage)
    with watched() as locks, receivers.hanging() if after.hangs else nullcontext():
        stage.go_on(until)
    if after.again == "later" and story.again:
        story.again(stage)
        stage.go_on(until)
    again, begun = bool(story.again and after.again), "after COMMIT" in reached
    stage.wanted = (again or begun) and not after.early
    ends = {*story.ends} | (set() if again else {*story.halfway} if begun else {*story.halfway, *story.before})
    books, problems = look(stage, story, ends | ({OrderState.NEW, OrderState.PENDING} if story.pays else set()))
    if story.pays:
        stage.payer_pays()
        stage.go_on(until)
        books, more = look(stage, story, ends)
        problems += more
    return {
        "rounds": stage.rounds,
        "events": sum(order.event_count for order in books.orders),
        "heard_again": heard_again(),
        "became": books.became,
        "asked": Counter(discrepancy.kind for discrepancy in books.discrepancies),
        "problems": problems + sorted(locks.problems),
    }


def look(stage: Stage, story: Story, ends: set[OrderState]) -> tuple[Books, list[str]]:
    books = Books(stage)
    problems = books.problems() + list(story.also(stage))
    for order in books.orders:
        if order.state not in ends:
            problems.append(f"order {order} is {order.state}, not {' or '.join(sorted(ends))}")
    asked = {discrepancy.kind for discrepancy in books.discrepancies}
    return books, problems + [f"a person is asked about {kind}" for kind in sorted(asked - {*story.asks})]


class Teller:
    """Tells stories; the providers serve many of them, until their lists of codes take long to read."""

    def __init__(self, sandboxes: ExitStack) -> None:
        self._sandboxes = sandboxes
        self._numbers = itertools.count(1)
        self._open()

    def _open(self) -> None:
        self._sandboxes.close()
        enter = self._sandboxes.enter_context
        self._providers = Providers(enter(running("--clock-skew", "7200")), enter(hinting()), enter(linking()))
        self._providers.hinting.tell("patience", looks=2)
        self._end = next(self._numbers) + 200

    def tell(self, story: str, seed: int, full: bool) -> Count:
        """Tell a story to its end, and once more for each point that is chosen.

        The first telling in a process can take statements that no later one takes, so that the points at its end are
        met by nobody; then the story is told once more.
        """
        count = self._tell(story, seed, full)
        return count if count.killed or count.problems else self._tell(story, seed, full)

    def _tell(self, story: str, seed: int, full: bool) -> Count:
        told, count, chance = STORIES[story], Count(), random.Random(f"{seed} {story}")
        names = self._once(told, [], AfterDeath(early=False, polled=False, again=""), count, "to its end: ")
        count.points, count.kinds = len(names), Counter(kind(name) for name in names)
        if count.problems:
            return count  # not even without a crash
        for fatal in range(1, len(names) + 1) if full else chosen(len(names), chance):
            again = ["at once", "later"] if told.sure else ["", "at once", "later"]
            after = AfterDeath(
                early=told.early and chance.random() < 0.5,
                polled=chance.random() < 0.5,
                again=chance.choice(again),
                ahead=chance.choice(["", "who dies", "who goes on"]),
                renamed=chance.random() < 0.5,
                hangs=chance.random() < 0.3,
            )
            where = f"killed at {fatal} of {len(names)}, {names[fatal - 1]}, {after}: "
            self._once(told, names[:fatal], after, count, where)
        return count

    def _once(self, told: Story, reached: list[str], after: AfterDeath, count: Count, where: str) -> list[str]:
        """Tell a story until these points are reached, or to its end and return its points; and go on after it."""
        number = next(self._numbers)
        if number > self._end:
            self._open()
        reference, providers = f"r{number:05}", self._providers
        first = fork(lambda: begin(reference, providers, told, after, len(reached)))
        names: list[str] = first.said.get("names", [])
        second = fork(lambda: go_on(reference, providers, told, after, reached or names))
        count.killed += first.killed
        if second.killed and after.hangs:
            count.hung += 1
            second = fork(lambda: go_on(reference, providers, told, after._replace(hangs=False), reached or names))
        problems = first.said.get("problems", []) + second.said.pop("problems", ["whoever went on was killed"])
        count.problems += [where + problem for problem in problems]
        count.add(second.said)
        return names


def chosen(many: int, chance: random.Random) -> Iterable[int]:
    """Some points, spread over the story, and its last two."""
    every = max(1, (many - 2) // SHORT)
    return sorted({*range(1 + chance.randrange(every), many - 1, every), many - 1, many} - {0})


def kind(name: str) -> str:
    """Which kind of moment it is."""
    if "crash-" in name:
        return "receiver"
    return "provider" if "/" in name else "commit" if "COMMIT" in name else "statement"


def serve() -> None:
    """Tell a story for each line that comes, and answer it by what was counted."""
    # What each process would otherwise load or compile for itself.
    Payer(email="ana@example.com")
    Browser().handler.load_middleware()
    resolve(WEBHOOK)
    gc.freeze()
    with ExitStack() as sandboxes:
        teller = Teller(sandboxes)
        for line in sys.stdin:
            sys.stdout.write(json.dumps(vars(teller.tell(**json.loads(line)))) + "\n")
            sys.stdout.flush()
