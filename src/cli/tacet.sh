#!/bin/sh
# The `tacet` command: hardens its process, then becomes Node.
here=$(dirname "$(readlink -f "$0")")
exec /bin/sh "$here/../hardening/harden.sh" node "$here/tacet.mjs" "$@"
