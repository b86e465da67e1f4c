"""Rules of the command line about results, progress, idempotence, signals and safety: with stacks."""

from __future__ import annotations

import hashlib
import json
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml

from support.sandbox import SCRIPT, Sandbox, end, get
from support.terminal import on_terminal
from support.traced import traced
from support.waiting import HANG_SECONDS, wait_for

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder with its digest."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_rule_06_something_is_said_at_once(stopped: Sandbox) -> None:
    """Rule 6: a long command must say something before it runs a program or imports what only some commands need; frameworks never."""
    done = traced(stopped, "up", "--dry-run")

    assert done.result.ok().err.startswith("sandbox ")
    assert not done.programs
    assert set(done.modules) & {"bentoml", "pandas", "sklearn", "numpy"} == set()
    assert [name for name in ("docker", "rich", "yaml", "tomlkit") if not done.modules.get(name, True)] == []


def test_rule_07_data_and_messages_are_apart(running_stack: Sandbox) -> None:
    """Rule 7: standard output must hold results alone, standard error everything else."""
    result = running_stack.run("status", "-o", "json").ok()
    assert result.json["state"] == "healthy"
    assert result.err == ""
    again = running_stack.run("up").ok()
    assert "already running" in again.out
    assert "engine embedded" in again.err
    assert "engine embedded (" not in again.out


def test_rule_08_one_document_also_for_errors(fresh: Sandbox) -> None:
    """Rule 8: json mode must write exactly one document to standard output, for errors too."""
    for words in (("status", "-o", "json", "-C", "nowhere"), ("-o", "json", "upp"), ("env", "--json"), ("status", "--json", "--bogus")):
        result = fresh.run(*words)
        assert result.code != 0
        assert re.fullmatch(r"[A-Z_]+", json.loads(result.out)["error"]["code"])


