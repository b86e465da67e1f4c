"""What Fluentd makes of the file with Elasticsearch's address: Ruby itself, where it is installed, and the stand-in alike."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlsandbox.assets import asset_path
from mlsandbox_serving.contract import Env
from support.fluentd_conf import read
from support.monitoring import program
from support.rig_images import RIG
from support.waiting import HANG_SECONDS

CONF = Path(asset_path("fluentd/fluent.conf"))
_AS_FLUENTD = """
require 'uri'
class SetNil < Exception; end
def use_nil = raise(SetNil)
ARGV.each do |code|
  puts Object.new.instance_eval(code)
rescue SetNil
  puts ''
end
"""
"""What a parameter says is evaluated as a text with Ruby in it; `use_nil` is as good as no parameter."""
_AS_STANDIN = """
import sys
from pathlib import Path
from fluentd_standin.conf import read
values = next(each for each in read(Path(sys.argv[1])).walk() if each.values.get("@id") == "elasticsearch").values
print(*(values[name] for name in ("hosts", "user", "password")), sep="\\n")
"""

Ended = subprocess.CompletedProcess[str]


def _ruby(file: Path) -> Ended:
    (output,) = [each.parameters for each in read(CONF).walk() if each.parameters.get("@id") == "elasticsearch"]
    return _run(file, "ruby", "-e", _AS_FLUENTD, *(f'"{output[name]}"' for name in ("hosts", "user", "password")))


def _standin(file: Path) -> Ended:
    return _run(file, sys.executable, "-c", _AS_STANDIN, str(CONF))


def _run(file: Path, *command: str) -> Ended:
    env = {**os.environ, "PYTHONPATH": str(RIG / "standins"), Env.ELASTICSEARCH_URL_FILE: str(file)}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=HANG_SECONDS, check=False)


@pytest.fixture(params=["ruby", "stand-in"])
def reader(request: pytest.FixtureRequest) -> Callable[[Path], Ended]:
    """Each of those that read the file."""
    if request.param == "stand-in":
        return _standin
    program(request, "ruby")
    return _ruby


@pytest.mark.parametrize(
    "url",
    [
        "https://e:hid#den@h:9200",
        "https://e:hid/den@h:9200",
        "https://e:hid?den@h:9200",
        "https://e:hid@den@h:9200",
        "https://e:hid%-den@h:9200",
        "https://e:hid den@h:9200",
        "https://e:1/hidden@h:9200",
        "https://e:1?hidden@h:9200",
        "https://e:hidden@h:many",
        "e:hidden@h:9200",
    ],
)
def test_a_password_with_signs_of_urls_is_in_no_text(reader: Callable[[Path], Ended], url: str, tmp_path: Path) -> None:
    """Fluentd must not start with it, say how it is written, and bring nothing of it into its log."""
    file = tmp_path / "url"
    file.write_text(f"{url}\n", encoding="utf-8")
    ended = reader(file)

    assert ended.returncode != 0
    assert "signs like / # ? @ in a password are written %2F %23 %3F %40" in ended.stderr
    assert "hid" not in ended.stderr
    assert "den" not in ended.stderr


@pytest.mark.parametrize(
    ("url", "read_as"),
    [
        ("https://el%40stic:p%2Fa+s%3As%25%23@h:9243/prefix/", ["https://h:9243/prefix/", "el@stic", "p/a+s:s%#"]),
        ("http://elastic@h:9200", ["http://h:9200", "elastic", ""]),
        ("https://e:a:b!$&'()*+,;=~@[::1]:9200", ["https://[::1]:9200", "e", "a:b!$&'()*+,;=~"]),
        ("https://h", ["https://h", "", ""]),
    ],
)
def test_an_address_is_read(reader: Callable[[Path], Ended], url: str, read_as: list[str], tmp_path: Path) -> None:
    """Name and password must be decoded, and not stand in the address any more."""
    file = tmp_path / "url"
    file.write_text(f"{url}\n", encoding="utf-8")
    ended = reader(file)

    assert (ended.returncode, ended.stdout.split("\n")[:3]) == (0, read_as), ended.stderr
