"""Rules of the command line about help, errors and exit codes: the installed command, through a pipe and a terminal."""

from __future__ import annotations

import ast
import json
import os
import re
import socket
import subprocess
import sys

import pytest

from support.repository import ROOT, calls, tracked
from support.sandbox import SCRIPT, Sandbox
from support.terminal import on_terminal
from support.traced import traced

COMMANDS = [
    "init",
    "up",
    "pull",
    "down",
    "predict",
    "feedback",
    "keys",
    "export",
    "deploy",
    "promote",
    "rollback",
    "retire",
    "prune",
    "open",
    "env",
    "versions",
    "where",
    "history",
    "show",
    "ledger",
    "status",
    "diff",
    "drift",
    "replay",
    "logs",
    "ls",
    "doctor",
    "config",
    "completion",
    "help",
    "version",
]
HEAVY = ("bentoml", "numpy", "pandas", "sklearn", "pyarrow", "httpx", "docker", "rich", "yaml", "tomlkit")


def test_rule_01_help_in_every_way(fresh: Sandbox) -> None:
    """Rule 1: -h, --help, help and no arguments must show help on standard output with exit 0; `up -h` too."""
    for words in (("-h",), ("--help",), ("help",), (), ("up", "-h"), ("help", "up")):
        result = fresh.run(*words).ok()
        assert "Usage: sandbox" in result.out
        assert result.err == ""


def test_rule_02_version(fresh: Sandbox) -> None:
    """Rule 2: every way to ask for the version must answer in one line, `sandbox X.Y.Z`."""
    for words in (("--version",), ("-V",), ("version",)):
        assert re.fullmatch(r"sandbox \d+\.\d+\.\d+\S*\n", fresh.run(*words).ok().out)


def test_rule_03_help_leads_with_examples(fresh: Sandbox) -> None:
    """Rule 3: help must begin with examples, and reach the grouped commands within 24 lines."""
    lines = fresh.run("--help").out.splitlines()

    assert any("$ sandbox up" in line for line in lines[:12])
    assert next(number for number, line in enumerate(lines) if line.startswith("  init ")) <= 24
    assert {"Start:", "Use:", "Look:", "Set up:"} <= set(lines)
    assert [name for name in COMMANDS if not any(line.startswith(f"  {name} ") for line in lines)] == []


def test_rule_04_help_is_plain(fresh: Sandbox) -> None:
    """Rule 4: help must have no boxes and no escape codes in a pipe, with TERM=dumb and with NO_COLOR."""
    piped = [fresh.run("--help").out, fresh.run("up", "--help").out]
    environs = [{**fresh.environ, **extra} for extra in ({"TERM": "dumb"}, {"NO_COLOR": "1"})]
    texts = piped + [on_terminal([str(SCRIPT), "--help"], cwd=fresh.root, env=environ).text for environ in environs]

    assert [text for text in texts if re.search(r"\x1b|[─│╭╰]", text)] == []


@pytest.mark.parametrize("words", ["--help", "up --help", "status --help", "status"])
def test_rule_05_help_and_status_do_little(fresh: Sandbox, words: str) -> None:
    """Rule 5: help and status of a stack that is down must run no program, and import neither a framework nor what only some commands need.

    That is why they answer at once; how soon is measured by bench/commands.py.
    """
    done = traced(fresh, *words.split())

    assert done.result.code == (3 if words == "status" else 0)
    assert not done.programs
    assert set(done.modules) & set(HEAVY) == set()


