"""The stand-ins of the test rig as processes on this machine, to be started, killed and asked."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from support.event_processes import free_port, get
from support.rig_images import RIG
from support.waiting import HANG_SECONDS, wait_for


class StandIn:
    """One process; `start` waits until it answers.

    Args:
        module: which stand-in.
        args: of its command line.
        env: environment variables beside those of the tests.
        port: where it speaks HTTP.
        path: what it answers with 200 when it is up.
        python: what runs it.
    """

    def __init__(
        self, module: str, args: tuple[str, ...], env: Mapping[str, str], *, port: int, path: str, python: str = sys.executable
    ) -> None:
        self._command = [python, "-m", module, *args]
        self._env = {**os.environ, "PYTHONPATH": str(RIG / "standins"), **env}
        self._process: subprocess.Popen[bytes] | None = None

        self.port, self._path = port, path

    def start(self) -> Self:
        descriptor, said = tempfile.mkstemp(prefix="standin-")  # not a pipe, which could fill up
        try:
            self._process = process = subprocess.Popen(self._command, env=self._env, stderr=descriptor)
        finally:
            os.close(descriptor)
        self._said = Path(said)

        def up() -> bool:
            if process.poll() is not None:
                raise AssertionError(f"{self._command[2]} ended with {process.returncode}: {self._said.read_text(encoding='utf-8')}")
            try:
                return get(self.port, self._path)[0] == 200
            except OSError:
                return False

        wait_for(up, what=f"{self._command[2]} answers")
        return self

    def refusal(self) -> str:
        """Start where it must not come up: what it says at its end."""
        ended = subprocess.run(self._command, env=self._env, capture_output=True, text=True, timeout=HANG_SECONDS, check=False)
        assert ended.returncode == 1, ended
        return ended.stderr

    def limit_files(self, size: int) -> None:
        """Let no file of it become larger than so many bytes, as a disk that is full would; -1 for any size."""
        assert self._process is not None
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: int) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        process.wait(HANG_SECONDS)
        self._said.unlink()
        return process.returncode


def elasticsearch(folder: Path, port: int | None = None) -> StandIn:
    """Elasticsearch's stand-in with its data in a folder, not started."""
    port = port or free_port()
    args = ("--data", str(folder), "--host", "127.0.0.1", "--port", str(port))
    return StandIn("elasticsearch_standin", args, {}, port=port, path="/")


def fluentd(folder: Path, *, elasticsearch_port: int, forward_port: int, limit: str = "64m") -> StandIn:
    """Fluentd's stand-in with its buffers in a folder, not started; refused documents go to `sandbox-dead-letter-…`."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    conf = folder / "fluent.conf"
    conf.write_text(_CONF.format(forward=forward_port, metrics=port, elasticsearch=elasticsearch_port, limit=limit), encoding="utf-8")
    return StandIn("fluentd_standin", ("-c", str(conf)), {"FLUENTD_BUFFER_DIR": str(folder)}, port=port, path="/metrics")


_OUTPUT = """
    @type elasticsearch
    hosts http://127.0.0.1:{elasticsearch}
    logstash_format true
    id_key $['event.id']
"""
_BUFFER = """
      @type file
      total_limit_size {limit}
      chunk_limit_size 1m
      flush_interval 0.1s
      retry_wait 0.1s
      retry_max_interval 0.5s
"""
_CONF = (
    """
<source>
  @type forward
  bind 127.0.0.1
  port {forward}
</source>
<source>
  @type prometheus
  bind 127.0.0.1
  port {metrics}
</source>
<match **>
  @id events"""
    + _OUTPUT
    + """
  logstash_prefix sandbox-events
  <buffer tag>"""
    + _BUFFER
    + """
    path "#{{ENV['FLUENTD_BUFFER_DIR']}}/events"
  </buffer>
</match>
<label @DEAD_LETTER>
  <match **>
    @id dead_letter"""
    + _OUTPUT
    + """
    logstash_prefix sandbox-dead-letter
    <buffer tag>"""
    + _BUFFER
    + """
      path "#{{ENV['FLUENTD_BUFFER_DIR']}}/dead-letter"
    </buffer>
  </match>
</label>
"""
)
