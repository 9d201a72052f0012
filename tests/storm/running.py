"""The storm itself: its processes, from the first order to the last round, and what they printed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests import valkey
from tests.contrib.running import Worker, celery_worker, with_celery
from tests.providers.control import Hinting, hinting, linking
from tests.sandbox import running as sandbox
from tests.sandbox.running import ROOT, wait_for

from .doors import doors, ups_and_downs

SETTINGS = "tests.storm.settings"
#: Seconds that a program may take; only a storm that hangs takes as long.
LONGEST = 1800.0
#: Seconds by which the clock of one worker's machine is ahead, and what the channel is called after its renaming.
AHEAD, RENAMED = 3600, "renamed"
#: Seconds in which whoever is told to end does so, after the round that it has begun.
LAST_ROUND = 180.0


@dataclass(frozen=True)
class Size:
    shops: int
    orders: int
    webs: int
    workers: int
    #: The orders that the callers of the API make.
    calls: int


@dataclass
class Storm:
    """What happened, as those who did it say."""

    size: Size
    seed: int
    #: What the providers know of each code.
    codes: list[dict[str, Any]] = field(default_factory=list)
    #: How each order was treated, by reference.
    manners: dict[str, str] = field(default_factory=dict)
    shops: Counter[str] = field(default_factory=Counter)
    rounds: Counter[str] = field(default_factory=Counter)
    #: The rounds in which each worker did something.
    worked: Counter[str] = field(default_factory=Counter)
    #: What each process wrote to its log, by name.
    logs: dict[str, str] = field(default_factory=dict)
    exits: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    #: What the callers of the API were told: by reference the ids of orders, and the ids of the feed's events.
    told: dict[str, list[str]] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    #: How often each provider was down.
    down: Counter[str] = field(default_factory=Counter)
    #: How many tasks Celery ended well, by name.
    tasks: Counter[str] = field(default_factory=Counter)


class Stage:
    """A folder of logs, and processes that end with it, whatever happens."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: str, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with self.path(name, "out").open("wb") as out, self.path(name, "log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, env=dict(env), stdout=out, stderr=log, start_new_session=True
            )
        return self.processes[name]

    def path(self, name: str, kind: str) -> Path:
        return self.folder / f"{name}.{kind}"

    def said(self, name: str) -> str:
        return self.path(name, "out").read_text()

    def log(self, name: str) -> str:
        return self.path(name, "log").read_text(errors="replace")

    def result(self, name: str) -> Any:
        """Wait for a program and return what it printed."""
        status = self.processes[name].wait(LONGEST)
        assert status == 0, f"{name} ended with {status}:\n{self.log(name)[-5000:]}"
        return json.loads(self.said(name))

    def kill(self) -> None:
        for process in self.processes.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    built = Stage(folder)
    try:
        yield built
    finally:
        built.kill()


def rage(size: Size, seed: int, environment: Mapping[str, str], folder: Path) -> Storm:
    """Let shops, payers, workers and Celery loose on one database, then bring everything to its end."""
    storm, begin = Storm(size, seed), time.monotonic()
    with ExitStack() as stack:
        # Of an account whose clock is wrong the provider would take nothing at all.
        provider = stack.enter_context(sandbox.running("--repeat-delay", "0.5", "--clock-skew", str(2 * AHEAD)))
        hints = stack.enter_context(hinting())
        hints.tell("patience", looks=4)
        links = stack.enter_context(linking())
        sites = {"default": provider.site, "hinting": hints.site, "linking": links.site}
        opened = stack.enter_context(doors(sites))
        broker = stack.enter_context(valkey.running()).connection_url
        base = provider.base.replace(provider.site, opened["default"].site)
        options = {**provider.options, "BASE_URL": base, "TIMEOUT": 20}
        plain = {
            **environment,
            "DJANGO_SETTINGS_MODULE": SETTINGS,
            "STORM_CHANNEL": json.dumps(options),
            "STORM_HINTING": json.dumps(hints.options(opened["hinting"].site)),
            "STORM_LINKING": json.dumps(links.options() | {"BASE_URL": opened["linking"].site}),
            "STORM_SITES": json.dumps(sites),
            "STORM_CACHE": f"{broker}/1",
        }
        handing_over = with_celery(plain, broker, SETTINGS)
        house = stack.enter_context(stage(folder))
        webs = [f"web-{number}" for number in range(size.webs)]
        workers = [f"worker-{number}" for number in range(size.workers)]
        for worker in workers:
            _work(house, worker, plain)
        _work(house, "worker-ahead", {**plain, "STORM_AHEAD": str(AHEAD)})
        with celery_worker(handing_over, "--concurrency=2", "--beat") as celery:
            url = _open(house, webs, plain, handing_over)
            provider.tell("webhook", url=f"{url}/pay/webhooks/default/")
            hints.listen(f"{url}/pay/webhooks/hinting/")
            for env in (plain, handing_over):
                env["STORM_URL"] = url
            storm.seconds["start"] = time.monotonic() - begin
            weather = ups_and_downs(opened, seed)
            with weather as storm.down, _selling(storm, house, provider, plain, handing_over) as half_sold:
                half_sold()
                _rename(storm, house, workers[0], webs[-1], url, {**plain, "STORM_ALIAS": RENAMED})
            _hear_all(provider, hints)
            storm.seconds["storm"] = time.monotonic() - begin
            running = [name for name in house.processes if name.startswith(("web", "worker"))]
            _stop(storm, house, [name for name in running if name not in storm.exits])
            storm.worked.update({worker: len(_said_by(house, worker).splitlines()) for worker in workers})
            _end_of(celery, storm, house)
        house.start("calm", "-m", "tests.storm", "calm", env=plain)
        storm.rounds.update(house.result("calm"))
        storm.seconds["calm"] = time.monotonic() - begin
        storm.codes = [*_codes(provider), *hints.listing(), *links.listing()]
        storm.logs |= {name: house.log(name) for name in house.processes}
    return storm


