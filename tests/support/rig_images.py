"""The images of the test rig: which there are, how their tags follow from what they are made of, and how they are made.

Nothing is pulled. The base comes from Debian's packages, every other image is built on it: real programs out of Debian's packages
where there are some, stand-ins of `tests/rig/standins` where there are none. Nothing here is shipped.
"""

from __future__ import annotations

import fcntl
import hashlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from support.rig_engine import RigError

ROOT = Path(__file__).resolve().parent.parent.parent
RIG = ROOT / "tests" / "rig"
BASE = "python"
_SUITE = "bookworm"  # its Python is 3.11, which has wheels of everything that is served
_AUTHORITIES = Path("/usr/local/share/ca-certificates")
_BUILD_SECONDS = 600


@dataclass(frozen=True)
class Image:
    """One image that is built on the base."""

    packages: tuple[str, ...]
    """Debian packages of this machine's release whose files are in the build context, below `root/`."""
    standin: str | None = None
    """Program of `tests/rig/standins`, in the build context under its own name."""
    libraries: tuple[str, ...] = ()
    """Distributions that the stand-in imports, as the test environment pins them; in the build context below `site/`."""


_HAPROXY_LIBRARIES = (
    *("libc6", "libcrypt1", "libgcc-s1", "libjemalloc2", "liblua5.4-0", "libopentracing-c-wrapper0t64", "libopentracing1"),
    *("libpcre2-8-0", "libssl3t64", "libstdc++6", "libzstd1", "zlib1g"),
)
"""It is of this machine's release, whose C library is newer than the base's."""

IMAGES: dict[str, Image] = {
    "prometheus": Image(("prometheus", "promtool", "busybox-static")),
    "alertmanager": Image(("prometheus-alertmanager", "busybox-static")),
    "elasticsearch-exporter": Image(("prometheus-elasticsearch-exporter", "busybox-static")),
    "haproxy": Image(("haproxy", *_HAPROXY_LIBRARIES)),
    "fluentd": Image(("busybox-static",), "fluentd_standin", ("msgpack",)),
    "elasticsearch": Image(("busybox-static",), "elasticsearch_standin"),
    "grafana": Image(("busybox-static",), "grafana_standin", ("pyyaml",)),
}


def references() -> dict[str, str]:
    """The local reference of each image, whether it is there or not; keys as in `compose/images.toml`."""
    base = _digest([*_files(RIG / "images" / BASE), *_authorities()], _pin("uv"), _SUITE, _machine())
    tags = {BASE: base}
    for key, image in IMAGES.items():
        files = [*_files(RIG / "images" / key), *(_files(RIG / "standins" / image.standin) if image.standin else ())]
        tags[key] = _digest(files, key, base, *image.packages, *map(_pin, image.libraries))
    return {key: f"sandbox-test/{key}:{tag}" for key, tag in tags.items()}


def absent() -> list[str]:
    """Keys of the images that this machine's engine does not have yet."""
    listed = _run(["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference=sandbox-test/*"])
    return [key for key, reference in references().items() if reference not in listed.split()]


def build(say: Callable[[str], None]) -> None:
    """Make the images that are absent; two callers at once make each image once.

    Args:
        say: is told what is being made.

    Raises:
        RigError: a program that makes them is missing or failed.
    """
    if not absent():
        return
    with _alone(), tempfile.TemporaryDirectory(prefix="sandbox-test-") as folder:
        todo = absent()
        if not todo:
            return
        say("making " + ", ".join(todo))
        derived = [key for key in todo if key != BASE]
        with ThreadPoolExecutor(4) as pool:
            contexts = {key: pool.submit(_context, key, Path(folder, key)) for key in derived}
            if BASE in todo:
                _build_base(references()[BASE], Path(folder, BASE))
                say(f"made {references()[BASE]}")
            built = {key: pool.submit(_build, key, context.result()) for key, context in contexts.items()}
            for key, image in built.items():
                image.result()
                say(f"made {references()[key]}")


