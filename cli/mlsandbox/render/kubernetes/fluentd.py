"""The component `logging` (pure): Fluentd as an aggregator, and an Elasticsearch that is there already, known by a Secret.

The Secret is a folder of the pods: its file `url` says where, and in whose name; `ca.crt`, if it has one, who vouches for it. No
manifest has any of it, nor a variable.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from mlsandbox.render.kubernetes.bundle import Bundle, Manifest
from mlsandbox.render.kubernetes.drift import sink_changes
from mlsandbox.render.kubernetes.facts import CHALLENGER, EXTERNAL_SECRETS, ExportFacts
from mlsandbox.render.kubernetes.model import SERVER
from mlsandbox.render.kubernetes.names import image_key, port_name
from mlsandbox.render.kubernetes.network import MONITORING, own_pods, own_pods_of, pods_in, reached_by, reaches_anybody, reaches_dns
from mlsandbox.render.kubernetes.resources import GIB
from mlsandbox.render.kubernetes.stateful import dead_node, job, stateful_set
from mlsandbox.render.kubernetes.workload import Workload, configs, network_policy, service_account, service_object
from mlsandbox.stack.components import drift
from mlsandbox.stack.components.elasticsearch import PORT as ELASTICSEARCH_PORT
from mlsandbox.stack.components.elasticsearch import SETUP
from mlsandbox.stack.components.fluentd import METRICS_PORT, NAME
from mlsandbox.stack.spec import ServiceSpec, StackSpec, Value
from mlsandbox_serving.contract import Env, Port

LOGGING: Final = "logging"
SECRET: Final = "elasticsearch"  # noqa: S105 - its name
KEY: Final = "url"
CA: Final = "ca.crt"
VOLUME: Final = "elasticsearch-url"
_FOLDER: Final = "/run/secrets/elasticsearch"
_READABLE: Final = 0o440
_HTTPS: Final = 443
BUFFERS: Final = "fluentd"
"""The volume of its buffers."""
ANYBODY: Final = 1
"""Which rule of egress, after that for names, lets both policies reach Elasticsearch wherever it is."""
_BUFFER_BYTES: Final = 4 * GIB
"""Its buffers have 1 GB at most (`total_limit_size` in fluentd/fluent.conf); the rest is for what even the dead letters refused."""


def logging_images(spec: StackSpec, _facts: ExportFacts) -> tuple[str, ...]:
    """The keys of images that both have to be known: Fluentd's, and that of the setup."""
    return tuple(image_key(spec.service(name)) for name in (NAME, SETUP))


def logging_bundle(spec: StackSpec, facts: ExportFacts) -> Bundle:
    """The component."""
    workload = fluentd_workload(spec)
    set_up = setup_workload(spec)
    return Bundle(
        LOGGING,
        "Fluentd, which takes events and writes them to Elasticsearch; the address of that is a Secret. A Job sets up its indices.",
        objects=(
            service_account(spec, facts, workload),
            stateful_set(spec, facts, workload, BUFFERS, _BUFFER_BYTES),
            service_object(spec, facts, workload),
            _policy(spec, facts, workload),
            service_account(spec, facts, set_up),
            job(spec, facts, set_up),
            _setup_policy(spec, facts),
        ),
        configs=configs(spec, facts, workload),
        changes=sink_changes(spec, NAME),
        todo=(
            *_of_secret(facts),
            "Its user has to be allowed to manage the policies, templates and indices named sandbox-*, and to write to these.",
            (
                f"Network policies let Fluentd and the Job reach the ports {ELASTICSEARCH_PORT} and {_HTTPS} of anybody: change them when "
                f"Elasticsearch has another, and narrow both policies ({NAME}, {SETUP}) to where it is, by a patch in the overlay that "
                f"adds /spec/egress/{ANYBODY}/to with the value [{{ipBlock: {{cidr: …}}}}]."
            ),
            dead_node(f"{BUFFERS}-{NAME}-0"),
            f"After a change of the secret: `kubectl --namespace {facts.namespace} rollout restart statefulset/{NAME}`",
        ),
    )


def _of_secret(facts: ExportFacts) -> Iterator[str]:
    """How it comes into being, where nothing else is chosen that makes it."""
    needed = f"Pods need the secret {SECRET}, but where the component elasticsearch is in the overlay"
    if facts.has(EXTERNAL_SECRETS):
        yield f"{needed}: {EXTERNAL_SECRETS} makes it."
        return
    create = f"kubectl --namespace {facts.namespace} create secret generic {SECRET} --from-file={KEY}=FILE"
    yield f"{needed}: `{create}`; FILE holds https://name:password@host:9200, signs of URLs as %40 and the like."
    yield f"With a certificate of an authority of your own, the secret {SECRET} needs that too: --from-file={CA}=FILE."


def fluentd_workload(spec: StackSpec) -> Workload:
    """Fluentd's pod."""
    return with_secret(Workload(NAME, NAME, NAME, spec.service(NAME), claims={BUFFERS: ""}))


def setup_workload(spec: StackSpec) -> Workload:
    """The pod that sets up the indices."""
    return with_secret(Workload(SETUP, SETUP, "setup", spec.service(SETUP)))


def with_secret(workload: Workload) -> Workload:
    """A pod that has Elasticsearch's address from the Secret."""
    volume = {"name": VOLUME, "secret": {"secretName": SECRET, "defaultMode": _READABLE}}
    mount = {"name": VOLUME, "mountPath": _FOLDER, "readOnly": True}
    return replace(workload, service=_asking(workload.service), extra_volumes=(volume,), extra_mounts=(mount,))


def _asking(service: ServiceSpec) -> ServiceSpec:
    kept: dict[str, Value] = {name: value for name, value in service.env.items() if name != Env.ELASTICSEARCH_URL}
    return replace(service, env={**kept, Env.ELASTICSEARCH_URL_FILE: f"{_FOLDER}/{KEY}"})


def _policy(spec: StackSpec, facts: ExportFacts, workload: Workload) -> Manifest:
    """Models and the drift service bring events; Elasticsearch may be anywhere."""
    forward, metrics = (port_name(workload.service.port(each)) for each in (Port.FLUENTD, METRICS_PORT))
    return network_policy(
        NAME,
        NAME,
        spec.project,
        facts.namespace,
        ingress=[
            reached_by([*map(own_pods_of, (SERVER, CHALLENGER, drift.NAME))], [forward]),
            reached_by([own_pods(), pods_in(MONITORING)], [metrics]),
        ],
        egress=[reaches_dns(), reaches_anybody([_HTTPS, ELASTICSEARCH_PORT])],
    )


def _setup_policy(spec: StackSpec, facts: ExportFacts) -> Manifest:
    return network_policy(
        SETUP,
        SETUP,
        spec.project,
        facts.namespace,
        ingress=[],
        egress=[reaches_dns(), reaches_anybody([_HTTPS, ELASTICSEARCH_PORT])],
    )
