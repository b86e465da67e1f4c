"""The event spool: an append-only folder of segments between a model service and its sinks.

Read in this order: `segment` (bytes of a file), `writer` (in the model service), `reader` and `cursor` (where a sink stands),
`bounds` (what is dropped), `sink` (one delivery), `shipper` (the process).
"""
