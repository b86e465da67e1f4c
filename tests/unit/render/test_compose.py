"""A stack as a Compose file: what references become, how services wait for each other, what makes a container another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlsandbox.docker_host import ImageRef
from mlsandbox.render.compose import container_digests, container_recipes, render_compose
from mlsandbox.render.containers import ContainerPlaces, render_container_config
from mlsandbox.render.proxies import NO_PROXIES
from mlsandbox.stack.spec import (
    Address,
    Condition,
    ConfigPath,
    DataFolder,
    Environment,
    Joined,
    ListenHost,
    ListenPort,
    ModelEnvironment,
    PackagePath,
    PortSpec,
    Probe,
    ProgramEnvironment,
    Reach,
    Resources,
    SecretFile,
    ServiceEnvironment,
    ServiceSpec,
    StackSpec,
)

EVERYWHERE = "0.0.0.0"  # noqa: S104 - what a server binds inside of a container
TMP = "/tmp"  # noqa: S108 - a container's own
MODEL = ModelEnvironment("sha256:1", "3.11", Path("/lock"))
STORE = ServiceEnvironment("log-store")
PROGRAM = ProgramEnvironment("prometheus")
API = ServiceSpec(
    name="api",
    environment=MODEL,
    args=("-m", "server", PackagePath(), "--host", ListenHost(public=True), "--port", ListenPort("api"), "$HOME"),
    env={
        "DIR": DataFolder("spool", "/var/lib/sandbox/spool"),
        "KEY": SecretFile("key"),
        "LABELS": PackagePath("labels.json"),
        "SINK": Joined(("store=", Address("store", "store"))),
    },
    ports=(PortSpec("api", 7310, Reach.PUBLIC),),
    readiness=Probe("api", "/readyz"),
    needs={"store": Condition.READY, "setup": Condition.READY},
    package="churn:v3",
    component="api",
)
SETUP = ServiceSpec(name="setup", environment=STORE, args=("-m", "setup"), runs_once=True, needs={"store": Condition.STARTED})
STORES = ServiceSpec(
    name="store",
    environment=PROGRAM,
    args=(Joined(("--config=", ConfigPath("store.yml"))),),
    native_args=("--other",),
    files={"store.yml": Joined(("me: ", Address("store", "store"), "\n"))},
    ports=(PortSpec("store", 9000),),
    readiness=Probe("store", "/-/ready", identified=False),
    resources=Resources(memory_bytes=128 * 1024**2, cpus=1.5),
    scratch=("/var/cache",),
    runs_from_tmp=True,
    stop_grace=30.0,
)
SPEC = StackSpec("demo", "127.0.0.1", (STORES, SETUP, API))
IMAGES: dict[Environment, ImageRef] = {
    MODEL: ImageRef("model:1", "sha256:m"),
    STORE: ImageRef("store:1", "sha256:s"),
    PROGRAM: ImageRef("prom:1", "sha256:p"),
}
PLACES = ContainerPlaces(
    Path("/home/ü/my $pro ject"), IMAGES, "id-1", 1000, {"OMP_NUM_THREADS": "2", "LD_LIBRARY_PATH": "/opt", "PATH": "/bin"}
)


def _document(spec: StackSpec = SPEC, places: ContainerPlaces = PLACES) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(_text(spec, places))
    return document


def _text(spec: StackSpec = SPEC, places: ContainerPlaces = PLACES) -> str:
    return render_compose(spec, places, render_container_config(spec, places)).text


def _digests(spec: StackSpec = SPEC, places: ContainerPlaces = PLACES) -> dict[str, str]:
    return dict(container_digests(spec, places, render_container_config(spec, places)))


def _with(service: ServiceSpec) -> StackSpec:
    return replace(SPEC, services=tuple(service if each.name == service.name else each for each in SPEC.services))


def test_references() -> None:
    """Each reference must become what it is inside of a container, and `$` must stay a dollar."""
    api = _document()["services"]["api"]

    assert api["entrypoint"] == ["python"]
    assert api["command"] == ["-m", "server", "/home/bentoml/bento", "--host", EVERYWHERE, "--port", "7310", "$$HOME"]
    assert {name: api["environment"][name] for name in API.env} == {
        "DIR": "/var/lib/sandbox/spool",
        "KEY": "/run/secrets/key",
        "LABELS": "/home/bentoml/bento/labels.json",
        "SINK": "store=store:9000",
    }
    assert api["volumes"] == [{"type": "volume", "source": "spool", "target": "/var/lib/sandbox/spool"}]
    assert api["secrets"] == ["key"]


def test_configuration() -> None:
    """A service's configuration must hold addresses of the private network, and lie at one place in every container."""
    assert [(file.path, file.text) for file in render_container_config(SPEC, PLACES)] == [("config/store/store.yml", "me: store:9000\n")]
    store = _document()["services"]["store"]
    assert store["command"] == ["--config=/etc/sandbox/store.yml"]
    assert store["volumes"][0]["source"] == "/home/ü/my $$pro ject/.sandbox/stack/config/store"
    assert store["volumes"][0]["target"] == "/etc/sandbox"


