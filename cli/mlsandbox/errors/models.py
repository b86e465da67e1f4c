"""Models: their files, their versions, their packages."""

from __future__ import annotations

from mlsandbox.errors.base import Exit, SandboxError


class RequirementsUnreadable(SandboxError):
    """`requirements` of a model names a file that cannot be read as requirements."""

    code = "REQUIREMENTS_UNREADABLE"
    exit = Exit.USAGE


class OriginUnknown(SandboxError):
    """Nothing tells which versions a model was trained with."""

    code = "ORIGIN_UNKNOWN"
    exit = Exit.USAGE


class PythonMissing(SandboxError):
    """No interpreter of the Python version that a model needs is on this machine, or that version is not supported."""

    code = "PYTHON_MISSING"
    exit = Exit.PREREQUISITE


class CaptureStale(SandboxError):
    """A model file is not the one that capture.json beside it describes; `details` holds the files."""

    code = "CAPTURE_STALE"


class NotLockable(SandboxError):
    """A package that a model needs comes from a path or a repository, so that nobody else can install it."""

    code = "NOT_LOCKABLE"


class LockConflict(SandboxError):
    """The model's own versions and what serving needs exclude each other."""

    code = "LOCK_CONFLICT"


class PackagesUnreachable(SandboxError):
    """The package index cannot be reached, and uv's cache does not hold what is needed."""

    code = "PACKAGES_UNREACHABLE"


class PackagingFailed(SandboxError):
    """Making a package failed."""

    code = "PACKAGING_FAILED"


class PackageTampered(SandboxError):
    """Files of a package are not those that were packaged."""

    code = "PACKAGE_TAMPERED"


class ModelFileUnreadable(SandboxError):
    """A model file is missing, empty, cut short or damaged; `details` holds its path."""

    code = "MODEL_FILE_UNREADABLE"


class ModelKindUnknown(SandboxError):
    """A file or object is none of the kinds of model that are served; `details` holds its path or class."""

    code = "MODEL_KIND_UNKNOWN"


class UntrustedModel(SandboxError):
    """Loading a model would import what no allow-list holds; `details` holds the names."""

    code = "MODEL_UNTRUSTED"


class SaveRefused(SandboxError):
    """`mlsandbox.save` cannot write a model that could be served as it is."""

    code = "SAVE_REFUSED"


class CaptureFailed(SandboxError):
    """A model that came as a file does not load, or does not predict its reference data."""

    code = "CAPTURE_FAILED"


class ReferenceUnusable(SandboxError):
    """Rows cannot become what live rows are compared with: they cannot be read, or the model does not predict them."""

    code = "REFERENCE_UNUSABLE"


class ExampleMissing(SandboxError):
    """A model without reference data needs one row to prove that it answers."""

    code = "EXAMPLE_MISSING"
    exit = Exit.USAGE
