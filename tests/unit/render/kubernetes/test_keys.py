"""API keys and other secrets: referred to, asked for, never written."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import yaml

from mlsandbox.render.kubernetes.keys import api_keys_bundle, external_secrets_bundle
from mlsandbox.render.kubernetes.kustomize import kustomize_files
from mlsandbox.render.kubernetes.plain import plain_objects
from mlsandbox.stack.components.model import API_KEYS
from mlsandbox.stack.spec import ServiceSpec
from mlsandbox_serving.contract import Env, Route
from mlsandbox_serving.service.access import is_open
from support.exported import exported, inputs
from support.manifests import Manifest, of_kind, pod
from support.pod_variables import variables

MODELS = ("default-risk", "fraud", "income")
FILE = "/run/secrets/sandbox/api-keys"


@pytest.fixture(scope="module")
def production() -> list[Manifest]:
    export, _ = exported("three-models", chosen=("api-keys",))
    return plain_objects(export, "production")


def test_every_model_asks_for_a_key_that_is_in_a_file_of_a_secret(production: list[Manifest]) -> None:
    for each in servers(production):
        server = pod(each)["containers"][0]
        assert variables(each, production)[Env.API_KEYS_FILE] == FILE
        (mount,) = (found for found in server["volumeMounts"] if found["mountPath"] == "/run/secrets/sandbox")
        assert mount["readOnly"] is True
        (volume,) = (found for found in pod(each)["volumes"] if found["name"] == mount["name"])
        secrets = {source["secret"]["name"]: source["secret"] for source in volume["projected"]["sources"]}
        assert secrets["api-keys"]["items"] == [{"key": "api-keys", "path": "api-keys"}]
        assert secrets["api-keys"]["optional"] is False, "a pod without the keys must not start"
        assert volume["projected"]["defaultMode"] & 0o007 == 0


def test_secrets_of_other_kinds_stay_where_they_are(production: list[Manifest]) -> None:
    (fraud,) = (each for each in servers(production) if each["metadata"]["name"] == "fraud")
    (volume,) = (found for found in pod(fraud)["volumes"] if "projected" in found)
    assert [source["secret"]["name"] for source in volume["projected"]["sources"]] == ["hash-key", "api-keys"]


def test_probes_and_metrics_are_asked_without_a_key(production: list[Manifest]) -> None:
    for each in servers(production):
        server = pod(each)["containers"][0]
        asked = {server[name]["httpGet"]["path"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
        assert all(is_open(path) for path in (*asked, Route.METRICS))


def test_no_key_is_asked_for_without_the_component() -> None:
    export, _ = exported("three-models")
    found = plain_objects(export, "production")
    for each in servers(found):
        assert Env.API_KEYS_FILE not in variables(each, found)
        names = {source["secret"]["name"] for volume in pod(each)["volumes"] for source in volume.get("projected", {}).get("sources", [])}
        assert "api-keys" not in names


def test_how_the_secret_is_made_is_told_in_commands() -> None:
    spec, facts = inputs("three-models", namespace="bank")
    told = " ".join(api_keys_bundle(spec, facts).todo)
    assert "sandbox keys add" in told
    assert "kubectl --namespace bank create secret generic api-keys --from-file=api-keys=.sandbox/secrets/api-keys" in told


def test_the_sealed_secret_is_an_example_that_is_not_applied() -> None:
    export, facts = exported("three-models", chosen=("api-keys",))
    files = {file.path: file for file in kustomize_files(export, facts)}
    text = files["components/api-keys/examples/sealedsecret.yaml"].text
    assert "kubeseal" in text
    assert yaml.safe_load(text)["metadata"] == {**yaml.safe_load(text)["metadata"], "name": "api-keys", "namespace": facts.namespace}
    assert yaml.safe_load(text)["spec"]["template"]["metadata"] == {"name": "api-keys"}, "no overlay would change a namespace there"
    assert "one per overlay's namespace" in text
    assert "sealedsecret" not in files["components/api-keys/kustomization.yaml"].text
    assert not of_kind(plain_objects(export, "production"), "Secret", "SealedSecret")


def test_external_secrets_are_those_that_pods_refer_to() -> None:
    export, _ = exported("three-models", whole=True, chosen=("api-keys", "external-secrets"))
    found = plain_objects(export, "production")
    made = {each["spec"]["target"]["name"]: each["spec"]["dataFrom"] for each in of_kind(found, "ExternalSecret")}
    assert made == {name: [{"extract": {"key": f"credit/{name}"}}] for name in ("api-keys", "hash-key", "elasticsearch")}
    for each in servers(found):
        for volume in pod(each)["volumes"]:
            for source in volume.get("projected", {}).get("sources", []):
                assert {item["key"] for item in source["secret"]["items"]} == {source["secret"]["name"]}, "the property that is told of"
                assert source["secret"]["name"] in made


def test_the_secret_of_elasticsearch_has_whatever_its_entry_has() -> None:
    """With a certificate or without: a key that is asked for and not there would keep the whole secret from being made."""
    export, facts = exported("three-models", whole=True, chosen=("external-secrets",))
    (each,) = (
        each for each in of_kind(plain_objects(export, "production"), "ExternalSecret") if each["metadata"]["name"] == "elasticsearch"
    )
    assert each["spec"]["dataFrom"] == [{"extract": {"key": "credit/elasticsearch"}}]
    assert "data" not in each["spec"]
    told = " ".join(external_secrets_bundle(inputs("three-models", whole=True)[0], facts).todo)
    assert re.search(r"credit/elasticsearch needs a property url,.* a property ca\.crt", told)


def test_nothing_asks_for_the_secret_of_an_elasticsearch_that_is_there() -> None:
    """Where the development store is in the overlay, its secret is read by nobody: the operator must not look for it in vain."""
    export, _ = exported("three-models", whole=True, chosen=("external-secrets",))
    names = {
        overlay: {each["metadata"]["name"] for each in of_kind(plain_objects(export, overlay), "ExternalSecret")}
        for overlay in ("dev", "production")
    }
    assert names == {"dev": {"api-keys", "hash-key"}, "production": {"api-keys", "hash-key", "elasticsearch"}}


def test_external_secrets_name_a_store_that_the_example_is() -> None:
    spec, facts = inputs("three-models")
    bundle = external_secrets_bundle(spec, facts)
    (example,) = bundle.examples
    store = yaml.safe_load(example.text)
    assert store["kind"] == "SecretStore"
    assert "create serviceaccount sandbox" in example.text, "no export makes the one that it refers to"
    for each in bundle.objects:
        assert each["spec"]["secretStoreRef"] == {"kind": "SecretStore", "name": store["metadata"]["name"]}
        (entry,) = each["spec"]["dataFrom"]
        assert entry["extract"]["key"] in " ".join(bundle.todo)


def test_without_an_elasticsearch_none_is_asked_for() -> None:
    spec, facts = inputs("one-model")
    assert {each["metadata"]["name"] for each in external_secrets_bundle(spec, facts).objects} == {"api-keys"}


def test_a_model_that_asks_for_keys_anyway_is_not_changed() -> None:
    spec, facts = inputs("one-model")
    bundle = api_keys_bundle(replace(spec, services=tuple(asking(each) for each in spec.services)), facts)
    assert (bundle.changes, bundle.patches) == ((), ())


def asking(service: ServiceSpec) -> ServiceSpec:
    """The service with the file of keys that a project's own setting gives it."""
    return replace(service, env={**service.env, Env.API_KEYS_FILE: API_KEYS}) if service.component == "api" else service


def servers(objects: list[Manifest]) -> list[Manifest]:
    return [each for each in of_kind(objects, "Deployment") if each["metadata"]["name"] in MODELS]
