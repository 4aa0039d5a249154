#!/bin/sh
# Entry of the agent's container image: enrolls at the first start with the token from WARREN_TOKEN_FILE (or
# WARREN_TOKEN), then is the agent. Other arguments run warren with them: `docker run IMAGE warren status`.
set -eu

main() {
  if [ $# -gt 0 ]; then exec "$@"; fi
  if [ ! -s "${WARREN_STATE_DIR:-/var/lib/warren/default}/identity.crt" ]; then enroll; fi
  unset WARREN_TOKEN
  exec warren agent
}

enroll() {
  if [ -n "${WARREN_TOKEN_FILE:-}" ]; then
    warren join --token-file "$WARREN_TOKEN_FILE"
  elif [ -n "${WARREN_TOKEN:-}" ]; then
    warren join
  else
    echo 'container.sh: not enrolled: give a token in WARREN_TOKEN_FILE or WARREN_TOKEN' >&2
    exit 2
  fi
}

main "$@"
