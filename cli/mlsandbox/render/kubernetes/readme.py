"""README.md of an export (pure): what is there, how it is applied, and what its user still has to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from textwrap import indent
from typing import Any, Final

from mlsandbox.render.kubernetes.bundle import Bundle, Export
from mlsandbox.render.kubernetes.elasticsearch import with_image
from mlsandbox.render.kubernetes.facts import OUTSIDE, ExportFacts
from mlsandbox.render.kubernetes.manifest_text import written_by
from mlsandbox.render.kubernetes.model import SERVER
from mlsandbox.render.kubernetes.plain import config_labels, plain_command, pod_spec
from mlsandbox.render.tree import RenderedFile
from mlsandbox.stack.components.elasticsearch import NAME as STORE

README: Final = "README.md"
_CHANGES: Final = """\
`base/` and `components/` are written anew by every export. A file of `overlays/` is yours as soon as you have changed it: later exports \
leave it as it is, and `sandbox export k8s --check` does not count it. So changes belong there:

- another component: take the `#` off its line in `overlays/<name>/kustomization.yaml`, and off the lines of those that it needs;
- fewer or more pods, other values of variables: the same file shows how;
- another image: the export again with other `--image`, so that jobs and the versions in labels follow it;
- an overlay that you do not want: remove its folder, and later exports leave it away until its folder is there again;
- anything else: a patch, as in https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/patches/.
"""
_OMITTED: Final = """\
- No Prometheus, Alertmanager, Grafana or Elasticsearch for production: clusters have their own, and components connect to them.
- No secret: manifests refer to secrets by their names, and whoever applies them creates them.
- No metrics server, Ingress controller, Gateway, KEDA or operator: all of these belong to the cluster.
- No backups: what is on volumes is as safe as their storage class.
- No score of a scanner is claimed here: run the one that your cluster is held to on what `kubectl kustomize` prints.
"""


def readme_file(export: Export, facts: ExportFacts) -> RenderedFile:
    """The file."""
    project = next(iter(config_labels(export).values()))
    sections = {
        "What is here": _contents(export),
        "Apply it": _apply(export, facts),
        "You still need to": _todo(export),
        "Images": _images(export, facts),
        "Requests and limits": _resources(export, facts),
        "Change it": _CHANGES,
        "What is not in it": _OMITTED
        + "".join(f"- Not yet `{name}`: {each.reason}: {each.fix}\n" for name, each in export.missing.items()),
    }
    text = f"<!-- {written_by()} -->\n\n# {project} on Kubernetes\n\n"
    text += f"{_summary(facts)}\n" + "".join(f"\n## {title}\n\n{body}" for title, body in sections.items())
    return RenderedFile(README, text)


def _summary(facts: ExportFacts) -> str:
    return (
        f"For Kubernetes {facts.label} and later, applied with Kustomize, which kubectl has in it. "
        "What runs is what `sandbox up` runs for the same sandbox.toml. "
        f"Called in the project's folder, {f'with `{OUTSIDE}` this folder' if facts.is_outside else 'where that is'}, "
        "this writes the export again, byte for byte but for what you have changed in `overlays/`:\n\n"
        f"{indent(facts.command, '    ')}"
    )


def _contents(export: Export) -> str:
    having = {each.name: [overlay.name for overlay in export.overlays if each.name in overlay.components] for each in export.components}
    rows = [("`base/`", export.base.summary, "all")]
    rows += ((f"`components/{each.name}/`", _about(each), ", ".join(having[each.name]) or "none") for each in export.components)
    parts = _table(("Folder", "What it is", "In the overlays"), rows)
    overlays = [(f"`overlays/{each.name}/`", f"`{each.namespace}`", ", ".join(each.components) or "none") for each in export.overlays]
    return f"{parts}\n{_table(('Overlay', 'Namespace', 'Components'), overlays)}"


def _about(bundle: Bundle) -> str:
    return f"{bundle.summary} Needs {', '.join(bundle.after)}." if bundle.after else bundle.summary


def _apply(export: Export, facts: ExportFacts) -> str:
    first = export.overlays[0]
    return f"""\
From this folder, here for {first.name}:

    kubectl kustomize overlays/{first.name}
    kubectl apply --server-side --kustomize overlays/{first.name}
    kubectl --namespace {first.namespace} rollout status deployment

