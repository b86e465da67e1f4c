"""Build a bento from a prepared folder: `python -m mlsandbox_serving.build` reads one JSON document and answers with one.

In:  {"context": folder with service.py, "name": "churn", "version": "v3", "labels": {name: text}, "python": "3.11",
      "base_image": "python:3.11-slim", "requirements": "package/lock.txt",
      "model": {"tag": "churn:<digest>", "files": {path in the model's folder: file to copy}}}
Out: {"tag": "churn:v3", "path": …}
Without files, the model is in the store already.

BENTOML_HOME says into which store. Nothing here reaches the network: the lock is taken as it is, not resolved again, and BentoML's
telemetry is off. Without a lock of its own BentoML would run a resolver and write the address of the index into the bento.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any


def main() -> None:
    request = json.load(sys.stdin)
    os.environ["BENTOML_DO_NOT_TRACK"] = "true"
    with redirect_stdout(sys.stderr):  # standard output is the answer alone
        answer = build(request)
    json.dump(answer, sys.stdout)


def build(request: dict[str, Any]) -> dict[str, str]:
    """Put the model into the store, build the bento, and tell where it is."""
    import bentoml  # noqa: PLC0415 - BENTOML_* must be set before it is imported
    from bentoml._internal.service.loader import load  # noqa: PLC0415 - as above
    from bentoml.images import Image  # noqa: PLC0415 - as above

    context = Path(request["context"])
    if request["model"]["files"]:
        _store_model(request["model"]["tag"], request["model"]["files"])
    os.chdir(context)
    service: Any = load("service:svc", working_dir=str(context))
    # `distro="none"` leaves out the layer of compilers that BentoML adds by default. Set here and not in service.py, which must not
    # look for its lock file when it is served.
    service.image = Image(
        base_image=request["base_image"], distro="none", python_version=request["python"], lock_python_packages=False
    ).requirements_file(request["requirements"])
    service.description = f"The model {request['name']}, version {request['version']}."
    bento = bentoml.build(
        "service:svc",
        name=request["name"],
        description=service.description,
        version=request["version"],
        labels=request["labels"],
        build_ctx=str(context),
        include=["*"],
        exclude=["__pycache__/", "*.pyc"],
        models=[request["model"]["tag"]],
    )
    return {"tag": str(bento.tag), "path": str(bento.path)}


def _store_model(tag: str, files: dict[str, str]) -> None:
    import bentoml  # noqa: PLC0415 - as in `build`

    with bentoml.models.create(tag, module="mlsandbox_serving") as stored:
        for name, source in files.items():
            target = Path(stored.path) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


if __name__ == "__main__":
    main()
