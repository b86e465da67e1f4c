"""Write the build context of a bento's image, as BentoML makes it: `python -m mlsandbox_serving.containerfile`.

Reads one JSON document {"bento": folder of the bento, "target": folder to be made, whose parent is there} and answers with
{"dockerfile": its path below the target, "requirements": …}. BENTOML_HOME says in which store the model is. Nothing is built here,
and nothing reaches the network. The module is private to BentoML, which is why its version is pinned.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any


def main() -> None:
    request = json.load(sys.stdin)
    os.environ["BENTOML_DO_NOT_TRACK"] = "true"
    with redirect_stdout(sys.stderr):  # standard output is the answer alone
        answer = write_context(Path(request["bento"]), Path(request["target"]))
    json.dump(answer, sys.stdout)


def write_context(bento_path: Path, target: Path) -> dict[str, str]:
    """Make `target`, and tell which of its files are the instructions and the requirements."""
    from bentoml._internal.bento.bento import Bento  # noqa: PLC0415 - BENTOML_* must be set before it is imported
    from bentoml._internal.container import construct_containerfile  # noqa: PLC0415 - as above

    bento: Any = Bento.from_path(str(bento_path))
    # BentoML's folder is temporary: made on the target's disk, it is renamed instead of copied, which a large model would notice.
    tempfile.tempdir = str(target.parent)
    with construct_containerfile(bento, enable_buildkit=True) as (made, dockerfile):
        inside = Path(dockerfile).relative_to(made).as_posix()
        Path(made).rename(target)
        Path(made).mkdir()  # which BentoML will remove
    return {"dockerfile": inside, "requirements": "env/python/requirements.txt"}


if __name__ == "__main__":
    main()
