"""A stack as child processes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlsandbox.render.processes import Places, passed_on, render_processes
from mlsandbox.stack.build import ModelInputs, StackInputs, build_stack, port_names
from mlsandbox.stack.parts import chosen_parts
from mlsandbox.stack.spec import Address, ServiceEnvironment, StackSpec
from mlsandbox.supervise.spec import HttpProbe, ProcessSpec

EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing is bound
SANDBOX = Path("/home/ü/my project/.sandbox")
MODEL = ModelInputs("churn", "v3", "churn:v3", Path("/requirements.lock"), "sha256:1", "3.11", has_hashed_columns=True)
PLACES = Places(
    SANDBOX,
    {
        MODEL.environment: Path("/envs/model/bin/python"),
        ServiceEnvironment("log-store"): Path("/envs/log-store/bin/python"),
        ServiceEnvironment("drift"): Path("/envs/drift/bin/python"),
    },
    {"churn:v3": SANDBOX / "bentoml/bentos/churn/v3"},
    {},
    SANDBOX / "stack/served-1",
)


@pytest.fixture
def stack() -> StackSpec:
    """One model."""
    numbers = {"fluentd": 7316, "log-store": 7319, "shipper": 7318, "api": 7310, "drift": 7317, "drift-forward": 7320}
    parts = chosen_parts("embedded", "full", exclude=(), programs=())
    assert set(port_names(["churn"], parts)) == set(numbers)
    return build_stack(StackInputs("demo", "127.0.0.1", (MODEL,), numbers, parts))


def _processes(stack: StackSpec, **environ: str) -> dict[str, ProcessSpec]:
    return {process.name: process for process in render_processes(stack, PLACES, environ, ())}


def test_commands(stack: StackSpec) -> None:
    """Each service must run in its own environment, in the folder of its code."""
    processes = _processes(stack)
    bento = f"{SANDBOX}/bentoml/bentos/churn/v3"

    assert {name: (process.argv, process.cwd) for name, process in processes.items()} == {
        "log-store": (("/envs/log-store/bin/python", "-m", "mlsandbox_serving.log_store"), f"{SANDBOX}/stack/served-1"),
        "drift": (("/envs/drift/bin/python", "-m", "mlsandbox_serving.drift_sidecar"), f"{SANDBOX}/stack/served-1"),
        "shipper": (("/envs/model/bin/python", "-m", "mlsandbox_serving.spool.shipper"), f"{bento}/src"),
        "api": (("/envs/model/bin/python", "-m", "bentoml", "serve", bento, "--host", "127.0.0.1", "--port", "7310"), f"{bento}/src"),
    }


def test_references(stack: StackSpec) -> None:
    """Addresses, folders and secrets must become what the process can use."""
    processes = _processes(stack)

    assert processes["shipper"].env["SANDBOX_SINKS"] == "log-store=127.0.0.1:7316,drift~1=127.0.0.1:7320"
    assert processes["api"].env["SANDBOX_SPOOL_DIR"] == processes["shipper"].env["SANDBOX_SPOOL_DIR"] == f"{SANDBOX}/data/spool-churn"
    assert processes["api"].env["SANDBOX_HASH_KEY_FILE"] == f"{SANDBOX}/secrets/hash-key"
    assert processes["api"].env["BENTOML_HOME"] == f"{SANDBOX}/bentoml"
    assert processes["api"].readiness == HttpProbe("127.0.0.1", 7310, "/readyz")


def test_folders_and_secrets(stack: StackSpec) -> None:
    """All that must be there before the start must be known."""
    assert stack.data_folders == ("drift", "log-store", "metrics-churn", "spool-churn")
    assert stack.secret_names == ("hash-key",)


def test_clean_environment(stack: StackSpec) -> None:
    """Nothing of the caller's environment may reach a service, but for what machines and networks need."""
    environ = {
        "PATH": "/bin",
        "HOME": "/home/ü",
        "LC_ALL": "C.UTF-8",
        "HTTPS_PROXY": "http://proxy.example",
        "OMP_NUM_THREADS": "2",
        "PYTHONPATH": "/mine",
        "PYTHONSTARTUP": "/mine.py",
        "AWS_SECRET_ACCESS_KEY": "x",
        "VIRTUAL_ENV": "/venv",
        "BENTOML_PORT": "1",
    }

    assert passed_on(environ) == {name: environ[name] for name in ("PATH", "HOME", "LC_ALL", "HTTPS_PROXY", "OMP_NUM_THREADS")}
    assert _processes(stack, **environ)["api"].env["PYTHONPATH"] == f"{SANDBOX}/bentoml/bentos/churn/v3/src"


