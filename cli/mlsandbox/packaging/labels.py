"""What a package's bento and image say of it, in labels: the same as answers, events and metrics say."""

from __future__ import annotations

from typing import Final

PREFIX: Final = "org.mlsandbox"


def labels_of(model: str, version: str, digest: str) -> dict[str, str]:
    """The labels that name a package."""
    return {f"{PREFIX}.model": model, f"{PREFIX}.version": version, f"{PREFIX}.digest": digest}
