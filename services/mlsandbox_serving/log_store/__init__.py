"""The embedded engine's log store: receives events over the Forward protocol and keeps them in one SQLite file.

`row` (an event as a row), `store` (the database), `process` (the running store); `python -m mlsandbox_serving.log_store` starts it.
The host reads the file with `mlsandbox.event_query`; names of table and columns are in `contract.LogTable`.
"""
