"""The Docker engine and the images that container tests run on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from support import rig_engine, rig_images

REQUIRE = "REQUIRE_DOCKER"
"""Environment variable: "1" makes what needs Docker fail where it cannot run, as `pytest --require-docker` does."""


@dataclass(frozen=True)
class DockerRig:
    """A running engine, and all test images in it."""

    images: Mapping[str, str]
    """Local reference by key, as in `compose/images.toml`."""

    def overrides(self) -> str:
        """The table of sandbox.toml that makes a stack use these images."""
        return stack_images(self.images)


class NoRig(Exception):
    """Container tests cannot run here; says why and what to do."""


def images() -> dict[str, str]:
    """Local reference of each test image, by its key in `compose/images.toml`; nothing is built or asked."""
    return rig_images.references()


def stack_images(references: Mapping[str, str]) -> str:
    """`[stack.images]` of sandbox.toml."""
    return "\n".join(["[stack.images]", *(f'{key} = "{reference}"' for key, reference in references.items()), ""])


def required() -> bool:
    """Whether the environment says that a machine without Docker is a failure."""
    return os.environ.get(REQUIRE) == "1"


def ready() -> DockerRig:
    """The rig; images that are absent are made.

    Raises:
        NoRig: no engine answers, or the images cannot be made.
    """
    if not rig_engine.engine_answers():
        raise NoRig("no Docker engine answers (as root on Debian: python tools/rig.py up; elsewhere start Docker)")
    absent = rig_images.absent()
    if absent and shutil.which("mmdebstrap") is None:
        raise NoRig(f"no test images of {', '.join(absent)}, and mmdebstrap to make them is only on Debian (python tools/rig.py up)")
    try:
        rig_images.build(lambda _text: None)
    except rig_engine.RigError as error:
        raise NoRig(f"the test images cannot be made: {error}") from error
    return DockerRig(images())
