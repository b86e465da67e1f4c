"""The page of `sandbox help components`: what an export to Kubernetes can have besides the models, as a made-up project has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Final

from mlsandbox.actions.export_stack import ExportOptions, export_inputs, image_keys
from mlsandbox.project import read_project
from mlsandbox.render.kubernetes.components import COMPONENTS, Component
from mlsandbox.render.kubernetes.export import build_export
from mlsandbox.render.kubernetes.facts import OLDEST
from mlsandbox.render.kubernetes.overlays import DEV, DEV_STORE, USUAL

_MODEL: Final = "model"
_PROJECT: Final = f'name = "project"\n[models.{_MODEL}]\npath = "model.onnx"\n'
_WIDTH: Final = 110
_HEAD: Final = f"""\
Components of sandbox export k8s, in the order in which they are applied.

--with puts one into every overlay, together with what it needs; --without leaves one out of all of them.
components/ has every one that can be had, so that an overlay can name what it wants. {" and ".join(USUAL)} are in
every overlay once their images are known, and {DEV_STORE} in {DEV} then."""


def component_page() -> str:
    """The page."""
    project = read_project(Path("/"), _PROJECT, environ={})
    release = ".".join(map(str, max(each.release for each in COMPONENTS)))
    images = tuple(f"{key}=registry.example.com/image@sha256:{'0' * 64}" for key in image_keys(project) if not key.startswith("drift-"))
    spec, facts = export_inputs(project, ExportOptions(images=images, release=release, left_out=USUAL))
    bundles = {each.name: each for each in build_export(spec, facts).components}
    lines = [_HEAD]
    for each in COMPONENTS:
        bundle = bundles[each.name]
        needs = [*bundle.after, *_needs(each, each.images(spec, facts))]
        lines += ["", f"  {each.name}", *_wrapped(bundle.summary.replace(f": {_MODEL}.", "."))]
        lines += _wrapped(f"Needs {', '.join(needs)}.") if needs else []
        lines += _wrapped(f"In place of {', '.join(each.instead_of)}.") if each.instead_of else []
    return "\n".join(lines)


def _needs(component: Component, keys: Sequence[str]) -> Iterator[str]:
    own = () if component.images_of else keys if component.all_images else keys[:1]
    yield from (f"--image {key.replace(f'{_MODEL}/', 'MODEL/')}=REF" for key in own)
    if component.release > OLDEST:
        yield f"Kubernetes {'.'.join(map(str, component.release))}"


def _wrapped(text: str) -> list[str]:
    return wrap(text, _WIDTH, initial_indent="      ", subsequent_indent="      ", break_on_hyphens=False)
