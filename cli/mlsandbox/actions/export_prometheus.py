"""`sandbox export prometheus`: rules, scraping and whom to ask, as a Prometheus outside of the stack needs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from mlsandbox.actions.drift_engines import drift_engines
from mlsandbox.actions.engine_choice import DOCKER
from mlsandbox.actions.export_ejected import EjectOptions, Part, program_image, where_it_is, with_ports, written_by
from mlsandbox.actions.export_stack import model_of_image
from mlsandbox.actions.project_stack import stack_of_models
from mlsandbox.project import Project
from mlsandbox.render.ejected import eject_program
from mlsandbox.render.ejected_texts import beside, prometheus_readme
from mlsandbox.stack.components import prometheus
from mlsandbox.stack.parts import ALERTMANAGER, PROMETHEUS
from mlsandbox.stack.spec import Reach, ServiceSpec, StackSpec
from mlsandbox_serving.contract import Port

PORT: Final = 9090
"""Prometheus's own, which it listens at when nothing is said: the stack's, with the stack's port, may run beside it."""


def prometheus_part(project: Project, options: EjectOptions) -> Part:
    """The rules byte for byte; as targets what of the stack can be reached from this machine."""
    where = where_it_is(project)
    wanted = where.parts | {PROMETHEUS}
    ports = with_ports(project, where, wanted, {Port.PROMETHEUS: PORT})
    models = [model_of_image(model, "") for model in project.models.values()]
    whole = replace(stack_of_models(project, models, ports, wanted, drift_engines(project, where.engine)), host=where.host)
    measured = [each for each in whole.services if each.metrics is not None]
    reached = [each for each in measured if where.engine != DOCKER or each.name == PROMETHEUS or _is_published(each)]
    written = written_by("prometheus", options.of(PROMETHEUS))
    ejected = eject_program(
        _asking(whole, reached),
        PROMETHEUS,
        program_image(project, PROMETHEUS, options),
        header=written.header(f"The scraping and the alerts of {project.name}, in a Prometheus of their own."),
    )
    names = [each.name for each in reached]
    readme = prometheus_readme(
        project.name,
        written,
        port=str(PORT),
        scraped=names,
        closed=[each.name for each in measured if each.name not in names],
        alerts=ALERTMANAGER in wanted,
    )
    return Part("prometheus", (*ejected.files, *beside(written, ejected, readme, ignored=["data/"])), opened=("rules", "targets"))


def _is_published(service: ServiceSpec) -> bool:
    return service.metrics is not None and service.port(service.metrics.port).reach is not Reach.STACK


def _asking(spec: StackSpec, reached: Sequence[ServiceSpec]) -> StackSpec:
    itself = spec.service(PROMETHEUS)
    told = replace(itself, files={**itself.files, prometheus.SCRAPED: prometheus.scraped(reached)})
    return replace(spec, services=tuple(told if each is itself else each for each in spec.services))
