"""The engines in turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.engine_bench import ALL, Bench, params
from support.toy_image import toy_image


@pytest.fixture(params=params(ALL))
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """An engine; whatever a test does, nothing may run afterwards."""
    root = tmp_path / "Büro Projekt"
    root.mkdir()
    images = request.getfixturevalue("docker_rig").images if request.param == "docker" else None
    made = Bench(request.param, root) if images is None else Bench(request.param, root, toy_image(images["python"]), images["haproxy"])
    yield made
    made.down()
    made.engine.remove_kept()
    made.assert_nothing_left()
