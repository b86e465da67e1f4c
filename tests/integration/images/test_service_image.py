"""The image of our own services, and how builds reach packages."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlsandbox.packaging.images import find_images, supply_images
from mlsandbox.packaging.interpreters import uv_program
from support.docker_rig import DockerRig
from support.docker_stack import docker
from support.images import LOG_STORE, Told, inside, inspect, settings, stack
from support.package_index import PASSWORD, USER, package_index
from support.repository import ROOT

BASE_WITH_PIP = "RUN uv pip install --system pip && rm /usr/local/bin/uv"
"""A base as most are: with pip, without uv."""


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the image of the log store is made of, downloaded as the user of this machine does."""
    folder = tmp_path_factory.mktemp("distributions")
    locks = [ROOT / "services/requirements/log-store.txt", ROOT / "compose/images/service/uv.txt"]
    for lock in locks:
        fetch = [
            str(uv_program()),
            "run",
            "--no-project",
            "--python",
            "3.11",
            "--with",
            "pip",
            "python",
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
        ]
        subprocess.run([*fetch, "--require-hashes", "--dest", str(folder), "-r", str(lock)], check=True)
    return folder


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Build the log store's image, and remove it at the end."""
    names: list[str] = []

    def build(base: str, *, ca: Path | None = None) -> str:
        wanted = settings(tmp_path / "project", {"python": base}, ca=ca)
        (image,) = supply_images(stack(LOG_STORE), {}, wanted, Told()).values()
        names.append(image.reference)
        return image.reference

    yield build
    for name in names:
        docker("image", "rm", "--force", name)


def test_it_runs_without_rights(docker_rig: DockerRig, unique_base: Callable[[str], str], built: Callable[..., str]) -> None:
    """`python` must be the one with its packages and the served code, the user not root, and the data folder the user's."""
    image = built(unique_base(""))
    code = "import msgpack, fluent.sender, mlsandbox_serving.contract, os; s = os.stat('/var/lib/sandbox/log-store')"

    assert inside(image, "python", "-c", f"{code}; print(s.st_uid == os.getuid() > 0)") == "True\n"
    assert inspect(image)["Config"]["User"] == "1034"


def test_it_is_found_by_what_it_is_made_of(
    docker_rig: DockerRig, tmp_path: Path, unique_base: Callable[[str], str], built: Callable[..., str]
) -> None:
    """An image that is there must be found by every project with the same base, and by none with another."""
    base = unique_base("")
    image = built(base)

    assert find_images(stack(LOG_STORE), {}, settings(tmp_path / "other", {"python": base}, project="other")).missing == ()
    assert image not in find_images(stack(LOG_STORE), {}, settings(tmp_path, {"python": docker_rig.images["python"]})).missing


def test_an_index_with_a_password_leaves_no_trace(
    distributions: Path, unique_base: Callable[[str], str], built: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A private index on loopback must give a base without uv all packages, and neither address nor password stay in the image."""
    base = unique_base(BASE_WITH_PIP)
    with package_index(distributions) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
        image = built(base)
    docker("save", "--output", str(tmp_path / "image.tar"), image)
    kept = docker("history", "--no-trunc", image) + docker("image", "inspect", image)
    log = (tmp_path / "project/.sandbox/logs/images/log-store.log").read_text()

    assert {name.split("-")[0] for name in index.served} >= {"fluent_logger", "msgpack"}
    for secret in (PASSWORD, USER, f":{index.port}"):
        assert secret not in kept
        assert secret.encode() not in (tmp_path / "image.tar").read_bytes(), "found in a layer"
    assert PASSWORD not in log


def test_a_local_folder_can_be_enough(
    distributions: Path, unique_base: Callable[[str], str], built: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Distributions that only a folder of this machine has must reach the build, which needs no index then."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(distributions))
    image = built(unique_base(""))

    assert inside(image, "python", "-c", "import msgpack, os; print(os.path.isdir('/run/wheels') and os.listdir('/run/wheels'))") in {
        "False\n",
        "[]\n",
    }


def test_further_authorities_are_trusted(tmp_path: Path, unique_base: Callable[[str], str], built: Callable[..., str]) -> None:
    """A certificate of `stack.ca` must be among the authorities of the image, beside the usual ones."""
    ca = tmp_path / "ca.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Our own authority"]
    subprocess.run([*make, "-keyout", str(tmp_path / "key.pem"), "-out", str(ca)], check=True, capture_output=True)
    image = built(unique_base(""), ca=ca)
    code = (
        "import ssl; c = ssl.create_default_context(); n = [dict(x[0] for x in e['subject']).get('commonName') for e in c.get_ca_certs()]"
    )

    assert inside(image, "python", "-c", f"{code}; print('Our own authority' in n, len(n) > 50)") == "True True\n"
