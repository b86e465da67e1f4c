"""The embedded log store: receives events over the Forward protocol and keeps them in one SQLite file.

`row` (an event as a row), `store` (the database), `process` (the running store), `find` (what `sandbox logs` asks, run beside it);
`python -m mlsandbox_serving.log_store` starts it.
"""
