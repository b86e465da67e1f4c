"""The environments that packages are asked in, as a dry run tells of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from mlsandbox.actions.outcomes import PlannedStep
from mlsandbox.packaging.package import Package


def environment_steps(packages: Iterable[Package]) -> Iterator[PlannedStep]:
    """One step for each environment, which packages of one lock share: it is there, or would be built; nothing is changed."""
    sharing: dict[Path, dict[str, Package]] = {}
    for package in packages:
        sharing.setdefault(package.python, {})[f"{package.model} {package.version}"] = package
    for python, named in sharing.items():
        subject = f"the environment of {', '.join(named)}"
        if python.exists():  # it is renamed to its place when it is complete
            yield PlannedStep("use", subject, "it is there")
        else:
            first = next(iter(named.values()))
            size = f"{first.lock.count('==')} packages, Python {first.python_minor}"
            yield PlannedStep("build", subject, f"it is not on this machine ({size})")
