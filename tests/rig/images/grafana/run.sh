#!/bin/sh
# As the official image: arguments are passed on to the server.
exec python3 -m grafana_standin "$@"
