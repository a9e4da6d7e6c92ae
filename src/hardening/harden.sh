#!/bin/sh
# Starts Node as a house must be run. Arguments: the node binary, its script, the script's own. What it sets is checked
# by measures.ts and explained by `tacet check`. It becomes that process: there is no parent that would have to pass on
# signals and exit code, or could be killed and leave the house behind.
here=$(dirname "$(readlink -f "$0")")
node=$1
shift

# No core dumps; where the system pipes them to a program whatever the limit says, they hold no memory.
ulimit -c 0
{ echo 0 >"/proc/$$/coredump_filter"; } 2>/dev/null
# As much locked memory as this user may have.
ulimit -S -l "$(ulimit -H -l)" 2>/dev/null

# glibc overwrites what is freed, and hands nothing back unwritten: the caches of threads would (mallopt(3), M_PERTURB).
export GLIBC_TUNABLES=glibc.malloc.perturb=165:glibc.malloc.tcache_count=0
# Else the first call of each library function saves all vector registers on the stack (ld.so(8)).
export LD_BIND_NOW=1
# Nothing from outside may open an inspector, write snapshots, reports or keys, or load code.
unset NODE_OPTIONS NODE_V8_COVERAGE NODE_DEBUG NODE_DEBUG_NATIVE NODE_REDIRECT_WARNINGS SSLKEYLOGFILE

# Older versions do not know it: there debugger.cjs alone keeps SIGUSR1 from opening an inspector.
if "$node" --disable-sigusr1 --version >/dev/null 2>&1; then set -- --disable-sigusr1 "$@"; fi
exec "$node" --disable-proto=delete --require "$here/debugger.cjs" "$@"
