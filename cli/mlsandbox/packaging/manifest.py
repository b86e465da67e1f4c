"""The package's own files and digests, from what was captured: pure values.

What is digested holds no time, no path and no machine: the same model, code and settings give the same digest anywhere.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mlsandbox.packaging.digest import json_digest
from mlsandbox_serving.contract import SCHEMA_VERSION, PackageFile

if TYPE_CHECKING:
    from mlsandbox.packaging.inspect import ModelFile
    from mlsandbox.packaging.lock import Lock
    from mlsandbox.settings import ModelConfig

BENTOML_VERSION: Final = "1.4.39"
_WHERE_AND_WHEN: Final = frozenset({"created", "git", "platform"})
"""Recorded in a package, and no part of its digest."""
_ELSEWHERE: Final = frozenset({"files", "model_digest", "code", "libraries", "python", "schema_version", "trusted"})
"""Digested as they are packaged, not as they were captured."""


@dataclass(frozen=True, slots=True)
class Ingredients:
    """Everything that a package is made from.

    Args:
        model: the model's settings.
        files: the model's files, with digests.
        model_digest: one digest over them.
        lock: the locked environment.
        served_code: digest of the served code.
        code: the user's own modules, paths as below package/code, with digests.
        source: what was captured, without where and when; for a file, what it will be captured from.
        reference: digest of the file of reference rows; None without one.
    """

    model: ModelConfig
    files: tuple[ModelFile, ...]
    model_digest: str
    lock: Lock
    served_code: str
    code: tuple[ModelFile, ...]
    source: Mapping[str, Any]
    reference: str | None

    @property
    def model_tag(self) -> str:
        """The model's place in BentoML's model store."""
        return f"{self.model.name}:{self.model_digest.removeprefix('sha256:')[:12]}"

    @property
    def digest(self) -> str:
        """The digest by which an unchanged model is recognized."""
        profile = {"reference": self.reference, "target": self.model.target}
        return json_digest({"source": self.source, "profile": profile, **self.common()})

    @property
    def capture_digest(self) -> str:
        """Digest of what decides about the capture of a file: without the settings that only concern the service."""
        return json_digest({"source": self.source, **self._loaded()})

    def common(self) -> dict[str, object]:
        """What decides about a package beside what was captured."""
        model = self.model
        return {
            **self._loaded(),
            "name": model.name,
            "output": model.output,
            "private": sorted(model.private),
            "hashed": sorted(model.hashed),
        }

    def _loaded(self) -> dict[str, object]:
        return {
            "lock": self.lock.digest,
            "python": self.lock.python,
            "entry": self.entry,
            "files": [[file.path, file.sha256] for file in self.files],
            "code": [[file.path, file.sha256] for file in self.code],
            "served_code": self.served_code,
        }

    @property
    def entry(self) -> str:
        """What the loader is told: the file in the model's folder, with the class of a plain Python file; empty for a folder."""
        if self.model.path.is_dir():
            return ""
        return self.model.path.name + (f":{self.model.entry}" if self.model.entry else "")


def captured_facts(capture: Mapping[str, Any]) -> dict[str, Any]:
    """What was captured, without where and when."""
    return {key: value for key, value in capture.items() if key not in _WHERE_AND_WHEN}


def as_served(capture: Mapping[str, Any], output: str) -> Mapping[str, Any]:
    """The capture of what answers will be: with `output = "predict"` labels alone, and probabilities in neither schema nor golden rows."""
    if output != "predict":
        return capture
    schema, golden = capture["schema"], capture.get("golden")
    told = {**schema, "output": {**schema.get("output", {}), "probabilities": False}}
    return {**capture, "schema": told, "golden": {**golden, "probabilities": None} if golden else golden}


def lock_text(lock: Lock) -> str:
    """The lock as it goes into a package: requirements alone."""
    return re.sub(r"^#.*\n", "", lock.text, flags=re.MULTILINE).strip() + "\n"


def load_facts(ingredients: Ingredients, capture: Mapping[str, Any]) -> dict[str, Any]:
    """How the packaged model is loaded."""
    return {**capture["load"], "entry": ingredients.entry}


def package_files(
    ingredients: Ingredients, capture: Mapping[str, Any], *, version: str, profile: Mapping[str, Any] | None
) -> tuple[str, dict[str, str]]:
    """The package's digest, and its text files by path.

    Args:
        ingredients: what it is made from.
        capture: capture.json, or the same made from a model file.
        version: "v3".
        profile: what is in its reference profile, "files" with their digests among it; None without a reference. It decides about no
            answer, and so is no part of the digest.
    """
    capture = as_served(capture, ingredients.model.output)
    schema = capture["schema"]
    golden = capture.get("golden")
    load = load_facts(ingredients, capture)
    texts = {PackageFile.SCHEMA: _json(schema), PackageFile.LOCK: lock_text(ingredients.lock)}
    if golden:
        texts[PackageFile.GOLDEN] = _json(golden)
    kept = {key: value for key, value in capture.items() if key not in {"schema", "golden", "roots", "unlockable"}}
    facts = {key: value for key, value in captured_facts(kept).items() if key not in _ELSEWHERE}
    digest = json_digest({"capture": {**facts, "load": load}, "schema": schema, "golden": golden, **ingredients.common()})
    model = ingredients.model
    manifest = {
        **kept,
        "schema_version": SCHEMA_VERSION,
        "model": model.name,
        "version": version,
        "digest": digest,
        "inputs_digest": ingredients.digest,
        "lock_digest": ingredients.lock.digest,
        "served_code_digest": ingredients.served_code,
        "model_digest": ingredients.model_digest,
        "model_tag": ingredients.model_tag,
        "load": load,
        "files": [{"path": file.path, "sha256": file.sha256, "size": file.size} for file in ingredients.files],
        "code": [{"path": file.path, "sha256": file.sha256} for file in ingredients.code],
        "texts": {name: hashlib.sha256(text.encode()).hexdigest() for name, text in sorted(texts.items())},
        "profile": profile,
        "output": model.output,
        "private": list(model.private),
        "hashed": list(model.hashed),
        "bentoml": BENTOML_VERSION,
        "origin": ingredients.lock.origin,
        "moved": [{"name": each.name, "captured": each.captured, "locked": each.locked} for each in ingredients.lock.moved],
    }
    texts[PackageFile.MANIFEST] = _json(manifest)
    return digest, texts


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