def test_programs_of_others() -> None:
    """An official image must be run as its makers mean it: its own entry point, and no variable of ours."""
    store = _document()["services"]["store"]

    assert not {"entrypoint", "init"} & set(store)
    assert set(store["environment"]) == set(NO_PROXIES)


def test_programs_of_others_use_no_proxy() -> None:
    """What asks the stack alone must not be led out of it by the proxies of Docker's own settings, under any of their names."""
    store = _document()["services"]["store"]

    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        assert store["environment"][name] == ""


def test_environment() -> None:
    """A service of ours must get the caller's number of threads, and none of the paths of this machine."""
    environment = _document()["services"]["api"]["environment"]

    assert environment["OMP_NUM_THREADS"] == "2"
    assert environment["SANDBOX_STACK_ID"] == "id-1"
    assert environment["PYTHONPATH"] == "/home/bentoml/bento/src"
    assert "LD_LIBRARY_PATH" not in environment
    assert "PATH" not in environment


def test_waiting() -> None:
    """A dependency must be waited for as it is meant: begun, well, or over."""
    services = _document()["services"]

    assert services["api"]["depends_on"] == {
        "store": {"condition": "service_healthy"},
        "setup": {"condition": "service_completed_successfully"},
    }
    assert services["setup"]["depends_on"] == {"store": {"condition": "service_started"}}
    assert services["setup"]["restart"] == "no"
    assert services["store"]["restart"] == "unless-stopped"
    assert services["store"]["stop_grace_period"] == "30s"


def test_health() -> None:
    """Our services must be asked by our own program, others by what their image has; what runs once is not asked."""
    services = _document()["services"]

    assert services["api"]["healthcheck"]["test"] == ["CMD", "python", "-m", "mlsandbox_serving.healthcheck", "7310", "/readyz"]
    assert services["store"]["healthcheck"]["test"][:2] == ["CMD", "wget"]
    assert services["store"]["healthcheck"]["test"][-1] == "http://127.0.0.1:9000/-/ready"
    assert "healthcheck" not in services["setup"]


@pytest.mark.parametrize(
    ("image", "program"), [("prometheus", "wget"), ("elasticsearch", "curl"), ("fluentd", "ruby"), ("haproxy", "bash")]
)
def test_probe_programs(image: str, program: str) -> None:
    """The health check must use the program that compose/images.toml names for the image."""
    environment = ProgramEnvironment(image)
    places = replace(PLACES, images={**IMAGES, environment: ImageRef("other:1", "sha256:o")})

    store = _document(_with(replace(STORES, environment=environment)), places)["services"]["store"]
    assert store["healthcheck"]["test"][1] == program


def test_no_probe_program() -> None:
    """An image without such a program must have no health check, and what waits for it goes on when it has begun."""
    environment = ProgramEnvironment("python")
    places = replace(PLACES, images={**IMAGES, environment: ImageRef("other:1", "sha256:o")})

    services = _document(_with(replace(STORES, environment=environment)), places)["services"]
    assert "healthcheck" not in services["store"]
    assert services["api"]["depends_on"]["store"] == {"condition": "service_started"}


def test_scratch() -> None:
    """Scratch paths must be writable for every user; libraries are loaded from /tmp only where the service says so."""
    services = _document()["services"]

    assert services["store"]["tmpfs"] == [f"{TMP}:mode=1777,exec", "/var/cache:mode=1777"]
    assert services["api"]["tmpfs"] == [f"{TMP}:mode=1777"]
    assert services["store"]["cpus"] == 1.5
    assert services["store"]["mem_limit"] == "128m"


@pytest.mark.parametrize(
    ("host", "published"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("::1", "[::1]"),
        (EVERYWHERE, EVERYWHERE),
        ("::", "[::]"),
        ("192.168.7.5", "192.168.7.5"),
    ],
)
def test_host(host: str, published: str) -> None:
    """A public port must be published at the project's host, as an address."""
    assert _document(replace(SPEC, host=host))["services"]["api"]["ports"] == [f"{published}:7310:7310"]


def test_names() -> None:
    """Volumes must have Compose's own names, and all must say which project it belongs to."""
    document = _document()
    root = {"org.mlsandbox.root": "/home/ü/my $$pro ject"}

    assert document["name"] == "demo"
    assert document["volumes"] == {"spool": {"name": "demo_spool", "labels": root}}
    assert {network["labels"]["org.mlsandbox.root"] for network in document["networks"].values()} == set(root.values())
    assert document["services"]["api"]["labels"] == {
        **root,
        "org.mlsandbox.service": "api",
        "org.mlsandbox.component": "api",
        "org.mlsandbox.digest": _digests()["api"],
    }


