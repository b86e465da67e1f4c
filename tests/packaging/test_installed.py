"""The installed distribution, away from the checkout."""

from __future__ import annotations

import subprocess
import uuid
from pathlib import Path

from support.docker_rig import DockerRig
from support.docker_stack import DockerSandbox
from support.repository import ROOT
from support.sandbox import Sandbox, post

TRAIN = """
import pandas as pd, mlsandbox
from sklearn.linear_model import LogisticRegression
frame = pd.DataFrame({"x": [float(i % 10) for i in range(60)], "y": [float(i % 7) for i in range(60)]})
label = (frame["x"] > frame["y"]).astype(int)
mlsandbox.save(LogisticRegression().fit(frame, label), "tiny", reference=frame, target=label)
"""


def _run(*command: str, cwd: Path) -> str:
    return subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, check=True, text=True).stdout


def test_version(installed: Path, tmp_path: Path) -> None:
    """The installed command must say its version in one line."""
    out = _run(str(installed / "sandbox"), "--version", cwd=tmp_path)

    assert out.splitlines()[0].split()[0] == "sandbox"
    assert out.splitlines()[0].split()[1] in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_nothing_of_the_checkout(installed: Path, tmp_path: Path) -> None:
    """Both packages must come out of the environment and not out of the checkout."""
    code = "import mlsandbox, mlsandbox_serving; print(mlsandbox.__file__); print(mlsandbox_serving.__file__)"
    places = _run(str(installed / "python"), "-c", code, cwd=tmp_path).splitlines()

    assert [place for place in places if not Path(place).is_relative_to(installed.parent)] == []


def test_up(installed: Path, tmp_path: Path) -> None:
    """A model saved and brought up by the installed wheel must answer, and be gone after `down`."""
    sandbox = Sandbox(tmp_path, tmp_path / "home", python=installed / "python", command=installed / "sandbox")
    sandbox.home.mkdir()
    sandbox.script(TRAIN)
    try:
        sandbox.run("up").ok()
        status, answer, _ = post(f"{sandbox.url}/predict", {"x": 9.0, "y": 0.0})
    finally:
        sandbox.down()

    assert (status, answer["predictions"]) == (200, [1])


def test_up_in_containers(installed: Path, tmp_path: Path, docker_rig: DockerRig) -> None:
    """The installed wheel must bring all that containers are made and configured from."""
    (tmp_path / "home").mkdir()
    sandbox = DockerSandbox(tmp_path, tmp_path / "home", installed / "python", {"SANDBOX_PROFILE": "lite"}, installed / "sandbox")
    sandbox.script(TRAIN)
    sandbox.use_images(docker_rig.images, f"installed-{uuid.uuid4().hex[:6]}")
    try:
        sandbox.run("up").ok()
        status, answer, _ = post(f"{sandbox.url}/predict", {"x": 9.0, "y": 0.0})
    finally:
        sandbox.run("down", "--volumes", "--yes").ok()

    assert (status, answer["predictions"]) == (200, [1])