def test_rule_14_exit_codes(fresh: Sandbox) -> None:
    """Rule 14: exit codes must mean what `sandbox help exit-codes` says."""
    table = {
        ("version",): 0,
        ("down",): 0,
        ("env",): 1,
        ("predict", "{}"): 1,
        ("status", "--bogus"): 2,
        ("status", "-C", "nowhere"): 2,
        ("init", "--from", "predict.py:Predictor"): 2,
        ("status",): 3,
        ("up", "--engine", "docker"): 4,
        ("status", "--wait", "healthy", "--timeout", "0.2"): 5,
    }
    assert {words: fresh.run(*words).code for words in table} == table
    documented = fresh.run("help", "exit-codes").out
    assert [code for code in (0, 1, 2, 3, 4, 5, 130, 143) if not re.search(rf"^\s+{code}  ", documented, re.MULTILINE)] == []


def test_rule_15_typos_get_a_suggestion(fresh: Sandbox) -> None:
    """Rule 15: a typo must end with 2 and, on standard error, the nearest command or setting."""
    result = fresh.run("upp")
    assert (result.code, result.out) == (2, "")
    assert "Did you mean 'up'" in result.err
    (fresh.root / "sandbox.toml").write_text((fresh.root / "sandbox.toml").read_text() + 'referense = "a.csv"\n')
    assert 'sandbox.toml:5: models.churn.referense is not a setting; did you mean "reference"?' in fresh.run("config").err


def errors(sandbox: Sandbox) -> dict[str, str]:
    """Standard error of commands that fail, by their words."""
    lists: list[tuple[str, ...]] = [("upp",), ("env",), ("status", "-C", "nowhere"), ("up", "--engine", "docker"), ("predict",)]
    lists += [
        ("init", "--from", "gone.pkl"),
        ("logs", "nobody"),
        ("logs", "-f", "-o", "json"),
        ("predict", "{"),
        ("down", "--volumes"),
        ("up", "--port", "many"),
    ]
    return {" ".join(words): sandbox.run(*words).err for words in lists}


def test_rule_16_errors_say_what_why_and_how(fresh: Sandbox) -> None:
    """Rule 16: every error must begin with its code, name the next step and its help page, and show no traceback."""
    for words, text in errors(fresh).items():
        assert re.match(r"error\[[A-Z_]+\]: \S", text), words
        assert "\n  hint: " in text, words
        assert re.search(r"\n  docs: sandbox help [A-Z_]+\n$", text), words
        assert "Traceback" not in text, words


