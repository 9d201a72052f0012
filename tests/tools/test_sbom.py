"""The bill of materials is valid, says what the lock says, and is the same twice."""

import json
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

import pagoefectivo_django
from tools.lock import FOLDER, TESTED, read
from tools.sbom import bill, main


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("dist")
    main(str(folder))
    path: Path = folder / f"pagoefectivo_django-{pagoefectivo_django.__version__}.cdx.json"
    return path.read_text(encoding="utf-8")


def test_it_is_cyclonedx(text: str):
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_the_same_lock_gives_the_same_bytes(text: str):
    again = bill()
    assert json.dumps(again, indent=2, ensure_ascii=False) + "\n" == text


def test_it_equals_the_lock(text: str):
    components = json.loads(text)["components"]
    pins = {(pin.name, pin.version): pin for path in TESTED for pin in read(path)}
    needed = {(pin.name, pin.version) for pin in read(FOLDER / "core.txt")}
    assert {(one["name"], one["version"]) for one in components} == set(pins)
    assert len(components) == len(pins)
    for one in components:
        pin = pins[one["name"], one["version"]]
        assert {item["content"] for item in one["hashes"]} == set(pin.hashes)
        assert (one["scope"] == "required") == ((pin.name, pin.version) in needed)


def test_who_needs_what(text: str):
    document = json.loads(text)
    wants = {one["ref"]: {name.split("@")[0] for name in one["dependsOn"]} for one in document["dependencies"]}
    root = wants[document["metadata"]["component"]["bom-ref"]]
    assert "pkg:pypi/django" in root
    assert "pkg:pypi/pytest" not in root
    requests = next(names for reference, names in wants.items() if reference.startswith("pkg:pypi/requests@"))
    assert "pkg:pypi/urllib3" in requests
