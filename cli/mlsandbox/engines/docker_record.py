"""What is written down about a stack: of its containers when they are made, to be able to say later what changed; and who answers.

Pure, but for its readers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from mlsandbox.engines.base import ObservedFront
from mlsandbox.engines.docker_observe import Recorded
from mlsandbox.render.tree import RenderedFile
from mlsandbox.stack.spec import StackSpec

RECORD: Final = "containers.json"
_SERVICES: Final = "services"
_FRONTS: Final = "fronts"


def record_of(spec: StackSpec, digests: Mapping[str, str], recipes: Mapping[str, Mapping[str, str]]) -> dict[str, Recorded]:
    """By service, in the order of the stack."""
    return {
        service.name: Recorded(digests[service.name], recipes[service.name], {port.name: port.number for port in service.ports})
        for service in spec.services
    }


def fronts_of(spec: StackSpec) -> tuple[ObservedFront, ...]:
    """Who is to answer where."""
    return tuple(ObservedFront(front.name, front.port.number, front.service) for front in spec.fronts)


def record_file(record: Mapping[str, Recorded], fronts: Sequence[ObservedFront] = ()) -> RenderedFile:
    """The file that holds both; environments are in it, so it is the owner's alone."""
    document = {_SERVICES: {name: asdict(each) for name, each in record.items()}, _FRONTS: [asdict(each) for each in fronts]}
    return RenderedFile(RECORD, json.dumps(document, indent=1, ensure_ascii=False) + "\n", 0o600)


def read_record(folder: Path) -> dict[str, Recorded]:
    """What was written down in a stack's folder; nothing when it is not there or is no such file."""
    return recorded_in(_text(folder))


def read_fronts(folder: Path) -> tuple[ObservedFront, ...]:
    """Who was written down there to answer; none in what an earlier version of this program wrote."""
    return fronts_in(_text(folder))


def recorded_in(text: str) -> dict[str, Recorded]:
    """The same of the file's text."""
    document = _document(text)
    services = document[_SERVICES] if _FRONTS in document else document  # without: as earlier versions of this program wrote it
    try:
        return {str(name): Recorded(**each) for name, each in services.items()}
    except (TypeError, AttributeError):
        return {}


def fronts_in(text: str) -> tuple[ObservedFront, ...]:
    """The same of the file's text."""
    try:
        return tuple(ObservedFront(**each) for each in _document(text).get(_FRONTS, ()))
    except TypeError:
        return ()


def _document(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _text(folder: Path) -> str:
    try:
        return (folder / RECORD).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
