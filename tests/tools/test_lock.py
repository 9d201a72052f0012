"""What make and CI install is locked, the lock fits ``setup.cfg``, and both say what is supported."""

import configparser
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tools.lock import FOLDER, ROOT, locked, read

CONFIG = configparser.ConfigParser(interpolation=None)
CONFIG.read(ROOT / "setup.cfg", encoding="utf-8")
SETS = sorted(FOLDER.glob("*.txt"))
CORE = CONFIG["options"]["install_requires"]
EXTRAS = CONFIG["options.extras_require"]
#: A set, and the requirements that it is made of: those of an .in file, of ``setup.cfg``, or of both.
SOURCES = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.in")}
SOURCES |= {
    "core": CORE,
    "lint": "\n".join([CORE, EXTRAS["lint"]]),
    "mariadb": "\n".join([CORE, EXTRAS["mysql"]]),
    "test": "\n".join([CORE, EXTRAS["test"], EXTRAS["postgresql"], SOURCES["test"]]),
}


def classifiers(begin: str) -> list[str]:
    """The versions, with a point, of a kind of classifier, as they stand there."""
    lines = CONFIG["metadata"]["classifiers"].splitlines()
    return [line.removeprefix(begin) for line in lines if re.fullmatch(re.escape(begin) + r"\d+\.\d+", line)]


PYTHONS = classifiers("Programming Language :: Python :: ")
DJANGOS = classifiers("Framework :: Django :: ")


@pytest.mark.parametrize("path", SETS, ids=lambda path: path.stem)
def test_a_set_names_no_machine_and_no_index(path: Path):
    for line in path.read_text().splitlines():
        # A name, a version and a hash have no slash; a comment has one where it names a file of the lock.
        assert "/" not in re.sub(r"-[cr] requirements/", "", line), line


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", sorted(SOURCES))
def test_a_set_has_what_it_is_made_of(name: str, python: str):
    """Else somebody changed ``setup.cfg`` or an .in file without ``make lock UPGRADE=``."""
    versions = locked([FOLDER / f"{name}.txt"], python)
    for line in SOURCES[name].splitlines():
        if not line or line.startswith("#"):
            continue
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"python_version": python}):
            continue
        assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)], prereleases=True), line


def test_each_set_is_looked_at():
    assert [path.stem for path in SETS] == sorted(SOURCES)


@pytest.mark.parametrize("python", PYTHONS)
def test_all_sets_agree(python: str):
    """They go into one environment, and pip-audit is asked about all of them."""
    versions: dict[str, set[str]] = {}
    for path in SETS:
        for pin in read(path):
            if pin.is_for(python):
                versions.setdefault(pin.name, set()).add(pin.version)
    assert not {name: found for name, found in versions.items() if len(found) > 1}


def test_what_is_supported_is_what_is_tested():
    """Classifiers, ranges, the manual's sentence, and the ends that the lock installs."""
    (said,) = re.findall(r"^Supported: Python (\S+)\+, Django (.+?);", (ROOT / "README.rst").read_text(), re.MULTILINE)
    assert said == (PYTHONS[0], ", ".join(DJANGOS))
    assert [Version(one) for one in PYTHONS] == [Version(f"3.{11 + index}") for index in range(len(PYTHONS))]
    assert sorted(DJANGOS, key=Version) == DJANGOS
    assert SpecifierSet(CONFIG["options"]["python_requires"]) == SpecifierSet(f">={PYTHONS[0]}")
    django = next(Requirement(line) for line in CORE.split() if line.startswith("Django"))
    assert django.specifier == SpecifierSet(f">={DJANGOS[0]}")
    ends = [".".join(locked([FOLDER / "core.txt"], python)["django"].split(".")[:2]) for python in PYTHONS]
    assert (ends[0], ends[-1]) == (DJANGOS[0], DJANGOS[-1])
    assert f"--python-version {PYTHONS[0]} " in (ROOT / "Makefile").read_text()


def test_a_line_that_is_not_locked_is_not_read(tmp_path: Path):
    for text in ("django==5.2.19", "django>=5.2 \\\n    --hash=sha256:00", "django==5.2 \\\n    --index-url=x"):
        path = tmp_path / "set.txt"
        path.write_text(text + "\n")
        with pytest.raises(ValueError):  # noqa: PT011
            read(path)


#: What installs: pip by any name or variable, and what brings a pip of its own.
INSTALLS = re.compile(
    r"""\bpip['"]?(?=[\s,])[^|;&]*\b(?:install|download|wheel)\b|\$\(PIP\)[^|;&]*\b(?:install|download|wheel)\b"""
    r"""|\buv['"]?,?\s+['"]?(?:run|sync|tool|add)\b|\b(?:uvx|pipx|easy_install)\b"""
)
#: What a shop is told to install is no command of ours.
ADVICE = re.compile(r"pip install '?pagoefectivo-django")


def unlocked(text: str) -> list[str]:
    """Return the commands that install something that the lock does not name; in a Makefile after their target."""
    found = []
    target = ""
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if named := re.match(r"([\w$()/.-]+):", line):
            target = named[1]
        ours = "--no-deps" in line and ("--no-build-isolation" in line or ".whl" in line)
        if INSTALLS.search(line) and not ADVICE.search(line) and "--require-hashes" not in line and not ours:
            found.append(f"{target}: {line.strip()}")
    return found


def test_only_make_newest_installs_what_is_not_locked():
    files = [ROOT / "Makefile", *(path for path in (ROOT / ".ci").rglob("*") if path.is_file())]
    for folder in ("tests", "tools", "benchmarks", "example_project"):
        files += (ROOT / folder).rglob("*.py")
    (only,) = [line for path in files if path != Path(__file__) for line in unlocked(path.read_text(encoding="utf-8"))]
    assert only.startswith("newest: ")


@pytest.mark.parametrize(
    "line",
    [
        "\t$(BIN)/python -m pip install --quiet --upgrade pip",
        "\t$(BIN)/python $(PIP) install django",
        "\t$(BIN)/python $(PIP) \\\n\t    install django",
        "python -m pip --quiet install --no-deps --editable .",
        "pip wheel .",
        "uvx pip-audit",
        'run([sys.executable, "-m", "pip", "install", "phonenumbers"])',
    ],
)
def test_an_install_without_the_lock_is_found(line: str):
    assert unlocked(line)
