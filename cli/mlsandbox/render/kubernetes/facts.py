"""What an export is made from besides the stack: images, and what is known of the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

OLDEST: Final = (1, 29)
"""The oldest Kubernetes that manifests are made for: its sidecar containers (`restartPolicy: Always` of an init container) are on."""
DEFAULT_RELEASE: Final = (1, 33)
IMAGE_VOLUMES: Final = (1, 35)
"""From here on image volumes are on by default; an older API server drops the field without a word."""
DEFAULT_DOMAIN: Final = "example.com"
DEFAULT_INGRESS_CLASS: Final = "nginx"
DEFAULT_GATEWAY: Final = "gateway/gateway"
DEFAULT_WEIGHT: Final = 10
DEFAULT_PROMETHEUS_RELEASE: Final = "kube-prometheus-stack"
DEFAULT_PROMETHEUS_URL: Final = "http://prometheus-operated.monitoring.svc:9090"
OUTSIDE: Final = "DIR"
"""In commands that files hold: the folder of an export outside of its project, whose path is this machine's affair."""
CHALLENGER: Final = "challenger"
EXTERNAL_SECRETS: Final = "external-secrets"
"""The component that makes the secrets: nobody else may, where it is chosen."""
PACKAGE: Final = "package"


@dataclass(frozen=True, slots=True)
class Measured:
    """What a model service was seen to use."""

    memory_bytes: int
    """Most that its processes had in memory together."""
    cpus: float
    """Cores that it used while it was busiest."""


@dataclass(frozen=True, slots=True)
class ExportFacts:
    """The facts."""

    images: Mapping[str, str]
    """By key: a model's name, "<model>/challenger", "<model>/package", "drift", "drift-alibi", "fluentd", "log-store", "elasticsearch"."""
    namespace: str
    """Of production; the other overlays put their own name behind it."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """What the image of a model is known to hold, "v3", for labels and people; by the keys of `images`."""
    release: tuple[int, int] = DEFAULT_RELEASE
    """The oldest Kubernetes that is to take it."""
    chosen: tuple[str, ...] = ()
    """Components that the overlays have besides the usual ones (`--with`)."""
    left_out: tuple[str, ...] = ()
    """Components that no overlay has (`--without`)."""
    cpu_limits: bool = True
    alibi_accepted: bool = False
    """Whether alibi-detect's licence was accepted by name: it is in no export otherwise."""
    measured: Mapping[str, Measured] = field(default_factory=dict)
    """By model."""
    prometheus_release: str = DEFAULT_PROMETHEUS_RELEASE
    """Value of the label `release` by which a Prometheus operator finds what is its own."""
    prometheus_url: str = DEFAULT_PROMETHEUS_URL
    domain: str = DEFAULT_DOMAIN
    """Models are reached at <model>.<domain> from outside of the cluster."""
    ingress_class: str = DEFAULT_INGRESS_CLASS
    gateway: str = DEFAULT_GATEWAY
    """Namespace and name of the Gateway that routes belong to."""
    challenger_weight: int = DEFAULT_WEIGHT
    """Share of requests that challengers answer, in percent."""
    command: str = "sandbox export k8s"
    """What writes the same again."""
    is_outside: bool = False
    """Whether the folder in this command is OUTSIDE, in the place of one outside of the project; a folder may be called so."""

    def has(self, component: str) -> bool:
        """Whether every overlay was asked to have it."""
        return component in self.chosen and component not in self.left_out

    @property
    def label(self) -> str:
        """Kubernetes' version in words, "1.33"."""
        return ".".join(map(str, self.release))
