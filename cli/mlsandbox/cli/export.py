"""`sandbox export`."""

from __future__ import annotations

from typing import Annotated

import typer

from mlsandbox.actions.export_stack import ExportOptions
from mlsandbox.cli import export_options as option
from mlsandbox.cli.export_shown import exported
from mlsandbox.cli.export_words import What, Words
from mlsandbox.cli.session import Session
from mlsandbox.errors import Exit

EXAMPLES = """\
$ sandbox export k8s --image registry.example.com/team/churn@sha256:…
$ sandbox export k8s --to-registry registry.example.com/team
$ sandbox export k8s --image REF --with servicemonitor,prometheusrule --check
$ sandbox export compose"""
_USUAL = ExportOptions()


def command(
    session: Session,
    *,
    what: Annotated[What, typer.Argument(metavar="WHAT", help="k8s: the stack for Kubernetes; or compose, grafana, prometheus alone.")],
    folder: option.Folder = None,
    image: option.Image = None,
    to_registry: option.Registry = None,
    allow_tags: option.AllowTags = False,
    version: option.Version = None,
    accept_license: option.License = None,
    chosen: option.With = None,
    left_out: option.Without = None,
    form: option.Form = None,
    overlay: option.Overlay = None,
    stdout: option.Stdout = False,
    check: option.Check = False,
    k8s_version: option.Release = _USUAL.release,
    namespace: option.Namespace = _USUAL.namespace,
    no_cpu_limits: option.NoCpuLimits = False,
    measured: option.Measured = False,
    prometheus_release: option.Prometheus = _USUAL.prometheus_release,
    prometheus_url: option.PrometheusUrl = _USUAL.prometheus_url,
    domain: option.Domain = _USUAL.domain,
    ingress_class: option.IngressClass = _USUAL.ingress_class,
    gateway: option.Gateway = _USUAL.gateway,
    challenger_weight: option.Weight = _USUAL.challenger_weight,
    prove: option.Prove = False,
    context: option.Context = None,
) -> Exit:
    """sandbox.toml and names of images are enough: nothing needs to run or be built.

    k8s takes all options; compose takes --image, --version, --accept-license and --check, grafana and prometheus --image and --check.
    """
    asked = ExportOptions(
        images=tuple(image or ()),
        versions=tuple(version or ()),
        allow_tags=allow_tags,
        chosen=option.listed(chosen),
        left_out=option.listed(left_out),
        release=k8s_version,
        cpu_limits=not no_cpu_limits,
        accepted_licences=tuple(accept_license or ()),
        namespace=namespace,
        domain=domain,
        ingress_class=ingress_class,
        gateway=gateway,
        challenger_weight=challenger_weight,
        prometheus_release=prometheus_release,
        prometheus_url=prometheus_url,
    )
    return exported(session, asked, Words(what.value, folder, form, overlay, stdout, check, to_registry, measured, prove, context))