def test_rule_16_a_taken_port_names_its_owner(stopped: Sandbox) -> None:
    """Rule 16: a pinned port that is taken must be an error with code, owner and pid, exit 4."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        result = stopped.run("up", "--port", str(held.getsockname()[1]))

    assert result.code == 4
    assert re.search(r"^error\[PORT_IN_USE\]", result.err, re.MULTILINE)
    assert f"(pid {os.getpid()})" in result.err


def test_rule_17_the_important_line_is_last(fresh: Sandbox) -> None:
    """Rule 17: an error must fit in ten lines, and its last two must hold a command to run."""
    for words, text in errors(fresh).items():
        assert len(text.splitlines()) <= 10, words
        assert "sandbox " in "\n".join(text.splitlines()[-2:]), words


def _fixes() -> list[str]:
    """Texts of all `fix=` arguments, with X for what is only known later."""
    texts = []
    for name in tracked("cli/mlsandbox/*.py"):
        for _, node in calls(name):
            for keyword in node.keywords:
                if keyword.arg == "fix":
                    parts = keyword.value.values if isinstance(keyword.value, ast.JoinedStr) else [keyword.value]
                    texts.append("".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in parts))
    return texts


def test_rule_18_suggested_commands_exist(fresh: Sandbox) -> None:
    """Rule 18: each command and flag that an error suggests must exist."""
    suggested = {
        match for fix in _fixes() for match in re.findall(r"(?<!the )sandbox ((?:-C \w+ )?[a-z]+)((?: +(?:--?[a-z-]+|[^-\s]+))*)", fix)
    }
    general = fresh.run("--help").out

    assert len(suggested) > 10
    for command, rest in suggested:
        name = command.split()[-1]
        if name not in COMMANDS:
            raise AssertionError(f"sandbox {command} does not exist")
        text = fresh.run(name, "--help").ok().out + general
        own = rest.split("   ")[0]
        assert [flag for flag in re.findall(r"(?<= )--?[a-z][a-z-]*", own) if flag not in text] == [], (command, rest)


def test_rule_22_destruction_needs_a_yes(stopped: Sandbox) -> None:
    """Rule 22: `down --volumes` must ask with default No, and where nobody can be asked demand --yes."""
    refused = stopped.run("down", "--volumes")
    never = on_terminal([str(SCRIPT), "down", "--volumes", "--no-input"], cwd=stopped.root, env=stopped.environ)
    declined = on_terminal([str(SCRIPT), "down", "--volumes"], cwd=stopped.root, env=stopped.environ, typed="\n")

    assert (refused.code, never.code, declined.code) == (2, 2, 2)
    assert "--yes" in refused.err
    assert "[y/N]" in declined.text
    assert "[y/N]" not in never.text
    assert (stopped.root / ".sandbox" / "data").exists()


def test_rule_26_precedence_with_origin(fresh: Sandbox) -> None:
    """Rule 26: a flag must win over a variable, that over the file, that over the default; `config show --origin` must name each."""
    with (fresh.root / "sandbox.toml").open("a") as file:
        file.write('\n[log]\nretention = "2d"\n')
    sandbox = Sandbox(fresh.root, fresh.home, extra={"SANDBOX_ENGINE": "docker", "SANDBOX_LOG_INPUTS": "false"})

    document = sandbox.run("config", "show", "-o", "json", "--engine", "embedded").ok().json
    text = sandbox.run("config", "show", "--origin").ok().out

    origins = {each["path"]: (each["value"], each["origin"]) for each in document["settings"]}
    assert origins["stack.engine"] == ("embedded", "--engine")
    assert origins["log.inputs"] == (False, "SANDBOX_LOG_INPUTS")
    assert origins["log.retention"] == ("2d", "sandbox.toml:7")
    assert origins["stack.host"] == ("127.0.0.1", "default")
    assert re.search(r"^stack\.engine +\"docker\" +SANDBOX_ENGINE$", text, re.MULTILINE)


def test_rule_30_completion(running_stack: Sandbox) -> None:
    """Rule 30: completion scripts must be valid shell, and complete commands and the names of services with little work."""
    script = running_stack.run("completion", "bash").ok().out
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)

    def complete(words: str) -> list[str]:
        asked = {"_SANDBOX_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        done = traced(running_stack, extra=asked)
        assert not done.programs
        assert set(done.modules) & set(HEAVY) == set()
        return done.result.ok().out.split()

    assert complete("sandbox st") == ["status"]
    assert {"api", "api-v1", "log-store", "shipper"} <= set(complete("sandbox logs "))
    assert "--volumes" in complete("sandbox down --v")


def test_narrow_terminals_and_other_encodings(fresh: Sandbox) -> None:
    """A terminal of 60 columns and a stream without Unicode must be served in words."""
    narrow = on_terminal([str(SCRIPT), "--help"], cwd=fresh.root, env=fresh.environ, columns=60)
    plain = Sandbox(fresh.root, fresh.home, extra={"PYTHONIOENCODING": "ascii"}).run("doctor")

    assert narrow.code == 0
    assert "Usage: sandbox" in re.sub(r"\x1b\[[0-9;]*m", "", narrow.text)
    assert "ok ok" in plain.out
    assert "Traceback" not in plain.err


def test_the_documents_name_this_repository() -> None:
    """The tests must drive the command that is installed from this checkout."""
    done = subprocess.run([sys.executable, "-c", "import mlsandbox; print(mlsandbox.__file__)"], capture_output=True, text=True, check=True)

    assert str(ROOT) in done.stdout
    assert (
        json.loads(subprocess.run([str(SCRIPT), "version", "--json"], capture_output=True, text=True, check=True).stdout)["kind"]
        == "Version"
    )
