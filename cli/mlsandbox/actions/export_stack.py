"""What an export is made from (pure): the stack as it would be in a cluster, and the facts beside it.

sandbox.toml alone is needed: no package, no lock, no environment, no model file and no Docker.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from mlsandbox.actions.drift_engines import DriftEngines
from mlsandbox.actions.export_checks import (
    checked_class,
    checked_domain,
    checked_gateway,
    checked_image,
    checked_namespace,
    checked_release,
    checked_url,
)
from mlsandbox.actions.project_stack import model_of_settings, stack_of_models
from mlsandbox.errors import ImageMissing, ImageUnpinned, UsageError
from mlsandbox.project import Project
from mlsandbox.render.kubernetes.elasticsearch import official_image
from mlsandbox.render.kubernetes.facts import (
    CHALLENGER,
    DEFAULT_DOMAIN,
    DEFAULT_GATEWAY,
    DEFAULT_INGRESS_CLASS,
    DEFAULT_PROMETHEUS_RELEASE,
    DEFAULT_PROMETHEUS_URL,
    DEFAULT_RELEASE,
    DEFAULT_WEIGHT,
    OLDEST,
    PACKAGE,
    ExportFacts,
    Measured,
)
from mlsandbox.settings import ModelConfig
from mlsandbox.stack.build import ModelInputs, port_names
from mlsandbox.stack.components.base import suffixed
from mlsandbox.stack.components.drift import ENVIRONMENT_WITH_ALIBI
from mlsandbox.stack.parts import DRIFT, ELASTICSEARCH, FLUENTD, GRAFANA, LOG_STORE, MODEL, PROMETHEUS, SHIPPER
from mlsandbox.stack.spec import PackagedFile, StackSpec
from mlsandbox_serving.contract import BLOCK_SIZE, DRIFT_FORWARD, FIRST_PORT, DriftEngine, PackageFile, Port, ProfileFile

PARTS: Final = frozenset({MODEL, SHIPPER, DRIFT, FLUENTD, ELASTICSEARCH, PROMETHEUS, GRAFANA})
SERVICE_IMAGES: Final = (DRIFT, ENVIRONMENT_WITH_ALIBI, FLUENTD, LOG_STORE, ELASTICSEARCH)
"""Keys of images that are no model's."""
NEWEST: Final = (1, 37)
"""The newest Kubernetes whose schemas were tried."""
LICENCE: Final = "alibi-detect=BSL-1.1"
"""What is said to accept alibi-detect's licence."""
_API_PORT: Final = 8080
_FORWARD_PORT: Final = 24225
_SHARED: Final = (MODEL, SHIPPER)
"""Slots that every model has in a pod of its own, so that their numbers may be the same."""
_PINNED: Final = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")
_VERSION: Final = re.compile(r"v[1-9][0-9]*")
_VALUES: Final = {"--image": "REF", "--version": "v3"}


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What was asked for, in the words of the command line."""

    images: tuple[str, ...] = ()
    """"REF" for a project with one model, "MODEL=REF", or "KEY=REF" with a key of `ExportFacts.images`."""
    versions: tuple[str, ...] = ()
    """What an image holds, when its tag does not say: "v3" or "MODEL=v3"."""
    allow_tags: bool = False
    """Whether images may go without a digest."""
    chosen: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    release: str = ".".join(map(str, DEFAULT_RELEASE))
    cpu_limits: bool = True
    accepted_licences: tuple[str, ...] = ()
    measured: Mapping[str, Measured] = field(default_factory=dict)
    namespace: str = ""
    """Empty: the project's name."""
    domain: str = DEFAULT_DOMAIN
    ingress_class: str = DEFAULT_INGRESS_CLASS
    gateway: str = DEFAULT_GATEWAY
    challenger_weight: int = DEFAULT_WEIGHT
    prometheus_release: str = DEFAULT_PROMETHEUS_RELEASE
    prometheus_url: str = DEFAULT_PROMETHEUS_URL
    folder: str = ""
    """As the command that writes the same again has it; empty: the usual one."""
    is_outside: bool = False
    """Whether the folder is outside of the project, and only a word stands for it."""


