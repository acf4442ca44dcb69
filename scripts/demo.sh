#!/bin/sh
# What can it tell about a capture? Shipped samples in a throw-away database: what is found, why, and a few questions.
#
# usage: scripts/demo.sh BINARY
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
binary=$1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
export SECNETMON_DB="$work/demo.duckdb" XDG_CONFIG_HOME="$work" XDG_DATA_HOME="$work" XDG_STATE_HOME="$work"
cd "$here"

# show COMMAND...: the command as one would type it, then its answer.
show() {
    printf '\n$ secnetmon'
    for word in "$@"; do
        case $word in
            *[!A-Za-z0-9_./=-]*) printf ' "%s"' "$word" ;;
            *) printf ' %s' "$word" ;;
        esac
    done
    printf '\n'
    # Exit code 3 says that some input was damaged; one sample is, on purpose.
    code=0
    "$binary" "$@" || code=$?
    [ "$code" -eq 0 ] || [ "$code" -eq 3 ] || exit "$code"
}

# Attacks of several families, ordinary traffic, and a capture that ends in the middle of a packet.
captures=
for name in scan_vertical_syn guess_ssh mining_stratum beacon_jitter dns_tunnel_iodine arp_spoof reverse_shell web_attack web tls cut; do
    captures="$captures $(ls samples/$name/$name.pcap*)"
done

echo "Reading small captures that were recorded in a laboratory (samples/*/ORIGIN.md) into a throw-away database."
# shellcheck disable=SC2086 # one word a capture
show ingest $captures
echo
echo "What was found, most urgent first?"
show anomalies -n 12 --format table
id=$("$binary" query --format csv -e "SELECT anomaly_id FROM anomalies WHERE kind = 'crypto_mining' ORDER BY score DESC LIMIT 1" | tail -n 1)
echo
echo "Why? One finding in full:"
show anomalies show "$id"
echo
echo "How is that found, and with which numbers?"
show detectors port_scan
echo
echo "Who moved the most bytes?"
show query --format table top_talkers -p limit=8
echo
echo "What was spoken?"
show query --format table top_services
echo
echo "Was everything read? (The sample cut ends in the middle of a packet: a reason and a byte instead of silence.)"
show query --format table -e "SELECT path, status, packets, stop_reason, stop_offset FROM captures WHERE status <> 'complete'"
echo
echo "And a question of your own:"
show query --format table -e "SELECT src_ip, dst_ip, dst_port, conn_state, service, hostname FROM flows WHERE hostname IS NOT NULL ORDER BY first_ts LIMIT 5"
cat <<EOF

The database is gone now. To keep one:
    make install                       (or use $binary)
    secnetmon ingest YOUR.pcap
    secnetmon anomalies
    secnetmon query top_talkers        (query --list shows the others)
    secnetmon query -e "SELECT * FROM flows LIMIT 10"
EOF