The first one shows what would be applied. What the cluster says of it before anything changes needs the namespace to be there, which the \
export makes no earlier than the rest:

    kubectl create namespace {first.namespace}
    kubectl apply --server-side --dry-run=server --kustomize overlays/{first.name}

Each namespace is this stack's own: Pod Security holds all pods in it to `restricted`, whoever they are of. \
`kubectl delete --kustomize overlays/{first.name}` removes the namespace with all that is in it, volumes and secrets too.

Without Kustomize, all of an overlay in one file, `plain/{first.name}.yaml` of this folder; called in the project's folder:

{indent(plain_command(facts, first.name), "    ")}

ConfigMaps have a digest in their names, so that pods are made anew when one changes; those of earlier versions stay until they are deleted.

With GitOps (Argo CD, Flux) point it at an overlay and let it prune. Jobs too have a digest in their names, of all that they are: \
one that has ended stays and is not run again, one that differs comes beside it, and pruning removes those of earlier versions.
"""


def _todo(export: Export) -> str:
    used = {name for overlay in export.overlays for name in overlay.components}
    first = [*export.base.todo, *_todo_of(each for each in export.components if each.name in used)]
    later = _todo_of(each for each in export.components if each.name not in used)
    namespace = export.base.objects[0]["metadata"]["name"]
    others = [f"for {each.name} it is `{each.namespace}`" for each in export.overlays if each.namespace != namespace]
    elsewhere = f"; {', '.join(others)}, and what is made for one overlay has to be made for each" if others else ""
    text = f"Commands are for the namespace `{namespace}`{elsewhere}. A secret needs its namespace to be there: apply first, and pods wait \
for the secret, or make it by `kubectl create namespace {namespace}`. What begins with `sandbox` or names `.sandbox/` is called in the \
project's folder, where sandbox.toml is.\n\n"
    text += "".join(f"- [ ] {each}\n" for each in dict.fromkeys(first))
    rest = "".join(f"- [ ] {each}\n" for each in dict.fromkeys(later))
    return f"{text}\nAnd for components that no overlay has yet:\n\n{rest}" if rest else text


def _todo_of(bundles: Iterable[Bundle]) -> list[str]:
    return [f"`{bundle.name}`: {each}" for bundle in bundles for each in bundle.todo]


def _images(export: Export, facts: ExportFacts) -> str:
    has_store = any(each.name == STORE for each in export.components)
    images = {**facts.images, **({STORE: with_image(facts).images[STORE]} if has_store else {})}
    rows = [(f"`{key}`", f"`{image}`", facts.versions.get(key, "")) for key, image in images.items()]
    how = "Images that were not named are in no manifest"
    if has_store and STORE not in facts.images:
        how += f", but for that of the component `{STORE}`, for development: it is the official one by its exact version, without a \
digest. Name another one by digest: `--image {STORE}=REF@sha256:…`"
    return f"{_table(('Of', 'Image', 'Version'), rows)}\n{how}.\n"


def _resources(export: Export, facts: ExportFacts) -> str:
    measured = {facts.images[model] for model in facts.measured if model in facts.images}
    rows = [
        (
            f"`{pod}`",
            container["name"],
            _amounts(container["resources"].get("requests", {})),
            _amounts(container["resources"].get("limits", {})),
            "measured" if container["name"] == SERVER and container["image"] in measured else "default",
        )
        for pod, container in _containers(export)
        if "resources" in container
    ]
    how = (
        "Measured are a model's memory and processor time, of the stack that ran when `sandbox export k8s --measured` was called, with a "
        "quarter on top. Defaults are no measurement: look at what pods use, and patch them in an overlay."
    )
    return f"{_table(('Pod', 'Container', 'Requests', 'Limits', 'From'), rows)}\n{how}\n"


def _containers(export: Export) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for bundle in (export.base, *export.components):
        for each in bundle.objects:
            pod = pod_spec(each)
            for container in (*pod.get("containers", ()), *pod.get("initContainers", ())):
                yield each["metadata"]["name"], container


def _amounts(found: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {amount}" for name, amount in found.items())


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [titles, ("---",) * len(titles), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
