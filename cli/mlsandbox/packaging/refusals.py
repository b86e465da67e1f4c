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
    """A model file whose loading would run what nobody vouched for."""
    fix = _special_fix(names) or (
        'hand your own code over (sandbox init --code module.py, or code = ["module.py"] in sandbox.toml), '
        "or add --trust if you trust where the file comes from"
    )
    return UntrustedModel("the model is not trusted, so it was not loaded", why=_why(names), fix=fix, details={"unknown": list(names)})


def not_handed_over(names: Sequence[str]) -> UntrustedModel:
    """A model that is being saved without the code that it needs."""
    module = names[0].partition(".")[0]
    fix = _special_fix(names) or f"for your own module: mlsandbox.save(…, code=[{module}]); for a library that you trust: trust=True"
    return UntrustedModel("the model needs code that was not handed over", why=_why(names), fix=fix, details={"unknown": list(names)})


def _why(names: Sequence[str]) -> str:
    shown = [*names[:_SHOWN], *([f"… and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else [])]
    return "loading it would import, beyond what is known to be safe:\n" + "\n".join(f"  {name}" for name in shown)


def _special_fix(names: Sequence[str]) -> str:
    if any(name.startswith("__main__.") for name in names):
        return "move what __main__ defines into a module, import it from there, and save with mlsandbox.save(…, code=['that_module.py'])"
    if any(name.startswith("cloudpickle.") for name in names):
        return "move lambdas and local functions into a module, and save with mlsandbox.save(…, code=['that_module.py'])"
    if any(name.startswith("scipy.stats.") for name in names):
        return "save the fitted model without its search: mlsandbox.save(search.best_estimator_, …)"
    return ""