def test_rule_09_documents_are_stable(running_stack: Sandbox) -> None:
    """Rule 9: a document must name its schema and kind, have UTC times, and null for what is absent."""
    document = running_stack.run("status", "-o", "json").ok().json

    assert (document["schema"], document["kind"]) == ("sandbox/v1", "Status")
    assert set(document) >= {"project", "engine", "state", "version", "since", "endpoints", "services", "warnings"}
    assert set(document["services"][0]) >= {"name", "state", "since", "pid", "port", "restarts", "memory_bytes", "reason"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", document["since"])
    assert document["services"][0]["reason"] is None


def test_rule_10_other_formats(running_stack: Sandbox) -> None:
    """Rule 10: --json must be -o json; yaml must say the same; env must work in a shell."""
    by_name, by_flag = running_stack.run("ls", "-o", "json").ok().json, running_stack.run("ls", "--json").ok().json
    assert by_name == by_flag
    assert yaml.safe_load(running_stack.run("ls", "-o", "yaml").ok().out) == by_name
    shell = 'eval "$("$0" status -o env)"; printf %s "$SANDBOX_URL"'
    done = subprocess.run(
        ["sh", "-c", shell, str(SCRIPT)], cwd=running_stack.root, env=running_stack.environ, capture_output=True, text=True, check=True
    )
    assert get(f"{done.stdout}/readyz")[0] == 200
    assert running_stack.run("env").ok().out == f"export SANDBOX_URL={done.stdout}\n"


def test_rule_11_colour_only_on_terminals(running_stack: Sandbox) -> None:
    """Rule 11: colour must be on terminals alone, off with NO_COLOR, TERM=dumb and --no-color, on with FORCE_COLOR; NO_COLOR wins."""

    def coloured(*words: str, **extra: str) -> bool:
        shown = on_terminal([str(SCRIPT), *words], cwd=running_stack.root, env={**running_stack.environ, **extra})
        return ANSI.search(shown.text) is not None

    assert coloured("status")
    assert not coloured("status", NO_COLOR="1")
    assert not coloured("status", TERM="dumb")
    assert not coloured("status", "--no-color")
    assert "\x1b" not in running_stack.run("status").out
    forced = Sandbox(running_stack.root, running_stack.home, extra={"FORCE_COLOR": "1"})
    assert "\x1b[" in forced.run("status").out
    assert "\x1b" not in Sandbox(running_stack.root, running_stack.home, extra={"FORCE_COLOR": "1", "NO_COLOR": "1"}).run("status").out


def test_rule_12_and_19_and_20_up_twice(stopped: Sandbox) -> None:
    """Rules 12, 19, 20: no animation in a pipe; a second `up` and `down` must run nothing, succeed, and say that nothing changed."""
    up, up_again = traced(stopped, "up"), traced(stopped, "up")
    first, second = up.result.ok(), up_again.result.ok()
    stopped.down().ok()
    again = stopped.run("down").ok()

    assert "\r" not in first.err
    assert re.search(r"^\[ *\d+\.\ds\] ✓ Started ", first.err, re.MULTILINE)
    assert "api-v1 created" in first.out
    assert "api-v1 unchanged" in second.out
    assert up.programs
    assert not up.silent_programs
    assert not up_again.programs
    assert "nothing to stop" in again.out


def test_rule_13_meaning_is_in_words(running_stack: Sandbox, fresh: Sandbox) -> None:
    """Rule 13: states must be words."""
    assert "healthy" in running_stack.run("status").ok().out
    assert "stopped" in fresh.run("status").out


def test_rule_21_dry_runs_change_nothing(stopped: Sandbox, running_stack: Sandbox) -> None:
    """Rule 21: --dry-run of up and down must say what would be done, and change nothing."""
    before = tree(stopped.root)
    up = stopped.run("up", "--dry-run").ok()
    assert re.search(r"start +api-v1: not running", up.out)
    assert stopped.run("down", "--volumes", "--dry-run").ok().out
    assert tree(stopped.root) == before
    kept = running_stack.run("up", "--dry-run", "-o", "json").ok().json["plan"]
    assert {step["subject"]: step["action"] for step in kept} == dict.fromkeys(("log-store", "shipper", "api-v1"), "keep"), kept
    assert "would stop" in running_stack.run("down", "--dry-run").ok().out
    running_stack.run("status").ok()


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_rule_23_signals(fresh: Sandbox, sign: signal.Signals, code: int) -> None:
    """Rule 23: Ctrl-C and SIGTERM must be answered with one line at once, and end with 130 and 143."""
    process = fresh.start("status", "--wait", "healthy", "--timeout", "1h")  # longer than `end` waits
    wait_for(lambda: any("pydantic_core" in each.path for each in psutil.Process(process.pid).memory_maps()), what="the project to be read")

    result = end(process, sign)

    assert result.code == code
    assert result.err.startswith("Stopping…")
    assert "Traceback" not in result.err


def test_rule_23_following_logs_ends_well(running_stack: Sandbox) -> None:
    """Rule 23: Ctrl-C is the normal end of `logs -f`, and so a success."""
    process = running_stack.start("logs", "-f", "-n", "1")
    assert process.stdout is not None
    select.select([process.stdout], [], [], HANG_SECONDS)

    assert end(process, signal.SIGINT).code == 0


def test_rule_25_waiting_has_an_end(stopped: Sandbox) -> None:
    """Rule 25: a stack that is not ready in time must end with 5, name the service, and be left to be looked at."""
    result = stopped.run("up", "--timeout", "0.3")
    try:
        assert result.code == 5
        assert re.search(r"error\[[A-Z_]+\]: (api-v1|log-store|shipper|supervisor) was not ready within 0.3 s", result.err)
        assert stopped.processes()
    finally:
        stopped.down().ok()


def test_rule_27_no_secrets(fresh: Sandbox) -> None:
    """Rule 27: a password in an index URL must not be shown, not even where commands are echoed."""
    index = "http://user:hunter2@127.0.0.1:9/simple"
    sandbox = Sandbox(
        fresh.root, fresh.home, extra={"PIP_INDEX_URL": index, "UV_INDEX_URL": index, "SANDBOX_CACHE_DIR": str(fresh.home / "cache")}
    )
    for words in (("doctor", "-v"), ("config", "show", "-o", "json"), ("up", "-v", "--example", '{"a": 1}')):
        result = sandbox.run(*words)
        assert "hunter2" not in result.out + result.err


def test_rule_28_loopback_alone(running_stack: Sandbox, fresh: Sandbox) -> None:
    """Rule 28: every port must be bound on loopback unless the API's address is set, and a name must not be taken for one."""
    listening = [
        connection.laddr.ip
        for process in running_stack.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert {address for address in listening if not address.startswith("127.") and address != "::1"} == set()
    sandbox = Sandbox(fresh.root, fresh.home, extra={"SANDBOX_STACK_HOST": "api.example.org"})
    assert sandbox.run("up").code == 2


def test_rule_29_no_network_unasked(fresh: Sandbox) -> None:
    """Rule 29: looking, configuring and stopping must open no connection to anywhere."""
    code = """
import sys, socket
def audit(event, args):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise SystemExit(f"connects: {event} {args}")
sys.addaudithook(audit)
from mlsandbox.cli import main
for words in ("--help", "version", "config", "status", "ls", "doctor", "down", "init --from predict.py:Predictor --force"):
    main(words.split())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=fresh.root, env=fresh.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_piping_into_head(running_stack: Sandbox) -> None:
    """A reader that has seen enough must not make the command complain."""
    shell = '"$0" logs -n 1000 | head -n 1'
    done = subprocess.run(
        ["sh", "-c", shell, str(SCRIPT)], cwd=running_stack.root, env=running_stack.environ, capture_output=True, text=True, check=True
    )
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


def test_progress_on_a_terminal(stopped: Sandbox) -> None:
    """On a terminal `up` must leave one line for each thing done, and the cursor visible."""
    shown = on_terminal([str(SCRIPT), "up"], cwd=stopped.root, env={**stopped.environ, "CI": ""}, timeout=120)
    stopped.down().ok()

    assert shown.code == 0
    text = ANSI.sub("", shown.text)
    assert re.search(r"✓ Packaged churn v\d", text)
    assert "✓ Started" in text
    assert shown.text.rfind("\x1b[?25h") >= shown.text.rfind("\x1b[?25l")


def test_predict_reads_standard_input(running_stack: Sandbox) -> None:
    """`predict -`, `predict @file` and `predict JSON` must be the same request."""
    row = running_stack.run("predict", "--example", "--curl", "-o", "json").ok().json["curl"].split(" -d ")[1].strip("'")
    (running_stack.root / "row.json").write_text(row)
    answers = [
        running_stack.run("predict", "-", "-o", "json", stdin=row).ok().json,
        running_stack.run("predict", "@row.json", "-o", "json").ok().json,
        running_stack.run("predict", row, "-o", "json").ok().json,
    ]
    assert len({json.dumps(answer["predictions"]) for answer in answers}) == 1
