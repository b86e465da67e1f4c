"""What is written down about a stack's containers when they are made, to be able to say later what changed (pure, but for one reader)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

from mlsandbox.engines.docker_observe import Recorded
from mlsandbox.render.tree import RenderedFile
from mlsandbox.stack.spec import StackSpec

RECORD: Final = "containers.json"


def record_of(spec: StackSpec, digests: Mapping[str, str], recipes: Mapping[str, Mapping[str, str]]) -> dict[str, Recorded]:
    """By service, in the order of the stack."""
    return {
        service.name: Recorded(digests[service.name], recipes[service.name], {port.name: port.number for port in service.ports})
        for service in spec.services
    }


def record_file(record: Mapping[str, Recorded]) -> RenderedFile:
    """The file that holds it; environments are in it, so it is the owner's alone."""
    text = json.dumps({name: asdict(each) for name, each in record.items()}, indent=1, ensure_ascii=False)
    return RenderedFile(RECORD, text + "\n", 0o600)


def read_record(folder: Path) -> dict[str, Recorded]:
    """What was written down in a stack's folder; nothing when it is not there or is no such file."""
    try:
        document = json.loads((folder / RECORD).read_text("utf-8"))
        return {str(name): Recorded(**each) for name, each in document.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
