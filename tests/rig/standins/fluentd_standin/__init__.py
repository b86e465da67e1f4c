"""A stand-in for Fluentd in tests: takes the Forward protocol, buffers in files, writes to Elasticsearch, tells metrics.

It reads addresses, limits and names out of the real configuration file; filters and Ruby in it are not carried out. It differs in
this: an acknowledgement always means that the events are on the disk, and a chunk is never given up.
"""
