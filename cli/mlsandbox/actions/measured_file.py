"""What an earlier export has measured, in the folder of the export: the same numbers in, the same manifests out."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mlsandbox.actions.export_record import refuse_later
from mlsandbox.errors import ConfigInvalid
from mlsandbox.render.kubernetes.facts import Measured

FILE: Final = "measured.json"
KEYS: Final = ("schema", "models")
"""All that it has."""
_SCHEMA: Final = 1


def read_measured(folder: Path) -> Mapping[str, Measured]:
    """What an earlier `measure` has kept; nothing when there was none.

    Raises:
        ConfigInvalid: the file is damaged.
        StateTooNew: a later version has written it.
    """
    path = folder / FILE
    anew = f"measure anew: sandbox export k8s {shlex.quote(str(folder))} --measured"
    try:
        document = json.loads(path.read_text("utf-8"))
        refuse_later(path, document, _SCHEMA, f"or {anew}")
        models = document["models"].items()
        found = {str(name): Measured(int(each["memory_bytes"]), float(each["cpus"])) for name, each in models}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ConfigInvalid(f"{path} cannot be read", why=f"{type(error).__name__}: {error}", fix=anew) from error
    if any(each.memory_bytes <= 0 or not 0 <= each.cpus < math.inf for each in found.values()):
        raise ConfigInvalid(f"{path} holds what nothing can use", fix=anew)
    return found


def measured_text(found: Mapping[str, Measured]) -> str:
    """The file: the same text for the same numbers."""
    models = {name: {"memory_bytes": found[name].memory_bytes, "cpus": found[name].cpus} for name in sorted(found)}
    return json.dumps({"schema": _SCHEMA, "models": models}, indent=1) + "\n"
