#!/bin/sh
# What can it tell about a capture? The shipped samples in a throw-away database, and a few questions.
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

echo "Reading the small captures that were recorded in a laboratory (samples/*/ORIGIN.md) into a throw-away database."
show ingest -r samples
echo
echo "Who moved the most bytes?"
show query --format table queries/top_talkers.sql -p limit=8
echo
echo "What was spoken?"
show query --format table queries/top_services.sql
echo
echo "Which names were asked for?"
show query --format table queries/dns_top_names.sql -p limit=2
echo
echo "What did not answer? (One of the captures is a port scan.)"
show query --format table queries/failed_connections.sql -p limit=5
echo
echo "What was odd about the bytes?"
show query --format table queries/weirds.sql
echo
echo "Was everything read? (The sample cut ends in the middle of a packet: a reason and a byte instead of silence.)"
show query --format table -e "SELECT path, status, packets, stop_reason, stop_offset FROM captures ORDER BY first_ts DESC LIMIT 4"
echo
echo "And a question of your own:"
show query --format table -e "SELECT src_ip, dst_ip, dst_port, conn_state, service, hostname FROM flows WHERE hostname IS NOT NULL ORDER BY first_ts LIMIT 5"
cat <<EOF

The database is gone now. To keep one:
    make install                       (or use $binary)
    secnetmon ingest YOUR.pcap
    secnetmon query top_talkers        (the others: ls queries/)
    secnetmon query -e "SELECT * FROM flows LIMIT 10"
EOF
