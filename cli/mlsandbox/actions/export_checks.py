"""What values of options must be, for a cluster to take what is made of them (pure)."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from mlsandbox.errors import UsageError
from mlsandbox.render.kubernetes.network import INGRESS_CONTROLLER, MONITORING
from mlsandbox.render.kubernetes.overlays import BOUNDS, namespace_of

_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
"""RFC 1123, section 2.1, in lower case."""
_SUBDOMAIN: Final = rf"{_LABEL}(?:\.{_LABEL})*"
_LONGEST_NAME: Final = 253
_LONGEST_DOMAIN: Final = 189
"""With the name of a model before it, it is a name of a host."""
_NAMESPACE: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,53}[a-z0-9])?")
"""A label, with room for what the other overlays put behind it."""
_LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_HOST: Final = r"(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+(?=:)|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?"
_PART: Final = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_IMAGE: Final = re.compile(rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?")
"""The grammar of references in the OCI distribution specification, and in github.com/distribution/reference."""
_URL: Final = re.compile(r"[!#$%&'()*+,./0-9:;=?@A-Z\[\]_a-z~-]+")
"""Characters of RFC 3986."""


def checked_image(key: str, image: str) -> str:
    """An image as registries and clusters know it."""
    if not _IMAGE.fullmatch(image):
        raise UsageError(
            f"--image {key}={image} is no name of an image",
            why="A repository is written in lower case, the host of its registry before it, a tag and a digest behind it.",
            fix=f"write it as in: sandbox export k8s --image {key}=registry.example.com:5000/team/churn:v3@sha256:…",
        )
    return image


def checked_namespace(name: str, gateway: str) -> str:
    """A name that the stack's own namespaces can have.

    Args:
        name: of production.
        gateway: namespace of the Gateway.
    """
    if not _NAMESPACE.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of a namespace",
            why='Lower-case letters, digits and hyphens between them, 55 at most: "-staging" comes behind it in the overlay of that name.',
            fix="choose one: sandbox export k8s --namespace NAME",
        )
    others = {*MONITORING, INGRESS_CONTROLLER, gateway, "default"}
    taken = [each for each in (namespace_of(name, overlay) for overlay in BOUNDS) if each in others or each.startswith("kube-")]
    if taken:
        raise UsageError(
            f"the namespace {taken[-1]} is not this stack's own",
            why="The export holds all pods in its namespace to Pod Security, and is deleted together with it: what others have there "
            "would not survive either.",
            fix="choose another one: sandbox export k8s --namespace NAME",
        )
    return name


def checked_gateway(text: str) -> str:
    """Namespace and name of a Gateway."""
    namespace, _, name = text.partition("/")
    if not (re.fullmatch(_LABEL, namespace) and _is_subdomain(name)):
        raise UsageError(
            f"--gateway {text} does not name a Gateway",
            why="It is a namespace and a name, each of lower-case letters, digits and hyphens.",
            fix="write its namespace and name: sandbox export k8s --gateway infra/public",
        )
    return text


def checked_domain(text: str) -> str:
    """The name of hosts, behind that of a model."""
    if not _is_subdomain(text, _LONGEST_DOMAIN):
        raise UsageError(
            f"--domain {text} is no domain",
            why="Lower-case letters, digits and hyphens, with points between (RFC 1123): no scheme, no port, no path, no asterisk.",
            fix="write it as in: sandbox export k8s --domain ml.example.com",
        )
    return text


def checked_class(text: str) -> str:
    """The name of an IngressClass."""
    if not _is_subdomain(text):
        raise UsageError(
            f"--ingress-class {text} is no name of a class",
            why="Lower-case letters, digits, hyphens and points, with a letter or a digit at both ends.",
            fix="see which there are: kubectl get ingressclass   and then: sandbox export k8s --ingress-class nginx",
        )
    return text


def checked_release(text: str) -> str:
    """The value of a label."""
    if not _LABEL_VALUE.fullmatch(text):
        raise UsageError(
            f"--prometheus-release {text} cannot be the value of a label",
            why='Letters, digits, "-", "_" and ".", 63 at most, with a letter or a digit at both ends.',
            fix="write it as in: sandbox export k8s --prometheus-release kube-prometheus-stack",
        )
    return text


def checked_url(text: str) -> str:
    """The address of a Prometheus, which everybody may read who may read manifests."""
    try:
        parts = urlsplit(text)
        known, secret = bool(parts.hostname and parts.port != 0), "@" in parts.netloc
    except ValueError:  # a port that is none, brackets that do not match
        parts, known, secret = None, False, False
    if secret:
        raise UsageError(
            "--prometheus-url has a user or a password in it",
            why="It ends in README.md, a ScaledObject and a ConfigMap, where everybody reads it.",
            fix="leave it out of --prometheus-url: KEDA takes it from a TriggerAuthentication, Grafana from secureJsonData",
        )
    if parts is None or not known or parts.scheme not in {"http", "https"} or parts.query or parts.fragment or not _URL.fullmatch(text):
        shown = "that was given" if "@" in text else text
        raise UsageError(
            f"--prometheus-url {shown} is no address of a Prometheus",
            why="http:// or https://, a host, and where it is needed a port and a path: no query, no spaces.",
            fix="write it as in: sandbox export k8s --prometheus-url http://prometheus.monitoring.svc:9090",
        )
    return text


def _is_subdomain(text: str, longest: int = _LONGEST_NAME) -> bool:
    return len(text) <= longest and re.fullmatch(_SUBDOMAIN, text) is not None
