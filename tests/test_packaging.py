"""What a shop gets when it installs us."""

import email
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import pagoefectivo_django

pytestmark = pytest.mark.xdist_group("wheel")

ROOT = Path(__file__).parent.parent
PACKAGE = "pagoefectivo_django"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that neither we nor what lay in ``build/`` disturb anybody."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("setup.cfg", "pyproject.toml", "README.rst", "LICENSE", "MANIFEST.in"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / PACKAGE, copy / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    build = "from setuptools import build_meta; build_meta.build_wheel('dist')"
    subprocess.run([sys.executable, "-c", build], cwd=copy, check=True, capture_output=True)
    return next((copy / "dist").glob("*.whl"))


def test_the_wheel_holds_the_whole_package_and_nothing_else(wheel: Path):
    ours = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / PACKAGE).rglob("*")
        if path.is_file() and path.suffix not in {".pyc", ".po", ".pot"}
    }
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert f"{PACKAGE}/py.typed" in packed
    assert packed == ours


def test_the_metadata_is_that_of_setup_cfg(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    assert metadata["Version"] == pagoefectivo_django.__version__
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert not [line for line in metadata.get_all("Classifier", []) if line.startswith("License")]
    body = metadata.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert body.decode().strip() == (ROOT / "README.rst").read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("page", ["README.rst", "CHANGELOG.rst"])
def test_a_page_is_faultless_where_it_is_shown(page: str):
    options = ["--halt=warning", "--no-raw", "--no-file-insertion", "--writer=null"]
    command = [sys.executable, "-m", "docutils", *options, page]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
