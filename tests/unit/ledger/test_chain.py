"""The chain of the ledger: whatever is changed afterwards is found, and the line of it is named."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence

import pytest

from mlsandbox.ledger.chain import Head, Verified, line, verify
from mlsandbox.ledger.entry import Action, Draft, entry_of, stamp

LINES = 9


def chain(count: int = LINES, *, start: Head | None = None, reason: str = "it is better — señor") -> tuple[list[str], Head]:
    """Lines as the tool writes them, and their head."""
    head = start or Head(0, "")
    lines = []
    for _ in range(count):
        draft = Draft(
            Action.PROMOTED, "churn", f"v{head.sequence + 1}", "sha256:ab", reason=reason, facts={"metrics": {"auc": 0.9, "f1": 1}}
        )
        entry = entry_of(draft, sequence=head.sequence + 1, time=stamp(1_800_000_000.5 + head.sequence), by="ada@mill")
        text, digest = line(entry, head.digest)
        lines.append(text)
        head = Head(entry.sequence, digest)
    return lines, head


def looked_through(lines: Sequence[str], head: Head | None) -> Verified:
    return verify("".join(f"{each}\n" for each in lines), head)


def named(found: Verified) -> dict[int, str]:
    """What is wrong, by line."""
    return {each.line: each.what for each in found.problems}


def forged(text: str, change: Callable[[dict[str, object]], object]) -> tuple[str, str]:
    """A line whose entry was changed by someone who knows how digests are made."""
    document = json.loads(text)
    change(document["entry"])
    document.pop("digest")
    entry = document["entry"]
    draft = Draft(Action(entry["action"]), entry["model"], entry["version"], entry["digest"], time=entry["time"], facts=entry["facts"])
    return line(entry_of(draft, sequence=entry["sequence"], time="", by=entry["by"]), document["previous"])


def test_what_was_written_is_whole() -> None:
    """A ledger that nobody touched must have no problem, and give back every entry as it was written."""
    lines, head = chain()

    found = looked_through(lines, head)

    assert (found.problems, found.head, found.torn, found.unsaid) == ((), head, "", False)
    assert [each.version for each in found.entries] == [f"v{number}" for number in range(1, LINES + 1)]
    assert found.entries[0].facts == {"metrics": {"auc": 0.9, "f1": 1}}
    assert found.entries[0].reason == "it is better — señor"


def test_nothing_yet() -> None:
    """A project without a ledger must have none, rather than a broken one."""
    assert verify("", None) == Verified((), (), Head(0, ""))


@pytest.mark.parametrize("number", range(1, LINES + 1))
@pytest.mark.parametrize(
    ("before", "after"), [("ada", "eve"), ("promoted", "deployed"), ("0.9", "0.95"), ('"sequence":', '"sequence":1'), (",", ", ")]
)
def test_an_edited_line_is_named(number: int, before: str, after: str) -> None:
    """Any edit, of whatever part of any line, must be found at that line, with what it says now, and at no other."""
    lines, head = chain()
    lines[number - 1] = lines[number - 1].replace(before, after, 1)

    problems = named(looked_through(lines, head))

    assert list(problems) == [number]
    assert "was changed after it was written" in problems[number]
    assert f"v{number} of churn" in problems[number]


def test_every_byte_counts() -> None:
    """One changed character, anywhere in the ledger, must be found, and the line that holds it be named."""
    lines, head = chain(4)
    text = "".join(f"{each}\n" for each in lines)
    for position, old in enumerate(text):
        if old == "\n":
            continue
        changed = text[:position] + ("x" if old != "x" else "y") + text[position + 1 :]
        problems = named(verify(changed, head))
        assert text.count("\n", 0, position) + 1 in problems, (position, problems)


@pytest.mark.parametrize("number", range(1, LINES + 1))
def test_a_removed_line_is_missed(number: int) -> None:
    """A line that was taken out must be missed where it stood: at the line after it, or at the end."""
    lines, head = chain()
    del lines[number - 1]

    problems = named(looked_through(lines, head))

    assert list(problems) == [min(number, LINES - 1)]
    assert re.search("1 entry is (missing there|cut off after it)", next(iter(problems.values())))


def test_several_removed_lines_are_counted() -> None:
    """How many lines are missing must be told."""
    lines, head = chain()

    assert named(looked_through([*lines[:2], *lines[5:]], head))[3].startswith("does not follow the line before it: 3 entries are missing")
    assert "4 entries are cut off after it" in named(looked_through(lines[:5], head))[5]
    assert "9 entries are cut off after it" in named(looked_through([], head))[0]


@pytest.mark.parametrize("first", range(1, LINES))
def test_a_moved_line_is_named(first: int) -> None:
    """Of two lines that changed places one must be named as out of place, and nothing be called missing."""
    lines, head = chain()
    lines[first - 1], lines[first] = lines[first], lines[first - 1]

    problems = named(looked_through(lines, head))

    assert set(problems) <= {first, first + 1}
    assert [each.split(":")[0] for each in problems.values()] == ["does not belong here"]


@pytest.mark.parametrize("after", range(1, LINES))
def test_an_inserted_line_is_named(after: int) -> None:
    """A line that was put in, made as the tool makes them, must be named, and the lines around it not."""
    lines, head = chain()
    stranger, _ = chain(1, start=Head(after, json.loads(lines[after - 1])["digest"]), reason="it never happened")

    problems = named(looked_through([*lines[:after], *stranger, *lines[after:]], head))

    assert list(problems) == [after + 1]
    assert "does not belong here" in problems[after + 1]


@pytest.mark.parametrize("copied", range(1, LINES + 1))
@pytest.mark.parametrize("after", [0, 4, LINES])
def test_a_copied_line_is_named(copied: int, after: int) -> None:
    """A line that stands there twice must be named once."""
    lines, head = chain()
    lines.insert(after, lines[copied - 1])

    problems = named(looked_through(lines, head))

    assert len(problems) == 1
    assert lines[next(iter(problems)) - 1] == lines[after]


@pytest.mark.parametrize("number", range(1, LINES + 1))
def test_a_line_with_a_new_digest_is_named(number: int) -> None:
    """An edit by someone who also wrote the line's digest anew must be found at that line: the next one, or the head, knows better."""
    lines, head = chain()
    lines[number - 1], _ = forged(lines[number - 1], lambda entry: entry.update(by="eve@hill"))

    problems = named(looked_through(lines, head))

    assert list(problems) == [number]
    assert "eve@hill" in problems[number]


