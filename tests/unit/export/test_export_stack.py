"""What an export is made from: sandbox.toml and names of images, and nothing else."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from mlsandbox.actions.export_stack import LICENCE, ExportOptions, export_inputs, export_ports, model_of_image
from mlsandbox.errors import ImageMissing, ImageUnpinned, SandboxError, UsageError
from mlsandbox.project import Project, read_project
from mlsandbox.render.kubernetes.elasticsearch import official_image
from mlsandbox.render.kubernetes.facts import Measured
from mlsandbox.render.kubernetes.names import models
from mlsandbox.settings import ServingConfig, SloConfig
from mlsandbox.stack.spec import ModelEnvironment, ServiceEnvironment
from mlsandbox_serving.contract import Env

DIGEST = f"sha256:{'a' * 64}"
CHURN = f"registry.example.com/team/churn@{DIGEST}"
ONE = '[models.churn]\npath = "churn.joblib"\n'
TWO = ONE + '[models.risk]\npath = "risk.onnx"\nreference = "risk.csv"\n'
OPTIONS = ExportOptions(images=(CHURN,))


def project(text: str = ONE) -> Project:
    """A project whose files are nowhere."""
    return read_project(Path("/nowhere"), f'name = "shop"\n{text}', environ={})


def command(options: ExportOptions, text: str = ONE) -> str:
    """What the export says that it was written by."""
    return export_inputs(project(text), options)[1].command


def refused(options: ExportOptions, text: str = ONE) -> SandboxError:
    """The error instead of an export."""
    with pytest.raises(SandboxError) as error:
        export_inputs(project(text), options)
    return error.value


def test_a_clone_can_export() -> None:
    """A project without model file, lock and package must have a whole stack, with the number of each port given once."""
    spec, facts = export_inputs(project(TWO), ExportOptions(images=(f"churn={CHURN}", f"risk={CHURN}", f"drift=drift@{DIGEST}")))

    assert {service.component for service in spec.services} == {
        *("api", "shipper", "drift", "fluentd", "elasticsearch", "prometheus", "grafana"),
    }
    assert facts.images == {"churn": CHURN, "risk": CHURN, "drift": f"drift@{DIGEST}"}
    assert facts.namespace == "shop"
    assert [spec.service(name).ports[0].number for name in ("api", "api-risk", "shipper", "shipper-risk")] == [8080, 8080, 7318, 7318]
    assert [model.env[Env.VERSION] for model in models(spec)] == ["", ""]
    assert export_ports(("churn",))["drift-forward"] == 24225


@pytest.mark.parametrize(
    ("table", "name"), [(table, each.name) for table, kind in (("serving", ServingConfig), ("slo", SloConfig)) for each in fields(kind)]
)
def test_no_setting_is_forgotten(table: str, name: str) -> None:
    """Every setting of how a model is served must be in what is exported of it."""
    model = project().models["churn"]
    settings = getattr(model, table)
    changed = replace(model, **{table: replace(settings, **{name: getattr(settings, name) * 2})})

    assert model_of_image(changed, "v1") != model_of_image(model, "v1")


@pytest.mark.parametrize(
    ("image", "given", "version"),
    [
        (f"churn:v3@{DIGEST}", (), "v3"),
        (f"host:5000/churn:v12@{DIGEST}", (), "v12"),
        (f"churn:2.1@{DIGEST}", (), None),
        (f"host:5000/churn@{DIGEST}", (), None),
        (CHURN, ("v7",), "v7"),
        (f"churn:v3@{DIGEST}", ("churn=v3",), "v3"),
    ],
)
def test_versions_are_known_or_unknown(image: str, given: tuple[str, ...], version: str | None) -> None:
    """A version must be what a tag of ours or an option says, and never a guess."""
    _, facts = export_inputs(project(), ExportOptions(images=(image,), versions=given))

    assert facts.versions.get("churn") == version


def test_the_command_writes_the_same_again() -> None:
    """The command in the files must hold each choice once, in one order, and name no choice that was not made."""
    images = (f"drift=drift@{DIGEST}", f"churn={CHURN}")
    changed = ExportOptions(images=images, versions=("v2",), chosen=("keda", "ingress"), release="1.36", cpu_limits=False, domain="ml.org")

    assert command(OPTIONS) == f"sandbox export k8s --image=churn={CHURN}"
    assert command(changed) == (
        f"sandbox export k8s --image=churn={CHURN} --image=drift=drift@{DIGEST} --version=churn=v2 --with=keda,ingress --no-cpu-limits"
        " --k8s-version=1.36 --domain=ml.org"
    )
    assert command(changed) == command(replace(changed, images=images[::-1]))


def test_a_model_without_image_names_both_ways() -> None:
    """A model of which no image is known must be refused with the option that names one and the one that pushes it."""
    error = refused(ExportOptions(images=(f"churn={CHURN}",)), TWO)

    assert isinstance(error, ImageMissing)
    assert "risk" in error.what
    assert "--image risk=" in error.fix
    assert "--to-registry" in error.fix


@pytest.mark.parametrize("image", ["churn", "churn:v3", "churn:latest", "host:5000/a_b/churn--x:V3.1-rc_1", "[::1]:5000/churn"])
def test_tags_are_taken_only_by_name(image: str) -> None:
    """An image without a whole digest must be refused with the fix, unless tags were allowed by name."""
    error = refused(ExportOptions(images=(image,)))

    assert isinstance(error, ImageUnpinned)
    assert "--allow-tags" in error.fix
    assert export_inputs(project(), ExportOptions(images=(image,), allow_tags=True))[1].images == {"churn": image}


def test_the_official_store_without_a_digest() -> None:
    """The very image that is taken when none is named must be refused as all without a digest are, with the way to have it."""
    with pytest.raises(ImageUnpinned) as refused:
        export_inputs(project(), replace(OPTIONS, images=(CHURN, f"elasticsearch={official_image()}")))

    assert f"leave it out, which takes {official_image()}" in refused.value.fix


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (replace(OPTIONS, images=(CHURN, f"fluent={CHURN}")), "fluent"),
        (replace(OPTIONS, release="1.28"), "1.29"),
        (replace(OPTIONS, release="2.0"), "1.29"),
        (replace(OPTIONS, release="latest"), "latest"),
        (replace(OPTIONS, namespace="Shop"), "namespace"),
        (replace(OPTIONS, namespace="s" * 56), "namespace"),
        (replace(OPTIONS, challenger_weight=101), "101"),
        (replace(OPTIONS, gateway="public"), "Gateway"),
        (replace(OPTIONS, accepted_licences=("alibi-detect",)), LICENCE),
        (replace(OPTIONS, versions=("3",)), "version"),
        (replace(OPTIONS, versions=("drift=v3",)), "drift"),
        (replace(OPTIONS, versions=("v3", "churn=v4")), "two things"),
        (replace(OPTIONS, images=(CHURN, f"churn=other@{DIGEST}")), "two things"),
        (replace(OPTIONS, images=(f"churn:v3@{DIGEST}",), versions=("v4",)), "by its tag"),
        (replace(OPTIONS, images=(CHURN, f"drift-alibi=drift@{DIGEST}")), LICENCE),
    ],
)
def test_what_makes_no_sense_is_refused(options: ExportOptions, word: str) -> None:
    """Values that no cluster could use must be refused before anything is written, with what is wrong and a way on."""
    error = refused(options)

    assert isinstance(error, UsageError)
    assert word in str(error)


def test_a_model_called_as_a_service_is_refused() -> None:
    """A model whose name is the key of a service's image must be refused: one image could be taken for the other."""
    assert "drift" in refused(ExportOptions(images=(f"drift={CHURN}",)), ONE.replace("churn", "drift")).what


