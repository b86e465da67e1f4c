"""The drift service: receives events over the Forward protocol and tells whether live rows still look like the reference.

One process watches all models of a stack. `event` (what is used of an event), `block` (events of few rows, put together), `state` (what
is on disk), `watch` (one version of one model), `watches` (all of them, in one thread), `exported` (its metrics), `report`, `plot` and
`page` (what people read), `process` (the running service); `python -m mlsandbox_serving.drift_sidecar` starts it.

An event is acknowledged once it is in the journal on disk, in the same transaction as its id. Monitors are saved now and then, with the
place in the journal up to which they have seen it, and what comes after is read again at the start. Rows are handed to a monitor in
blocks whose borders follow from the order of the events alone, so that a process that was killed ends up where an undisturbed one would.
"""
