"""Answer rows as a package's service would, without a socket: `python -m mlsandbox_serving.replay BENTO`; see `contract.Replayer`.

Schema check, the model's input, the model, and the answer's form are the service's own code, of the package that it lies in.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from mlsandbox_serving.answer_stream import answer_alone
from mlsandbox_serving.contract import ErrorCode, NotReady, PackageFile, Replayer
from mlsandbox_serving.golden import Tolerance, tolerance_of
from mlsandbox_serving.prediction_events import as_stored
from mlsandbox_serving.record import Privacy, described
from mlsandbox_serving.schema import Columns, Schema, SchemaMismatch
from mlsandbox_serving.service.package import Package
from mlsandbox_serving.service.predicting import Outcome, Served, prepare
from mlsandbox_serving.service.readiness import NotServable, State
from mlsandbox_serving.service.refusal import RequestRefused

_MODELS: Final = "models"
"""Folder of a store of BentoML."""


class Replay:
    """A package's model, asked as its service asks it.

    Args:
        served: the model.
        golden: of the package, for its tolerance.
    """

    def __init__(self, served: Served, golden: Mapping[str, Any] | None) -> None:
        self._served = served
        self._schema: Schema = served.schema
        self._tolerance = None if golden is None else tolerance_of(golden)

    @classmethod
    def load(cls, bento: Path, model_folder: Path | None = None) -> Replay:
        """Verify and load a package's model, and replay its golden rows.

        Args:
            bento: its folder.
            model_folder: of the model's files; None: in the store that the bento is in.

        Raises:
            NotServable: as the service says it in /readyz.
        """
        try:
            root = bento / "src"
            package = Package.read(root)
            name, _, version = str(package.manifest["model_tag"]).rpartition(":")
            manifest = package.manifest
            privacy = Privacy(frozenset(manifest.get("private") or ()), frozenset(manifest.get("hashed") or ()))
            return cls(prepare(package, model_folder or bento.parents[2] / _MODELS / name / version, privacy), package.golden)
        except NotServable:
            raise
        except Exception as error:
            reason = f"there is no package in {bento}: {described(error, texts=True)}"
            raise NotServable(State(NotReady.LOAD_FAILED, reason, final=True)) from error

    def answer(self, line: bytes) -> dict[str, Any]:
        """What is answered to one request, see `contract.Replayer`; never raises for what is in it."""
        identity: Any = None
        try:
            request = json.loads(line)
            identity = request["id"]
            columns = self._checked(request)
        except RequestRefused as refused:
            return _refused(identity, refused)
        except (ValueError, LookupError, TypeError) as error:
            return {"id": identity, "error": {"code": ErrorCode.UNREADABLE_BODY, "message": f"this is no request: {type(error).__name__}"}}
        started = time.perf_counter()
        outcome = self._served.predict([columns])
        seconds = time.perf_counter() - started
        answer = outcome.answers[0]
        if isinstance(answer, RequestRefused):
            return _refused(identity, answer)
        return {
            "id": identity,
            "predictions": as_stored(answer.predictions),
            "probabilities": as_stored(answer.probabilities),
            "seconds": seconds,
            "tolerance": self._tolerances(outcome),
        }

    def _checked(self, request: Mapping[str, Any]) -> Columns:
        """The rows of a request.

        Raises:
            RequestRefused: they are not what the model takes.
        """
        try:
            if "columns" in request:
                return self._schema.check_columns(request["columns"])
            return self._schema.check_rows(request["rows"])
        except SchemaMismatch as mismatch:
            raise self._served.refused(mismatch) from None

    def _tolerances(self, outcome: Outcome) -> dict[str, Any]:
        """How far an answer may be from another one and count as the same; null where only equal is the same."""
        exact = self._schema.output.type == "class"
        return {
            "predictions": None if exact else self._bound(outcome.label_dtype),
            "probabilities": None if outcome.scores is None else self._bound(outcome.scores.dtype),
        }

    def _bound(self, dtype: Any) -> dict[str, float] | None:
        if dtype is None or dtype.kind != "f":
            return None
        bound = self._tolerance or Tolerance.of(dtype)
        return {"rtol": bound.rtol, "atol": bound.atol}


def _refused(identity: Any, refused: RequestRefused) -> dict[str, Any]:
    return {"id": identity, "error": {"code": refused.failure.code, "message": refused.failure.message}}


def replay(load: Callable[[], Replay], lines: Iterable[bytes]) -> int:
    """Answer request after request on standard output; the exit code."""
    with answer_alone() as answer:
        try:
            replay = load()
        except NotServable as error:
            told = {"code": error.state.code, "message": error.state.reason}
            sys.stderr.write("\n" + json.dumps({"error": told}, ensure_ascii=False, default=str) + "\n")
            return Replayer.UNSERVABLE
        try:
            for line in lines:
                answer(replay.answer(line))
        except BrokenPipeError:
            pass  # nobody reads any more
    return 0


def main(arguments: list[str]) -> int:
    """The program: the bento's folder, and the model's where it is not in the bento's store; returns the exit code."""
    if len(arguments) not in {1, 2} or not (Path(arguments[0]) / "src" / PackageFile.MANIFEST).is_file():
        sys.stderr.write("python -m mlsandbox_serving.replay BENTO [MODEL]: the folder of a bento, and of its model\n")
        return Replayer.MISUSED
    bento = Path(arguments[0])
    return replay(lambda: Replay.load(bento, Path(arguments[1]) if len(arguments) > 1 else None), sys.stdin.buffer)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