@pytest.mark.parametrize(
    "value", ["yes", "no", "null", "~", "1e3", "0o17", "0x10", "12:30", "2024-01-01", "", " a", "a: b", "#", "é", "a\nb", "{a}", "*", "y"]
)
def test_texts_stay_texts(value: str) -> None:
    """No value may be read as another type than text, in any version of YAML."""
    text = _text(_with(replace(API, env={"VALUE": value})))

    assert yaml.safe_load(text)["services"]["api"]["environment"]["VALUE"] == value
    assert value == "y" or f"VALUE: {value}\n" not in text


def test_same_text() -> None:
    """The same stack must give the same text, whatever the order of its variables and of the caller's."""
    one = _text(places=replace(PLACES, environ={"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "3"}))
    other = _text(places=replace(PLACES, environ={"MKL_NUM_THREADS": "3", "OMP_NUM_THREADS": "2"}))

    assert one == other


CHANGES: list[tuple[str, Callable[[], tuple[StackSpec, ContainerPlaces]]]] = [
    ("image id", lambda: (SPEC, replace(PLACES, images={**IMAGES, MODEL: ImageRef("model:1", "sha256:other")}))),
    ("image", lambda: (SPEC, replace(PLACES, images={**IMAGES, MODEL: ImageRef("model:2", "sha256:m")}))),
    ("command", lambda: (_with(replace(API, args=("-m", "other"))), PLACES)),
    ("NEW", lambda: (_with(replace(API, env={**API.env, "NEW": "1"})), PLACES)),
    ("OMP_NUM_THREADS", lambda: (SPEC, replace(PLACES, environ={"OMP_NUM_THREADS": "4"}))),
    ("memory cap", lambda: (_with(replace(API, resources=Resources(memory_bytes=1024**3))), PLACES)),
    ("cpus", lambda: (_with(replace(API, resources=Resources(cpus=2.0))), PLACES)),
    ("configuration", lambda: (_with(replace(API, files={"a": "b"})), PLACES)),
    ("ports", lambda: (_with(replace(API, ports=(PortSpec("api", 7320, Reach.PUBLIC),))), PLACES)),
    ("volumes", lambda: (_with(replace(API, env={**API.env, "DIR": DataFolder("spool", "/elsewhere")})), PLACES)),
    ("override", lambda: (SPEC, replace(PLACES, override="services: {}\n"))),
    ("stop grace period", lambda: (_with(replace(API, stop_grace=20.0)), PLACES)),
    ("depends on", lambda: (_with(replace(API, needs={"store": Condition.STARTED})), PLACES)),
    ("healthcheck", lambda: (_with(replace(API, readiness=Probe("api", "/other"))), PLACES)),
]


@pytest.mark.parametrize(("name", "change"), CHANGES, ids=[name for name, _ in CHANGES])
def test_what_makes_another_container(name: str, change: Callable[[], tuple[StackSpec, ContainerPlaces]]) -> None:
    """Whatever decides about a container must change its digest, and its recipe must name it."""
    spec, places = change()
    before = container_recipes(SPEC, PLACES, render_container_config(SPEC, PLACES))["api"]
    after = container_recipes(spec, places, render_container_config(spec, places))["api"]

    assert _digests(spec, places)["api"] != _digests()["api"]
    assert name in {key for key in {*before, *after} if before.get(key) != after.get(key)}


def test_what_leaves_a_container_alone() -> None:
    """The stack's id, the order of things and this terminal must not make a container anew."""
    same = [
        _digests(places=replace(PLACES, stack_id="id-2")),
        _digests(replace(SPEC, services=SPEC.services[::-1])),
        _digests(_with(replace(API, env=dict(reversed(list(API.env.items())))))),
        _digests(places=replace(PLACES, environ={**PLACES.environ, "PATH": "/other", "HOME": "/other", "LANG": "de"})),
    ]

    assert all(digests == _digests() for digests in same)
    assert "id-1" not in str(container_recipes(SPEC, PLACES, ()))


def test_one_change_one_container() -> None:
    """A change of one service must leave the digests of the others as they are."""
    changed = _digests(_with(replace(STORES, files={"store.yml": "other\n"})))

    assert {name for name, digest in _digests().items() if changed[name] != digest} == {"store"}


def test_unknown_image() -> None:
    """A service whose environment has no image must be an error, never a container of something else."""
    with pytest.raises(KeyError):
        _text(places=replace(PLACES, images={MODEL: IMAGES[MODEL]}))


def test_package_missing() -> None:
    """A service that means a package and names none must be an error."""
    with pytest.raises(KeyError, match="api refers to a package"):
        _text(_with(replace(API, package=None)))
