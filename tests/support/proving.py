"""Proves a project's export as the command does, in a process of its own: `python -m support.proving FOLDER`; exit code 3 for findings."""

from __future__ import annotations

import sys
from pathlib import Path

from mlsandbox.actions.prove import prove_export
from mlsandbox.cli.interrupts import install
from mlsandbox.errors import Exit
from mlsandbox.output import Output
from mlsandbox.progress import PlainReport
from mlsandbox.project import load_project
from mlsandbox.views.prove import prove_text
from support.kubernetes import export_of


def main() -> int:
    install()
    project = load_project(Path(sys.argv[1]))
    export, facts = export_of(project.root)
    output = Output()
    result = prove_export(project, export, facts, context=None, timeout=120, report=PlainReport(output))
    output.result("Proof", result, prove_text(result, output.out))
    return Exit.OK if result.proven else Exit.BAD_FINDING


if __name__ == "__main__":
    sys.exit(main())
