"""`sandbox export grafana`: the dashboards as they are, and a Grafana that shows them."""

from __future__ import annotations

from typing import Final

from mlsandbox.actions.drift_engines import DriftEngines
from mlsandbox.actions.export_ejected import EjectOptions, Part, program_image, where_it_is, with_ports, written_by
from mlsandbox.actions.export_stack import model_of_image
from mlsandbox.actions.project_stack import stack_of_models
from mlsandbox.project import Project
from mlsandbox.render.ejected import Variable, eject_program
from mlsandbox.render.ejected_texts import beside, grafana_readme
from mlsandbox.stack import parts
from mlsandbox_serving.contract import Port

PORT: Final = 3000
"""Grafana's own: the stack's, with the stack's port, may run beside it."""
_STATED: Final = "SANDBOX_PROMETHEUS_URL"


def grafana_part(project: Project, options: EjectOptions) -> Part:
    """Dashboards and provisioning byte for byte, and a Compose file; it asks the stack's Prometheus, unless told another one."""
    where = where_it_is(project)
    wanted = frozenset({parts.PROMETHEUS, parts.GRAFANA})
    ports = with_ports(project, where, wanted, {Port.GRAFANA: PORT})
    models = [model_of_image(model, "") for model in project.models.values()]
    spec = stack_of_models(project, models, ports, wanted, DriftEngines(()))
    written = written_by("grafana", options.of(parts.GRAFANA))
    url = Variable(_STATED, f"http://127.0.0.1:{ports[Port.PROMETHEUS]}", "where Prometheus is, as this machine reaches it")
    ejected = eject_program(
        spec,
        parts.GRAFANA,
        program_image(project, parts.GRAFANA, options),
        header=written.header(f"The dashboards of {project.name}, in a Grafana of their own."),
        environment={_STATED: url},
    )
    readme = grafana_readme(project.name, written, url, str(PORT))
    return Part("grafana", (*ejected.files, *beside(written, ejected, readme, ignored=["data/"])), opened=("dashboards", "provisioning"))
