"""The bill of materials: ``python -m tools.sbom dist`` (``make wheel``) writes CycloneDX beside the wheel.

It says what the suite was tested with, from the lock alone: without network or clock, so the same lock gives the same
bytes.
A shop gets the ranges of ``setup.cfg``; what it really installed only its own environment can tell.
"""

from __future__ import annotations

import configparser
import json
import sys
from pathlib import Path
from typing import Any

from pagoefectivo_django import __version__
from tools.lock import FOLDER, ROOT, TESTED, Pin, read


def bill() -> dict[str, Any]:
    """Return the bill: the package, what it needs (``required``) and what else the suite ran with (``excluded``)."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    project = config["metadata"]["name"]
    root = _purl(project, __version__)
    ours = {
        "type": "library",
        "bom-ref": root,
        "name": project,
        "version": __version__,
        "description": config["metadata"]["description"],
        "licenses": [{"license": {"id": config["metadata"]["license_expression"]}}],
        "purl": root,
    }
    needed = {_reference(pin): pin for pin in read(FOLDER / "core.txt")}
    pins = {_reference(pin): pin for path in TESTED for pin in read(path)} | needed
    wants: dict[str, set[str]] = {reference: set() for reference in [root, *pins]}
    for reference, pin in pins.items():
        for name in pin.wanted_by:
            if name == f"{project} (setup.cfg)" and reference in needed:
                wants[root].add(reference)
            for parent, other in pins.items():
                if other.name == name:
                    wants[parent].add(reference)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": ours,
            "properties": [{"name": "pagoefectivo-django:versions", "value": "those that the suite was tested with"}],
        },
        "components": [_component(pins[reference], reference in needed) for reference in sorted(pins)],
        "dependencies": [{"ref": reference, "dependsOn": sorted(wants[reference])} for reference in sorted(wants)],
    }


def _purl(name: str, version: str) -> str:
    return f"pkg:pypi/{name}@{version}"


def _reference(pin: Pin) -> str:
    return _purl(pin.name, pin.version)


def _component(pin: Pin, needed: bool) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": _reference(pin),
        "name": pin.name,
        "version": pin.version,
        "scope": "required" if needed else "excluded",
        # One for each file that the lock accepts: sources, and wheels for each system.
        "hashes": [{"alg": "SHA-256", "content": content} for content in sorted(pin.hashes)],
        "purl": _reference(pin),
    }
    if pin.requirement.marker:
        component["properties"] = [{"name": "pagoefectivo-django:only-where", "value": str(pin.requirement.marker)}]
    return component


def main(folder: str) -> None:
    """Write the bill into the folder."""
    path = Path(folder) / f"pagoefectivo_django-{__version__}.cdx.json"
    path.write_text(json.dumps(bill(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
