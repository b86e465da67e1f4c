"""How a container's health is asked for (pure): a command inside of it, after the programs that its image has."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from mlsandbox.assets import asset
from mlsandbox.render.containers import SECRETS
from mlsandbox.stack.spec import Probe, ProgramEnvironment, SecretFile, ServiceSpec
from mlsandbox_serving.contract import Env

_IMAGES: Final = "compose/images.toml"
_TIMES: Final = {"interval": "10s", "timeout": "5s", "retries": 3, "start_period": "300s", "start_interval": "1s"}
"""Until it has been well once it is asked every second, for as long as the largest model may take to load; then less often."""
_RUBY: Final = "exit Net::HTTP.get_response(URI(ARGV[0])).is_a?(Net::HTTPSuccess)"


def healthcheck(service: ServiceSpec) -> dict[str, Any] | None:
    """The service's `healthcheck`; None: it has nothing to ask, or its image no program to ask with."""
    if service.readiness is None:
        return None
    command = _command(service, service.readiness)
    return None if command is None else {"test": ["CMD", *command], **_TIMES}


def _command(service: ServiceSpec, probe: Probe) -> list[str] | None:
    port = service.port(probe.port).number
    if not isinstance(service.environment, ProgramEnvironment):
        keys = service.env.get(Env.API_KEYS_FILE)
        more = [f"{SECRETS}/{keys.name}"] if isinstance(keys, SecretFile) else []
        return ["python", "-m", "mlsandbox_serving.healthcheck", str(port), probe.path, *more]
    return _asking(_programs()[service.environment.image], f"http://127.0.0.1:{port}{probe.path}")


def _asking(program: str, url: str) -> list[str] | None:
    """Ends with 0 when the answer is a 2xx; shows what stands in the way."""
    match program:
        case "wget":  # BusyBox's: few options
            return ["wget", "-q", "-T", "4", "-O", "/dev/null", url]
        case "curl":
            return ["curl", "-sS", "--fail", "--max-time", "4", "-o", "/dev/null", url]
        case "ruby":
            return ["ruby", "-rnet/http", "-e", _RUBY, url]
        case "none":
            return None
    raise ValueError(f"{_IMAGES} has an unknown probe: {program}")


@cache
def _programs() -> Mapping[str, str]:
    return {image: table["probe"] for image, table in tomllib.loads(asset(_IMAGES)).items()}
