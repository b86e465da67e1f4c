"""The images: they run as the official ones do, and real programs of others work against the stand-ins in them."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from support import rig_images
from support.docker_rig import DockerRig
from support.waiting import wait_for

HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp")
STANDINS = ("elasticsearch", "fluentd", "grafana")
USERS = {"prometheus": "65534", "alertmanager": "65534", "elasticsearch-exporter": "65534", "fluentd": "999", "elasticsearch": "1000"}


def _docker(*words: str) -> str:
    ended = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, f"docker {' '.join(words)}: {ended.stderr}"
    return ended.stdout.strip()


class Containers:
    """Containers on a network of their own, by their names in it."""

    def __init__(self, name: str) -> None:
        self._name = name
        _docker("network", "create", "--internal", name)
        self._started: list[str] = []

    def run(self, name: str, image: str, *args: str, options: tuple[str, ...] = ()) -> None:
        full = f"{self._name}-{name}"
        self._started.append(full)
        network = (f"--network={self._name}", f"--network-alias={name}", f"--name={full}")
        _docker("run", "--detach", *network, "--memory=512m", "--pids-limit=200", *HARDENED, *options, image, *args)

    def get(self, name: str, address: str) -> str | None:
        """What a container gets from an address, by the wget in it; None: nothing."""
        with suppress(AssertionError):
            return self.execute(name, "wget", "-q", "-T", "4", "-O", "-", address)
        return None

    def execute(self, name: str, *command: str) -> str:
        return _docker("exec", f"{self._name}-{name}", *command)

    def stop(self, name: str) -> int:
        _docker("stop", "--time=20", f"{self._name}-{name}")
        return int(_docker("inspect", "--format={{.State.ExitCode}}", f"{self._name}-{name}"))

    def remove(self) -> None:
        if self._started:
            _docker("rm", "--force", "--volumes", *self._started)
        _docker("network", "rm", self._name)


@pytest.fixture
def containers(docker_rig: DockerRig) -> Iterator[Containers]:
    """Containers that are gone after the test."""
    made = Containers(f"rig-{uuid.uuid4().hex[:8]}")
    yield made
    made.remove()


def test_exporter_reads_the_stand_in(docker_rig: DockerRig, containers: Containers) -> None:
    """The real exporter must give the health, the documents, the heap and the disk of the stand-in, also of single indices."""
    options = ("--env=discovery.type=single-node", "--volume=/usr/share/elasticsearch/data")
    containers.run("elasticsearch", docker_rig.images["elasticsearch"], options=options)
    document = 'curl -sS --fail --retry 20 --retry-connrefused --retry-delay 1 -H "Content-Type: application/json" -d "{}"'
    containers.execute("elasticsearch", "sh", "-c", f"{document} http://127.0.0.1:9200/some/_doc")
    # Not before: it asks for the cluster's name once at its start, and then only every five minutes.
    containers.run("exporter", docker_rig.images["elasticsearch-exporter"], "--es.uri=http://elasticsearch:9200", "--es.indices")

    def scraped() -> str | None:
        text = containers.get("exporter", "http://127.0.0.1:9114/metrics")
        return text if text and "elasticsearch_cluster_health_status{" in text else None

    metrics = wait_for(scraped, every=0.2, what="the exporter has scraped").splitlines()
    for name in (
        'elasticsearch_cluster_health_status{cluster="docker-cluster",color="yellow"} 1',
        "elasticsearch_indices_docs{",
        "elasticsearch_indices_indexing_index_total{",
        "elasticsearch_jvm_memory_used_bytes{",
        "elasticsearch_filesystem_data_available_bytes{",
        "elasticsearch_thread_pool_rejected_count{",
        'elasticsearch_indices_docs_primary{cluster="docker-cluster",index="some"} 1',
    ):
        assert [line for line in metrics if line.startswith(name)], name
    assert containers.stop("elasticsearch") == 0


def test_fluentd_with_a_read_only_root(docker_rig: DockerRig, containers: Containers) -> None:
    """Started as the official image is, with the shipped configuration, it must keep its buffers in its volume and end well."""
    options = (
        f"--volume={rig_images.ROOT / 'fluentd'}:/etc/sandbox:ro",
        "--env=FLUENTD_BUFFER_DIR=/var/lib/sandbox/fluentd",
        "--volume=/var/lib/sandbox/fluentd",
    )
    containers.run("fluentd", docker_rig.images["fluentd"], "-c", "/etc/sandbox/fluent.conf", options=options)

    metrics = wait_for(lambda: containers.get("fluentd", "http://127.0.0.1:24231/metrics"), every=0.2, what="Fluentd's metrics")
    assert "fluentd_output_status_buffer_total_bytes" in metrics
    ruby = ("ruby", "-rnet/http", "-e", "any", "http://127.0.0.1:24231/metrics")
    containers.execute("fluentd", *ruby)
    assert containers.stop("fluentd") == 0


@pytest.mark.parametrize(("key", "port"), [("prometheus", 9090), ("alertmanager", 9093)])
def test_programs_of_debian(docker_rig: DockerRig, containers: Containers, key: str, port: int) -> None:
    """Without arguments and with a read-only root, Prometheus and Alertmanager must come up on the paths of the official images."""
    containers.run(key, docker_rig.images[key])

    wait_for(lambda: containers.get(key, f"http://127.0.0.1:{port}/-/ready"), every=0.2, what=f"{key} is ready")
    assert containers.stop(key) == 0


@pytest.mark.parametrize("key", sorted(USERS))
def test_users(docker_rig: DockerRig, key: str) -> None:
    """Each image must run as the user of the official one."""
    assert _docker("run", "--rm", "--entrypoint=id", docker_rig.images[key], "-u") == USERS[key]


@pytest.mark.parametrize("key", STANDINS)
def test_stand_ins_say_so(docker_rig: DockerRig, key: str) -> None:
    """Nobody must take a stand-in for the real thing: its label says what it is."""
    labels = json.loads(_docker("image", "inspect", "--format={{json .Config.Labels}}", docker_rig.images[key]))

    assert "Stand-in" in labels["org.opencontainers.image.title"]


def test_made_once(docker_rig: DockerRig) -> None:
    """With all images there, nothing must be made."""
    said: list[str] = []
    rig_images.build(said.append)

    assert said == []


def test_tags_follow_the_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed stand-in must get a new tag alone; a changed base must give every image one."""
    monkeypatch.setattr(rig_images, "RIG", shutil.copytree(rig_images.RIG, tmp_path / "rig"))
    first = rig_images.references()
    (tmp_path / "rig/standins/grafana_standin/settings.py").write_text("changed", encoding="utf-8")
    second = rig_images.references()
    (tmp_path / "rig/images/python/import.changes").write_text("ENV A=b", encoding="utf-8")
    third = rig_images.references()

    assert [key for key in first if first[key] != second[key]] == ["grafana"]
    assert [key for key in first if second[key] == third[key]] == []
