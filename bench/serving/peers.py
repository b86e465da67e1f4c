"""The peers: what somebody would take who did not take this, each as its own documentation writes it, one worker each."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from environments import HERE, peer_environment
from processes import Launch, Placement, clean_environment
from services import JSON, Running, ServiceFailed, started
from workloads import Batch, Workload
from wrk import Request

SERVERS: Final = HERE / "servers"
_ARRAY: Final = "array"


@dataclass(frozen=True)
class Place:
    """Where a peer runs.

    Args:
        bin: of its environment.
        port: of 127.0.0.1.
        workload: what it serves.
        folder: its own, beside the model.
    """

    bin: Path
    port: int
    workload: Workload
    folder: Path


@dataclass(frozen=True)
class Peer:
    """A peer; see services.Service.

    Args:
        name: for arguments, and of its lock unless `lock` says another.
        title: for tables.
        imports: modules that must import for its environment to count as built.
        argv: its command.
        lock: of its environment.
        path: of its endpoint; "{model}" is the model's name.
        wrap: a body, of the rows.
        unwrap: the labels, of an answer.
        env: variables beside those that all have.
        set_up: writes what it needs into its folder.
    """

    name: str
    title: str
    imports: tuple[str, ...]
    argv: Callable[[Place], Sequence[str | Path]]
    lock: str = ""
    path: str = "/predict"
    wrap: Callable[[Workload, Batch], Any] = field(default=lambda workload, batch: {"rows": _rows(workload, batch)})
    unwrap: Callable[[Any], list[Any]] = field(default=lambda answer: list(answer["predictions"]))
    env: Mapping[str, str] = field(default_factory=dict)
    set_up: Callable[[Place], None] | None = None
    encodings: Sequence[str] = ("json",)

    def prepare(self, workload: Workload) -> None:
        """Build the environment."""
        place = self._place(workload, 0)
        if self.set_up is not None and place.workload.name == workload.name:
            shutil.rmtree(place.folder, ignore_errors=True)
            place.folder.mkdir(parents=True)
            self.set_up(place)

    def running(self, workload: Workload, placement: Placement) -> AbstractContextManager[Running]:
        """The peer with this model, until the block ends."""
        return started(lambda port: self._launch(workload, port), self.request(workload, workload.batches(1), "json"), placement)

    def request(self, workload: Workload, batches: Sequence[Batch], encoding: str) -> Request:  # noqa: ARG002 - peers speak JSON alone
        """What it is asked with."""
        bodies = [json.dumps(self.wrap(workload, batch), separators=(",", ":")).encode() for batch in batches]
        return Request(self.path.format(model=workload.name), JSON, bodies)

    def labels(self, answer: Any) -> list[Any]:
        """Labels in an answer."""
        return self.unwrap(answer)

    def _place(self, workload: Workload, port: int) -> Place:
        python = peer_environment(self.lock or self.name, self.imports)
        return Place(python.parent, port, workload, workload.file.parent / self.name)

    def _launch(self, workload: Workload, port: int) -> Launch:
        place = self._place(workload, port)
        if self.set_up is not None and self.name == "mlserver":
            _mlserver_port(place)
        return Launch([str(word) for word in self.argv(place)], SERVERS, {**_common(place), **self.env})


def _common(place: Place) -> dict[str, str]:
    return {
        "PATH": f"{place.bin}:{clean_environment({})['PATH']}",
        "BENCH_MODEL": str(place.workload.file),
        "BENCH_INPUT": place.workload.kind,
        "BENTOML_HOME": str(place.workload.file.parent / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYTHONDONTWRITEBYTECODE": "",
    }


def _rows(workload: Workload, batch: Batch) -> Any:
    """Lists of numbers, or objects by column."""
    return batch.frame.to_numpy().tolist() if workload.kind == _ARRAY else records(batch)


def records(batch: Batch) -> list[dict[str, Any]]:
    """One JSON object for each row."""
    found: list[dict[str, Any]] = json.loads(batch.frame.to_json(orient="records", double_precision=15))
    return found


def _bentoml(place: Place) -> Sequence[str | Path]:
    service = "Numbers" if place.workload.kind == _ARRAY else "People"
    return [place.bin / "bentoml", "serve", f"bentoml_service:{service}", "--host", "127.0.0.1", "--port", str(place.port)]


def _fastapi(place: Place) -> Sequence[str | Path]:
    return [place.bin / "uvicorn", "fastapi_app:app", "--host", "127.0.0.1", "--port", str(place.port), "--no-access-log"]


def _flask(place: Place) -> Sequence[str | Path]:
    # Threads, since the sync worker closes every connection after its answer.
    return [place.bin / "gunicorn", "--workers", "1", "--threads", "4", "--bind", f"127.0.0.1:{place.port}", "flask_app:app"]


def _litserve(place: Place) -> Sequence[str | Path]:
    return [place.bin / "python", "litserve_app.py", str(place.port)]


def _mlserver(place: Place) -> Sequence[str | Path]:
    return [place.bin / "mlserver", "start", place.folder]


def _mlserver_settings(place: Place) -> None:
    model = {
        "name": place.workload.name,
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": str(place.workload.file)},
    }
    (place.folder / "model-settings.json").write_text(json.dumps(model), encoding="utf-8")


def _mlserver_port(place: Place) -> None:
    settings = {
        "debug": False,
        "parallel_workers": 0,
        "host": "127.0.0.1",
        "http_port": place.port,
        **{name: place.port + offset for name, offset in (("grpc_port", 1), ("metrics_port", 2))},
    }
    (place.folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")


def _oip(workload: Workload, batch: Batch) -> Any:
    """A request of the Open Inference Protocol: one matrix, or a tensor for each column of a frame."""
    rows = len(batch.frame)
    if workload.kind == _ARRAY:
        values = batch.frame.to_numpy()
        matrix = {"name": "rows", "shape": list(values.shape), "datatype": "FP64", "data": values.ravel().tolist()}
        return {"inputs": [matrix]}
    inputs = []
    for name, column in batch.frame.items():
        numeric = column.dtype.kind == "f"
        parameters = {} if numeric else {"parameters": {"content_type": "str"}}
        inputs.append(
            {"name": name, "shape": [rows, 1], "datatype": "FP64" if numeric else "BYTES", "data": column.astype(object).tolist()}
            | parameters
        )
    return {"parameters": {"content_type": "pd"}, "inputs": inputs}


def _mlflow(place: Place) -> Sequence[str | Path]:
    address = ("--host", "127.0.0.1", "--port", str(place.port))
    return [place.bin / "mlflow", "models", "serve", "-m", place.folder / "model", "--env-manager", "local", "--workers", "1", *address]


def _mlflow_save(place: Place) -> None:
    files = (SERVERS / "mlflow_save.py", place.workload.file, place.folder / "model")
    argv = [str(place.bin / "python"), "-W", "ignore", *map(str, files)]
    done = subprocess.run(argv, env=clean_environment(_common(place)), capture_output=True, text=True, check=False, cwd=place.folder)
    if done.returncode != 0:
        raise ServiceFailed(f"the model could not be saved for MLflow:\n{done.stderr[-4000:]}")


PEERS: Final = (
    Peer("bentoml", "bare BentoML", ("bentoml", "sklearn", "pandas"), _bentoml, unwrap=list),
    Peer("fastapi", "FastAPI + uvicorn", ("fastapi", "uvloop", "httptools", "sklearn", "pandas"), _fastapi),
    Peer(
        "fastapi-async",
        "FastAPI + uvicorn, `async def`",
        ("fastapi", "uvloop", "httptools", "sklearn", "pandas"),
        _fastapi,
        lock="fastapi",
        env={"BENCH_ENDPOINT": "async"},
    ),
    Peer("flask", "Flask + gunicorn", ("flask", "gunicorn", "sklearn", "pandas"), _flask),
    Peer(
        "mlserver",
        "MLServer",
        ("mlserver", "mlserver_sklearn", "uvloop"),
        _mlserver,
        path="/v2/models/{model}/infer",
        wrap=_oip,
        unwrap=lambda answer: list(answer["outputs"][0]["data"]),
        set_up=_mlserver_settings,
    ),
    Peer("litserve", "LitServe", ("litserve", "sklearn", "pandas"), _litserve),
    Peer(
        "mlflow",
        "MLflow models serve",
        ("mlflow.sklearn", "mlflow.pyfunc.scoring_server"),
        _mlflow,
        path="/invocations",
        wrap=lambda workload, batch: {"inputs" if workload.kind == _ARRAY else "dataframe_records": _rows(workload, batch)},
        set_up=_mlflow_save,
    ),
)
