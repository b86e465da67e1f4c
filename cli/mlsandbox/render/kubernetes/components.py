"""The optional components of an export, in the order in which they are applied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from mlsandbox.render.kubernetes.bundle import Bundle
from mlsandbox.render.kubernetes.facts import OLDEST, ExportFacts
from mlsandbox.stack.spec import StackSpec


@dataclass(frozen=True, slots=True)
class Component:
    """One of them, and what it takes to have it."""

    name: str
    """As in `--with`."""
    build: Callable[[StackSpec, ExportFacts], Bundle]
    images: Callable[[StackSpec, ExportFacts], Sequence[str]] = lambda _spec, _facts: ()
    """Keys of images of which one has to be known; none: it needs no image that has to be named."""
    release: tuple[int, int] = OLDEST
    """The oldest Kubernetes that it works with."""
    instead_of: tuple[str, ...] = ()
    """Components that do the same in another way: one overlay has only one of them."""


COMPONENTS: Final[tuple[Component, ...]] = ()
