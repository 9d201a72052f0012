"""Programs in Node, with the packages of their lock file."""

import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "node"
#: Both are needed; a run of the whole suite says loudly where one is missing.
NODE, NPM = shutil.which("node") or "", shutil.which("npm") or ""


def install(folder: Path) -> Path:
    """Copy the programs to a folder, and install what the lock file names, exactly."""
    for file in FOLDER.glob("*.*"):
        shutil.copy(file, folder)
    command = [NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
    return folder


@dataclass
class Program:
    """A program that tells one JSON a line."""

    process: subprocess.Popen[str]
    lines: "queue.Queue[Any]" = field(default_factory=queue.Queue)

    def read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def go_on(self) -> None:
        """Send the line for which the program waits."""
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def told(self, seconds: float = 30) -> Any:
        """Return what the program tells next."""
        return self.lines.get(timeout=seconds)


@contextmanager
def running(folder: Path, program: str, **environment: str) -> Iterator[Program]:
    """Run a program until the end of the block."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [NODE, program], cwd=folder, env=os.environ | environment, stdin=pipe, stdout=pipe, text=True
    ) as process:
        found = Program(process)
        reader = threading.Thread(target=found.read, daemon=True)
        reader.start()
        try:
            yield found
        finally:
            process.kill()
            reader.join(10)
