#!/usr/bin/env bash
# Records the captures in samples/ with real tools in network namespaces of its own.
#
# usage: scripts/record-samples.sh [NAME...]        (root; all samples without a name)
# Nothing leaves the machine: the namespaces have no way out. Addresses are private (the site) and from the documentation
# ranges of RFC 5737 and RFC 3849 (the outside). Every load has an end, and namespaces and processes go with the script.
# Times, ports and cipher keys differ at each recording, so recording again means reviewing the golden tables again.
#
# scripts/samples/lab.sh builds the laboratory; each other file there has the samples of one family, attack and innocent twin.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
[ "$(id -u)" -eq 0 ] || { echo "record-samples: network namespaces need root" >&2; exit 1; }

# A host name of its own: some tools put it into their packets.
if [ -z "${laboratory:-}" ]; then
    export laboratory=yes
    exec unshare --uts "$0" "$@"
fi
hostname lab

all=()
for part in lab protocols scans guessing mining floods local beacons names leaving hygiene rarer; do
    # shellcheck source=/dev/null
    . "$here/scripts/samples/$part.sh"
done

for name in "$@"; do
    declare -F "sample_$name" >/dev/null || { echo "record-samples: no sample '$name'; known: ${all[*]}" >&2; exit 2; }
done
trap cleanup EXIT
build_lab
start_servers
for name in "${@:-${all[@]}}"; do
    "sample_$name"
done
