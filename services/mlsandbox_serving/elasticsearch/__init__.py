"""Elasticsearch as the store of events: `templates` (what an index is), `setup` (once per stack), `query` and `find` (the way back).

Written by Fluentd (`fluentd/fluent.conf`); reached over plain HTTP on a private network.
"""
