"""A stack as child processes of this machine (pure): every reference becomes a path or an address, every environment a clean one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlsandbox.render.config import FOLDER, config_digest, config_files
from mlsandbox.render.tree import RenderedFile
from mlsandbox.stack.hosts import LOOPBACK, bound_at, bracketed, reached_at
from mlsandbox.stack.spec import (
    Address,
    ConfigPath,
    DataFolder,
    Environment,
    Joined,
    ListenHost,
    ListenPort,
    PackagePath,
    PortSpec,
    Probe,
    ProgramEnvironment,
    SecretFile,
    ServiceSpec,
    StackSpec,
    Value,
)
from mlsandbox.supervise.spec import FrontSpec, HttpProbe, Need, ProcessSpec
from mlsandbox_serving.contract import Env

_DECIDING: Final = frozenset(
    {"TZ", "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "OMP_PROC_BIND", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"}
)
_DECIDING_PREFIXES: Final = ("OPENBLAS_", "MKL_", "GOTO_", "VECLIB_")
_SURROUNDINGS: Final = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TMPDIR", "XDG_CACHE_HOME"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    }
)
_SURROUNDINGS_PREFIXES: Final = ("LC_",)
_ALWAYS: Final = {"PYTHONUNBUFFERED": "1", "PYTHONNOUSERSITE": "1", "PYTHONUTF8": "1"}


@dataclass(frozen=True, slots=True)
class Places:
    """Where things lie on this machine."""

    sandbox: Path
    """The project's `.sandbox`, absolute."""
    pythons: Mapping[Environment, Path]
    """The interpreter of each environment."""
    packages: Mapping[str, Path]
    """The folder of each package (bento), by tag."""
    programs: Mapping[str, Path]
    """The programs of others that are used, by their command."""
    served: Path
    """What services without a package put on PYTHONPATH."""


def render_config(spec: StackSpec, places: Places) -> tuple[RenderedFile, ...]:
    """The configuration files that the processes read, relative to `.sandbox/stack`."""
    return config_files(
        spec, lambda service, value: _Resolver(spec, service, places).text(value), root=places.sandbox.parent, packages=places.packages
    )


def render_processes(
    spec: StackSpec, places: Places, environ: Mapping[str, str], config: Sequence[RenderedFile]
) -> tuple[ProcessSpec, ...]:
    """The list for the supervisor.

    Args:
        spec: the stack.
        places: where its environments, packages and data lie.
        environ: the caller's environment; a chosen few variables are passed on.
        config: what `render_config` gives.

    Raises:
        KeyError: an environment, package or program that `places` does not know.
    """
    return tuple(_process(service, _Resolver(spec, service, places), environ, config_digest(config, service)) for service in spec.services)


def render_fronts(spec: StackSpec) -> tuple[FrontSpec, ...]:
    """The sockets that the supervisor holds."""
    return tuple(FrontSpec(front.name, bound_at(spec.host), front.port.number, front.service) for front in spec.fronts)


def passed_on(environ: Mapping[str, str]) -> dict[str, str]:
    """What a child may inherit: where programs are, language, threads, certificates, proxies."""
    return {**surroundings(environ), **deciding(environ)}


def deciding(environ: Mapping[str, str]) -> dict[str, str]:
    """What changes how a model computes; a child that was started with something else is another child."""
    return {name: value for name, value in environ.items() if name in _DECIDING or name.startswith(_DECIDING_PREFIXES)}


def surroundings(environ: Mapping[str, str]) -> dict[str, str]:
    """What one terminal has and another has not; `up` from another terminal must leave what runs alone."""
    return {name: value for name, value in environ.items() if name in _SURROUNDINGS or name.startswith(_SURROUNDINGS_PREFIXES)}


class _Resolver:
    """Turns the references of one service into texts."""

    def __init__(self, spec: StackSpec, service: ServiceSpec, places: Places) -> None:
        self.spec = spec
        self.service = service
        self.places = places

    def package(self) -> Path | None:
        return None if self.service.package is None else self.places.packages[self.service.package]

    def text(self, value: Value) -> str:
        match value:
            case str():
                return value
            case Address(service, port):
                asked = self.spec.service(service).port(port)
                return f"{bracketed(self.host(asked))}:{asked.number}"
            case ListenHost(public):
                return bound_at(self.spec.host) if public else LOOPBACK
            case ListenPort(port):
                return str(self.service.port(port).number)
            case Joined(parts):
                return "".join(self.text(part) for part in parts)
            case _:
                return str(self.path(value))

    def path(self, value: DataFolder | SecretFile | ConfigPath | PackagePath) -> Path:
        match value:
            case ConfigPath(relative):
                return self.places.sandbox / "stack" / FOLDER / self.service.name / relative
            case DataFolder(name):
                return self.places.sandbox / "data" / name
            case SecretFile(name):
                return self.places.sandbox / "secrets" / name
            case PackagePath(relative):
                package = self.package()
                if package is None:
                    raise KeyError(f"{self.service.name} refers to a package and names none")
                return package / relative

    def probe(self, probe: Probe | None) -> HttpProbe | None:
        if probe is None:
            return None
        port = self.service.port(probe.port)
        key_file = self.service.env.get(Env.API_KEYS_FILE)
        shown = None if key_file is None else self.text(key_file)
        return HttpProbe(self.host(port), port.number, probe.path, probe.period, probe.identified, shown)

    def host(self, port: PortSpec) -> str:
        """Where this machine reaches a port."""
        return reached_at(self.spec.host) if port.public else LOOPBACK


def _process(service: ServiceSpec, resolver: _Resolver, environ: Mapping[str, str], config: str | None) -> ProcessSpec:
    places = resolver.places
    package = resolver.package()
    code = places.served if package is None else package / "src"
    ours: dict[str, str] = {}
    cwd = code
    args = service.args
    match service.environment:
        case ProgramEnvironment(command=str(command)):
            program = places.programs[command]
            args = service.args if service.native_args is None else service.native_args
            cwd = resolver.path(ConfigPath()) if service.files else places.sandbox
        case ProgramEnvironment(image=image):
            raise KeyError(f"{service.name} runs in containers only ({image})")
        case _:
            program = places.pythons[service.environment]
            ours = {**deciding(environ), **_ALWAYS, "PYTHONPATH": str(code)}
    if package is not None:
        ours["BENTOML_HOME"] = str(places.sandbox / "bentoml")
    if config is not None:
        ours["SANDBOX_CONFIG_DIGEST"] = config
    return ProcessSpec(
        name=service.name,
        argv=(str(program), *(resolver.text(value) for value in args)),
        env={**ours, **{name: resolver.text(value) for name, value in service.env.items()}},
        cwd=str(cwd),
        log_path=str(places.sandbox / "logs" / f"{service.name}.log"),
        ports={port.name: port.number for port in service.ports},
        readiness=resolver.probe(service.readiness),
        needs={name: Need(condition.value) for name, condition in service.needs.items()},
        stop_grace=service.stop_grace,
        memory_bytes=service.resources.memory_bytes,
        surroundings=surroundings(environ),
    )
