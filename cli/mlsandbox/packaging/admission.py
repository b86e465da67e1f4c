"""What is checked of a package each time before it is started."""

from __future__ import annotations

from mlsandbox.packaging.inspect import check_trust, inspect_model
from mlsandbox.packaging.package import Package, verify_package
from mlsandbox.settings import ModelConfig


def admit(package: Package, model: ModelConfig) -> None:
    """Prove that a package is what was packaged, and that its model still imports nothing that is not allowed.

    Hashes alone are not enough: whoever can change the model's file can change package.json beside it.

    Raises:
        PackageTampered: a file is not what was packaged.
        UntrustedModel: the model would import what no allow-list holds.
    """
    verify_package(package)
    file, _, entry = str(package.manifest["load"]["entry"]).partition(":")
    info = inspect_model(package.model_folder / file if file else package.model_folder, entry=entry or None)
    check_trust(info, code=model.code, trust=model.trust)
