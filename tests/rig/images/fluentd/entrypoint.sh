#!/bin/sh
# As the official image: arguments alone are those of fluentd, and without a configuration it is /fluentd/etc/$FLUENTD_CONF.
set -eu
case "${1:-}" in -*) set -- fluentd "$@" ;; esac
if [ "${1:-}" = fluentd ]; then
  case " $* " in
    *" -c "* | *" --config"*) ;;
    *) set -- "$@" --config "/fluentd/etc/$FLUENTD_CONF" ;;
  esac
fi
exec "$@"
