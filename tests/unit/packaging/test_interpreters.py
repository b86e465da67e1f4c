"""On which Pythons our own services run."""

from __future__ import annotations

import re

from mlsandbox.packaging.interpreters import SUPPORTED, pythons_of
from support.repository import read


def test_services_run_on_all_supported_pythons_but_for_one() -> None:
    """alibi-detect's numpy has no build for Python 3.13; everything else must run wherever models are served."""
    lock = read("services/requirements/drift-alibi.txt") or ""

    assert pythons_of("log-store") == pythons_of("drift") == SUPPORTED
    assert pythons_of("drift-alibi") == ("3.11", "3.12")
    assert set(pythons_of("drift-alibi")) < set(SUPPORTED)
    assert re.search(r"^numpy==1\.26\.", lock, re.MULTILINE)


def test_the_lock_of_alibi_has_a_hash_for_everything_and_no_address() -> None:
    """It is installed from wherever pip's settings lead."""
    lines = (read("services/requirements/drift-alibi.txt") or "").splitlines()
    pins = [line for line in lines if "==" in line.split(";")[0]]

    assert len(pins) > 50
    assert all(line.endswith(" \\") for line in pins)
    assert all(re.fullmatch(r" {4}--hash=sha256:[0-9a-f]{64}( \\)?", line) for line in lines if line not in pins)