def _build_base(reference: str, folder: Path) -> None:
    """A small Debian with Python, uv and this machine's certificate authorities, from packages alone."""
    if shutil.which("mmdebstrap") is None:
        raise RigError(
            "mmdebstrap is missing: it makes the base image out of Debian's packages.\n"
            "  On Debian, as root:  python tools/rig.py up\n"
            "  then again; on other systems these tests cannot run."
        )
    authorities = folder / "ca"
    authorities.mkdir(parents=True)
    for file in _authorities():
        shutil.copy(file, authorities)
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        raise RigError(f"uv is not beside {sys.executable}.\n  Make the test environment first:  python3 tools/setup.py test")
    hooks = [
        f"copy-in {uv} /usr/local/bin",
        f"sync-in {authorities} {_AUTHORITIES}",
        'chroot "$1" update-ca-certificates',
        'rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED',
    ]
    options = (RIG / "images" / BASE / "mmdebstrap.options").read_text(encoding="utf-8").split("\n")
    root = folder / "root.tar"
    _run(["mmdebstrap", *filter(None, options), *(f"--customize-hook={hook}" for hook in hooks), _SUITE, str(root)])
    changes = (RIG / "images" / BASE / "import.changes").read_text(encoding="utf-8").split("\n")
    _run(["docker", "import", *(f"--change={change}" for change in changes if change), str(root), reference])


def _context(key: str, folder: Path) -> Path:
    """Everything that an image's Dockerfile copies, in one folder."""
    image = IMAGES[key]
    shutil.copytree(RIG / "images" / key, folder)
    packages = folder / ".packages"
    packages.mkdir()
    _run(["apt-get", "download", *image.packages], cwd=packages)
    for package in packages.glob("*.deb"):
        _run(["dpkg-deb", "--extract", str(package), str(folder / "root")])
    shutil.rmtree(packages)
    if image.standin:
        shutil.copytree(RIG / "standins" / image.standin, folder / image.standin, ignore=shutil.ignore_patterns("__pycache__"))
    if image.libraries:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--python-version=3.11"]
        _run([*pip, f"--target={folder / 'site'}", *map(_pin, image.libraries)])
    return folder


def _build(key: str, folder: Path) -> None:
    names = references()
    _run(["docker", "build", "--quiet", f"--build-arg=BASE={names[BASE]}", f"--tag={names[key]}", str(folder)])


def _run(command: list[str], cwd: Path | None = None) -> str:
    try:
        answer = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=_BUILD_SECONDS, check=False)
    except FileNotFoundError:
        raise RigError(
            f"`{command[0]}` is missing.\n  As root on Debian:  python tools/rig.py up\n  on other systems these tests cannot run."
        ) from None
    except subprocess.TimeoutExpired:
        raise RigError(f"`{' '.join(command)}` took longer than {_BUILD_SECONDS} s.\n  See that the network answers, then again.") from None
    if answer.returncode != 0:
        told = (answer.stdout + answer.stderr)[-3000:]
        raise RigError(f"`{' '.join(command)}` failed (exit {answer.returncode}).\n{told}\n  Mend what it says, then again.")
    return answer.stdout


@contextmanager
def _alone() -> Iterator[None]:
    with Path(tempfile.gettempdir(), "sandbox-test-images.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@cache
def _pin(name: str) -> str:
    """`name==version` as the lock of the test environment has it."""
    lock = (ROOT / "requirements" / "test.txt").read_text(encoding="utf-8")
    found = re.search(rf"^{name}==[\w.]+", lock, re.MULTILINE)
    if found is None:
        raise RigError(f"requirements/test.txt does not pin {name}.\n  make lock")
    return found[0]


def _machine() -> str:
    return platform.machine()


def _authorities() -> list[Path]:
    return sorted(_AUTHORITIES.glob("*.crt"))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")


def _digest(files: list[Path], *words: str) -> str:
    digest = hashlib.sha256("\0".join(words).encode())
    for file in files:
        digest.update(f"\0{file.name}\0{file.stat().st_mode & 0o111}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
