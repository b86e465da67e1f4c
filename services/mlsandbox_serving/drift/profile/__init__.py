"""Reference profiles: what is kept of a model's reference data so that drift can be told without keeping any of its rows.

A saved profile is two files in a folder, read by `load_profile` of this and every later version, whatever the libraries' versions.

`profile.json`, UTF-8:

| key | holds |
|---|---|
| `format` | "mlsandbox drift profile" |
| `version` | 1; a reader refuses a later one |
| `rows` | rows of the reference |
| `source` | "given", or "live" when it was made of the first rows that came |
| `self_check` | `{"rows": n, "unsteady": {kind: [column, …]}}`: the last fifth, replayed against the rest |
| `left_out` | `{column: reason}` |
| `streams` | see below |
| `pairs` | `[{"first": i, "second": j, "association": Cramér's V, "numeric": bool}, …]`, positions in `streams` |

An entry of `streams`: `name`; `kind` ("features", "prediction", "performance"); `singletons` (categories that occur once); `sd`;
`stride` (rows from one to the next that are as good as independent);
`cells`, which is either `{"type": "number", "minimum": x, "maximum": y, "dates": bool, "edges": n}` (cells in order: below the minimum,
n + 1 cells between the edges, above the maximum, missing) or `{"type": "category", "of": "text" | "number" | "boolean" | "date",
"top": [key, …], "rest": n}` (cells in order: the top ones, the rest of the known ones, unseen, missing).

`profile.npz`, numpy's archive of arrays without pickles: `counts` (int64; reference rows in each cell, stream after stream), `edges`
(float64) and `rest` (uint64; BLAKE2b-64 of each rarer key, ascending), both likewise, as many as each entry says; `pair_counts` (int64,
pairs by 25; coarse group of the first column, then of the second).
"""

from mlsandbox_serving.drift.profile.build import build_profile
from mlsandbox_serving.drift.profile.definition import Profile, SelfCheck
from mlsandbox_serving.drift.profile.store import ProfileUnreadable, load_profile, save_profile

__all__ = ["Profile", "ProfileUnreadable", "SelfCheck", "build_profile", "load_profile", "save_profile"]
