"""The component `elasticsearch` (pure): a node of its own, for clusters without an Elasticsearch; after `logging`, which then asks it.

One node without a password, reached by Fluentd alone: for development. It keeps events on one volume, and is away while it restarts.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from mlsandbox.assets import asset
from mlsandbox.render.kubernetes.bundle import Bundle, ConfigChange, Manifest, Patch, Removal
from mlsandbox.render.kubernetes.facts import EXTERNAL_SECRETS, ExportFacts
from mlsandbox.render.kubernetes.fluentd import ANYBODY, LOGGING, SECRET, VOLUME, fluentd_workload, setup_workload
from mlsandbox.render.kubernetes.names import port_name
from mlsandbox.render.kubernetes.network import own_pods, own_pods_of, reached_by, reaches
from mlsandbox.render.kubernetes.resources import GIB
from mlsandbox.render.kubernetes.stateful import job, stateful_set
from mlsandbox.render.kubernetes.variables import config_name
from mlsandbox.render.kubernetes.volumes import volume_name
from mlsandbox.render.kubernetes.workload import Workload, configs, network_policy, pod_template, service_account, service_object
from mlsandbox.stack.components import fluentd
from mlsandbox.stack.components.elasticsearch import FOLDER, NAME, SETUP, URL
from mlsandbox.stack.spec import StackSpec
from mlsandbox_serving.contract import Env
from mlsandbox_serving.contract import Port as PortName

_DATA_BYTES: Final = 20 * GIB
_IMAGES_GROUP: Final = 0
"""Whatever the user is, this group may read the image's files (Elasticsearch's documentation of its image, "Run as a custom user")."""
_NO_DIGEST: Final = {"checkov.io/skip2": "CKV_K8S_43=the official image by its exact version, in development alone: name one by digest"}


def elasticsearch_bundle(spec: StackSpec, facts: ExportFacts) -> Bundle:
    """The component."""
    pinned = with_image(facts)
    external = facts.has(EXTERNAL_SECRETS) and LOGGING not in facts.left_out
    workload = Workload(NAME, NAME, NAME, spec.service(NAME), claims={FOLDER.name: ""})
    before, after = setup_workload(spec), Workload(SETUP, SETUP, "setup", spec.service(SETUP))
    return Bundle(
        NAME,
        "A single Elasticsearch without a password, for development; Fluentd writes to it instead of to the one of the Secret.",
        objects=(
            service_account(spec, pinned, workload),
            _stateful_set(spec, pinned, workload),
            service_object(spec, pinned, workload),
            _policy(spec, pinned, workload),
            job(spec, pinned, after),
        ),
        configs=configs(spec, pinned, workload),
        changes=(ConfigChange(config_name(fluentd.NAME), {Env.ELASTICSEARCH_URL: URL, Env.ELASTICSEARCH_URL_FILE: ""}),),
        patches=(_without_secret(spec, facts), *(_reaches_it_alone(spec, name) for name in (fluentd.NAME, SETUP))),
        removals=(
            Removal("Job", job(spec, facts, before)["metadata"]["name"]),
            *((Removal("ExternalSecret", SECRET),) if external else ()),  # which nobody reads any more
        ),
        todo=(
            "Its one node has one volume and no password: it is for development.",
            "Its image comes under the Elastic License 2.0, which whoever runs it accepts.",
        ),
        after=(LOGGING, *((EXTERNAL_SECRETS,) if external else ())),
    )


def with_image(facts: ExportFacts) -> ExportFacts:
    """The facts with its image: what was named, else the official one."""
    return replace(facts, images={NAME: official_image(), **facts.images})


def official_image() -> str:
    """That of the version which the sandbox has, by its tag: digests of it differ between registries that mirror it."""
    return str(tomllib.loads(asset("compose/images.toml"))[NAME]["image"])


def _stateful_set(spec: StackSpec, facts: ExportFacts, workload: Workload) -> Manifest:
    made = stateful_set(spec, facts, workload, volume_name(FOLDER.mount), _DATA_BYTES)
    pod = made["spec"]["template"]
    pod["spec"]["securityContext"]["supplementalGroups"] = [_IMAGES_GROUP]
    if "@sha256:" not in facts.images[NAME]:
        for described in (made, pod):
            described["metadata"]["annotations"] = {**described["metadata"].get("annotations", {}), **_NO_DIGEST}
    return made


def _policy(spec: StackSpec, facts: ExportFacts, workload: Workload) -> Manifest:
    """It asks nobody for anything."""
    port = port_name(workload.service.port(PortName.ELASTICSEARCH))
    return network_policy(
        NAME,
        NAME,
        spec.project,
        facts.namespace,
        ingress=[reached_by([own_pods_of(fluentd.NAME), own_pods_of(SETUP)], [port])],
        egress=[],
    )


def _without_secret(spec: StackSpec, facts: ExportFacts) -> Patch:
    """Takes the Secret from Fluentd's pod: it need not be there."""
    pod = pod_template(spec, facts, fluentd_workload(spec))["spec"]
    paths = (
        f"/spec/template/spec/volumes/{_place(pod['volumes'])}",
        f"/spec/template/spec/containers/0/volumeMounts/{_place(pod['containers'][0]['volumeMounts'])}",
    )
    return Patch("StatefulSet", fluentd.NAME, tuple({"op": "remove", "path": path} for path in paths))


def _reaches_it_alone(spec: StackSpec, policy: str) -> Patch:
    """Of those that reach an Elasticsearch wherever it is."""
    rule = reaches([own_pods(NAME)], [spec.service(NAME).port(PortName.ELASTICSEARCH).number])
    return Patch("NetworkPolicy", policy, ({"op": "replace", "path": f"/spec/egress/{ANYBODY}", "value": rule},))


def _place(entries: Sequence[dict[str, Any]]) -> int:
    return next(place for place, each in enumerate(entries) if each["name"] == VOLUME)
