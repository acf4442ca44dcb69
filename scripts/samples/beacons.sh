# shellcheck shell=bash disable=SC2154 # sourced by record-samples.sh after lab.sh
# Programs that call home at intervals, and those that are right to. Recorded fast, then stretched: see stretch.py.

# stretched FACTOR: ends the recording; pauses of half a second or more become so many times as long.
stretched() {
    stop_recording
    python3 "$here/scripts/samples/stretch.py" "$raw" "$raw.long" --factor "$1" --above 0.5
    keep "$raw.long"
}

sample_beacon_jitter() {
    begin beacon_jitter pcap.gz
    local pause
    addresses server 203.0.113 66 66
    settle_all
    watch
    # Two seconds, 20 % more or less; the same pauses at each recording.
    for pause in $(awk 'BEGIN {srand(7); for (i = 0; i < 48; i++) printf "%.2f ", 2 * (0.8 + 0.4 * rand())}'); do
        on client curl -4 -s --max-time 2 -o /dev/null -A 'Mozilla/5.0 (Windows NT 10.0; Win64; x64)' "http://cdn-status.example.net/files/items.json?v=41"
        sleep "$pause"
    done
    stretched 30
    no_addresses server 203.0.113 66 66
    expect beacon 10.20.0.10 203.0.113.66 "48 calls, a minute apart with 20 % jitter, equal sizes; Host cdn-status.example.net"
    origin "A beacon: every minute, more or less" <<'TEXT'
curl on 10.20.0.10 asks http://cdn-status.example.net/ (203.0.113.66) for a few bytes 48 times, with pauses that vary by 20 %.
**Times are not as recorded:** the pauses of about two seconds are 30 times as long (scripts/samples/stretch.py): a minute, more
or less, for three quarters of an hour. What happens within a call keeps its times.
TEXT
}

# hold SECONDS TARGET ARGS...: an SSH session that does nothing but say every second that it is still there.
hold() {
    patience=$(($1 + 20)) on client ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o BatchMode=yes -o ServerAliveInterval=1 \
        -o KexAlgorithms=curve25519-sha256 -i "$work/user_key" "$2" "sleep $1"
}

sample_long_connection() {
    begin long_connection pcap.gz
    settle_all
    watch
    hold 110 root@203.0.113.50
    stretched 300
    expect long_connection 10.20.0.10 203.0.113.50 "SSH, nine hours, outwards"
    origin "A connection that stays for nine hours" <<'TEXT'
ssh on 10.20.0.10 to 203.0.113.50: a session that only keeps itself alive. **Times are not as recorded:** it lasted 110 seconds
with a sign of life every second, and scripts/samples/stretch.py made these pauses five minutes long.
TEXT
}

sample_twin_long_inside() {
    begin twin_long_inside pcap.gz
    desk_servers
    settle_all
    watch
    hold 110 alice@10.20.0.20
    stretched 300
    quiet
    origin "A connection that stays for nine hours, inside the site" <<'TEXT'
ssh on 10.20.0.10 to the internal server 10.20.0.20, the same idle session as in long_connection. **Times are not as recorded:**
pauses of a second are five minutes long (scripts/samples/stretch.py).
TEXT
}

sample_twin_ntp() {
    begin twin_ntp
    settle_all
    # -x: neither of them touches the clock of the machine.
    printf 'local stratum 2\nallow\nport 123\ncmdport 0\nbindaddress 203.0.113.53\npidfile %s/ntp1.pid\n' "$work" >"$work/ntp-server.conf"
    printf 'server 203.0.113.53 minpoll 1 maxpoll 1\ncmdport 0\npidfile %s/ntp2.pid\n' "$work" >"$work/ntp-client.conf"
    start server chronyd -x -d -u root -f "$work/ntp-server.conf"
    sleep 1
    watch
    start client chronyd -x -d -u root -f "$work/ntp-client.conf"
    sleep 50
    stretched 32
    quiet
    origin "NTP: a clock asks for the time every minute" <<'TEXT'
chronyd on 10.20.0.10 asks chronyd on 203.0.113.53 about 25 times. **Times are not as recorded:** the polls were two seconds apart
and are 64 seconds apart now, the usual interval (scripts/samples/stretch.py); the times inside the packets are the recorded ones.
TEXT
}

sample_twin_update_check() {
    begin twin_update_check pcap.gz
    settle_all
    watch
    for _ in $(seq 24); do
        on client curl -4 -s --max-time 2 -o /dev/null -A 'Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Firefox/115.0' http://detectportal.firefox.com/success.txt
        sleep 2
    done
    stretched 150
    quiet
    origin "A browser asks every five minutes whether it is online" <<'TEXT'
curl with a browser's name asks http://detectportal.firefox.com/success.txt 24 times; the laboratory's resolver gives this
well-known name to its own server 203.0.113.51. **Times are not as recorded:** the pauses of two seconds are five minutes long
(scripts/samples/stretch.py). As regular as any beacon, to a name that half of all workstations ask for.
TEXT
}

all+=(beacon_jitter long_connection twin_long_inside twin_ntp twin_update_check)