def test_another_terminal(stack: StackSpec) -> None:
    """`up` from a terminal with another PATH, language, certificates or proxy must mean the same processes; other threads must not."""
    here = _processes(stack, PATH="/bin", LANG="C", OMP_NUM_THREADS="2")
    there = _processes(stack, PATH="/venv/bin:/bin", LC_ALL="de_DE.UTF-8", SSL_CERT_FILE="/certs.pem", OMP_NUM_THREADS="2")
    slower = _processes(stack, PATH="/bin", LANG="C", OMP_NUM_THREADS="1")

    assert {name: spec.digest() for name, spec in here.items()} == {name: spec.digest() for name, spec in there.items()}
    assert here["api"].digest() != slower["api"].digest()
    assert there["api"].surroundings["PATH"] == "/venv/bin:/bin"


def test_open_to_the_network(stack: StackSpec) -> None:
    """`--host 0.0.0.0` must open the API alone, and still be probed on loopback; a name must become an address."""
    processes = _processes(replace(stack, host=EVERYWHERE))

    assert processes["api"].argv[-3] == "0.0.0.0"  # noqa: S104
    assert processes["api"].readiness == HttpProbe("127.0.0.1", 7310, "/readyz")
    assert processes["log-store"].env["SANDBOX_LISTEN_HOST"] == "127.0.0.1"
    assert _processes(replace(stack, host="localhost"))["api"].argv[-3] == "127.0.0.1"


@pytest.mark.parametrize(
    ("host", "asked"), [(EVERYWHERE, "127.0.0.1:7310"), ("::", "[::1]:7310"), ("::1", "[::1]:7310"), ("192.168.7.5", "192.168.7.5:7310")]
)
def test_a_service_is_asked_where_it_listens(stack: StackSpec, host: str, asked: str) -> None:
    """Where others find the API must be where it listens, as an address with a port."""
    scraping = replace(stack.service("drift"), args=(Address("api", "api"), Address("log-store", "log-store")))
    services = tuple(scraping if each.name == "drift" else each for each in stack.services)

    processes = _processes(replace(stack, host=host, services=services))

    assert processes["drift"].argv[1:] == (asked, "127.0.0.1:7319")


def test_a_key_is_a_file(stack: StackSpec) -> None:
    """A service that asks for keys must be told where they are, and be probed with one; no other service needs them."""
    numbers = {port.name: port.number for service in stack.services for port in service.ports}
    parts = chosen_parts("embedded", "full", exclude=(), programs=())
    keyed = _processes(build_stack(StackInputs("demo", "127.0.0.1", (MODEL,), numbers, parts, api_keys=True)))
    keys = f"{SANDBOX}/secrets/api-keys"

    assert keyed["api"].env["SANDBOX_API_KEYS_FILE"] == keys
    assert {name: process.readiness.key_file for name, process in keyed.items() if process.readiness} == {
        "api": keys,
        "shipper": None,
        "log-store": None,
        "drift": None,
    }
    assert all("SANDBOX_API_KEYS_FILE" not in process.env for process in _processes(stack).values())


def test_a_stop_lasts_as_long_as_a_request(stack: StackSpec) -> None:
    """The model service must get more time to end than a request may take."""
    slow = replace(MODEL, timeout_seconds=120.0, max_concurrency=8)
    numbers = {port.name: port.number for service in stack.services for port in service.ports}
    parts = chosen_parts("embedded", "full", exclude=(), programs=())
    api = _processes(build_stack(StackInputs("demo", "127.0.0.1", (slow,), numbers, parts)))["api"]

    assert (api.stop_grace, api.env["SANDBOX_TIMEOUT_SECONDS"], api.env["SANDBOX_MAX_CONCURRENCY"]) == (130.0, "120", "8")
