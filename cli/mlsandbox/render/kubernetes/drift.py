"""The component `drift` (pure): the drift service, and the second sink of all models' shippers.

What it compares with is in the images of the models: before it starts, each of these hands out its profile into a folder of the pod, so
that the profile is the image's own, of whatever size and version. A volume of its own keeps what it has learned.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from mlsandbox.render.containers import ALWAYS, PACKAGED
from mlsandbox.render.kubernetes.bundle import Bundle, Config, ConfigChange, Manifest
from mlsandbox.render.kubernetes.facts import CHALLENGER, ExportFacts
from mlsandbox.render.kubernetes.manifest import manifest
from mlsandbox.render.kubernetes.model import SERVER, sink_rules
from mlsandbox.render.kubernetes.names import image_key, models, object_names, port_name, selector, shipper_of
from mlsandbox.render.kubernetes.network import MONITORING, own_pods, own_pods_of, pods_in, reached_by, reaches_dns
from mlsandbox.render.kubernetes.resources import GIB, quantity
from mlsandbox.render.kubernetes.stateful import claim_spec, dead_node
from mlsandbox.render.kubernetes.variables import config_name, sink_entries, sinks_name
from mlsandbox.render.kubernetes.workload import (
    Workload,
    configs,
    container,
    network_policy,
    object_labels,
    pod_template,
    service_account,
    service_object,
)
from mlsandbox.stack.components.drift import ENVIRONMENT_WITH_ALIBI, FOLDER, NAME
from mlsandbox.stack.spec import ProjectFile, Resources, ServiceEnvironment, ServiceSpec, StackSpec
from mlsandbox_serving.contract import DRIFT_FORWARD, DriftEngine, Env, Port, Route

LICENCE: Final = {"mlsandbox.org/accepted-license": "alibi-detect=BSL-1.1"}
PROFILES: Final = "/var/lib/sandbox/profiles"
_VOLUME: Final = "profiles"
_PROFILE_BYTES: Final = GIB // 4
"""A profile with the rows of its reference has at most 4,000,000 values and their descriptions."""
_HAND_OUT_BYTES: Final = 128 * 1024**2
_CLAIM_BYTES: Final = 10 * GIB
"""Of its volume, whatever a setting says: a claim can grow and never shrink, so that a smaller setting could not be applied."""
_STATE_BYTES: Final = 4 * GIB
"""Of it, besides the spool of its own events: predictions and labels have 1 GiB at most, about as much while they are
rewritten, and are kept when they are found damaged; the rest is for the journal, the state of each engine, and copies of profiles."""
_ALIBI_ENV: Final = frozenset({Env.DRIFT_DETECTORS, "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"})


def drift_images(spec: StackSpec, facts: ExportFacts) -> tuple[str, ...]:
    """Keys of images of which one has to be known: with the engine beside, or without it."""
    return (image_key(_service(spec, facts)),)


def drift_bundle(spec: StackSpec, facts: ExportFacts) -> Bundle:
    """The component."""
    service = _service(spec, facts)
    alibi = service.environment == ServiceEnvironment(ENVIRONMENT_WITH_ALIBI)
    mount = {"name": _VOLUME, "mountPath": PROFILES}
    workload = Workload(
        NAME,
        NAME,
        NAME,
        service,
        init=tuple(_hand_out(spec, facts, model, mount) for model in models(spec)),
        claims={FOLDER.name: NAME},
        extra_volumes=({"name": _VOLUME, "emptyDir": {"sizeLimit": quantity(_PROFILE_BYTES * len(models(spec)))}},),
        extra_mounts=({**mount, "readOnly": True},),
        files={},
    )
    return Bundle(
        NAME,
        "The drift service, which gets a copy of every event and compares live rows with the models' references.",
        objects=(
            service_account(spec, facts, workload),
            _claim(spec, facts, workload),
            _deployment(spec, facts, workload, alibi=alibi),
            service_object(spec, facts, workload),
            _policy(spec, facts, workload),
        ),
        configs=_without_sinks(spec, workload, configs(spec, facts, workload)),
        changes=sink_changes(spec, NAME),
        todo=_todo(spec, facts, alibi=alibi),
    )


def sink_changes(spec: StackSpec, sink: str) -> tuple[ConfigChange, ...]:
    """What a sink's component changes of the models' variables, and of the drift service's, whether or not this is there."""
    names = object_names(spec)
    found = []
    for model in models(spec):
        entries = sink_entries(spec, shipper_of(spec, model))
        own = {name: entry for name, entry in entries.items() if entry.partition("=")[0].partition("~")[0] == sink}
        found.append(ConfigChange(config_name(names[model.name]), own))
    of_drift = {name: entry for name, entry in sink_entries(spec, spec.service(NAME)).items() if entry.partition("=")[0] == sink}
    return (*found, *((ConfigChange(sinks_name(NAME), of_drift),) if of_drift else ()))


def _service(spec: StackSpec, facts: ExportFacts) -> ServiceSpec:
    """The service with what a pod has for it: folders of profiles, and the engine beside only by its licence and in its image."""
    service = spec.service(NAME)
    env = {**service.env, Env.DRIFT_PROFILES: ",".join(f"{each}/*={PROFILES}/{each}" for each in map(image_key, models(spec)))}
    alibi = image_key(service) == ENVIRONMENT_WITH_ALIBI
    if not alibi or (facts.alibi_accepted and ENVIRONMENT_WITH_ALIBI in facts.images):
        return replace(service, env=env)
    kept = {name: value for name, value in env.items() if name not in _ALIBI_ENV}
    return replace(service, environment=ServiceEnvironment(NAME), env={**kept, Env.DRIFT_ENGINES: DriftEngine.NATIVE})