def export_inputs(project: Project, options: ExportOptions) -> tuple[StackSpec, ExportFacts]:
    """The stack to be exported, and the facts.

    Raises:
        ImageMissing, ImageUnpinned: which image holds a model was not said, or not for good.
        UsageError: something else that was asked for makes no sense.
    """
    images = _images(project, options)
    versions = _versions(project, images, options.versions)
    alibi = accepted(options.accepted_licences)
    if ENVIRONMENT_WITH_ALIBI in images and not alibi:
        raise UsageError(
            f"the image {ENVIRONMENT_WITH_ALIBI} holds alibi-detect, whose licence was not accepted",
            why=DriftEngine.LICENCE,
            fix=f"accept it by name: sandbox export k8s --accept-license {LICENCE}   or use the image without it: --image drift=REF",
        )
    gateway = checked_gateway(options.gateway)
    facts = ExportFacts(
        images=images,
        namespace=checked_namespace(options.namespace or project.name, gateway.partition("/")[0]),
        versions=versions,
        release=_release(options.release),
        chosen=options.chosen,
        left_out=options.left_out,
        cpu_limits=options.cpu_limits,
        alibi_accepted=alibi,
        measured={name: options.measured[name] for name in project.models if name in options.measured},
        prometheus_release=checked_release(options.prometheus_release),
        prometheus_url=checked_url(options.prometheus_url),
        domain=checked_domain(options.domain),
        ingress_class=checked_class(options.ingress_class),
        gateway=gateway,
        challenger_weight=_weight(options.challenger_weight),
        command=command_of(options, images, versions),
        is_outside=options.is_outside,
    )
    return _stack(project, versions, with_alibi=alibi), facts


def command_of(options: ExportOptions, images: Mapping[str, str], versions: Mapping[str, str]) -> str:
    """The command that writes the same again, whatever the order of its options was."""
    usual = ExportOptions()
    words = [options.folder] if options.folder else []
    for key, image in images.items():
        words.append(f"--image={key}={image}")
    words += [f"--version={key}={version}" for key, version in versions.items() if version != version_in(images.get(key, ""))]
    words += ["--allow-tags"] if options.allow_tags else []
    words += [f"--with={','.join(options.chosen)}"] if options.chosen else []
    words += [f"--without={','.join(options.left_out)}"] if options.left_out else []
    words += [f"--accept-license={name}" for name in options.accepted_licences]
    words += [] if options.cpu_limits else ["--no-cpu-limits"]
    named = {
        "k8s-version": (options.release, usual.release),
        "namespace": (options.namespace, usual.namespace),
        "domain": (options.domain, usual.domain),
        "ingress-class": (options.ingress_class, usual.ingress_class),
        "gateway": (options.gateway, usual.gateway),
        "challenger-weight": (options.challenger_weight, usual.challenger_weight),
        "prometheus-release": (options.prometheus_release, usual.prometheus_release),
        "prometheus-url": (options.prometheus_url, usual.prometheus_url),
    }
    words += [f"--{name}={value}" for name, (value, default) in named.items() if value != default]
    return " ".join(("sandbox export k8s", *map(shlex.quote, words)))


def image_keys(project: Project) -> tuple[str, ...]:
    """All keys that an image may have, in the order in which they are told."""
    return (*project.models, *(f"{name}/{kind}" for kind in (CHALLENGER, PACKAGE) for name in project.models), *SERVICE_IMAGES)


def export_ports(models: Sequence[str]) -> Mapping[str, int]:
    """A number for each port; they are chosen once, for nothing else listens in a pod."""
    numbers = {slot.value: FIRST_PORT + index for index, slot in enumerate(Port) if index < BLOCK_SIZE}
    numbers |= {Port.API.value: _API_PORT, DRIFT_FORWARD: _FORWARD_PORT}
    shared = {suffixed(slot, models, model): numbers[slot] for model in models for slot in _SHARED}
    return {name: shared[name] if name in shared else numbers[name] for name in port_names(models, PARTS)}


def _stack(project: Project, versions: Mapping[str, str], *, with_alibi: bool) -> StackSpec:
    asked = with_alibi and DriftEngine.ALIBI in project.drift.engines
    engines = DriftEngines((DriftEngine.NATIVE, DriftEngine.ALIBI) if asked else (DriftEngine.NATIVE,))
    models = [model_of_image(model, versions.get(name, "")) for name, model in project.models.items()]
    return stack_of_models(project, models, export_ports(tuple(project.models)), PARTS, engines)


def model_of_image(model: ModelConfig, version: str) -> ModelInputs:
    """The model as its image has it. Its lock and its Python are the image's affair; its version is empty when nobody knows it."""
    tag = f"{model.name}:{version}" if version else model.name
    profile = ProfileFile.ALL if model.reference is not None else ()
    files = {name: PackagedFile(tag, f"src/{PackageFile.PROFILE}/{name}") for name in profile}
    return model_of_settings(model, version=version, package=tag, profile=files)


