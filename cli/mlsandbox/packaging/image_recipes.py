"""What each image that we build is made of: its identity, and the files and instructions of its build."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from mlsandbox.assets import asset, asset_path
from mlsandbox.docker_host import OWNER, owner_of
from mlsandbox.errors import CommandFailed, ImageBuildFailed
from mlsandbox.packaging import containerfile
from mlsandbox.packaging.bento import copy_served_code, served_code, serving_environment
from mlsandbox.packaging.digest import walk
from mlsandbox.packaging.labels import labels_of
from mlsandbox.packaging.package import Package
from mlsandbox.run import run

_SERVICE: Final = "compose/images/service"
_FLUENTD: Final = "compose/images/fluentd"
_STANDARD: Final = "org.opencontainers.image"


@dataclass(frozen=True, slots=True)
class Written:
    """The files of one build, ready."""

    context: Path
    dockerfile: Path
    arguments: Mapping[str, str]


class Recipe(Protocol):
    """One image that we build."""

    @property
    def title(self) -> str:
        """What it is of, for messages."""
        ...

    @property
    def tag(self) -> str:
        """Its name."""
        ...

    @property
    def base(self) -> str:
        """The image that it is built on."""
        ...

    @property
    def lock(self) -> str:
        """The packages that are installed, with hashes."""
        ...

    @property
    def labels(self) -> Mapping[str, str]:
        """What its labels say, besides its content."""
        ...

    @property
    def content(self) -> str:
        """Digest of all that goes into it."""
        ...

    def write(self, folder: Path) -> Written:
        """Make the build's files in an empty folder."""
        ...


@dataclass(frozen=True, slots=True)
class ModelRecipe:
    """The image of a package: what BentoML makes of it, on this base."""

    package: Package
    project: str
    root: Path
    base: str
    authorities: Path | None

    @property
    def title(self) -> str:
        return f"{self.package.model} {self.package.version}"

    @property
    def tag(self) -> str:
        return model_image(self.project, self.package.model, self.package.version)

    @property
    def lock(self) -> str:
        return containerfile.requirements(self.package.lock)

    @property
    def labels(self) -> Mapping[str, str]:
        package = self.package
        return {
            OWNER: owner_of(self.root),
            **labels_of(package.model, package.version, package.digest),
            f"{_STANDARD}.title": package.model,
            f"{_STANDARD}.version": package.version,
        }

    @property
    def content(self) -> str:
        recipe = _digest_of_files({"instructions": Path(containerfile.__file__)})
        labels = json.dumps(self.labels, sort_keys=True)  # a project that was moved owns its images under its new path
        return _digest("model", labels, self.package.tag, self.base, recipe, asset(f"{_SERVICE}/uv.txt"), _authorities(self.authorities))

    def write(self, folder: Path) -> Written:
        """Let BentoML write them, in the model's own environment, and change what `containerfile` says."""
        context, instructions = folder / "context", folder / "Dockerfile"
        request = {"bento": str(self.package.bento_path), "target": str(context)}
        copy_served_code(folder)
        try:
            done = run(
                [self.package.python, "-W", "ignore", "-m", "mlsandbox_serving.containerfile"],
                input=json.dumps(request),
                cwd=folder,
                env=serving_environment(BENTOML_HOME=str(self.package.store)),
                what=f"writing the instructions for the image of {self.title}",
            )
        except CommandFailed as error:
            raise ImageBuildFailed(
                f"the image of {self.title} could not be prepared", why=error.why, fix="see the whole output: sandbox -v up"
            ) from error
        answer = json.loads(done.stdout)
        written = context / answer["dockerfile"]
        text = written.read_text(encoding="utf-8")
        written.unlink()  # the instructions are no part of the image, whose layers they would change
        instructions.write_text(containerfile.adapt(text, base=self.base, authorities=self.authorities is not None), encoding="utf-8")
        packages = context / answer["requirements"]
        shutil.rmtree(packages.parent)
        packages.parent.mkdir()
        packages.write_text(self.lock, encoding="utf-8")
        (context / containerfile.UV_LOCK).write_text(asset(f"{_SERVICE}/uv.txt"), encoding="utf-8")
        _write_authorities(context, self.authorities)
        return Written(context, instructions, {})


@dataclass(frozen=True, slots=True)
class ServiceRecipe:
    """The image of one of our own services that need no model ("log-store")."""

    name: str
    base: str
    authorities: Path | None

    @property
    def title(self) -> str:
        return self.name

    @property
    def tag(self) -> str:
        return f"mlsandbox/services/{self.name}:{_short(self.content)}"

    @property
    def lock(self) -> str:
        return asset(f"requirements/{self.name}.txt")

    @property
    def labels(self) -> Mapping[str, str]:
        return {f"{_STANDARD}.title": self.name}

    @property
    def content(self) -> str:
        folder, served = asset_path(_SERVICE), served_code()
        files = {**_files_of(folder), **{f"served/{name}": path for name, path in _files_of(served).items()}}
        return _digest("service", self.base, self.lock, _digest_of_files(files), _authorities(self.authorities))

    def write(self, folder: Path) -> Written:
        context = folder / "context"
        context.mkdir()
        for name, path in _files_of(asset_path(_SERVICE)).items():
            shutil.copyfile(path, context / name)
        (context / "requirements.txt").write_text(self.lock, encoding="utf-8")
        copy_served_code(context)
        _write_authorities(context, self.authorities)
        return Written(context, context / "Dockerfile", {"BASE": self.base})


@dataclass(frozen=True, slots=True)
class FluentdRecipe:
    """Fluentd's official image with the plugins that the stack's configuration uses."""

    base: str
    authorities: Path | None

    @property
    def title(self) -> str:
        return "fluentd"

    @property
    def tag(self) -> str:
        return f"mlsandbox/services/fluentd:{_short(self.content)}"

    @property
    def lock(self) -> str:
        return ""

    @property
    def labels(self) -> Mapping[str, str]:
        return {f"{_STANDARD}.title": "fluentd"}

    @property
    def content(self) -> str:
        return _digest("fluentd", self.base, _digest_of_files(_files_of(asset_path(_FLUENTD))), _authorities(self.authorities))

    def write(self, folder: Path) -> Written:
        context = folder / "context"
        shutil.copytree(asset_path(_FLUENTD), context)
        _write_authorities(context, self.authorities)
        return Written(context, context / "Dockerfile", {"BASE": self.base})


def _write_authorities(context: Path, authorities: Path | None) -> None:
    folder = context / containerfile.CERTIFICATES
    folder.mkdir()
    if authorities is not None:
        shutil.copyfile(authorities, folder / "sandbox.crt")


def _authorities(path: Path | None) -> str:
    return "" if path is None else hashlib.sha256(path.read_bytes()).hexdigest()


def _files_of(folder: Path) -> dict[str, Path]:
    return {path.relative_to(folder).as_posix(): path for path in walk(folder)}


def _digest_of_files(files: Mapping[str, Path]) -> str:
    return _digest(*(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}" for name, path in sorted(files.items())))


def _digest(*parts: str) -> str:
    return f"sha256:{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()}"


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


def model_image(project: str, model: str, version: str) -> str:
    """The name of the image of a package."""
    return f"mlsandbox/{_component(project)}/{_component(model)}:{version}"


def _component(name: str) -> str:
    """A project's or model's name as a part of an image's name, which may not end with a hyphen."""
    return re.sub(r"-+$", "", name)
