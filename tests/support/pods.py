"""An exported pod, run by Docker as its manifest says: what a kubelet does with one, as far as Docker can do it.

Its containers share one network and nothing else but volumes; they have the manifest's user, limits, environment and arguments, no
capability, a root that is read-only, and no init process. Probes are asked from another container, by the pod's address.
"""

from __future__ import annotations

import json
import re
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from support.docker_stack import docker
from support.waiting import wait_for

Manifest = Mapping[str, Any]
_REFERENCE = re.compile(r"\$(\$|\((?P<name>[A-Za-z_.-][A-Za-z0-9_.-]*)\))")
_VOLUMES = "/tmp/volumes"  # noqa: S108 - in a container
_WRITER = """
import json, pathlib, sys
for path, text in json.load(sys.stdin).items():
    pathlib.Path(path).write_text(text)
"""
_CLIENT = """
import json, sys, urllib.error, urllib.request
method, url, body, headers = json.load(sys.stdin)
data = None if body is None else json.dumps(body).encode()
request = urllib.request.Request(url, data, {"content-type": "application/json", **headers}, method=method)
try:
    answer = urllib.request.urlopen(request, timeout=30)
except urllib.error.HTTPError as error:
    answer = error
except OSError as error:
    print(json.dumps([0, {}, str(error)]))
    sys.exit()
print(json.dumps([answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read().decode()]))
"""


