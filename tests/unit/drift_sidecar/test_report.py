"""What people read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from mlsandbox_serving.drift import Monitor
from mlsandbox_serving.drift import Settings as MonitorSettings
from mlsandbox_serving.drift_sidecar.baseline import Baseline
from mlsandbox_serving.drift_sidecar.page import page
from mlsandbox_serving.drift_sidecar.plot import plot
from mlsandbox_serving.drift_sidecar.report import report, status
from mlsandbox_serving.drift_sidecar.settings import Settings, Source
from mlsandbox_serving.drift_sidecar.watches import Seen
from mlsandbox_serving.forwarded import Listening
from mlsandbox_serving.performance import Performance, Window

Look = Callable[..., Seen]
SETTINGS = Settings(Path("/state"), Listening("", 0, 0, ""), {}, ("native", "alibi"), MonitorSettings(), 10.0, 10, 1e6)
ENGINES = [
    {"name": "native", "on": True, "status": "ready", "reason": None},
    {"name": "alibi", "on": False, "status": "off", "reason": "there is no Python for it <here>"},
]
EVIL = "<script>alert('x')</script>\"&"
_VOID = {"meta", "br"}


class _Page(HTMLParser):
    """Holds a page to be well-formed, and notes what is in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


def _page(*seen: Seen, performance: tuple[Performance, ...] = ()) -> _Page:
    return _Page(page(report(SETTINGS, seen, performance, ENGINES)))


def _model(seen: Seen) -> dict[str, Any]:
    return dict(status(SETTINGS, [seen], (), ENGINES)["models"][0])


def test_the_verdict_is_one_word_and_one_sentence(look: Look) -> None:
    """Drift, no drift, and nothing to say yet must be told apart."""
    assert _model(look(shift=2.0))["state"] == "drift"
    assert "inputs" in _model(look(shift=2.0))["sentence"]
    assert _model(look())["state"] == "steady"
    assert _model(look(rows=0))["state"] == "waiting"
    learning = Seen(Source("churn", "v1"), True, Monitor(None).verdict(), (), None, 0)
    assert _model(learning)["state"] == "learning"
    assert "5000" in _model(learning)["sentence"]


def test_what_is_not_known_is_said_everywhere(look: Look) -> None:
    """Too few rows and a young alarm must have no size in JSON or on the page, and a sentence that does not sound like one."""
    few, young = look(100), look(100, shift=2.0)
    (features,) = (each for each in _model(few)["kinds"] if each["kind"] == "features")
    assert (features["severity"], features["rows"], features["rows_needed"], features["worst"]) == (None, 100, 200, [])
    assert _model(few)["sentence"] == "No drift so far; 100 rows were compared, and sizes are known from 200 on."
    assert "not known (100 of 200 rows)" in _page(few).text

    (features,) = (each for each in _model(young)["kinds"] if each["kind"] == "features")
    assert (features["severity"], features["certain"], features["settled"]) == (None, True, False)
    assert [each["column"] for each in features["worst"]] == ["age"]
    assert "how much will be known 200 rows after the alarm" in _model(young)["sentence"]


def test_a_change_that_is_over_is_called_so(look: Look) -> None:
    """Once nothing is severe any more, the sentence must not go on saying that a change matters."""
    seen = look(shift=2.0)
    over = replace(seen.verdict, kinds=tuple(replace(each, page=False, over=True) for each in seen.verdict.kinds if each.certain))

    said = _model(seen._replace(verdict=over))
    assert (said["state"], "over, not yet cleared: inputs" in said["sentence"], "matter" in said["sentence"]) == ("change", True, False)


def test_a_kind_that_is_calm_names_no_column(look: Look) -> None:
    """Columns that did not change must not stand there as the worst, nor evidence look small because it began anew after the alarm."""
    kinds = {each["kind"]: each for each in _model(look(shift=2.0))["kinds"]}

    assert kinds["features"]["worst"]
    assert kinds["performance"]["worst"] == []
    assert "alarm at row " in _page(look(shift=2.0)).text


def test_the_reference_is_named(look: Look) -> None:
    """Whether rows are compared with what was packaged, a baseline or the first live rows must be told, and stand on the page."""
    packaged = look()
    kept = packaged._replace(baseline=Baseline("2026-11-26T12:00:00Z", "rows <1>.csv"))
    learned = packaged._replace(verdict=replace(packaged.verdict, reference_source="live"))

    assert _model(packaged)["reference"]["words"] == "given with the model"
    assert _model(packaged)["reference"]["baseline"] is None
    assert _model(learned)["reference"]["words"] == "made of the first live rows"
    assert _model(kept)["reference"]["words"] == "a baseline of 2026-11-26, from rows <1>.csv"
    assert _model(kept)["reference"]["baseline"] == {"created": "2026-11-26T12:00:00Z", "source": "rows <1>.csv"}
    assert "a baseline of 2026-11-26, from rows <1>.csv" in _page(kept).text


