"""The image of toy services, for engines that run containers: the test base with the toy's script."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import mlsandbox_serving
from mlsandbox.docker_host import ImageRef
from support.toys import SCRIPT, SCRIPT_IN_IMAGE

_SERVED = Path(mlsandbox_serving.__path__[0])
_CODE = ("__init__.py", "healthcheck.py")
"""What the health check of a container needs of the served code."""
_DOCKERFILE = """\
FROM {base}
RUN command -v python || ln -s "$(command -v python3)" /usr/local/bin/python
COPY toy_service.py {script}
COPY mlsandbox_serving /usr/local/lib/served/mlsandbox_serving
ENV PYTHONPATH=/usr/local/lib/served
RUN mkdir -m 777 /data
USER 1000:1000
"""


def toy_image(base: str) -> ImageRef:
    """The image, built when it is not there; its tag names what it is made from."""
    files: Mapping[str, Path] = {"toy_service.py": SCRIPT, **{f"mlsandbox_serving/{name}": _SERVED / name for name in _CODE}}
    recipe = _DOCKERFILE.format(base=base, script=SCRIPT_IN_IMAGE)
    content = "\0".join([recipe, *(path.read_text("utf-8") for path in files.values())])
    reference = f"sandbox-test/toys:{hashlib.sha256(content.encode()).hexdigest()[:12]}"
    if not _identity(reference):
        with tempfile.TemporaryDirectory(prefix="toys-") as folder:
            Path(folder, "Dockerfile").write_text(recipe)
            for name, path in files.items():
                Path(folder, name).parent.mkdir(exist_ok=True)
                shutil.copy(path, Path(folder, name))
            subprocess.run(["docker", "build", "--quiet", f"--tag={reference}", folder], check=True, capture_output=True)
    return ImageRef(reference, _identity(reference))


def _identity(reference: str) -> str:
    listed = subprocess.run(["docker", "image", "ls", "--no-trunc", "--quiet", reference], capture_output=True, text=True, check=True)
    return listed.stdout.strip()
