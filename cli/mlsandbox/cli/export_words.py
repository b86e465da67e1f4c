"""The words of `sandbox export`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class What(StrEnum):
    """What is exported."""

    K8S = "k8s"
    COMPOSE = "compose"
    GRAFANA = "grafana"
    PROMETHEUS = "prometheus"


@dataclass(frozen=True, slots=True)
class Words:
    """What was said besides what goes into the export."""

    what: str
    folder: Path | None
    form: str | None
    overlay: str | None
    stdout: bool
    check: bool
    registry: str | None
    measured: bool
    prove: bool
    context: str | None

    @property
    def given(self) -> Mapping[str, object]:
        """Those options that were given."""
        values = {"format": self.form, "overlay": self.overlay, "stdout": self.stdout, "check": self.check, "to-registry": self.registry}
        values |= {"measured": self.measured, "prove": self.prove, "context": self.context}
        return {f"--{name}": value for name, value in values.items() if value not in {None, False}}
