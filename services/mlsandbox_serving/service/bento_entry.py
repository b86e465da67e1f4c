"""The BentoML service of a package: copied to the root of a bento as `service.py`, beside `package/` and `mlsandbox_serving/`.

Three processes import it. The build (`bentoml.build`) and BentoML's arbiter only need to know the service's name and its model;
the worker, which the arbiter starts, serves. Nothing of the model is loaded before the worker's lifespan begins.
"""

from __future__ import annotations

import json
import os
import traceback
from pathlib import Path
from typing import Any, Final

import bentoml

from mlsandbox_serving.contract import Env, PackageFile
from mlsandbox_serving.lifetime import end_with_parent
from mlsandbox_serving.service.arbiter import wait_for_requests
from mlsandbox_serving.service.exchange import AsgiApp
from mlsandbox_serving.service.hook import put_in_front

ROOT: Final = Path(__file__).resolve().parent
MANIFEST: Final[dict[str, Any]] = json.loads((ROOT / PackageFile.MANIFEST).read_text(encoding="utf-8"))
MODEL: Final = bentoml.models.BentoModel(MANIFEST["model_tag"])


def _make_app(inner: AsgiApp | None) -> AsgiApp:
    # Imported in the worker alone: the arbiter neither needs it nor waits for it.
    try:
        from mlsandbox_serving.service.worker import make_app  # noqa: PLC0415 - only the worker needs it

        return make_app(inner, root=ROOT, model_folder=_model_folder, worker=str(_worker_index or 0), environ=os.environ)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is said where it is waited for
        from mlsandbox_serving.service.unable import unable  # noqa: PLC0415 - hardly ever needed

        traceback.print_exc()
        return unable(error, os.environ)


def _model_folder() -> Path:
    stored = MODEL.stored
    if stored is None:
        raise FileNotFoundError(f"the model {MODEL.tag} is not in BentoML's model store")
    return Path(stored.path)


_worker_index: Final = bentoml.server_context.worker_index
if _worker_index is None:
    os.environ[Env.ARBITER_PID] = str(os.getpid())  # the workers inherit it
    wait_for_requests(os.environ)
    if os.environ.get(Env.PARENT_PID):
        end_with_parent()
elif os.environ.get(Env.ARBITER_PID):
    # The arbiter starts workers from its main thread, so the kernel's own watch is right.
    end_with_parent(int(os.environ[Env.ARBITER_PID]), kernel=True)


@bentoml.service(
    name=MANIFEST["model"],
    workers=int(os.environ.get(Env.WORKERS) or 1),
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
class Model:
    """The model of this package; the routes are mlsandbox_serving's own, see mlsandbox_serving.service.app."""

    model = MODEL


svc = put_in_front(Model, _make_app)
