"""What a command does on its way: the programs that it runs, the modules that it imports, and whether it had said something before."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from support.sandbox import Result, Sandbox
from support.waiting import HANG_SECONDS

_CODE = """
import json, os, sys
told, *words = sys.argv[1:]
programs, modules = [], {}

def said():
    return os.fstat(1).st_size + os.fstat(2).st_size > 0

def look(event, args):
    if event == "subprocess.Popen":
        programs.append([" ".join(map(os.fsdecode, args[1])), said()])
    elif event == "import":
        modules.setdefault(args[0].partition(".")[0], said())

sys.addaudithook(look)
code = 1
try:
    from mlsandbox.cli import main
    code = main(words)
except SystemExit as end:
    code = end.code or 0
finally:
    with open(told, "w") as file:
        json.dump({"programs": programs, "modules": {name: late for name, late in modules.items() if name in sys.modules}}, file)
sys.exit(code)
"""


@dataclass(frozen=True)
class Traced:
    """One command, and what it did."""

    result: Result
    programs: Mapping[str, bool]
    """The programs that it ran, as they were called; whether it had said something before."""
    modules: Mapping[str, bool]
    """The packages and modules that it imported, without what is below them; whether it had said something before."""

    @property
    def silent_programs(self) -> list[str]:
        """Programs that were run before anything was said."""
        return [program for program, late in self.programs.items() if not late]


def traced(sandbox: Sandbox, *words: str, extra: Mapping[str, str] | None = None) -> Traced:
    """Run `sandbox WORDS` in the project, and look on."""
    with TemporaryDirectory() as name:
        told, out, err = (Path(name) / each for each in ("told", "out", "err"))
        with out.open("w") as stdout, err.open("w") as stderr:
            done = subprocess.run(
                [sys.executable, "-c", _CODE, str(told), *words],
                cwd=sandbox.root,
                env={**sandbox.environ, **(extra or {})},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                timeout=HANG_SECONDS,
                check=False,
            )
        seen = json.loads(told.read_text())
        return Traced(Result(done.returncode, out.read_text(), err.read_text()), dict(seen["programs"]), seen["modules"])
