"""Reference profiles: what live rows are compared with, made of reference rows by the served code, in the model's environment."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from mlsandbox.errors import PackagingFailed, ReferenceUnusable
from mlsandbox.packaging.bento import serving_environment
from mlsandbox.packaging.bytestream import sha256_of
from mlsandbox.run import run
from mlsandbox_serving.contract import PackageFile, ProfileFile

_REFUSED: Final = 1
"""Exit code of the program when the rows are at fault; its answer says how."""


@dataclass(frozen=True, slots=True)
class ProfileRequest:
    """What a profile is made of; `mlsandbox_serving.profiling` says what each part is.

    It has either a reference, which the model is asked about, or events, which hold what it answered.
    """

    schema: Mapping[str, Any]
    load: Mapping[str, Any]
    model: Path
    code: Path | None
    private: tuple[str, ...]
    hashed: tuple[str, ...]
    output: Path
    reference: Path | None = None
    target: str | None = None
    events: Path | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Columns that are not to be compared, and why, whatever these rows say."""


def packaged_profile(
    request: ProfileRequest, *, name: str, interpreter: Path, served: Path, report: Callable[[str], None]
) -> dict[str, Any]:
    """Make the profile of a package: what is in it, with the digests of its files as they will lie in the package.

    Reference rows that the model does not predict are no reason not to serve it: there is no profile then, and the package keeps why, which
    is told as long as it is so.

    Raises:
        PackagingFailed: the program broke.
    """
    try:
        told = make_profile(request, name=name, interpreter=interpreter, served=served)
    except ReferenceUnusable as error:
        why = f"{error.what}: {error.why}" if error.why else error.what
        return {"files": {}, "problem": why}
    if told["rows"] < ProfileFile.LEAST_ROWS:
        few = f"it has {_counted(told['rows'], 'row')} that the model takes, and needs {ProfileFile.LEAST_ROWS}"
        return {"files": {}, "problem": f"{few}; {ProfileFile.GOOD_ROWS:,} are better"}
    for line in profile_lines(told):
        report(line)
    return {"files": {f"{PackageFile.PROFILE}/{each}": sha256_of(request.output / each)[0] for each in ProfileFile.ALL}, **told}


def make_profile(request: ProfileRequest, *, name: str, interpreter: Path, served: Path) -> dict[str, Any]:
    """Make the files of a profile, and tell what is in it.

    Args:
        request: what it is made of.
        name: of the model.
        interpreter: of its environment.
        served: the folder in which the served code lies.

    Raises:
        ReferenceUnusable: the rows cannot be read, the model does not predict them, or there is not enough memory for it.
        PackagingFailed: the program broke.
    """
    if request.reference is not None and not request.reference.is_file():
        raise ReferenceUnusable(f"{request.reference.name} is not here", fix=f"fetch it: {request.reference}")
    document = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(request).items()}
    what = f"making the reference profile of {name}"
    done = run(
        [interpreter, "-W", "ignore", "-m", "mlsandbox_serving.profiling"],
        input=json.dumps(document),
        cwd=served,
        env=serving_environment(PYTHONPATH=str(served)),
        what=what,
        check=False,
    )
    try:
        told: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        told = {}
    if done.returncode == _REFUSED and "error" in told:
        error = told["error"]
        raise ReferenceUnusable(error["message"], why=error["why"], fix=error["fix"], details={"code": error["code"]})
    if done.returncode < 0:
        raise ReferenceUnusable(
            f"{what} was ended by signal {-done.returncode}",
            why="Most often this machine had no memory left for it." if done.returncode == -signal.SIGKILL else done.stderr[-2000:].strip(),
            fix="give fewer reference rows, or more memory, and package it again: sandbox up",
            details={"signal": -done.returncode},
        )
    if done.returncode != 0 or not told:
        raise PackagingFailed(
            f"the reference profile of {name} could not be made",
            why=f"exit code {done.returncode}\n{done.stderr[-2000:]}".strip(),
            fix="see the whole output: sandbox -v up",
        )
    return told


def profile_lines(told: Mapping[str, Any]) -> list[str]:
    """What was made, in a line; and in others what is to be known of its rows."""
    rows, total = told["rows"], told["total"]
    left_out = ", ".join(f"{name} ({why.partition(':')[0]})" for name, why in told["left_out"].items())
    parts = [
        _counted(told["columns"], "column"),
        *([] if told["labels"] else ["no labels"]),
        *([f"left out: {left_out}"] if left_out else []),
    ]
    counted = f"{rows:,} of {total:,} rows" if total > rows + told["refused"] else _counted(rows, "row")
    lines = [f"reference of {counted}: {', '.join(parts)}"]
    if told["refused"]:
        lines.append(
            f"left out of the reference: {_counted(told['refused'], 'row')} that the endpoint would refuse; the first: {told['why']}"
        )
    if told["unsteady"]:
        names = ", ".join(dict.fromkeys(name for found in told["unsteady"].values() for name in found))
        kinds = ", ".join(told["unsteady"])
        lines.append(
            f"the reference is not stationary, at its end it looks unlike before: {names}; for {kinds} drift is told without an alert"
        )
    return lines


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
