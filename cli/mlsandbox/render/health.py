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
_BASH: Final = """\
exec 3<>"/dev/tcp/127.0.0.1/$0" && printf 'GET %s HTTP/1.0\\r\\n\\r\\n' "$1" >&3 && read -r -t 4 line <&3
case $line in HTTP/*' 2'*) ;; *) echo "$line"; exit 1 ;; esac
"""
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
    return _asking(_programs()[service.environment.image], port, probe.path)


def _asking(program: str, port: int, path: str) -> list[str] | None:
    """Ends with 0 when the answer is a 2xx; shows what stands in the way."""
    url = f"http://127.0.0.1:{port}{path}"
    match program:
        case "wget":  # BusyBox's: few options
            return ["wget", "-q", "-T", "4", "-O", "/dev/null", url]
        case "curl":
            return ["curl", "-sS", "--fail", "--max-time", "4", "-o", "/dev/null", url]
        case "ruby":
            return ["ruby", "-rnet/http", "-e", _RUBY, url]
        case "bash":  # as it is in Debian: it can open connections
            return ["bash", "-c", _BASH, str(port), path]
        case "none":
            return None
    raise ValueError(f"{_IMAGES} has an unknown probe: {program}")


@cache
def _programs() -> Mapping[str, str]:
    return {image: table["probe"] for image, table in tomllib.loads(asset(_IMAGES)).items()}
