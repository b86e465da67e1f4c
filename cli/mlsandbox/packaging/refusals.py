"""The errors of reading a model, made in one place so that each names its remedy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlsandbox.errors import ModelFileUnreadable, ModelKindUnknown, UntrustedModel

_SHOWN = 20


def unreadable(path: Path, why: str) -> ModelFileUnreadable:
    """A model file that cannot be read to its end."""
    return ModelFileUnreadable(
        f"cannot read the model {path.name}", why=why, fix=f"check the file, or save the model again: {path}", details={"path": str(path)}
    )


def unknown_kind(path: Path, why: str, *, fix: str = "") -> ModelKindUnknown:
    """A file of a format that is not served."""
    remedy = fix or "save the model from Python: mlsandbox.save(model, 'name', reference=X)"
    return ModelKindUnknown(f"{path.name} is not a model that can be served", why=why, fix=remedy, details={"path": str(path)})


def untrusted(names: Sequence[str]) -> UntrustedModel:
    """A model whose loading would run what nobody vouched for."""
    shown = [*names[:_SHOWN], *([f"… and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else [])]
    if any(name.startswith("__main__.") for name in names):
        fix = "move what __main__ defines into a module, import it from there, and save with mlsandbox.save(…, code=['that_module.py'])"
    elif any(name.startswith("cloudpickle.") for name in names):
        fix = "move lambdas and local functions into a module, and save with mlsandbox.save(…, code=['that_module.py'])"
    elif any(name.startswith("scipy.stats.") for name in names):
        fix = "save the fitted model without its search: mlsandbox.save(search.best_estimator_, …)"
    else:
        fix = "hand your own code over with mlsandbox.save(…, code=['module.py']), or add --trust if you trust where the file comes from"
    why = "loading it would import, beyond what is known to be safe:\n" + "\n".join(f"  {name}" for name in shown)
    return UntrustedModel("the model is not trusted, so it was not loaded", why=why, fix=fix, details={"unknown": list(names)})
