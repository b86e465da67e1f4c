"""Exports: what goes into a cluster, and into the folder for it."""

from __future__ import annotations

from mlsandbox.errors.base import Exit, SandboxError


class ImageMissing(SandboxError):
    """Which image holds a model, or a service that was asked for, was not said; `details` holds the keys of those that are missing."""

    code = "IMAGE_MISSING"
    exit = Exit.USAGE


class ImageUnpinned(SandboxError):
    """An image was named by a tag alone, which can be moved; `details` holds key and image."""

    code = "IMAGE_UNPINNED"
    exit = Exit.USAGE


class ComponentMissing(SandboxError):
    """A component of an export is not known, or cannot be had with what was given; `details` holds its name."""

    code = "COMPONENT_MISSING"
    exit = Exit.USAGE


class ExportFolderTaken(SandboxError):
    """A folder holds files of others where an export would write its own; `details` holds the files."""

    code = "EXPORT_FOLDER_TAKEN"
    exit = Exit.USAGE


class ImagePushFailed(SandboxError):
    """A registry does not take an image: it is not reached, it wants a login, or it refuses; `details` holds the image."""

    code = "IMAGE_PUSH_FAILED"


class ClusterUnavailable(SandboxError):
    """A cluster is not reached, does not know us, or refuses what every proof needs; `details` holds the context that was asked for."""

    code = "CLUSTER_UNAVAILABLE"
    exit = Exit.PREREQUISITE
    passes: bool = True
    """Whether the same may be answered a little later."""
