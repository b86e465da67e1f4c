"""Which distributions a model needs, at the versions that this very interpreter has."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.util import find_spec
from typing import Any, Final

_NAME: Final = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


@dataclass(frozen=True, slots=True)
class Closure:
    """Roots and everything they need.

    Attributes:
        roots: distributions that the model references, sorted.
        versions: version of each distribution of the closure, by its name.
        unlockable: distributions that no index can give, with the reason.
    """

    roots: tuple[str, ...]
    versions: Mapping[str, str]
    unlockable: Mapping[str, str]

    def requirements(self) -> str:
        """The text of requirements.txt: exact pins, without what cannot be locked."""
        lines = [f"{name}=={version}" for name, version in self.versions.items() if name not in self.unlockable]
        return "\n".join(lines) + "\n"


def closure_of(modules: Iterable[str]) -> Closure:
    """The closure of the distributions that own top-level `modules`; modules without a distribution do not count."""
    owners = metadata.packages_distributions()
    roots = sorted({_normal(name) for module in modules for name in owners.get(module, ())[:1]})
    found: dict[str, metadata.Distribution] = {}
    waiting: list[tuple[str, frozenset[str]]] = [(name, frozenset()) for name in roots]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        wanted = waiting.pop()
        if wanted in seen:
            continue
        seen.add(wanted)
        name, extras = wanted
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # optional, or of another platform
        waiting.extend(_needed(found[name].requires or (), extras))
    return Closure(
        roots=tuple(name for name in roots if name in found),
        versions={name: found[name].version for name in sorted(found)},
        unlockable={name: why for name in sorted(found) if (why := _why_unlockable(found[name]))},
    )


def own_modules_of(distribution: str) -> set[str]:
    """Top-level modules that a distribution brings."""
    return {module for module, owners in metadata.packages_distributions().items() if distribution in map(_normal, owners)}


def third_party(modules: Iterable[str], *, own: Iterable[str] = ()) -> set[str]:
    """Top-level names of `modules` that are neither the standard library's nor the user's."""
    tops = {module.split(".")[0] for module in modules}
    return tops - set(sys.stdlib_module_names) - set(own) - {"__main__", "", "_loss"}


def _needed(lines: Iterable[str], extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """Requirements that hold here; markers are evaluated when `packaging` is installed, as it nearly always is."""
    requirement: Any = import_module("packaging.requirements").Requirement if find_spec("packaging") else None
    for line in lines:
        if requirement is None:
            match = _NAME.match(line)
            if match and ";" not in line:
                yield _normal(match[1]), frozenset()
            continue
        parsed = requirement(line)
        if parsed.marker is None or any(parsed.marker.evaluate({"extra": extra}) for extra in extras or {""}):
            yield _normal(parsed.name), frozenset(parsed.extras)


def _why_unlockable(distribution: metadata.Distribution) -> str | None:
    """Why nobody else could install this distribution; None when an index has it."""
    text = distribution.read_text("direct_url.json")
    if not text or (distribution.read_text("INSTALLER") or "").strip() == "conda":  # conda records the folder it was built in
        return None
    direct = json.loads(text)
    url = str(direct.get("url", ""))
    if "vcs_info" in direct:
        return f"installed from {direct['vcs_info'].get('vcs', 'vcs')}+{url}"
    if direct.get("dir_info", {}).get("editable"):
        return f"an editable install of {url}"
    return f"installed from {url}"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
