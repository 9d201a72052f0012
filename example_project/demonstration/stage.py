"""The programs of the demo: started on free ports of this machine, in a folder of their own, and stopped at the end."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import NoReturn

from .visitor import Visitor
from .waiting import Failed, wait_for

PROJECT = Path(__file__).resolve().parent.parent
ADMIN = "admin"
#: Whoever has these set for a real shop must not have the demo played in it.
_NOT_INHERITED = re.compile(r"PAGOEFECTIVO_|DJANGO_|SHOP_FOLDER$|DATABASE_URL$")


@dataclass
class Program:
    """One process, and what it says."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait_until_it_says(self, expression: str) -> re.Match[str]:
        """Return the match in its output; raises ``Failed`` if it ends before or never says it."""

        def look() -> re.Match[str] | None:
            ended = self.process.poll() is not None
            found = re.search(expression, self.log.read_text(errors="replace"))
            if ended and not found:
                raise Failed(f"the {self.name} ended with {self.process.returncode}")
            return found

        return wait_for(f"the {self.name} to start", look)

    @property
    def said(self) -> str:
        """All of its output so far."""
        return self.log.read_text(errors="replace")

    def last_lines(self) -> str:
        """Return the end of what it said."""
        lines = self.log.read_text(errors="replace").splitlines()[-15:]
        return "\n".join(f"  {self.name} | {line}" for line in lines)


@dataclass
class Stage:
    """A shop, its worker and its provider, all running."""

    folder: Path
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    programs: list[Program] = field(default_factory=list)
    #: Addresses without the slash at the end.
    shop: str = ""
    sandbox: str = ""

    @property
    def webhook(self) -> str:
        """Where the provider's notifications go."""
        return f"{self.shop}/pagar/webhooks/default/"

    def set_up(self) -> None:
        """Start everything; the sandbox first, since the shop needs its keys."""
        sandbox = self._start("sandbox", "-m", "pagoefectivo_django.sandbox", "--port", "0")
        environment = self._environment()
        self._run("migrate", environment)
        self._run("createsuperuser", environment)
        sandbox.wait_until_it_says("WEBHOOK_URL=")
        said = sandbox.wait_until_it_says(r"sandbox: (.+)/v1/\nSERVICE_ID=(.+)\nACCESS_KEY=(.+)\nSECRET_KEY=(.+)\n")
        names = ("BASE_URL", "SERVICE_ID", "ACCESS_KEY", "SECRET_KEY")
        environment |= {f"PAGOEFECTIVO_{name}": value for name, value in zip(names, said.groups(), strict=True)}
        self.sandbox = said[1]
        environment["PAGOEFECTIVO_BASE_URL"] = f"{self.sandbox}/v1/"
        # The second provider, in the same sandbox.
        sandbox.wait_until_it_says("DLOCAL_SECRET_KEY=.+\n")
        environment |= dict(re.findall("^(DLOCAL_(?!GO)[A-Z_]+)=(.+)$", sandbox.said, re.MULTILINE))
        shop = self._start("shop", "manage.py", "runserver", "--noreload", "127.0.0.1:0", environment=environment)
        self.shop = shop.wait_until_it_says(r"(http://127\.0\.0\.1:[1-9][0-9]*)/")[1]
        environment["PAGOEFECTIVO_PUBLIC_URL"] = self.shop
        Visitor().tell(f"{self.sandbox}/sandbox/webhook", url=self.webhook)
        Visitor().tell(f"{self.sandbox}/sandbox/dlocal/webhook", url=f"{self.shop}/pagar/webhooks/dlocal/")
        self._start("worker", "manage.py", "pagoefectivo_worker", environment=environment)

    def stop(self) -> None:
        """Stop everything that was started."""
        for program in self.programs:
            program.process.terminate()
        for program in self.programs:
            try:
                program.process.wait(5)
            except subprocess.TimeoutExpired:
                program.process.kill()
                program.process.wait()

    def ended(self) -> Program | None:
        """Return a program that ended by itself, if one did."""
        return next((program for program in self.programs if program.process.poll() is not None), None)

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not _NOT_INHERITED.match(name)}
        return kept | {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            # One for all processes, or the worker could not read what the shop signed.
            "DJANGO_SECRET_KEY": secrets.token_urlsafe(40),
            "DJANGO_SUPERUSER_USERNAME": ADMIN,
            "DJANGO_SUPERUSER_EMAIL": "admin@example.com",
            "DJANGO_SUPERUSER_PASSWORD": self.password,
            "SHOP_FOLDER": str(self.folder),
            # The package lies beside the example and need not be installed.
            "PYTHONPATH": str(PROJECT.parent),
            # A proxy is for the world outside; nothing here leaves this machine.
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONIOENCODING": "utf-8",
        }

    def _run(self, command: str, environment: dict[str, str]) -> None:
        """Run one of Django's commands to its end."""
        run = subprocess.run(
            [sys.executable, "manage.py", command, "--noinput"],
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if run.returncode:
            raise Failed(f"manage.py {command} ended with {run.returncode}:\n{run.stderr}")

    def _start(self, name: str, *arguments: str, environment: dict[str, str] | None = None) -> Program:
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=PROJECT,
                env=environment or self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        program = Program(name, process, log)
        self.programs.append(program)
        return program


@contextmanager
def running() -> Iterator[Stage]:
    """Have everything running; when it is left, for whatever reason, nothing of it is."""
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _interrupt)
    with TemporaryDirectory(prefix="pagoefectivo-demo-", ignore_cleanup_errors=True) as folder:
        stage = Stage(Path(folder))
        try:
            stage.set_up()
            yield stage
        except Failed:
            print(*(program.last_lines() for program in stage.programs), sep="\n", file=sys.stderr)
            raise
        finally:
            stage.stop()


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
