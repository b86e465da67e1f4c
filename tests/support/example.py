"""The census example in a folder of a test's own."""

from __future__ import annotations

import shutil

from support.sandbox import ROOT, Sandbox


def train_example(sandbox: Sandbox) -> None:
    """Copy the example into the sandbox's folder, without what was made from it elsewhere, and fit and save its model there."""
    example = ROOT / "examples" / "employment"
    shutil.copytree(example, sandbox.root, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".sandbox", "employment"))
    sandbox.script("import runpy; runpy.run_path('train.py', run_name='__main__')")
