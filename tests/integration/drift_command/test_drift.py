"""Drift made on purpose, through a real model service and shipper, and told by a real drift service."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlsandbox.actions.drift import DriftResult, drift, write_page
from mlsandbox.actions.drift_inject import InjectOptions, inject_drift
from mlsandbox.actions.drift_send import Injection
from mlsandbox.actions.sight import Sight
from mlsandbox.actions.stack_alerts import Told, told
from mlsandbox.cli import main
from mlsandbox.drift_status import drift_report
from mlsandbox.engines import ENGINES
from mlsandbox.engines.base import Observed, ObservedFront, ObservedService
from mlsandbox.errors import NotRunning, PredictionFailed, UsageError
from mlsandbox.output import Output, Paint
from mlsandbox.packaging.package import store_path
from mlsandbox.progress import QuietReport
from mlsandbox.project import Project, load_project
from mlsandbox.state import State as Remembered
from mlsandbox.supervise.transition import State
from mlsandbox.views.drift import drift_text, injection_text
from mlsandbox_serving.contract import Env
from mlsandbox_serving.drift import build_profile
from support.bento import Bento, build, serve
from support.drift_service import DriftService
from support.event_processes import ShipperProcess, free_port
from support.served import fitted, lay, people
from support.waiting import wait_for

Command = Callable[..., tuple[int, str, str]]
REFERENCE = people(3_000)


@dataclass
class Stack:
    """A project whose services were started one by one."""

    project: Project
    sight: Sight
    drift: DriftService

    def inject(self, column: str, shift: str, *, duration: str = "5s", rate: int = 300, dry_run: bool = False) -> Injection:
        options = InjectOptions(None, column, shift, duration, rate)
        return inject_drift(self.project, self.sight, options, timeout=None, dry_run=dry_run, report=QuietReport(Output()))

    def ask(self) -> DriftResult:
        return drift(self.project, self.sight)

    def rows(self) -> int:
        return self.ask().models[0].rows


def seen(root: Path, **ports: int) -> Sight:
    """A stack with these services; the model is asked at its front "api"."""
    services = tuple(
        ObservedService("api-v1" if name == "api" else name, State.READY, "digest", ports={name: port}) for name, port in ports.items()
    )
    fronts = tuple(ObservedFront(name, port, "api-v1") for name, port in ports.items() if name == "api")
    observed = Observed(running=True, services=services, fronts=fronts)
    return Sight(root, ENGINES["embedded"](root), observed, Remembered(ports=ports, served={"toy": "v1"}))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    root = tmp_path_factory.mktemp("toy")
    (root / "sandbox.toml").write_text('name = "toy"\n[models.toy]\npath = "model.joblib"\nreference = "people.csv"\nprivate = ["email"]\n')
    REFERENCE.to_csv(root / "people.csv", index=False)
    model = fitted(REFERENCE)
    made_of = {"python": sys.version.split()[0], "lock_digest": "sha256:0", "private": ["email"]}
    laid = lay(root / "laid", model, REFERENCE, manifest=made_of)
    (root / "built").mkdir()
    bento = build(laid, root / "built")
    store = store_path(root)
    store.parent.mkdir()
    bento.home.rename(store)  # BentoML builds nothing in hidden folders
    bento = Bento(store / bento.path.relative_to(bento.home), store)
    columns = {name: REFERENCE[name].tolist() for name in ("age", "sex", "hours")}
    service = DriftService(root / "drift", profiles={"toy/v1": build_profile(columns, predictions=model.predict(REFERENCE).tolist())})
    shipper = ShipperProcess(root / "running", {"drift": service.forward_port}, **{Env.MODEL: "toy"})
    try:
        with serve(bento, root / "running", **{Env.MAX_ROWS: "100"}) as api:
            service.start()
            shipper.start()
            api.wait()
            yield Stack(load_project(root), seen(root, api=api.port, drift=service.probe_port), service)
    finally:
        shipper.kill()
        service.kill()


def test_no_rows_yet(stack: Stack) -> None:
    """Before the first row the answer must be that nothing was compared, and a dry run must send nothing."""
    planned = stack.inject("age", "1sd", dry_run=True)

    assert (planned.planned, planned.sent, planned.known) == (1_500, 0, 3_000)
    assert stack.ask().is_open
    assert "nothing was compared yet" in drift_text(stack.ask(), Paint(on=False))


@pytest.fixture(scope="module")
def injected(stack: Stack) -> Injection:
    """Drift that was made, and has arrived."""
    before = stack.rows()
    done = stack.inject("age", "1sd")
    wait_for(lambda: stack.rows() == before + done.sent, what="the rows arrived", every=0.2)
    return done


def test_injected_drift_is_told(stack: Stack, injected: Injection) -> None:
    """A shifted column must be found, named first, and be the gate's reason; rows stay whole numbers that the endpoint takes."""
    assert injected.refused == 0
    assert injected.sent == injected.changed > 300
    assert "drawn from the reference people.csv (3,000 rows)" in injection_text(injected, Paint(on=False))
    told = stack.ask()
    assert [each.pages[0] for each in told.drifted] == ["features"]
    features = next(each for each in told.models[0].kinds if each.kind == "features")
    assert features.worst[0].name == "age"
    assert (told.document["drift"], told.document["models"][0]["state"]) == (True, "drift")
    text = drift_text(told, Paint(on=False))
    assert "✗ drift in toy v1" in text
    assert features.worst[0].explanation in text


