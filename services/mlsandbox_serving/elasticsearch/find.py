"""`python -m mlsandbox_serving.elasticsearch.find`: finds events in Elasticsearch; see `contract.Finder`."""

from __future__ import annotations

import os
import time
from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Any, Final

from mlsandbox_serving.contract import Field, Finder, Index
from mlsandbox_serving.elasticsearch.address import stated
from mlsandbox_serving.elasticsearch.client import AnswerTooLarge, Client, ElasticsearchError, Unreachable
from mlsandbox_serving.elasticsearch.query import is_since, matching, newest_mark, page, stored_after
from mlsandbox_serving.finding import Conditions, FindFailed, run_finder, within

_SEARCH: Final = f"/{Index.EVENTS}-*/_search"
_FIRST_PAGE: Final = 10
_LARGEST_PAGE: Final = 500
_PAGE_BYTES: Final = 16 * 1024**2
"""About as much as is asked for at a time: Elasticsearch holds all of a page in its heap, and one event may have megabytes."""
_POLL_SECONDS: Final = 1.0
"""As often as Elasticsearch makes new events visible."""
_SETTLE_SECONDS: Final = 5.0
"""Events may become visible in another order than they were numbered in: this much of the newest is looked at again."""
_PATIENCE_SECONDS: Final = 30.0
"""How long Elasticsearch may be away while events are followed."""
_REMEMBERED: Final = 100_000

Hit = dict[str, Any]


def find(client: Client, wanted: Conditions) -> Iterator[dict[str, Any] | None]:
    """Events that match, the newest last; with `follow` then every one that is stored from now on, and None where there is none for now.

    With `rows` the newest first, to the millisecond, page by page: no more than one of these is held.

    Raises:
        FindFailed: Elasticsearch does not answer, or refuses.
    """
    try:
        following = _Following(client, wanted) if wanted.follow else None
        newest_first = _hits(client, matching(wanted), limit=wanted.limit, newest_first=True)
        there = (hit for hit in newest_first if is_since(hit["_source"], wanted.since))
        if wanted.rows is not None:
            yield from within(wanted.rows, (hit["_source"] for hit in there))
            return
        hits = list(there)
        yield from (hit["_source"] for hit in _in_order(hits))
        if following is not None:
            following.shown(hits)
            while True:
                fresh = following.fresh()
                yield from (hit["_source"] for hit in fresh)
                if not fresh:
                    yield None
    except Unreachable as error:
        raise FindFailed(Finder.UNREACHABLE, str(error)) from error
    except ElasticsearchError as error:
        raise FindFailed(Finder.UNREADABLE, str(error)) from error


class _Following:
    """What is stored from its making on, each event once, however late it comes and however often it is written."""

    def __init__(self, client: Client, wanted: Conditions) -> None:
        self._client = client
        self._wanted = wanted
        self._seen: OrderedDict[str, None] = OrderedDict()
        there = client.request("GET", f"/{Index.EVENTS}-*/_alias")
        self._marks = {index: mark for index in there if (mark := self._newest(index)) is not None}
        self._settling: deque[tuple[float, str, int]] = deque()
        self._next = time.monotonic()
        self._well = time.monotonic()

    def shown(self, hits: list[Hit]) -> None:
        """Remember what is not to be shown again."""
        for hit in hits:
            self._seen[hit["_id"]] = None
            self._seen.move_to_end(hit["_id"])
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def fresh(self) -> list[Hit]:
        """New events in the order of their time; none before it is time to ask again.

        Raises:
            ElasticsearchError: it refuses, or has been away for too long.
        """
        now = time.monotonic()
        if now < self._next:
            return []
        self._next = now + _POLL_SECONDS
        query = stored_after(matching(self._wanted), self._marks)
        try:
            hits = list(_hits(self._client, query, limit=None, newest_first=False))
        except Unreachable:
            if now - self._well > _PATIENCE_SECONDS:
                raise
            return []
        self._well = now
        self._advance(now, hits)
        fresh = [hit for hit in hits if hit["_id"] not in self._seen and is_since(hit["_source"], self._wanted.since)]
        self.shown(hits)
        return _in_order(fresh)

    def _newest(self, index: str) -> int | None:
        path, body = newest_mark(index)
        hits = self._client.request("POST", path, body)["hits"]["hits"]
        return int(hits[0]["_seq_no"]) if hits else None

    def _advance(self, now: float, hits: list[Hit]) -> None:
        self._settling.extend((now, hit["_index"], int(hit["_seq_no"])) for hit in hits if hit["_id"] not in self._seen)
        while self._settling and now - self._settling[0][0] > _SETTLE_SECONDS:
            _, index, number = self._settling.popleft()
            self._marks[index] = max(self._marks.get(index, -1), number)


def _hits(client: Client, query: dict[str, Any], *, limit: int | None, newest_first: bool) -> Iterator[Hit]:
    """Page after page, until the limit or the end; each as large as the events of the one before suggest."""
    size, after, left = _FIRST_PAGE, None, limit
    while left is None or left > 0:
        asked = size if left is None else min(size, left)
        try:
            body = page(query, size=asked, newest_first=newest_first, after=after)
            hits: list[Hit] = client.request("POST", _SEARCH, body)["hits"]["hits"]
        except AnswerTooLarge:
            if asked == 1:
                raise
            size = max(asked // 4, 1)
            continue
        yield from hits
        if len(hits) < asked:
            return
        size = max(min(_PAGE_BYTES * len(hits) // client.answer_bytes, _LARGEST_PAGE), 1)
        after = hits[-1]["sort"]
        left = None if left is None else left - asked


def _in_order(hits: list[Hit]) -> list[Hit]:
    """By their time to the microsecond; Elasticsearch orders by milliseconds."""
    return sorted(hits, key=lambda hit: (hit["sort"][0] or 0, str(hit["_source"].get(Field.TIMESTAMP)), hit["_id"]))


def main() -> int:
    """The exit code; see `contract.Finder`."""
    client = Client(*stated(os.environ))
    return run_finder(lambda wanted: find(client, wanted))


if __name__ == "__main__":
    raise SystemExit(main())
