"""The Fluentd Forward protocol, version 1, without its handshake and without TLS: a client with acknowledgements, and a server.

Specification: https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1
"""
