"""`sandbox export compose`: the whole stack as a folder that Docker Compose runs alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from mlsandbox.actions.drift_engines import DriftEngines
from mlsandbox.actions.engine_choice import DOCKER
from mlsandbox.actions.export_ejected import EjectOptions, Part, default_ports, written_by
from mlsandbox.actions.export_stack import LICENCE, model_of_image, version_in
from mlsandbox.actions.project_stack import baseline_of, image_settings, model_of_package, parts_of, stack_of_models
from mlsandbox.docker_host import ImageRef
from mlsandbox.engines.docker_compose import OVERRIDE
from mlsandbox.errors import ImageMissing
from mlsandbox.packaging.images import image_names
from mlsandbox.packaging.package import Package, list_packages
from mlsandbox.project import Project
from mlsandbox.render.compose import COMPOSE_FILE
from mlsandbox.render.config import FOLDER
from mlsandbox.render.containers import ContainerPlaces
from mlsandbox.render.ejected import Variable, eject_stack
from mlsandbox.render.ejected_texts import beside, compose_readme
from mlsandbox.stack.components.base import ModelInputs
from mlsandbox.stack.components.drift import ENVIRONMENT_WITH_ALIBI
from mlsandbox.stack.parts import DRIFT, ELASTICSEARCH, GATEWAY, LOG_STORE, MODEL, SHIPPER
from mlsandbox.stack.spec import Environment, ModelEnvironment, ProgramEnvironment, ServiceEnvironment, ServiceSpec, StackSpec
from mlsandbox.state import load_state
from mlsandbox_serving.contract import DriftEngine

_PULL: Final = "sandbox pull --engine docker"
_WITHOUT_ALIBI: Final = f"SANDBOX_DRIFT_ENGINES={DriftEngine.NATIVE} "
"""Before it: what it makes then is the image of the drift service that the export names."""


def compose_part(project: Project, options: EjectOptions) -> Part:
    """The stack of the versions that were served last; nothing is asked of Docker, and nothing is started.

    Raises:
        ImageMissing: a model was never packaged, and no image of it was named.
        ConfigInvalid: `[stack.images]` is wrong.
    """
    found = {name: _package(project, name, _held(name, options)) for name in project.models}
    packages = {name: package for name, package in found.items() if package is not None}
    models = [_model(project, name, packages.get(name), options) for name in project.models]
    by_tag = {package.tag: package for package in packages.values()}
    parts = parts_of(project, DOCKER, ())
    engines = DriftEngines(tuple(dict.fromkeys((DriftEngine.NATIVE, *project.drift.engines))))
    alibi = DriftEngine.ALIBI in engines.on and DRIFT in parts
    if not options.alibi_accepted:
        engines = DriftEngines((DriftEngine.NATIVE,))
    spec = stack_of_models(project, models, default_ports(project, parts), parts, engines)
    images = _images(project, spec, by_tag, options)
    places = ContainerPlaces(
        root=project.root,
        images=images,
        stack_id="",
        secrets_group=0,
        environ={},
        proxy=project.stack.proxy,
        packages={tag: package.bento_path for tag, package in by_tag.items()},
    )
    written = written_by("compose", options)
    header = written.header(f"The stack of {project.name}, for Docker Compose alone.")
    asks = project.stack.asks_for_keys
    ejected = eject_stack(spec, places, header=header, asks_for_keys=asks)
    left_out = alibi and not options.alibi_accepted
    pull = f"{_WITHOUT_ALIBI if left_out else ''}{_PULL}"
    readme = compose_readme(spec, ejected, api=_api(ejected.variables), asks_for_keys=asks, pull=pull)
    notes = _notes(project, alibi_left_out=left_out)
    return Part("compose", (*ejected.files, *beside(written, ejected, readme)), notes, (FOLDER,))


def _notes(project: Project, *, alibi_left_out: bool) -> tuple[str, ...]:
    notes = []
    if alibi_left_out:
        licence = "Business Source License 1.1, free for non-production use, which was not accepted by name"
        notes.append(f"the drift engine {DriftEngine.ALIBI} is left out: alibi-detect has the {licence} (--accept-license {LICENCE})")
    if (project.root / OVERRIDE).is_file():
        notes.append(f"the project's {OVERRIDE} is no part of it: copy it beside {COMPOSE_FILE}, if its paths are right there")
    return tuple(notes)


def _held(name: str, options: EjectOptions) -> str:
    """The version that the named image of a model holds; empty: nobody said."""
    return options.versions.get(name) or version_in(options.images.get(name, ""))


def _package(project: Project, name: str, version: str) -> Package | None:
    """The package of that version, or of any: the one that was made ready last, else the newest."""
    served = version or load_state(project.state_dir).state.served.get(name)
    packages = list_packages(project.root, name)
    return next((each for each in packages if each.version == served), None if version else next(iter(packages), None))


def _model(project: Project, name: str, package: Package | None, options: EjectOptions) -> ModelInputs:
    """By its package, else by the settings alone: then nothing is known of a reference."""
    image, version = options.images.get(name), _held(name, options)
    if package is not None:
        return model_of_package(project, package, baseline_of(project, name))
    if image is None:
        raise ImageMissing(
            f"{name} has no package{' of version ' + version if version else ''}, and no image of it was named",
            why="Which version the stack serves, and what live rows are compared with, is known from the package.",
            fix=f"make it: sandbox up --engine docker   or name an image that has it: sandbox export compose --image {name}=REF",
            details={"models": [name]},
        )
    if not version:
        raise ImageMissing(
            f"which version {image} holds is not known",
            why=f"{name} has no package here, and the tag of the image is none of ours.",
            fix=f"say it: sandbox export compose --image {name}={image} --version {name}=v1",
            details={"models": [name]},
        )
    return replace(model_of_image(project.models[name], version), lock_digest=image, profile={})


def _images(project: Project, spec: StackSpec, packages: Mapping[str, Package], options: EjectOptions) -> Mapping[Environment, ImageRef]:
    """Those that were named, and the others as `up` calls them."""
    given = {service.environment: image for service in spec.services if (image := options.images.get(_key(service)))}
    known = replace(spec, services=tuple(each for each in spec.services if each.package is None or each.package in packages))
    names = {**image_names(known, packages, image_settings(project)), **given}
    return {environment: ImageRef(name, "") for environment, name in names.items()}


def _key(service: ServiceSpec) -> str:
    """The word by which an option names a service's image."""
    match service.environment:
        case ModelEnvironment():
            return (service.package or "").partition(":")[0]
        case ServiceEnvironment(name=name) | ProgramEnvironment(image=name):
            return name


def ejected_image_keys(project: Project) -> tuple[str, ...]:
    """All of these words."""
    parts = parts_of(project, DOCKER, ())
    more = {ENVIRONMENT_WITH_ALIBI} if DRIFT in parts else set()
    more |= {LOG_STORE} if ELASTICSEARCH in parts else set()  # which sets its indices up
    return (*project.models, *sorted((parts | more) - {MODEL, SHIPPER, GATEWAY}))


def _api(variables: tuple[Variable, ...]) -> Variable:
    return next(each for each in variables if each.name == "SANDBOX_API_PORT")
