"""Whether a model service may be used, and if not, why and whether waiting helps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mlsandbox_serving.contract import NotReady
from mlsandbox_serving.record import Identity


@dataclass(frozen=True, slots=True)
class State:
    """One state of a service.

    Args:
        code: of contract.NotReady; None when it is ready.
        reason: why not, for people.
        final: waiting will not help.
        details: for programs.
        golden: {"rows", "bit_equal"} once golden rows were replayed.
    """

    code: str | None = None
    reason: str | None = None
    final: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)
    golden: Mapping[str, int] | None = None

    @property
    def ready(self) -> bool:
        """Whether predictions are answered."""
        return self.code is None

    def concealed(self) -> State:
        """For who has no key: neither reason nor details, which may repeat rows of the reference data."""
        return replace(self, reason=None if self.reason is None else "ask with an API key to be told why", details={})

    def body(self, identity: Identity, stack_id: str) -> dict[str, Any]:
        """The JSON of /readyz, see contract.NotReady."""
        return {
            "ready": self.ready,
            "stack_id": stack_id,
            "model": identity.model,
            "version": identity.version,
            "code": self.code,
            "reason": self.reason,
            "final": self.final,
            "details": dict(self.details),
            "golden": None if self.golden is None else dict(self.golden),
        }


LOADING = State(NotReady.LOADING, "the model is being loaded and its golden rows replayed")


class NotServable(Exception):
    """The model cannot be served, and waiting will not change that.

    Args:
        state: what /readyz says from now on.
    """

    def __init__(self, state: State) -> None:
        super().__init__(state.reason)
        self.state = state