def _open(house: Stage, webs: list[str], plain: Mapping[str, str], handing_over: Mapping[str, str]) -> str:
    """Start the web servers and return the address that they share; every second one hands its events over."""
    url = "http://127.0.0.1:0"
    for number, name in enumerate(webs):
        env = plain if number % 2 else handing_over
        house.start(name, "-m", "tests.storm", "web", url.rpartition(":")[2], env=env)
        url = wait_for(partial(house.said, name)).strip()
    return url


def _said_by(house: Stage, worker: str) -> str:
    """What a worker said, before and after it was started anew."""
    return "".join(house.said(name) for name in house.processes if name in (worker, f"{worker}-renamed"))


def _work(house: Stage, name: str, env: Mapping[str, str]) -> None:
    house.start(name, "-m", "django", "pagoefectivo_worker", env=env)


@contextmanager
def _selling(
    storm: Storm, house: Stage, provider: sandbox.Client, plain: Mapping[str, str], handing_over: Mapping[str, str]
) -> Iterator[Callable[[], None]]:
    """Let every shop sell its part at once, but the last one, which begins after the renaming, with the new alias.

    Every second one hands its events over to Celery. Yields a function that waits until half of the orders are sold.
    """
    shops = [f"shop-{number}" for number in range(storm.size.shops)]
    share = storm.size.orders // storm.size.shops

    def sell(number: int, env: Mapping[str, str]) -> None:
        arguments = [provider.site, str(number), str(share), str(storm.seed)]
        house.start(shops[number], "-m", "tests.storm", "shop", *arguments, env=env)

    def half_sold() -> None:
        first = [house.processes[shop] for shop in shops[:-1]]
        while len(_codes(provider)) < share * len(first) / 2 and any(shop.poll() is None for shop in first):
            time.sleep(0.2)

    for number in range(len(shops) - 1):
        sell(number, handing_over if number % 2 else plain)
    yield half_sold
    renamed = {**plain, "STORM_ALIAS": RENAMED}
    sell(len(shops) - 1, renamed)
    # Not earlier: a server that is replaced while it asks for a code is waited for by nobody for three minutes.
    arguments = [provider.site, str(storm.size.calls), str(storm.seed)]
    house.start("callers", "-m", "tests.storm", "callers", *arguments, env=renamed)
    for shop in shops:
        result = house.result(shop)
        storm.shops.update(result["did"])
        storm.manners |= result["manners"]
    result = house.result("callers")
    storm.manners |= result["manners"]
    storm.told, storm.events = result["told"], result["events"]


def _rename(storm: Storm, house: Stage, worker: str, web: str, url: str, env: Mapping[str, str]) -> None:
    """Start a worker and a web server anew with a channel that is called otherwise; the provider is told nothing."""
    renamed = f"{web}-renamed"
    house.start(renamed, "-m", "tests.storm", "web", url.rpartition(":")[2], env=env)
    wait_for(partial(house.said, renamed))
    _stop(storm, house, [worker, web])
    _work(house, f"{worker}-renamed", env)


def _hear_all(provider: sandbox.Client, hints: Hinting) -> None:
    """Wait until every webhook that is ever sent was answered, and repeated where its answer was not 200."""

    def heard() -> bool:
        notices = [notice for code in _codes(provider) for notice in code["webhooks"]]
        messages = [message for code in hints.listing() for message in code["messages"]]
        told = all(each["answers"].count(200) >= each["times"] for each in messages)
        return told and all(_is_over(notice) for notice in notices)

    wait_for(heard)


def _is_over(notice: Mapping[str, Any]) -> bool:
    answers = notice["answers"]
    times = {"webhook_never": 0, "webhook_twice": 2}.get(notice["fault"], 1)
    return len(answers) >= times and (not answers or answers[-1] == 200 or len(answers) > times)


def _stop(storm: Storm, house: Stage, names: list[str]) -> None:
    for name in names:
        house.processes[name].terminate()
    for name in names:
        storm.exits[name] = house.processes[name].wait(LAST_ROUND)


def _end_of(celery: Worker, storm: Storm, house: Stage) -> None:
    """Celery ends after its tasks; its log goes with it."""
    celery.process.terminate()
    storm.exits["celery"] = celery.process.wait(LAST_ROUND)
    storm.logs["celery"] = celery.log
    storm.tasks = celery.did
    house.path("celery", "log").write_text(celery.log)


def _codes(provider: sandbox.Client) -> list[dict[str, Any]]:
    codes: list[dict[str, Any]] = provider.send("GET", "/sandbox/cips").json()["cips"]
    return codes
