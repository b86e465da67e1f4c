"""The container images of a stack: which they are, which of them are here, and how the others get here.

A program's official image is pulled; the images of models, of our own small services and of Fluentd with its plugins are built.
What is built carries the digest of all that went into it as a label: one look at the engine's list tells what is missing.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlsandbox.docker_host import CONTENT, ImageRef
from mlsandbox.errors import ConfigInvalid, ImageBuildFailed
from mlsandbox.packaging.image_access import BuildAccess, build_access, copy_wheels, refuse_unreachable
from mlsandbox.packaging.image_build import Build, Report, build_image, scratch_folder
from mlsandbox.packaging.image_pull import pull_images
from mlsandbox.packaging.image_recipes import FluentdRecipe, ModelRecipe, Recipe, ServiceRecipe
from mlsandbox.packaging.image_store import LocalImages, local_images, remove_superseded, replacing
from mlsandbox.packaging.images_catalog import FLUENTD, PYTHON, check_overrides, reference
from mlsandbox.packaging.interpreters import SUPPORTED, pythons_of
from mlsandbox.packaging.package import Package
from mlsandbox.registry import Registry
from mlsandbox.render.compose import COMPOSE_FILE
from mlsandbox.stack.spec import Environment, ModelEnvironment, ServiceEnvironment, ServiceSpec, StackSpec


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """Where a project's images come from.

    Args:
        project: its name.
        root: its folder.
        overrides: `[stack.images]`.
        registry: `stack.registry`.
        ca: `stack.ca`.
        proxy: `stack.proxy`.
    """

    project: str
    root: Path
    overrides: Mapping[str, str]
    registry: str
    ca: Path | None
    proxy: str


@dataclass(frozen=True, slots=True)
class Found:
    """What is here."""

    images: Mapping[Environment, ImageRef]
    missing: tuple[str, ...]
    """Names of the images that `supply_images` would build or pull."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One image of the stack."""

    environment: Environment
    name: str
    recipe: Recipe | None
    """None: it is pulled."""
    content: str | None
    """What it must be made of; None: whatever it is."""

    def found(self, here: LocalImages) -> ImageRef | None:
        return here.find(self.name, self.content)


def find_images(spec: StackSpec, packages: Mapping[str, Package], settings: ImageSettings) -> Found:
    """The images of a stack, as far as they are here; changes nothing.

    Args:
        spec: the stack.
        packages: by tag.
        settings: where the project's images come from.

    Raises:
        ConfigInvalid: `[stack.images]` or `stack.ca` is wrong.
        EngineUnavailable: Docker does not answer.
    """
    wanted, here = _wanted(spec, packages, settings), local_images()
    missing = [each for each in wanted if each.found(here) is None]
    names = [*_pulled(missing, here), *(each.name for each in missing if each.recipe)]
    return Found(_refs(wanted, here), tuple(dict.fromkeys(names)))


def image_names(spec: StackSpec, packages: Mapping[str, Package], settings: ImageSettings) -> Mapping[Environment, str]:
    """What the images of a stack are called, whether they are here or not; Docker is not asked.

    Raises:
        ConfigInvalid: as `find_images`.
    """
    return {each.environment: each.name for each in _wanted(spec, packages, settings)}


def supply_images(
    spec: StackSpec, packages: Mapping[str, Package], settings: ImageSettings, report: Report
) -> Mapping[Environment, ImageRef]:
    """The images of a stack; those that are missing are pulled and built. The project must be locked.

    Args:
        spec: the stack.
        packages: by tag.
        settings: where the project's images come from.
        report: told what takes time.

    Raises:
        ConfigInvalid, EngineUnavailable: as `find_images`.
        ImagePullFailed, ImageBuildFailed: an image cannot be had.
        ProgramMissing: the `docker` command is not here, which builds.
    """
    wanted, here = _wanted(spec, packages, settings), local_images()
    missing = [each for each in wanted if each.found(here) is None]
    if missing:
        pull_images(_pulled(missing, here), report)
        _build([each for each in missing if each.recipe], settings, report)
        here = local_images()
    lost = [each.name for each in wanted if each.found(here) is None]
    if lost:
        raise ImageBuildFailed(
            f"{', '.join(lost)} is not among the engine's images after it was made",
            why="another command made it anew meanwhile, or the builder keeps its images elsewhere",
            fix="try again; docker images 'mlsandbox/*/*' shows what is there",
        )
    return _refs(wanted, here)