def test_alibi_comes_by_name_alone() -> None:
    """alibi-detect must be in the stack only when its licence was accepted, whatever drift.engines says."""
    spec, facts = export_inputs(project(), OPTIONS)
    accepted, accepted_facts = export_inputs(project(), replace(OPTIONS, accepted_licences=(LICENCE,)))

    assert spec.service("drift").environment == ServiceEnvironment("drift")
    assert not facts.alibi_accepted
    assert accepted.service("drift").environment == ServiceEnvironment("drift-alibi")
    assert accepted_facts.alibi_accepted


def test_keys_are_asked_for_as_the_project_says() -> None:
    """Models must ask for API keys exactly when sandbox.toml has them do so."""
    for text, asks in (("", False), ("[stack]\napi_keys = true\n", True), ('[stack]\nhost = "0.0.0.0"\n', True)):
        spec, _ = export_inputs(project(ONE + text), OPTIONS)

        assert (Env.API_KEYS_FILE in spec.service("api").env) is asks


def test_only_what_was_measured_of_its_models_counts() -> None:
    """Numbers of models that the project does not have must be left out."""
    measured = {"churn": Measured(1, 0.5), "gone": Measured(2, 0.5)}

    assert export_inputs(project(), replace(OPTIONS, measured=measured))[1].measured == {"churn": Measured(1, 0.5)}


def test_models_have_environments_of_no_machine() -> None:
    """Nothing of this machine may be in the stack: neither locks nor interpreters."""
    spec, _ = export_inputs(project(TWO), ExportOptions(images=(f"churn={CHURN}", f"risk={CHURN}")))

    assert {service.environment for service in spec.services if service.component == "api"} == {ModelEnvironment("", "", Path())}