@dataclass(frozen=True)
class Answer:
    """What was answered; status 0: nothing."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Pod:
    """The pod of a template, as a context: inside of it the pod is ready."""

    template: Manifest
    """`spec.template` of its Deployment."""
    configs: Mapping[str, Mapping[str, str]]
    """What the ConfigMaps hold, by name."""
    network: str
    """Docker's network that it is in, with what it needs."""
    aliases: Sequence[str] = ()
    """Names by which it is found there."""
    claims: Mapping[str, str] = field(default_factory=dict)
    """Docker's volumes in the place of PersistentVolumeClaims, by the claim's name; they outlive the pod."""
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What the Secrets hold that it mounts, by name."""
    name: str = field(default_factory=lambda: f"pod-{uuid.uuid4().hex[:8]}")

    @property
    def spec(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.template["spec"]
        return found

    @property
    def containers(self) -> dict[str, Manifest]:
        """By name, in the order in which they start."""
        return {each["name"]: each for each in (*self.spec.get("initContainers", ()), *self.spec["containers"])}

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        made = docker("ps", "--all", "--quiet", "--filter", f"label=pod={self.name}").split()
        if made:
            docker("rm", "--force", *made)
        folders = docker("volume", "ls", "--quiet", "--filter", f"label=pod={self.name}").split()
        if folders:
            docker("volume", "rm", *folders)

    def ask(self, url: str, body: object = None, method: str = "", **headers: str) -> Answer:
        """What another pod is answered."""
        asked = json.dumps([method or ("GET" if body is None else "POST"), url, body, headers])
        done = subprocess.run(
            ["docker", "exec", "--interactive", self._id("client"), "python", "-c", _CLIENT],
            input=asked,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return Answer(*json.loads(done.stdout))

    def url(self, container: str) -> str:
        """Where a container answers at its first port, by the pod's address."""
        return f"http://{self._address()}:{self.containers[container]['ports'][0]['containerPort']}"

    def probe(self, container: str, kind: str) -> Answer:
        """What the kubelet is answered: "startupProbe", "readinessProbe", "livenessProbe"."""
        get = self.containers[container][kind]["httpGet"]
        (number,) = (each["containerPort"] for each in self.containers[container]["ports"] if each["name"] == get["port"])
        return self.ask(f"http://{self._address()}:{number}{get['path']}")

    def end(self, container: str, seconds: float) -> int:
        """SIGTERM, and the exit code; not ending within that time fails the test."""
        docker("kill", "--signal", "TERM", self._id(container))
        return int(docker("wait", self._id(container), timeout=seconds))

    def run(self, container: str, *command: str) -> str:
        """What a command in a container writes."""
        return docker("exec", self._id(container), *command)

    def freeze(self, container: str) -> None:
        """Keep a container from doing anything."""
        docker("pause", self._id(container))

    def thaw(self, container: str) -> None:
        docker("unpause", self._id(container))

    def logs(self, container: str) -> str:
        """What it has written to its output."""
        done = subprocess.run(["docker", "logs", self._id(container)], capture_output=True, text=True, timeout=60, check=False)
        return done.stdout + done.stderr

    def finish(self, container: str, network: str = "none") -> tuple[int, str]:
        """The exit code and the output of a container that ends by itself, as an init container or a Job's does."""
        labels = (f"--label=pod={self.name}",)
        described = self._described(self.containers[container])
        command = ["docker", "run", "--rm", "--pull=never", f"--network={network}", *labels, *described]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        return done.returncode, done.stdout + done.stderr

    def _start(self) -> None:
        image = self.spec["containers"][0]["image"]
        made = [volume for volume in self.spec["volumes"] if "persistentVolumeClaim" not in volume]
        for volume in made:
            self._make(volume)
        # What nobody has mounted is forgotten: one container that stays has all of it.
        kept = [self._mount({"name": each["name"], "mountPath": f"{_VOLUMES}/{each['name']}"}) for each in made]
        names = [*kept, *(f"--network-alias={alias}" for alias in self.aliases)]
        for role, more in (("sandbox", names), ("client", [])):
            self._run(
                role,
                f"--network={self.network}",
                *more,
                *self._confined(self.spec["containers"][0]),
                "--entrypoint=sleep",
                image,
                "infinity",
            )
        self._fill(made)
        for name, container in self.containers.items():
            if "startupProbe" not in container:
                code, output = self.finish(name, f"container:{self._id('sandbox')}")
                assert code == 0, f"{name} ended with {code}:\n{output}"
                continue
            self._run(name, f"--network=container:{self._id('sandbox')}", *self._described(container))
            wait_for(lambda each=name: self._started(each), what=f"the start of {name}", every=0.2)  # type: ignore[misc]  # mypy cannot infer a lambda with a default

    def _started(self, container: str) -> bool:
        state = json.loads(docker("inspect", "--format", "{{json .State}}", self._id(container)))
        assert state["Running"], f"{container} ended with {state['ExitCode']}:\n{self.logs(container)}"
        return 200 <= self.probe(container, "startupProbe").status < 400

    def _make(self, volume: Manifest) -> None:
        """An emptyDir belongs to the pod's group, and everybody may write to it: `fsGroup` (API reference, PodSecurityContext)."""
        (mebibytes,) = re.findall(r"(\d+)Mi", volume.get("emptyDir", {}).get("sizeLimit", "1Mi"))
        options = f"o=size={mebibytes}m,mode=2777,gid={self.spec['securityContext']['fsGroup']}"
        kind = ("--driver=local", "--opt=type=tmpfs", "--opt=device=tmpfs", f"--opt={options}")
        docker("volume", "create", f"--label=pod={self.name}", *kind, f"{self.name}-{volume['name']}")

    def _fill(self, volumes: Sequence[Manifest]) -> None:
        """The files of ConfigMaps and Secrets."""
        files: dict[str, str] = {}
        for volume in volumes:
            folder = f"{_VOLUMES}/{volume['name']}"
            if "configMap" in volume:
                held = self.configs[volume["configMap"]["name"]]
                files |= {f"{folder}/{item['path']}": held[item["key"]] for item in volume["configMap"]["items"]}
            elif "secret" in volume:
                files |= {f"{folder}/{key}": text for key, text in self.secrets[volume["secret"]["secretName"]].items()}
        if files:
            command = ["docker", "exec", "--interactive", self._id("sandbox"), "python", "-c", _WRITER]
            subprocess.run(command, input=json.dumps(files), text=True, timeout=60, check=True)

    def _described(self, container: Manifest) -> list[str]:
        environment = self._environment(container)
        limits = container["resources"]["limits"]
        command, *args = (_expanded(each, environment) for each in (*container.get("command", [""]), *container["args"]))
        return [
            *self._confined(container),
            f"--memory={limits['memory'].removesuffix('i')}",
            *((f"--cpus={_cores(limits['cpu'])}",) if "cpu" in limits else ()),
            *(f"--env={name}={value}" for name, value in environment.items()),
            *(self._mount(each) for each in container["volumeMounts"]),
            *((f"--entrypoint={command}",) if command else ()),
            container["image"],
            *args,
        ]

    def _confined(self, container: Manifest) -> list[str]:
        user, security = self.spec["securityContext"], container["securityContext"]
        return [
            f"--user={user['runAsUser']}:{user['runAsGroup']}",
            f"--group-add={user['fsGroup']}",
            *(f"--cap-drop={each}" for each in security["capabilities"]["drop"]),
            *(("--read-only",) if security["readOnlyRootFilesystem"] else ()),
            *(("--security-opt=no-new-privileges",) if not security["allowPrivilegeEscalation"] else ()),
        ]

    def _environment(self, container: Manifest) -> dict[str, str]:
        found: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            found |= self.configs[source["configMapRef"]["name"]]
        for each in container.get("env", ()):
            if "valueFrom" in each:
                key = each["valueFrom"]["configMapKeyRef"]
                found[each["name"]] = self.configs[key["name"]][key["key"]]
            else:
                found[each["name"]] = _expanded(each["value"], found)
        return found

    def _mount(self, mount: Manifest) -> str:
        """Without what the image has there, which Docker would copy into a new volume, with its owner."""
        read_only = ",readonly" if mount.get("readOnly") else ""
        part = f",volume-subpath={mount['subPath']}" if "subPath" in mount else ""
        return f"--mount=type=volume,source={self._source(mount)},target={mount['mountPath']},volume-nocopy=true{part}{read_only}"

    def _source(self, mount: Manifest) -> str:
        (volume,) = (each for each in self.spec["volumes"] if each["name"] == mount["name"])
        claim = volume.get("persistentVolumeClaim")
        return f"{self.name}-{mount['name']}" if claim is None else self.claims[claim["claimName"]]

    def _run(self, role: str, *args: str) -> None:
        labels = (f"--label=pod={self.name}",)
        docker("run", "--detach", "--pull=never", *labels, f"--name={self.name}-{role}", *args)

    def _id(self, role: str) -> str:
        return f"{self.name}-{role}"

    def _address(self) -> str:
        networks = json.loads(docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", self._id("sandbox")))
        return str(networks[self.network]["IPAddress"])


def _expanded(text: str, environment: Mapping[str, str]) -> str:
    """`$(NAME)` as Kubernetes reads it: what has no value stays, `$$` is one `$` (API reference, Container, args)."""

    def value(found: re.Match[str]) -> str:
        name = found["name"]
        return "$" if name is None else environment.get(name, found[0])

    return _REFERENCE.sub(value, text)


def _cores(quantity: str) -> float:
    return float(quantity.removesuffix("m")) / 1000 if quantity.endswith("m") else float(quantity)
