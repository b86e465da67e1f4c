"""A project with a package that is served, and proofs of what it exports."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlsandbox.actions.prove import ProveResult, prove, prove_export
from mlsandbox.actions.prove_objects import Planned
from mlsandbox.output import Output
from mlsandbox.progress import PlainReport
from mlsandbox.project import Project, load_project
from mlsandbox.render.kubernetes.bundle import Manifest
from mlsandbox.render.kubernetes.plain import plain_objects
from support.bento import Service, build, serve
from support.kubernetes import export_of
from support.served import fitted, lay, people

NAME = "toy"
"""Of the model."""
GROUPS = ["gateway.networking.k8s.io", "monitoring.coreos.com", "keda.sh", "external-secrets.io", "bitnami.com"]
"""Of a cluster that has everything that exports can use."""


@dataclass(frozen=True)
class Place:
    """The project, and its model as it is served."""

    project: Project
    service: Service
    golden: Path
    """Of the package in the project."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.service.port}"

    def proved(self, *, timeout: float = 120, context: str | None = None, **options: Any) -> ProveResult:
        """A proof of what it exports with these options."""
        export, facts = export_of(self.project.root, **options)
        report = PlainReport(Output())
        return prove_export(self.project, export, facts, context=context, timeout=timeout, report=report)

    def proved_objects(self, objects: Sequence[Manifest]) -> ProveResult:
        """A proof of objects alone."""
        planned = [Planned(each) for each in objects]
        report = PlainReport(Output())
        return prove(planned, objects, project="toys", root=self.project.root, context=None, timeout=120, report=report)

    def objects(self) -> list[Manifest]:
        """What its overlay for development has."""
        export, _ = export_of(self.project.root)
        return plain_objects(export, "dev")


@contextmanager
def served_project(root: Path) -> Iterator[Place]:
    """Made in an empty folder."""
    (root / "sandbox.toml").write_text(f'schema = 1\nname = "toys"\n\n[models.{NAME}]\npath = "model.joblib"\n', encoding="utf-8")
    reference = people()
    more = {"lock_digest": "sha256:0", "python": f"3.{sys.version_info.minor}.0"}
    laid = lay(root / "laid", fitted(reference), reference, name=NAME, manifest=more)
    (root / "built").mkdir()
    bento = build(laid, root / "built")
    (root / ".sandbox").mkdir()
    (root / ".sandbox" / "bentoml").symlink_to(bento.home)
    with serve(bento, root / "served") as service:
        service.wait()
        yield Place(load_project(root), service, bento.path / "src" / "package" / "golden.json")
