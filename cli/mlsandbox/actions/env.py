"""A stack's addresses as shell variables."""

from __future__ import annotations

from collections.abc import Mapping

from mlsandbox_serving.contract import Port


def variables(endpoints: Mapping[str, str]) -> dict[str, str]:
    """SANDBOX_URL for the first model, SANDBOX_URL_<MODEL> for each further one."""
    return {_name(name): url for name, url in endpoints.items()}


def _name(endpoint: str) -> str:
    model = endpoint.removeprefix(Port.API.value).lstrip("-")
    return f"SANDBOX_URL_{model.upper().replace('-', '_')}" if model else "SANDBOX_URL"
