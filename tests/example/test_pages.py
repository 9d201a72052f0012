"""The example shop's pages: ``shop_pages.py``, run in the shop's own project."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.long
@pytest.mark.sqlite
def test_the_pages_of_the_shop(tmp_path: Path) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    alone = ["--noconftest", "-p", "no:cacheprovider"]
    there = ["--override-ini", "pythonpath=. example_project", "--ds", "config.settings"]
    tests = [sys.executable, "-m", "pytest", *alone, *there, "tests/example/shop_pages.py"]
    environment = kept | {"SHOP_FOLDER": str(tmp_path)}
    run = subprocess.run(tests, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr
