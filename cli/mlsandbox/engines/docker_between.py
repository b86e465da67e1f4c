"""The files of a stack whose fronts were moved while the rest of the plan is still to come (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from mlsandbox.engines.base import Move
from mlsandbox.engines.docker_record import RECORD, fronts_in, record_file, recorded_in
from mlsandbox.render.compose import COMPOSE_FILE, HEADER
from mlsandbox.render.config import FOLDER as CONFIG_FOLDER
from mlsandbox.render.tree import RenderedFile
from mlsandbox.render.yaml_dump import dump
from mlsandbox.render.yaml_load import load
from mlsandbox.stack.components import gateway

SERVERS: Final = f"{CONFIG_FOLDER}/{gateway.NAME}/{gateway.SERVERS}"
_BACKEND: Final = "backend "


def between(former: Sequence[RenderedFile], wanted: Sequence[RenderedFile], moves: Sequence[Move]) -> tuple[RenderedFile, ...]:
    """What the stack is made from once these moves were made and nothing else was changed.

    Args:
        former: what it was made from.
        wanted: what it is to be made from.
        moves: those that were made.
    """
    before, after = _texts(former), _texts(wanted)
    targets = {each.service for each in moves}
    old, new = load(before[COMPOSE_FILE]), load(after[COMPOSE_FILE])
    added = tuple(_needed(new["services"], targets, old["services"]))
    folders = tuple(f"{CONFIG_FOLDER}/{name}/" for name in targets)
    merged = {
        COMPOSE_FILE: RenderedFile(COMPOSE_FILE, HEADER + dump(_with(old, new, added))),
        RECORD: _record(before.get(RECORD, ""), after[RECORD], moves, added),
    }
    if SERVERS in before and SERVERS in after:
        merged[SERVERS] = RenderedFile(SERVERS, _servers(before[SERVERS], after[SERVERS], {each.front for each in moves}))
    stay = [file for file in former if not file.path.startswith(folders)]
    files = {file.path: file for file in (*stay, *(file for file in wanted if file.path.startswith(folders)))}
    for path, file in merged.items():
        files[path] = replace(file, mode=files[path].mode) if path in files else file
    return tuple(files.values())


def _texts(files: Sequence[RenderedFile]) -> dict[str, str]:
    parts = (COMPOSE_FILE, RECORD, SERVERS)
    return {file.path: file.data.decode() for file in files if file.path in parts}


def _with(old: Mapping[str, Any], new: Mapping[str, Any], added: Collection[str]) -> dict[str, Any]:
    """A Compose file's document with these services of another one."""
    services = {**old["services"], **{name: new["services"][name] for name in added}}
    lists = {name: {**new.get(name, {}), **old.get(name, {})} for name in ("networks", "volumes", "secrets") if name in old or name in new}
    return {**old, "services": services, **lists}


def _needed(services: Mapping[str, Any], targets: Collection[str], there: Collection[str]) -> Iterator[str]:
    """These, and what they need that was not there."""
    known, left = set[str](), list(targets)
    while left:
        name = left.pop()
        if name in known:
            continue
        known.add(name)
        yield name
        left += [each for each in services[name].get("depends_on", ()) if each not in there]


def _record(before: str, after: str, moves: Sequence[Move], added: Collection[str]) -> RenderedFile:
    services, answers = recorded_in(after), {each.front: each.service for each in moves}
    fronts = {front.name: front for front in (*fronts_in(after), *fronts_in(before))}
    moved = [replace(front, service=answers.get(front.name, front.service)) for front in fronts.values()]
    return record_file({**recorded_in(before), **{name: services[name] for name in added if name in services}}, moved)


def _servers(before: str, after: str, moved: Collection[str]) -> str:
    old, new = _backends(before), _backends(after)
    return "".join(new[name] if name in moved and name in new else text for name, text in old.items())


def _backends(text: str) -> dict[str, str]:
    """By front, as they lie there."""
    blocks = [_BACKEND + each for each in text.split(f"\n{_BACKEND}")]
    blocks[0] = blocks[0].removeprefix(_BACKEND)
    ended = [block if block.endswith("\n") else f"{block}\n" for block in blocks]
    return {block.split(maxsplit=2)[1]: block for block in ended}
