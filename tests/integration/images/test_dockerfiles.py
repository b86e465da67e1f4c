"""Rules for the instructions of the images that we build."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlsandbox.packaging.images_catalog import catalog
from support.repository import ROOT, read, tracked

SHIPPED = tracked("compose/*Dockerfile")


def test_there_are_some() -> None:
    """The rules below must not pass for want of files."""
    assert "compose/images/service/Dockerfile" in SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_hadolint_finds_nothing(name: str) -> None:
    """Shipped instructions must pass hadolint without a remark."""
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, "--no-color", name], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", SHIPPED)
def test_they_need_no_frontend_and_do_not_run_as_root(name: str) -> None:
    """No frontend may have to be pulled, the base must be handed in, and the last user must not be root."""
    text = read(name) or ""

    assert "syntax=" not in text.replace(" ", "")
    assert [line for line in text.splitlines() if line.startswith("FROM ")] == ["FROM ${BASE}"]
    assert [line for line in text.splitlines() if line.startswith("USER ")][-1] not in {"USER root", "USER 0"}


def test_both_locks_of_uv_are_the_same() -> None:
    """The uv that images without one are given must be the one that this repository is worked on with."""
    assert read("compose/images/service/uv.txt") == read("requirements/uv.txt")


def test_fluentds_default_base_is_the_catalogs() -> None:
    """Who builds by hand must get the Fluentd that the stack has."""
    assert f"ARG BASE={catalog()['fluentd'].image}\n" in (read("compose/images/fluentd/Dockerfile") or "")