@pytest.mark.usefixtures("injected")
def test_status_is_told_without_prometheus(stack: Stack) -> None:
    """Where neither Alertmanager nor Prometheus can be asked, the drift service alone must be enough for the alert and the state."""
    answered = told(stack.sight)

    assert answered.drift is not None
    assert answered.asked is not None
    assert (answered.drift.state, [each.model for each in answered.drift.models]) == ("drift", ["toy"])
    alerts = {each.name: each for each in answered.asked.alerts}
    assert alerts["SandboxDriftDetected"].model == "toy"
    assert "age" in alerts["SandboxDriftDetected"].description
    assert answered.asked.problem is None

    drift_at, silent = stack.sight.observed.ports["drift"], free_port()
    beside = told(seen(stack.project.root, drift=drift_at, alertmanager=silent, prometheus=silent)).asked
    assert beside is not None
    assert {each.name for each in beside.alerts} == set(alerts)
    assert "Alertmanager does not answer" in str(beside.problem)


def test_a_drift_service_that_is_silent_is_said_to_be(stack: Stack) -> None:
    """What is not known must not look like no drift; a stack without the service has nothing to say."""
    silent = told(seen(stack.project.root, drift=free_port()))

    assert silent.drift is not None
    assert silent.drift.state == "unknown"
    assert "does not answer" in str(silent.drift.reason)
    assert told(seen(stack.project.root, api=7310)) == Told(None, None)


def test_the_page_is_written(stack: Stack, tmp_path: Path) -> None:
    """The page must be one file that needs nothing else; where there can be no file, that is a usage error."""
    file = tmp_path / "drift.html"

    assert write_page(stack.sight, file, dry_run=True).file == file
    assert not file.exists()
    write_page(stack.sight, file, dry_run=False)
    assert file.read_text().startswith("<!doctype html>")
    assert "http://" not in file.read_text().replace("http://www.w3.org", "")
    for wrong in (tmp_path, tmp_path / "none" / "drift.html"):
        with pytest.raises(UsageError):
            write_page(stack.sight, wrong, dry_run=False)


@pytest.mark.parametrize(
    ("column", "shift", "said"),
    [
        ("email", "category=a:10%", "is private"),
        ("aeg", "1sd", "no column 'aeg'"),
        ("age", "missing=10%", "takes no missing values"),
        ("sex", "category=other:10%", "no category 'other'"),
    ],
)
def test_what_would_not_be_seen_is_not_sent(stack: Stack, column: str, shift: str, said: str) -> None:
    """What nobody would see, or what the endpoint would refuse in every row, must be refused before anything is sent."""
    before = stack.rows()

    with pytest.raises(UsageError, match=said):
        stack.inject(column, shift)
    assert stack.rows() == before


def test_rows_that_the_endpoint_refuses(stack: Stack) -> None:
    """When no row is taken, sending must end at once and say why."""
    with pytest.raises(PredictionFailed, match="took none of the first") as caught:
        stack.inject("age", "x1e30")

    assert "column 'age': out of range" in caught.value.why


def test_without_a_reference_nothing_is_injected(stack: Stack, tmp_path: Path) -> None:
    """While live rows become the reference, changed rows must not be sent: they would become it."""
    learning = DriftService(tmp_path, profiles=None, **{Env.DRIFT_PROFILES: f"toy/v1={tmp_path / 'none'}"})
    try:
        learning.start()
        other = seen(stack.project.root, api=stack.sight.observed.ports["api"], drift=learning.probe_port)
        with pytest.raises(UsageError, match="has no reference yet"):
            Stack(stack.project, other, learning).inject("age", "1sd")
    finally:
        learning.kill()


def test_services_that_do_not_answer(stack: Stack) -> None:
    """A drift service that is gone, another program on its port, and a stack without one must be told apart."""
    with pytest.raises(NotRunning, match="does not answer"):
        drift_report(free_port())
    with pytest.raises(NotRunning, match="answers HTTP 404"):
        drift_report(stack.sight.observed.ports["api"])
    with pytest.raises(NotRunning, match="does not watch for drift"):
        drift(stack.project, seen(stack.project.root, api=7310))
    with pytest.raises(UsageError, match="knows no model beer"):
        drift(stack.project, stack.sight, "beer")


@pytest.fixture
def command(stack: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Runs `sandbox drift` in this process, on the services that run here instead of those of a supervisor."""
    monkeypatch.setattr("mlsandbox.cli.drift.look", lambda _root: stack.sight)
    monkeypatch.setenv("NO_COLOR", "1")
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(*words: str) -> tuple[int, str, str]:
        code = main(["-C", str(stack.project.root), "drift", *words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("injected")
def test_the_command_is_a_gate(command: Command) -> None:
    """With --fail-on-drift, and with it alone, drift must end the command with 3; standard output stays one document."""
    code, out, err = command("toy")
    assert (code, err) == (0, "")
    assert "✗ drift in toy v1" in out
    code, out, err = command("--fail-on-drift", "-o", "json")
    assert (code, json.loads(out)["kind"], json.loads(out)["drift"]) == (3, "Drift", True)
    assert "warning: drift in toy v1 (features" in err
    assert command("report", "toy")[1].startswith("http://127.0.0.1:")
    code, out, _ = command("inject", "--column", "age", "--shift", "-1sd", "--for", "1s", "--rate", "50", "-o", "json")
    assert (code, json.loads(out)["kind"], json.loads(out)["sent"] > 0) == (0, "DriftInjection", True)


def test_the_document_is_json(stack: Stack) -> None:
    """Everything that the service says must reach scripts, with the distributions of the columns."""
    document = json.loads(json.dumps(stack.ask().document))

    assert document["project"] == "toy"
    assert {each["column"] for each in document["models"][0]["columns"]} >= {"age", "sex", "hours"}
