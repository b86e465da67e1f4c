"""A stand-in for Elasticsearch 8 in tests: one node, one process, SQLite on disk; the part of the REST interface that the stack uses.

It is strict where the real server is (mappings, types, unknown queries, media types), and differs in this: a document is found at
once instead of after a refresh, relevance is not scored, and lifecycle policies are kept but delete nothing.
"""
