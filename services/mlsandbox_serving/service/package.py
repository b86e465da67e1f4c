"""The package beside `service.py`: its manifest, schema and golden rows, and whether the model's files are the ones it was built from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mlsandbox_serving.contract import PackageFile
from mlsandbox_serving.record import Identity


class DigestMismatch(Exception):
    """A file is not the one that was packaged; nothing of the model may be loaded.

    Args:
        file: path as in the manifest.
        expected: SHA-256 in the manifest.
        found: SHA-256 of the file here; None when it is not there.
    """

    def __init__(self, file: str, expected: str, found: str | None) -> None:
        super().__init__(file, expected, found)
        self.file = file
        self.expected = expected
        self.found = found

    def __str__(self) -> str:
        found = "it is missing" if self.found is None else f"its SHA-256 is {self.found}"
        return f"{self.file} is not the file that was packaged: {found}, the package has {self.expected}"


@dataclass(frozen=True, slots=True)
class Package:
    """A package as it lies on disk.

    Args:
        code: folder of the user's own modules; may not exist.
        manifest: package.json.
        schema: schema.json.
        golden: golden.json; None for a model that was packaged without reference data.
    """

    code: Path
    manifest: Mapping[str, Any]
    schema: Mapping[str, Any]
    golden: Mapping[str, Any] | None

    @classmethod
    def read(cls, root: Path) -> Package:
        """Read the package beside `service.py`.

        Raises:
            OSError, ValueError: a file is missing or is not JSON.
        """
        golden = root / PackageFile.GOLDEN
        return cls(
            code=root / PackageFile.CODE,
            manifest=_read(root / PackageFile.MANIFEST),
            schema=_read(root / PackageFile.SCHEMA),
            golden=(_read(golden) or None) if golden.is_file() else None,
        )

    @property
    def identity(self) -> Identity:
        """Name, version and digest of what is served."""
        return Identity(str(self.manifest["model"]), str(self.manifest["version"]), str(self.manifest.get("digest", "")))

    @property
    def guarded(self) -> frozenset[str]:
        """Columns that are private or hashed."""
        return frozenset({*(self.manifest.get("private") or ()), *(self.manifest.get("hashed") or ())})

    @property
    def public_schema(self) -> dict[str, Any]:
        """The schema for anybody who asks: of a guarded column without what it held in the reference data, lowest, highest and categories.

        Of hidden categories `categories_types` says which JSON types they have.
        """
        guarded = self.guarded
        return {
            **self.schema,
            "columns": [_concealed(column) if column["name"] in guarded else column for column in self.schema["columns"]],
        }

    def verify(self, model_folder: Path) -> None:
        """Compare every file of the model, and of the user's code, with the manifest.

        Raises:
            DigestMismatch: one of them is not what was packaged.
        """
        for folder, entries in ((model_folder, self.manifest["files"]), (self.code, self.manifest.get("code") or ())):
            for entry in entries:
                found = _sha256(folder / entry["path"])
                if found != entry["sha256"].removeprefix("sha256:"):
                    raise DigestMismatch(entry["path"], entry["sha256"], found)


def _concealed(column: Mapping[str, Any]) -> dict[str, Any]:
    hidden = {**column, "minimum": None, "maximum": None}
    if column["type"] == "category":
        hidden |= {
            "categories": None,
            "categories_types": sorted({_JSON_TYPES.get(type(category), "string") for category in column["categories"]}),
        }
    return hidden


_JSON_TYPES: Final[Mapping[type, str]] = {str: "string", bool: "boolean", int: "integer", float: "number"}


def _read(file: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return data


def _sha256(file: Path) -> str | None:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None