def _wanted(spec: StackSpec, packages: Mapping[str, Package], settings: ImageSettings) -> tuple[_Wanted, ...]:
    check_overrides(settings.overrides)
    if settings.ca is not None and not settings.ca.is_file():
        raise ConfigInvalid(f"stack.ca is no file: {settings.ca}", fix="correct stack.ca in sandbox.toml")
    minors = {service.environment.python for service in spec.services if isinstance(service.environment, ModelEnvironment)}
    minor = max(minors or SUPPORTED, key=_ordered)
    by_environment = {service.environment: service for service in spec.services}
    return tuple(_image(service, packages, settings, minor=minor) for service in by_environment.values())


def _image(service: ServiceSpec, packages: Mapping[str, Package], settings: ImageSettings, *, minor: str) -> _Wanted:
    environment = service.environment
    recipe: Recipe
    if isinstance(environment, ModelEnvironment):
        package = packages[service.package or ""]
        base = _reference(PYTHON, settings, minor=environment.python)
        recipe = ModelRecipe(package, settings.project, settings.root, base, settings.ca)
    elif isinstance(environment, ServiceEnvironment):
        able = min(minor, pythons_of(environment.name)[-1], key=_ordered)
        recipe = ServiceRecipe(environment.name, _reference(PYTHON, settings, minor=able), settings.ca)
    elif environment.image == FLUENTD and FLUENTD not in settings.overrides:
        recipe = FluentdRecipe(_reference(FLUENTD, settings), settings.ca)
    else:
        return _Wanted(environment, _reference(environment.image, settings), None, None)
    return _Wanted(environment, recipe.tag, recipe, recipe.content)


def _ordered(minor: str) -> tuple[int, ...]:
    return tuple(int(part) for part in minor.split("."))


def _reference(key: str, settings: ImageSettings, *, minor: str = "") -> str:
    return reference(key, overrides=settings.overrides, registry=settings.registry, minor=minor)


def _pulled(missing: Iterable[_Wanted], here: LocalImages) -> list[str]:
    """Names of what is to be pulled: programs, and the bases of what is to be built."""
    names = (each.recipe.base if each.recipe else each.name for each in missing)
    return [name for name in dict.fromkeys(names) if here.find(name) is None]


def _refs(wanted: Iterable[_Wanted], here: LocalImages) -> dict[Environment, ImageRef]:
    return {each.environment: found for each in wanted if (found := each.found(here)) is not None}


def _build(wanted: Iterable[_Wanted], settings: ImageSettings, report: Report) -> None:
    by_name = {each.name: each for each in wanted}
    if not by_name:
        return
    access = build_access(settings.proxy)
    for note in access.notes:
        report.note(note)
    for each in by_name.values():
        if each.recipe is not None:
            _build_one(each.recipe, each.content or "", access, settings, report)


def _build_one(recipe: Recipe, content: str, access: BuildAccess, settings: ImageSettings, report: Report) -> None:
    began = time.monotonic()
    report.step(f"Building the image of {recipe.title}")
    if recipe.lock:
        refuse_unreachable(access, recipe.title)
    sandbox = settings.root / ".sandbox"
    with scratch_folder(sandbox) as folder:
        written = recipe.write(folder)
        copy_wheels(access, recipe.lock, folder / "wheels")
        build = Build(
            title=recipe.title,
            tag=recipe.tag,
            context=written.context,
            dockerfile=written.dockerfile,
            labels={**recipe.labels, CONTENT: content},
            arguments=written.arguments,
            wheels=folder / "wheels",
        )
        log = sandbox / "logs" / "images" / f"{recipe.tag.rpartition('/')[2].partition(':')[0]}.log"
        with replacing(recipe.tag):
            build_image(build, access, authorities=settings.ca, log=log, report=report)
    if not isinstance(recipe, ModelRecipe):  # versions of a model stay, to be gone back to
        for name in remove_superseded(recipe.tag, _rendered_stacks()):
            report.note(f"removed an older image that nothing uses: {name}")
    report.done(f"Built the image of {recipe.title}", "", time.monotonic() - began)


def _rendered_stacks() -> tuple[str, ...]:
    """What the stacks of this machine were made from last, running or not."""
    texts = []
    for entry in Registry().entries():
        with contextlib.suppress(OSError):  # it is gone, on a disk that is not there, or somebody else's by now
            texts.append(Path(entry.root, ".sandbox", "stack", COMPOSE_FILE).read_text("utf-8", errors="replace"))
    return tuple(texts)
