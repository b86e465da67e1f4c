"""The engines in turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlsandbox.docker_host import ImageRef
from support.engine_bench import ALL, Bench, params
from support.toy_image import toy_image


@pytest.fixture(params=params(ALL))
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """An engine; whatever a test does, nothing may run afterwards."""
    root = tmp_path / "Büro Projekt"
    root.mkdir()
    images = request.getfixturevalue("docker_rig").images if request.param == "docker" else None
    if images is None:
        made = Bench(request.param, root)
    else:  # a test image's name says what is in it
        made = Bench(request.param, root, toy_image(images["python"]), ImageRef(images["haproxy"], images["haproxy"]))
    yield made
    made.down()
    made.engine.remove_kept()
    made.assert_nothing_left()
