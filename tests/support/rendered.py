"""Stacks of projects whose models are packaged in name only: for tests that look at what is rendered from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mlsandbox.actions.deployment import Deployed
from mlsandbox.actions.drift_engines import drift_engines
from mlsandbox.actions.engine_choice import DOCKER
from mlsandbox.actions.project_stack import parts_of, stack_of, stack_ports
from mlsandbox.docker_host import ImageRef
from mlsandbox.packaging.package import Package
from mlsandbox.project import Project, load_project
from mlsandbox.render.compose import render_compose
from mlsandbox.render.containers import ContainerPlaces, render_container_config
from mlsandbox.render.tree import RenderedFile
from mlsandbox.stack.spec import Environment, ModelEnvironment, ProgramEnvironment, ServiceSpec, StackSpec, StoredFile
from mlsandbox_serving.contract import PackageFile, ProfileFile

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = ("one-model", "two-models")
PROFILES = ("full", "lite")
ROOT = Path("/project")
ENVIRON = {"PATH": "/bin", "HOME": "/home/ü", "OMP_NUM_THREADS": "2", "AWS_SECRET_ACCESS_KEY": "never passed on"}
STACK_ID = "0123456789abcdef"


@dataclass(frozen=True)
class Packaged:
    """A project's stack, as if each of its models were packaged as v1."""

    packages: Mapping[str, Package]
    """By tag."""
    spec: StackSpec


def packaged(
    folder: Path, engine: str, profile: str = "full", ports: Mapping[str, int] | None = None, *, named_assets: bool = True
) -> Packaged:
    """The stack of a project, as if it lay in ROOT.

    Its ports count from 7310 when none are given; with `named_assets` its configuration files name the assets that they are, instead of
    holding them.
    """
    project = replace(load_project(folder, environ={"SANDBOX_PROFILE": profile}), root=ROOT)
    packages = [_package(project, name, number) for number, name in enumerate(project.models, 1)]
    parts = parts_of(project, engine, ())
    deployed = [Deployed(package) for package in packages]
    counted = {name: 7310 + index for index, name in enumerate(stack_ports(deployed, parts))}
    engines = drift_engines(project, DOCKER)  # whatever Pythons this machine has
    spec = stack_of(project, deployed, ports or counted, parts, engines, baselines={})
    return Packaged({package.tag: package for package in packages}, with_named_assets(spec) if named_assets else spec)


def container_places(spec: StackSpec, environ: Mapping[str, str] = ENVIRON) -> ContainerPlaces:
    """Places with an image for each environment, named after what it is for."""
    images = {
        service.environment: ImageRef(f"{_image_name(service)}:test", f"sha256:{service.name}") for service in reversed(spec.services)
    }
    return ContainerPlaces(ROOT, images, STACK_ID, 1000, environ)


def compose_files(spec: StackSpec, places: ContainerPlaces) -> tuple[RenderedFile, ...]:
    """The Compose file, and the configuration files after it."""
    config = render_container_config(spec, places)
    return (render_compose(spec, places, config), *config)


def _package(project: Project, model: str, number: int) -> Package:
    files = {f"{PackageFile.PROFILE}/{name}": "" for name in ProfileFile.ALL}
    manifest = {"lock_digest": f"sha256:{number}", "python": "3.11.7", "profile": {"files": files}}
    bento = project.state_dir / "bentoml/bentos" / model / "v1"
    return Package(model, "v1", f"sha256:{number}", f"{model}:v1", bento, Path(f"/cache/envs/{number}/bin/python"), manifest)


def with_named_assets(spec: StackSpec) -> StackSpec:
    """The same with files that name the asset that they are, instead of being it."""
    return replace(spec, services=tuple(_with_named_assets(service) for service in spec.services))


def _with_named_assets(service: ServiceSpec) -> ServiceSpec:
    files = {path: f"({value.path} as it is)\n" if isinstance(value, StoredFile) else value for path, value in service.files.items()}
    return replace(service, files=files)


def _image_name(service: ServiceSpec) -> str:
    environment: Environment = service.environment
    match environment:
        case ProgramEnvironment(image=image):
            return image
        case ModelEnvironment():
            return str(service.package).partition(":")[0]
        case _:
            return environment.name
