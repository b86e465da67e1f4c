"""The options of `sandbox export`, and what they say."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

IMAGES: Final = "Images"
CLUSTER: Final = "Cluster"
OUTSIDE: Final = "Reached from outside"
OUTPUT: Final = "What is written"
PROOF: Final = "Proof"


def _option(*names: str, panel: str, doc: str, metavar: str | None = None) -> Any:
    return typer.Option(*names, help=doc, rich_help_panel=panel, metavar=metavar)


def _text(name: str, panel: str, doc: str, metavar: str = "NAME") -> Any:
    return _option(name, panel=panel, doc=doc, metavar=metavar)


Image = Annotated[
    list[str] | None,
    _option(
        "--image", panel=IMAGES, metavar="REF", doc="The model's image, by digest; of several MODEL=REF; also drift, fluentd, log-store."
    ),
]
Registry = Annotated[str | None, _text("--to-registry", IMAGES, "Push all images there, and use the digests it gives them.", "REF")]
AllowTags = Annotated[bool, _option("--allow-tags", panel=IMAGES, doc="Take images without a digest, which can change.")]
Version = Annotated[
    list[str] | None,
    _option("--version", panel=IMAGES, metavar="VERSION", doc="What an image holds when its tag does not say: v3 or MODEL=v3."),
]
License = Annotated[
    list[str] | None,
    _option("--accept-license", panel=IMAGES, metavar="NAME", doc="alibi-detect=BSL-1.1: have the second drift engine too."),
]
With = Annotated[
    list[str] | None,
    _option("--with", panel=OUTPUT, metavar="LIST", doc="Components that every overlay has: keda,httproute; all: sandbox help components."),
]
Without = Annotated[list[str] | None, _option("--without", panel=OUTPUT, metavar="LIST", doc="Components that none has: drift,logging.")]
Form = Annotated[str | None, _text("--format", OUTPUT, "kustomize (a tree) or plain (one file).", "FORMAT")]
Overlay = Annotated[str | None, _text("--overlay", OUTPUT, "plain: dev, staging or production (also without it).")]
Stdout = Annotated[bool, _option("--stdout", panel=OUTPUT, doc="Print the plain list; write nothing.")]
Check = Annotated[bool, _option("--check", panel=OUTPUT, doc="Write nothing; end with 3 when DIR is other than it would be.")]
Release = Annotated[str, _text("--k8s-version", CLUSTER, "The oldest Kubernetes that is to take it, from 1.29 on.", "VERSION")]
Namespace = Annotated[
    str, _text("--namespace", CLUSTER, "Of production; the others are NAME-dev and NAME-staging.  [default: the project]")
]
NoCpuLimits = Annotated[bool, _option("--no-cpu-limits", panel=CLUSTER, doc="Processor time is asked for, not limited.")]
Measured = Annotated[bool, _option("--measured", panel=CLUSTER, doc="Ask for what the running stack uses; kept in DIR/measured.json.")]
Prometheus = Annotated[str, _text("--prometheus-release", CLUSTER, "Label by which the Prometheus operator finds monitors.")]
PrometheusUrl = Annotated[str, _text("--prometheus-url", CLUSTER, "Where KEDA asks for metrics.", "URL")]
Domain = Annotated[str, _text("--domain", OUTSIDE, "Models are reached at MODEL.DOMAIN.", "DOMAIN")]
IngressClass = Annotated[str, _text("--ingress-class", OUTSIDE, "Class of the ingress component.")]
Gateway = Annotated[str, _text("--gateway", OUTSIDE, "Gateway of the httproute component.", "NAMESPACE/NAME")]
Weight = Annotated[int, _option("--challenger-weight", panel=OUTSIDE, metavar="PERCENT", doc="Share of requests that challengers answer.")]
Prove = Annotated[
    bool, _option("--prove", panel=PROOF, doc="Write nothing: hold all of it to a cluster; end with 3 when it does not pass.")
]
Context = Annotated[str | None, _text("--context", PROOF, "Which cluster, by kubectl's name of it.")]
Folder = Annotated[Path | None, typer.Argument(metavar="DIR", help="Where to write.  [default: k8s, or what is exported]")]


def listed(texts: Iterable[str] | None) -> tuple[str, ...]:
    """The names in lists with commas, each once."""
    names = (name.strip() for text in texts or () for name in text.split(","))
    return tuple(dict.fromkeys(name for name in names if name))