def test_a_chain_written_anew_is_found_by_its_head() -> None:
    """Whoever writes all following lines anew, too, must be found, as long as the head is what it was."""
    lines, head = chain()
    text, digest = forged(lines[3], lambda entry: entry.update(version="v99"))
    anew, _ = chain(LINES - 4, start=Head(4, digest))

    problems = named(looked_through([*lines[:3], text, *anew], head))

    assert list(problems) == [LINES]
    assert "ledger.head holds another digest" in problems[LINES]


def test_lines_that_the_head_does_not_know() -> None:
    """Lines that were added at the end must be named, but for a single one: its writer may have been killed before it wrote the head."""
    lines, head = chain()
    added, _ = chain(2, start=head)

    assert list(named(looked_through([*lines, *added], head))) == [LINES + 1, LINES + 2]
    one = looked_through([*lines, added[0]], head)
    assert (one.problems, one.unsaid, one.head.sequence) == ((), True, LINES + 1)


def test_a_part_of_a_line_was_never_there() -> None:
    """What an interrupted append has left must be told from the ledger, wherever it was interrupted."""
    lines, _ = chain(3)
    whole = "".join(f"{each}\n" for each in lines[:2])
    for length in range(1, len(lines[2]) + 1):
        found = verify(whole + lines[2][:length], Head(2, json.loads(lines[1])["digest"]))
        assert (found.problems, found.torn, len(found.entries)) == ((), lines[2][:length], 2)
    assert verify(lines[0][:20], None) == Verified((), (), Head(0, ""), torn=lines[0][:20])


def test_a_cut_off_last_line_is_no_interrupted_one() -> None:
    """When the head says that the last line was written, a part of it must be a problem; a lost line break alone is none."""
    lines, head = chain(3)
    whole = "".join(f"{each}\n" for each in lines)

    problems = named(verify(whole[:-20], head))
    assert list(problems) == [2]
    assert "of the next one only a part is there" in problems[2]
    assert verify(whole[:-1], head).problems == ()


def test_a_lost_head() -> None:
    """Without a head nobody can tell whether lines are missing at the end, which must be said; only the first entry may be without."""
    lines, _ = chain(3)

    assert list(named(looked_through(lines, None))) == [0]
    assert looked_through(lines[:1], None).problems == ()
    assert looked_through(lines[:1], None).unsaid


@pytest.mark.parametrize("garbage", ["", "{}", "null", "[1]", '{"entry":{},"previous":"","digest":""}', "\udcff\udcfe", "[" * 100_000])
def test_a_line_that_is_none(garbage: str) -> None:
    """Anything else than an entry must be named as that, and everything around it stay readable."""
    lines, head = chain()
    found = looked_through([*lines[:4], garbage, *lines[4:]], head)

    assert list(named(found)) == [5]
    assert len(found.entries) == LINES


def test_entries_of_later_versions_are_counted() -> None:
    """An entry of a kind that this version does not know must keep its place in the chain, and be no problem."""
    lines, head = chain(2)
    text = lines[1].replace('"promoted"', '"frobnicated"')
    bare = {name: value for name, value in json.loads(text).items() if name != "digest"}
    from mlsandbox.ledger.chain import _digest, _json  # noqa: PLC0415 - only a later version writes such a line

    digest = _digest(bare)
    found = looked_through([lines[0], _json({**bare, "digest": digest})], Head(2, digest))

    assert (found.problems, found.later, len(found.entries)) == ((), 1, 1)
    assert head.digest != digest


def test_what_follows_damage_shows_it() -> None:
    """The entry after a change must follow the head, so that the change is found for ever: nothing heals it."""
    lines, head = chain()
    for damaged in (lines[:-2], [*lines[:-1], forged(lines[-1], lambda entry: entry.update(version="v0"))[0]]):
        found = looked_through(damaged, head)
        more, later = chain(3, start=found.head)
        assert found.head == head
        assert looked_through([*damaged, *more], later).problems


def test_many_changes_at_once() -> None:
    """However a ledger was shuffled, cut and edited, that it was must be found, and looking through it must end."""
    for seed in range(60):
        chance = random.Random(seed)
        lines, head = chain(12)
        changed = list(lines)
        for _ in range(chance.randint(1, 6)):
            place = chance.randrange(len(changed)) if changed else 0
            match chance.randrange(4):
                case 0 if changed:
                    del changed[place]
                case 1 if changed:
                    changed.insert(chance.randrange(len(changed)), changed[place])
                case 2 if changed:
                    changed.append(changed.pop(place))
                case 3 if changed:
                    changed[place] = changed[place].replace("ada", "eve")
        if changed != lines:
            assert looked_through(changed, head).problems, seed