def _images(project: Project, options: ExportOptions) -> Mapping[str, str]:
    """By key, in the order of `image_keys`."""
    keys = image_keys(project)
    mistaken = [name for name in project.models if name in SERVICE_IMAGES]
    if mistaken:
        raise UsageError(
            f"the model {mistaken[0]} is called as the image of a service is",
            why="Which of the two an image is of could not be told.",
            fix=f"call it otherwise: [models.{mistaken[0]}-model] in sandbox.toml",
        )
    found: dict[str, str] = {}
    for key, image in named(project, "--image", options.images, keys):
        if not options.allow_tags and not _PINNED.fullmatch(image):
            raise ImageUnpinned(
                f"the image of {key} has no digest: {image}",
                why="A tag can be moved: which image a pod gets would be decided each time that one starts.",
                fix=f"sandbox export k8s --image {key}={image.partition('@')[0]}@sha256:…   or take tags as they are: --allow-tags"
                + (f"   or leave it out, which takes {official_image()} for development" if key == ELASTICSEARCH else ""),
                details={"key": key, "image": image},
            )
        found[key] = checked_image(key, image)
    missing = [name for name in project.models if name not in found]
    if missing:
        raise ImageMissing(
            f"there is no image of {', '.join(missing)}",
            why="A cluster gets models as images from a registry; which one holds the model has to be said.",
            fix=f"name it: sandbox export k8s --image {missing[0]}=registry.example.com/team/{missing[0]}@sha256:…   "
            "or push it: sandbox export k8s --to-registry registry.example.com/team",
            details={"models": missing},
        )
    return {key: found[key] for key in keys if key in found}


def _versions(project: Project, images: Mapping[str, str], given: Iterable[str]) -> Mapping[str, str]:
    """What is known: what was said, else a tag that names a version of ours."""
    found = {key: tag for key, image in images.items() if key not in SERVICE_IMAGES and (tag := version_in(image))}
    keys = [key for key in image_keys(project) if key not in SERVICE_IMAGES]
    for key, version in named(project, "--version", given, keys):
        if not _VERSION.fullmatch(version):
            raise UsageError(f"{version!r} is no version of a model", fix="write it as in: sandbox export k8s --version v3")
        refuse_other_version(key, images.get(key, ""), version)
        found[key] = version
    return {key: found[key] for key in keys if key in found}


def named(project: Project, option: str, texts: Iterable[str], keys: Sequence[str], *, what: str = "k8s") -> Iterable[tuple[str, str]]:
    """The key and the value of each text; one without a key is of the only model. `what` is exported, as the fixes have it.

    Raises:
        UsageError: a text has no such key or no value, or two say different things of one key.
    """
    before: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            if len(project.models) > 1:
                names = ", ".join(project.models)
                raise UsageError(
                    f"{option} {text} does not say of which model",
                    why=f"{project.name} has {len(project.models)}: {names}",
                    fix=f"sandbox export {what} {option} {shlex.quote(f'{next(iter(project.models))}={text}')}",
                )
            key, value = next(iter(project.models)), text
        if key not in keys:
            raise UsageError(
                f"{option} {text}: there is no {key}",
                why=f"It is one of: {', '.join(keys)}",
                fix=f"sandbox export {what} {option} {keys[0]}={shlex.quote(value)}",
            )
        if not value or re.search(r"\s", value):
            raise UsageError(f"{option} {text} says nothing of {key}", fix=f"sandbox export {what} {option} {key}={_VALUES[option]}")
        if before.setdefault(key, value) != value:
            raise UsageError(
                f"{option} says two things of {key}",
                why=f"{before[key]}\n{value}",
                fix=f"sandbox export {what} {option} {shlex.quote(f'{key}={value}')}   without the other one",
            )
        yield key, value


def refuse_other_version(key: str, image: str, version: str) -> None:
    """Refuse a version that is not the one in an image's own tag.

    Raises:
        UsageError: it is another one.
    """
    tag = version_in(image)
    if tag and version != tag:
        raise UsageError(
            f"the image of {key} is of {tag} by its tag, and of {version} by --version",
            why=image,
            fix="leave --version out, which is for images whose tag does not say it, or name the image of that version",
        )


def version_in(image: str) -> str:
    """An image's tag when it is a version as we count them."""
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    return tag if _VERSION.fullmatch(tag) else ""


def _release(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"v?1\.(\d{1,3})(\.\d+)?", text)
    release = (1, int(found[1])) if found else (0, 0)
    if not OLDEST <= release <= NEWEST:
        oldest, newest = (".".join(map(str, each)) for each in (OLDEST, NEWEST))
        raise UsageError(
            f"--k8s-version {text} is none that manifests are made for",
            why=f"These are {oldest} to {newest}: pods have sidecar containers, which older ones do not know.",
            fix="write it as in: sandbox export k8s --k8s-version 1.33",
        )
    return release


def accepted(names: Sequence[str], *, what: str = "k8s") -> bool:
    wrong = [name for name in names if name != LICENCE]
    if wrong:
        raise UsageError(
            f"--accept-license {wrong[0]} is no licence that is asked for", fix=f"sandbox export {what} --accept-license {LICENCE}"
        )
    return bool(names)


def _weight(percent: int) -> int:
    if not 0 <= percent <= 100:
        raise UsageError(f"--challenger-weight {percent} is no share", fix="a number of percent: sandbox export k8s --challenger-weight 10")
    return percent
