#!/bin/sh
# As the official image: `eswrapper` starts the server, anything else is run in its place.
set -eu
if [ "${1:-eswrapper}" != eswrapper ] && [ "$1" != elasticsearch ]; then
  exec "$@"
fi
cd /usr/share/elasticsearch
exec python3 -m elasticsearch_standin --data "$(env | sed -n 's/^path\.data=//p' | grep . || echo data)"