def test_a_report_is_json_with_every_column(look: Look) -> None:
    """It must hold the distributions, the worst column first, and numbers that JSON knows."""
    told = json.loads(json.dumps(report(SETTINGS, [look(shift=2.0)], (), ENGINES), allow_nan=False))

    first = told["models"][0]["columns"][0]
    assert first["column"] == "age"
    assert len(first["cells"]) == len(first["reference"]) == len(first["recent"])
    assert sum(first["recent"]) == pytest.approx(1)
    assert first["findings"][0]["detected"]
    assert told["engines"] == ENGINES


def test_the_page_needs_nothing_but_itself(look: Look) -> None:
    """No script, no link, no image, nothing to fetch; and the browser is told to refuse any."""
    shown = _page(look(shift=2.0))

    assert shown.open == []
    assert {tag for tag, _ in shown.tags}.isdisjoint({"script", "link", "img", "iframe", "object", "a", "form"})
    assert not any(name in {"src", "href", "action"} or name.startswith("on") for _, attributes in shown.tags for name in attributes)
    styles = "".join(re.findall(r"<style>(.*?)</style>", page(report(SETTINGS, [look(rows=0)], (), ENGINES)), re.DOTALL))
    assert "url(" not in styles
    assert "@import" not in styles
    assert "prefers-color-scheme:dark" in styles
    policies = [attributes["content"] for tag, attributes in shown.tags if tag == "meta" and "http-equiv" in attributes]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_the_page_can_be_read_without_seeing_it(look: Look) -> None:
    """Language, title, headings, named drawings with their numbers beside them, and tables with header cells."""
    shown = _page(look(shift=2.0))
    tags = dict(shown.tags)

    assert tags["html"] == {"lang": "en"}
    assert {"title", "main", "h1", "h2", "h3"} <= tags.keys()
    drawings = [attributes for tag, attributes in shown.tags if tag == "svg"]
    assert len(drawings) == 6
    assert all(each["role"] == "img" and each["aria-label"] for each in drawings)
    assert all("scope" in attributes for tag, attributes in shown.tags if tag == "th")


def test_the_verdict_comes_first_and_the_worst_column_next(look: Look) -> None:
    """Who reads the first lines must know what is the matter."""
    text = _page(look(shift=2.0)).text

    assert text.index("Drift. Live data differs") < text.index("Rows compared") < text.index("Distribution")
    assert text.index("chance is ruled out") < text.index("Distribution")


def test_nothing_of_the_data_becomes_markup(look: Look) -> None:
    """Names of columns, values and models must be shown as they are, whatever they hold."""
    shown = _page(look(name=EVIL, problem=EVIL, rows=300, **{EVIL: [1] * 100, "city": [EVIL] * 100}))

    assert shown.open == []
    assert "script" not in {tag for tag, _ in shown.tags}
    assert EVIL in shown.text
    drawing = plot(EVIL, [EVIL], [0.5], [None])
    assert "<script" not in drawing
    assert _Page(drawing).open == []


def test_performance_is_shown(look: Look) -> None:
    """With labels their number and what follows of them must be there."""
    performance = Performance("churn", "v1", Window.DAY, 1_000, 400, 0, {"accuracy": 0.75, "f1": 0.5})
    text = _page(look(rows=100), performance=(performance,)).text

    assert "400 of 1,000" in text
    assert "accuracy 0.75, f1 0.5" in text


def test_a_page_without_models(look: Look) -> None:
    """Before the first event there must be a page, too."""
    assert "No model has sent an event yet" in _page().text


def test_the_page_leaves_out_what_says_nothing(look: Look) -> None:
    """Columns without a change must have no sentence, and cells that cannot hold a row no line."""
    shown = page(report(SETTINGS, [look(shift=2.0)], (), ENGINES))

    assert "features: " in shown
    assert "outliers: missing" not in shown
    assert "0 rarer values" not in shown
    assert "Alarms so far" not in shown
    for histogram in look().histograms:
        assert sum(histogram.reference) == pytest.approx(1)
        assert len(set(histogram.cells)) == len(histogram.cells)


def test_names_and_values_cannot_turn_or_hide_what_stands_beside_them(look: Look) -> None:
    """Characters that are not seen must be spelled out, and a name be written in its own direction."""
    odd = "a\u202eb\u2066\x1b[31m\x00\ud800\u2028"
    spelled = r"a\u202eb\u2066\x1b[31m\x00\ud800\u2028"
    seen = look(shift=2.0, name=odd, **{odd: ["x"] * 100})
    histograms = tuple(replace(each, column=odd, cells=tuple(odd for _ in each.cells)) for each in seen.histograms)
    text = page(report(SETTINGS, [seen._replace(histograms=histograms, problem=odd)], [], ENGINES))

    assert not (set(odd) - set(spelled)) & set(text)
    assert f"<h2><bdi>{spelled}</bdi>" in text
    assert f"<h3><bdi>{spelled}</bdi>" in text
    assert f'<th scope="row"><bdi>{spelled}</bdi></th>' in text
    assert f"could not be used: {spelled}." in text
    _Page(text)
