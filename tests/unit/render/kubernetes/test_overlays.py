"""Which components an export and its overlays have, and between how many pods models move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from mlsandbox.actions.export_stack import LICENCE
from mlsandbox.errors import ComponentMissing, ImageMissing, UsageError
from mlsandbox.render.kubernetes.bundle import Bundle, Export, Removal
from mlsandbox.render.kubernetes.components import Component
from mlsandbox.render.kubernetes.export import build_export
from mlsandbox.render.kubernetes.overlays import overlays
from mlsandbox.render.kubernetes.plain import plain_objects
from support.bundles import BASE, EXPORT, FACTS, SCALED
from support.exported import PROJECTS, exported, image, inputs


def simple(
    name: str, *after: str, images: Sequence[str] = (), release: tuple[int, int] = (1, 29), instead_of: tuple[str, ...] = ()
) -> Component:
    """A component of nothing."""
    return Component(name, lambda _spec, _facts: Bundle(name, "", after=after), lambda _spec, _facts: images, release, instead_of)


KNOWN = (
    simple("drift", images=("drift", "drift-alibi")),
    simple("logging", images=("fluentd",)),
    simple("elasticsearch", "logging"),
    simple("keys"),
    simple("ingress", "keys"),
    simple("volume"),
    simple("artefact", release=(1, 35), instead_of=("volume",)),
)


def made(*images: str, **changes: Any) -> Export:
    """An export with the model's image and these."""
    named = tuple(f"{key}={image(key)}" for key in ("churn", *images))
    return exported("one-model", components=KNOWN, images=named, **changes)[0]


def components(export: Export) -> dict[str, tuple[str, ...]]:
    """Those of each overlay."""
    return {each.name: each.components for each in export.overlays}


def test_model_alone() -> None:
    """With nothing but the model's image an export must be had, and say what each further component needs."""
    export = made()

    assert components(export) == {"dev": (), "staging": (), "production": ()}
    assert [each.name for each in export.components] == ["keys", "ingress", "volume"]
    assert set(export.missing) == {"drift", "logging", "elasticsearch", "artefact"}
    assert export.missing["logging"].fix.startswith("add --image fluentd=REF@sha256:…")
    assert "--to-registry" in export.missing["logging"].fix
    assert "1.35" in export.missing["artefact"].reason


def test_usual_components() -> None:
    """What is usual must be there once its image is known, and a store of its own in dev alone."""
    assert components(made("drift", "fluentd")) == {
        "dev": ("drift", "logging", "elasticsearch"),
        "staging": ("drift", "logging"),
        "production": ("drift", "logging"),
    }
    assert components(made("drift-alibi", accepted_licences=(LICENCE,)))["production"] == ("drift",)


def test_left_out() -> None:
    """What was left out must be in no overlay, and in components all the same."""
    export = made("drift", "fluentd", left_out=("drift", "elasticsearch"))

    assert components(export) == dict.fromkeys(("dev", "staging", "production"), ("logging",))
    assert {"drift", "elasticsearch"} <= {each.name for each in export.components}


def test_chosen() -> None:
    """What was chosen must be in every overlay with all that it needs, before it."""
    assert components(made("fluentd", chosen=("elasticsearch", "ingress"))) == dict.fromkeys(
        ("dev", "staging", "production"), ("logging", "elasticsearch", "keys", "ingress")
    )


@pytest.mark.parametrize(
    ("chosen", "left_out", "words"),
    [
        (("nonsense",), (), ["--with nonsense", "There are: drift, logging"]),
        ((), ("nonsense",), ["--without nonsense"]),
        (("keys",), ("keys",), ["keys", "--without"]),
        (("ingress",), ("keys",), ["ingress needs keys", "--without"]),
        (("logging",), (), ["logging cannot be had", "fix: add --image fluentd=REF@sha256:…"]),
        (("elasticsearch",), (), ["elasticsearch cannot be had", "fix: add --image fluentd="]),
        (("artefact",), (), ["artefact cannot be had", "fix: add --k8s-version 1.35"]),
    ],
)
def test_impossible(chosen: tuple[str, ...], left_out: tuple[str, ...], words: list[str]) -> None:
    """A choice that cannot be had must be refused with what would make it possible."""
    with pytest.raises((ComponentMissing, UsageError)) as refused:
        made(chosen=chosen, left_out=left_out)

    assert [word for word in words if word not in str(refused.value)] == []
    assert refused.value.fix.startswith(("sandbox export k8s --", "add --"))


