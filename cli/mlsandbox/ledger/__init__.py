"""What was packaged and what answered, when, from what, by whom and why: `.sandbox/ledger.jsonl`, which is only ever appended to."""

from __future__ import annotations

from mlsandbox.ledger.chain import Problem, Verified
from mlsandbox.ledger.entry import Action, Draft, Entry, moment, stamp
from mlsandbox.ledger.facts import facts_of
from mlsandbox.ledger.file import Ledger
from mlsandbox.ledger.history import Interval, answered_since, challengers, champion_at, intervals, previous_champion, where

__all__ = [
    "Action",
    "Draft",
    "Entry",
    "Interval",
    "Ledger",
    "Problem",
    "Verified",
    "answered_since",
    "challengers",
    "champion_at",
    "facts_of",
    "intervals",
    "moment",
    "previous_champion",
    "stamp",
    "where",
]
