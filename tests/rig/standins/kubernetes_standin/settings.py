"""What a test wants of the cluster: one JSON object on the command line."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass
class Fault:
    """Requests that are not answered as they should be, as often as `times` says."""

    path: str
    """A regular expression."""
    method: str = ""
    status: int = 0
    """0: the connection is closed without an answer."""
    message: str = "a fault"
    times: int = 1_000_000

    def meets(self, method: str, path: str) -> bool:
        """Whether it is this request's turn; it is counted then."""
        if self.times <= 0 or (self.method and self.method != method) or not re.search(self.path, path):
            return False
        self.times -= 1
        return True


@dataclass
class Settings:
    """See the module."""

    release: str = "1.36"
    nodes: int = 0
    groups: list[str] = field(default_factory=list)
    """API groups beyond Kubernetes' own."""
    services: dict[str, str] = field(default_factory=dict)
    """Addresses behind Services, by name: "http://127.0.0.1:3000"."""
    polls: int = 1
    """Looks at a workload after which it is ready."""
    stuck: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Workloads that never are: {"container", "reason", "message", "log", "event"}."""
    finalizing: int = 2
    """Looks at a namespace after which it is gone."""
    controllers: bool = True
    """Whether anybody empties namespaces."""
    faults: list[Fault] = field(default_factory=list)

    @classmethod
    def of(cls, text: str) -> Self:
        """From the command line."""
        given = json.loads(text)
        return cls(**{**given, "faults": [Fault(**each) for each in given.get("faults", ())]})