def test_what_is_missing_says_why_and_what_to_do() -> None:
    """Of each component that cannot be had the reason must be a reason alone, and the fix what to add, or a command."""
    export, facts = exported("one-model", images=("churn=registry.example.com:5000/churn:v3",), allow_tags=True, release="1.29")

    assert {"drift", "challenger", "model-oci", "model-pvc"} <= set(export.missing)
    for each in export.missing.values():
        assert "sandbox" not in each.reason
        assert each.fix.startswith(("sandbox export k8s --", "add --"))
    with pytest.raises(ComponentMissing) as refused:
        build_export(inputs("one-model")[0], replace(facts, chosen=("model-pvc",)))
    assert (refused.value.why, refused.value.fix) == (export.missing["model-pvc"].reason, export.missing["model-pvc"].fix)


def test_all_images_that_are_missing_are_named_at_once() -> None:
    """Of logging, which needs two images, both must be named; the store for development must say that it needs logging."""
    missing = exported("one-model")[0].missing

    assert missing["logging"].fix.startswith("add --image fluentd=REF@sha256:… --image log-store=REF@sha256:… ")
    assert missing["logging"].reason == "the images of fluentd, log-store are not known"
    assert missing["elasticsearch"].reason == "it needs logging: the images of fluentd, log-store are not known"


def test_rivals() -> None:
    """Two components that do the same must not be in one overlay."""
    with pytest.raises(UsageError, match="volume and artefact") as refused:
        made(release="1.35", chosen=("volume", "artefact"))

    assert refused.value.fix.startswith("sandbox export k8s --with artefact")


def test_image_of_model_missing() -> None:
    """Without the image of a model there must be no export."""
    spec, _ = inputs("one-model")

    with pytest.raises(ImageMissing, match="no image of churn"):
        build_export(spec, type(FACTS)(images={}, namespace="bank"))


def test_bounds() -> None:
    """In dev and staging fewer pods must do; production must be as the base says."""
    found = {}
    export, _ = exported("one-model")
    for overlay in export.overlays:
        (scaled,) = [each["spec"] for each in plain_objects(export, overlay.name) if each["kind"] == "HorizontalPodAutoscaler"]
        found[overlay.name] = (scaled["minReplicas"], scaled["maxReplicas"])
    assert found == {"dev": (1, 2), "staging": (2, 4), "production": (2, 10)}


def test_bounds_of_other_scaler() -> None:
    """Where another object took the autoscaler's place, it must have the bounds."""
    (dev, *_) = overlays(BASE, (SCALED,), ("scaled",), FACTS)

    assert next((patch.kind, [each["path"] for each in patch.operations]) for patch in dev.patches) == (
        "ScaledObject",
        ["/spec/minReplicaCount", "/spec/maxReplicaCount"],
    )
    assert Removal("HorizontalPodAutoscaler", "churn") in EXPORT.components[0].removals
    assert "HorizontalPodAutoscaler" not in {patch.kind for patch in dev.patches}


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("project", PROJECTS)
def test_each_component_alone(project: str, whole: bool) -> None:  # noqa: FBT001 - pytest's parameter
    """Whatever is in components/ must find what it changes once it is in an overlay with what it needs, and nothing else."""
    export, _ = exported(project, whole=whole)
    bundles = {each.name: each for each in export.components}
    for bundle in export.components:
        names, needed = set[str](), [bundle.name]
        while needed:
            name = needed.pop()
            names.add(name)
            needed += bundles[name].after
        own = type(export.overlays[0])("own", "own", tuple(each.name for each in export.components if each.name in names))
        assert plain_objects(Export(export.base, export.components, (own,), {}), "own")


def test_namespaces() -> None:
    """Each overlay must have its own namespace, production the one that was asked for."""
    export, _ = exported("one-model", namespace="bank")

    assert {each.name: each.namespace for each in export.overlays} == {"dev": "bank-dev", "staging": "bank-staging", "production": "bank"}