def _hand_out(spec: StackSpec, facts: ExportFacts, model: ServiceSpec, mount: Manifest) -> Manifest:
    """What brings the profile of one model; it needs nothing of the service's own variables."""
    program = ServiceSpec(
        name="hand-out",
        environment=model.environment,
        args=("-m", "mlsandbox_serving.hand_out", PROFILES),
        runs_once=True,
        resources=Resources(memory_bytes=_HAND_OUT_BYTES),
        package=model.package,
    )
    pod = Workload(NAME, NAME, NAME, program, image=image_key(model))
    made = container(spec, facts, pod, program, name=f"profile-{object_names(spec)[model.name]}")
    del made["envFrom"]
    variables = sorted({**ALWAYS, **PACKAGED}.items())
    return {**made, "env": [{"name": name, "value": value} for name, value in variables], "volumeMounts": [mount]}


def _deployment(spec: StackSpec, facts: ExportFacts, workload: Workload, *, alibi: bool) -> Manifest:
    """One pod; a second one, while the first is not gone, waits for the lock of their volume's folder."""
    template = pod_template(spec, facts, workload)
    notes: dict[str, str] = {**template["metadata"].get("annotations", {}), **(LICENCE if alibi else {})}
    if notes:
        template["metadata"]["annotations"] = notes
    (described,) = template["spec"]["containers"]
    _read_sinks(spec, described, workload)
    _start_alive(described)
    return manifest(
        "Deployment",
        workload.name,
        namespace=facts.namespace,
        labels=object_labels(spec, facts, workload),
        annotations=notes,
        spec={
            "replicas": 1,
            "revisionHistoryLimit": 5,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": selector(workload.name, workload.component)},
            "template": template,
        },
    )


def _start_alive(described: dict[str, Any]) -> None:
    """It may wait as long as another pod has its volume, ready for nothing: that is no reason to start it anew."""
    described["startupProbe"] = {**described["startupProbe"], "httpGet": described["livenessProbe"]["httpGet"]}


def _read_sinks(spec: StackSpec, described: dict[str, Any], workload: Workload) -> None:
    """Where its own events go is in a ConfigMap of the base, which a component of a sink can change, and which has nothing else in it:
    the pod is made anew, and away for that time, whenever it changes.
    """
    theirs = sinks_name(NAME)
    for variable in described["env"]:
        reference = variable.get("valueFrom", {}).get("configMapKeyRef")
        if reference is not None and reference["key"] in sink_entries(spec, workload.service):
            reference["name"] = theirs


def _without_sinks(spec: StackSpec, workload: Workload, made: tuple[Config, ...]) -> tuple[Config, ...]:
    sinks = sink_entries(spec, workload.service)
    return tuple(replace(each, data={name: value for name, value in each.data.items() if name not in sinks}) for each in made)


def _claim(spec: StackSpec, facts: ExportFacts, workload: Workload) -> Manifest:
    return manifest(
        "PersistentVolumeClaim",
        NAME,
        namespace=facts.namespace,
        labels=object_labels(spec, facts, workload),
        spec=claim_spec(_claim_bytes(workload.service)),
    )


def _claim_bytes(service: ServiceSpec) -> int:
    """Larger where the spool of its own events does not fit."""
    needed = _STATE_BYTES + int(str(service.env[Env.SPOOL_BYTES]))
    return max(_CLAIM_BYTES, -(-needed // GIB) * GIB)


def _policy(spec: StackSpec, facts: ExportFacts, workload: Workload) -> Manifest:
    """Shippers bring events; people in the namespace look at the report, and Prometheus at the metrics."""
    forward, status = (port_name(workload.service.port(each)) for each in (DRIFT_FORWARD, Port.DRIFT))
    return network_policy(
        NAME,
        NAME,
        spec.project,
        facts.namespace,
        ingress=[
            reached_by([own_pods_of(SERVER), own_pods_of(CHALLENGER)], [forward]),
            reached_by([own_pods(), pods_in(MONITORING)], [status]),
        ],
        egress=[reaches_dns(), *sink_rules(spec, workload.service)],
    )


def _todo(spec: StackSpec, facts: ExportFacts, *, alibi: bool) -> tuple[str, ...]:
    found = []
    baselines = sorted({path.split("/")[1] for path, file in spec.service(NAME).files.items() if isinstance(file, ProjectFile)})
    if baselines:
        found.append(
            f"The baseline of {', '.join(baselines)} (sandbox drift baseline) is not in this export: rows are compared with the reference"
            " that is in the image, until a version is packaged whose reference is what the baseline was made of."
        )
    challengers = [each for each in map(image_key, models(spec)) if f"{each}/{CHALLENGER}" in facts.images]
    if challengers:
        found.append(
            f"Of the challenger of {', '.join(challengers)} the drift service has no reference: it learns one from its first rows."
        )
    size = _claim_bytes(spec.service(NAME))
    if size > _CLAIM_BYTES:
        found.append(
            f"Its claim asks for {quantity(size)}, and not for {quantity(_CLAIM_BYTES)}, as spool_size does not fit otherwise. A claim"
            " cannot shrink: with a smaller spool_size later, patch the claim in the overlay to keep that size."
        )
    found.append(dead_node(NAME))
    if alibi:
        found.append("alibi-detect is under the Business Source License 1.1: check that it allows what you use this for.")
    port = spec.service(NAME).port(Port.DRIFT).number
    found.append(
        f"To look at its report: `kubectl --namespace {facts.namespace} port-forward service/{object_names(spec)[NAME]} {port}:{port}`, "
        f"then http://127.0.0.1:{port}{Route.REPORT_PAGE}."
    )
    return tuple(found)
