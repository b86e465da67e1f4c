"""The digest of an event that went through Ruby, as it does on its way to Elasticsearch, where Ruby is installed."""

from __future__ import annotations

import json
import math
import random
import subprocess
from typing import Any

import pytest

from mlsandbox_serving.contract import Field
from mlsandbox_serving.event_digest import fits
from mlsandbox_serving.record import Facts, Identity
from support.monitoring import program
from support.prediction_records import prediction_record

_AGAIN = 'require "json"; STDIN.each_line { |line| puts JSON.generate(JSON.parse(line)) }'
_NUMBERS = (1.0, -0.0, 1e-05, 1e-07, 1e16, 1e22, 123456789012345680.0, 0.1 + 0.2, 5e-324, 1.7976931348623157e308, math.pi)


def _event(chance: random.Random, number: int) -> dict[str, Any]:
    numbers = [chance.choice(_NUMBERS) * chance.choice((1, -1)) for _ in range(5)] + [chance.uniform(-1e6, 1e6) for _ in range(5)]
    columns: dict[str, list[Any]] = {
        "spread": numbers,
        "small": [chance.random() * 10.0 ** -chance.randrange(20) for _ in range(10)],
        "whole": [chance.choice((0, 1, -1, 2**53 + 1, -(2**63), 2**64 - 1)) for _ in range(10)],
        "text": [chance.choice(("ümläut", "a\u2028b", '\\"/', "1.0", "", "😀", None)) for _ in range(10)],
    }
    facts = Facts("POST", "/predict", f"request-{number}")
    return prediction_record(Identity("churn", "v1", "sha256:abc"), facts, columns, numbers, [[0.25, 0.75]] * 10)


def test_the_digest_fits_after_ruby(request: pytest.FixtureRequest) -> None:
    """Numbers and texts that Ruby reads and writes again must give the digest that was written."""
    program(request, "ruby")
    chance = random.Random(1)
    events = [_event(chance, number) for number in range(200)]
    lines = "".join(json.dumps(event) + "\n" for event in events)

    done = subprocess.run(["ruby", "-e", _AGAIN], input=lines, capture_output=True, text=True, check=True, encoding="utf-8")

    again = [json.loads(line) for line in done.stdout.rstrip("\n").split("\n")]
    assert len(again) == len(events)
    assert [event[Field.REQUEST_ID] for event in again if fits(event) is not True] == []
