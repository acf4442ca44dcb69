# shellcheck shell=bash disable=SC2154 # sourced by record-samples.sh after lab.sh
# Port scans and sweeps with nmap, masscan, fping and arp-scan, and the busy, broken and half-seen traffic that resembles them.

# desk_servers: the internal server has a web page (80) and SSH with passwords (22), under the laboratory's own accounts.
desk_servers() {
    accounts
    cat >"$work/desk.conf" <<CONF
user root; daemon off; worker_processes 1; pid $work/desk.pid; error_log $work/desk.err;
events {}
http {
  $(nginx_temporary "$work/desk")
  client_max_body_size 100m; client_body_buffer_size 64m; client_header_timeout 120; client_body_timeout 120; server_tokens off;
  server { listen 80; listen [::]:80; server_name _; root $work/site; location /put { dav_methods PUT; root $work/desk; create_full_put_path on; } }
}
CONF
    mkdir -p "$work/desk/put"
    start desk nginx -c "$work/desk.conf"
    start_as_lab desk /usr/sbin/sshd -D -e -f /dev/null -o Port=22 -o HostKey="$work/host_key" -o PidFile=none -o UsePAM=no -o StrictModes=no \
        -o PasswordAuthentication=yes -o AuthorizedKeysFile="$work/authorized_keys" -o PrintMotd=no -o PrintLastLog=no -o UseDNS=no -o MaxStartups=50
    # Errors are told at once and for every probe: the sample is about the scan, not about the kernel's limit on ICMP.
    ip netns exec "$lab-desk" sysctl -qw net.ipv4.icmp_ratelimit=0
    sleep 1
}

nmap_quietly() { on "$1" nmap -n -Pn --host-timeout 50s "${@:2}" >/dev/null; }

sample_scan_vertical_syn() {
    begin scan_vertical_syn
    desk_servers
    settle_all
    watch
    nmap_quietly stranger -sS -p 1-200 10.20.0.20
    watched
    expect port_scan_vertical 198.51.100.66 10.20.0.20 "technique syn, tool nmap; open: 22 and 80"
    origin "A vertical scan: 200 ports of one host, half-open" <<'TEXT'
nmap -sS from outside (198.51.100.66) against the internal server 10.20.0.20, ports 1 to 200. Two are open (22, 80) and are reset
by the scanner after the SYN-ACK; the others answer with RST. Captured on the site's segment.
TEXT
}

sample_scan_connect() {
    begin scan_connect
    desk_servers
    settle_all
    watch
    nmap_quietly rogue -sT -p 1-100 10.20.0.20
    watched
    expect port_scan_vertical 10.20.0.66 10.20.0.20 "technique connect, inside the site; open: 22 and 80"
    origin "A connect scan: the scanner's own kernel shakes hands" <<'TEXT'
nmap -sT from 10.20.0.66 against the internal server 10.20.0.20, ports 1 to 100. Open ports (22, 80) see a whole handshake and
then a reset without data; the others refuse. Kernel sockets, so no sign of nmap in the packets.
TEXT
}

sample_scan_stealth() {
    begin scan_stealth
    desk_servers
    settle_all
    watch
    nmap_quietly stranger -sN -p 1-30 10.20.0.20
    nmap_quietly stranger -sF -p 31-60 10.20.0.20
    nmap_quietly stranger -sX -p 61-90 10.20.0.20
    nmap_quietly stranger -sM -p 91-120 10.20.0.20
    nmap_quietly stranger -sS --scanflags SYNFIN -p 121-150 10.20.0.20
    watched
    expect port_scan_vertical 198.51.100.66 10.20.0.20 "techniques null, fin, xmas, maimon and syn_fin, one after the other"
    origin "Stealth scans: first packets that no stack sends" <<'TEXT'
nmap from outside (198.51.100.66) against 10.20.0.20: -sN (no flags) on ports 1 to 30, -sF on 31 to 60, -sX (FIN, PSH, URG) on 61
to 90, -sM (FIN+ACK) on 91 to 120, and SYN+FIN on 121 to 150. Closed ports answer with RST, open ones (22, 80) with silence, and
SYN+FIN to a closed port with RST.
TEXT
}

sample_scan_ack() {
    begin scan_ack
    desk_servers
    settle_all
    watch
    nmap_quietly stranger -sA -p 1-60 10.20.0.20
    watched
    expect port_scan_vertical 198.51.100.66 10.20.0.20 "technique ack; a firewall is mapped, no port is found open"
    origin "An ACK scan: which ports does a firewall let through?" <<'TEXT'
nmap -sA from outside (198.51.100.66) against 10.20.0.20, ports 1 to 60: a lone ACK to each, without any connection before it.
Every port answers with RST, open or not: nothing filters.
TEXT
}

sample_scan_udp() {
    begin scan_udp
    desk_servers
    settle_all
    watch
    nmap_quietly stranger -sU --max-retries 1 -p 1-60,123,137,161,500,1900,5353 10.20.0.20
    watched
    expect port_scan_vertical 198.51.100.66 10.20.0.20 "technique udp"
    origin "A UDP scan: told apart by ICMP port unreachable" <<'TEXT'
nmap -sU from outside (198.51.100.66) against 10.20.0.20: 66 ports, empty datagrams and for known services their own questions.
Nothing listens; the kernel says port unreachable for each (its limit on ICMP is off in this laboratory).
TEXT
}

sample_scan_sctp() {
    begin scan_sctp
    desk_servers
    settle_all
    watch
    nmap_quietly stranger -sY --max-retries 1 -p 1-30,2905,3868,36412,38412 10.20.0.20
    watched
    expect port_scan_vertical 198.51.100.66 10.20.0.20 "technique sctp"
    origin "An SCTP scan: INIT to many ports" <<'TEXT'
nmap -sY from outside (198.51.100.66) against 10.20.0.20: an INIT to each of 34 ports. The target's kernel has no SCTP and says
protocol unreachable, so nmap calls the ports filtered.
TEXT
}

sample_scan_ipproto() {
    begin scan_ipproto
    desk_servers
    settle_all
    watch
    nmap_quietly stranger -sO --max-retries 1 -p 1-60,88,89,103,112,132,136,255 10.20.0.20
    watched
    expect port_scan_vertical 198.51.100.66 10.20.0.20 "technique ip_protocol"
    origin "An IP protocol scan: which protocols does this host speak?" <<'TEXT'
nmap -sO from outside (198.51.100.66) against 10.20.0.20: a packet of each of 67 IP protocols. ICMP, TCP and UDP answer in their
own way, for the others the kernel says protocol unreachable.
TEXT
}

sample_scan_horizontal() {
    begin scan_horizontal
    settle_all
    addresses server 203.0.113 60 69
    watch
    nmap_quietly client -sS --max-retries 0 --min-parallelism 50 -p 445 203.0.113.0/24
    # The router needs three seconds to give up on an address.
    sleep 3
    watched
    no_addresses server 203.0.113 60 69
    expect port_scan_horizontal 10.20.0.10 203.0.113.0/24 "port 445, technique syn; from an internal host outwards"
    origin "A horizontal scan: one port, a whole network" <<'TEXT'
nmap -sS -p 445 from the workstation 10.20.0.10 over 203.0.113.0/24, as a worm looks for file shares outside. Fourteen hosts are
there and refuse; for some of the others the router says host unreachable, the rest is silence.
TEXT
}

sample_scan_block() {
    begin scan_block
    desk_servers
    settle_all
    addresses desk 10.20.0 100 119
    watch
    nmap_quietly stranger -sS --max-retries 1 -p 5000,6379,7001,8080,8443,9200 10.20.0.100-119
    watched
    no_addresses desk 10.20.0 100 119
    expect port_scan_block 198.51.100.66 10.20.0.100-119 "20 hosts x 6 ports, all closed"
    origin "A block scan: some ports of some hosts" <<'TEXT'
nmap -sS from outside (198.51.100.66) over 20 internal hosts (10.20.0.100 to .119, all played by one machine), six ports each: too
few ports per host for a vertical scan, too few hosts per port for a horizontal one. All refuse.
TEXT
}

sample_scan_distributed() {
    begin scan_distributed
    local n
    desk_servers
    settle_all
    addresses stranger 198.51.100 101 115
    watch
    for n in $(seq 0 14); do
        nmap_quietly stranger -sS --max-retries 1 -e eth0 -S "198.51.100.$((101 + n))" -p "$((7000 + n * 4))-$((7003 + n * 4))" 10.20.0.20
    done
    watched
    no_addresses stranger 198.51.100 101 115
    expect port_scan_distributed "198.51.100.101-115" 10.20.0.20 "15 sources with four ports each, 60 ports together"
    origin "A distributed scan: many sources share the work" <<'TEXT'
Fifteen outside addresses (198.51.100.101 to .115), each with nmap -sS on four ports of its own, together ports 7000 to 7059 of
10.20.0.20. Each source alone stays far below a scan. All ports are closed.
TEXT
}

sample_scan_slow() {
    begin scan_slow
    local fast=$work/fast.pcap
    desk_servers
    settle_all
    addresses desk 10.20.0 100 103
    record lan br0 "$fast"
    nmap_quietly stranger -sS --max-retries 0 --scan-delay 1s --max-hostgroup 1 -p 21,23,445,3306,3389,5900,8080 10.20.0.100-103
    stop_recording
    no_addresses desk 10.20.0 100 103
    # The pauses of a second become five minutes; what follows within half a second stays as it was.
    python3 "$here/scripts/samples/stretch.py" "$fast" "$out" --factor 300 --above 0.5
    expect port_scan_slow 198.51.100.66 10.20.0.100-103 "28 first contacts in hours, all refused"
    origin "A slow scan: one probe every five minutes" <<'TEXT'
nmap -sS --scan-delay 1s from outside (198.51.100.66) over four internal hosts, seven ports each. **Times are not as recorded:**
scripts/samples/stretch.py made every pause of half a second or more 300 times as long, so a probe comes about every five minutes;
the gap between a probe and its answer is the recorded one. All ports are closed.
TEXT
}

sample_scan_masscan() {
    begin scan_masscan
    desk_servers
    settle_all
    watch
    on stranger masscan --wait 1 --rate 200 --adapter eth0 --adapter-ip 198.51.100.66 --router-mac 02-00-00-00-51-01 -p 1-150 10.20.0.20 >/dev/null 2>&1
    watched
    expect port_scan_vertical 198.51.100.66 10.20.0.20 "technique syn, tool masscan"
    origin "A scan with masscan: a stack of its own" <<'TEXT'
masscan from outside (198.51.100.66) against 10.20.0.20, ports 1 to 150 in random order, 200 a second: SYNs without options and
with a fixed window, from one source port. The IP identification is the low half of target address xor port xor sequence number,
which gives masscan away. Open ports (22, 80) are reset.
TEXT
}

sample_sweep_icmp() {
    begin sweep_icmp
    settle_all
    addresses server 203.0.113 60 69
    watch
    on client fping -q -r 0 -i 10 -t 200 -g 203.0.113.1 203.0.113.70 >/dev/null 2>&1 || true
    on client nmap -n -sn -PP --max-retries 0 203.0.113.50-79 >/dev/null
    sleep 3
    watched
    no_addresses server 203.0.113 60 69
    expect host_sweep 10.20.0.10 203.0.113.0/24 "icmp, 70 hosts by echo, then 30 by timestamp"
    origin "An ICMP sweep: who is there?" <<'TEXT'
fping -g from 10.20.0.10 over 203.0.113.1 to .70 (echo), then nmap -sn -PP over .50 to .79 (timestamp). Fourteen hosts answer,
about some others the router says host unreachable.
TEXT
}

sample_sweep_arp() {
    begin sweep_arp
    settle_all
    watch
    on rogue arp-scan -q -I eth0 -r 1 10.20.0.0/24 >/dev/null 2>&1
    watched
    expect host_sweep 10.20.0.66 10.20.0.0/24 "arp, 256 addresses asked for, none contacted afterwards"
    origin "An ARP sweep of the segment" <<'TEXT'
arp-scan on 10.20.0.66 asks for every address of 10.20.0.0/24. Client, server and router answer; no IP packet follows.
TEXT
}

sample_sweep_ptr() {
    begin sweep_ptr
    settle_all
    watch
    on client nmap -sL -R --dns-servers 203.0.113.53 203.0.113.0/25 >/dev/null
    watched
    expect host_sweep 10.20.0.10 203.0.113.53 "ptr, 128 consecutive addresses of one network"
    origin "A PTR walk: the names of a whole network" <<'TEXT'
nmap -sL -R from 10.20.0.10 asks the resolver 203.0.113.53 for the name of each of 128 consecutive addresses. One has a name; the
others do not exist.
TEXT
}

sample_os_probe() {
    begin os_probe
    desk_servers
    settle_all
    watch
    on stranger nmap -n -Pn -O --max-os-tries 1 -p 22,81 10.20.0.20 >/dev/null
    watched
    expect os_fingerprint_probe 198.51.100.66 10.20.0.20 "info; SYNs with rare options, then T2 to T7 and an odd echo"
    origin "Operating system detection: a few packets no stack would send" <<'TEXT'
nmap -O from outside (198.51.100.66) against 10.20.0.20 with one open port (22) and one closed (81): six SYNs with odd options, an
ECN SYN, a packet without flags, SYN+FIN+URG+PSH, a lone ACK, FIN+PSH+URG, two unusual echoes and a UDP datagram of 300 times C.
Two ports only: no port scan.
TEXT
}

sample_scan_ipv6() {
    begin scan_ipv6
    desk_servers
    settle_all
    on rogue ping -6 -q -c 1 fd00:20::20 >/dev/null
    watch
    nmap_quietly rogue -6 -sS -p 1-100 fd00:20::20
    watched
    expect port_scan_vertical fd00:20::66 fd00:20::20 "technique syn, over IPv6; open: 22 and 80"
    origin "A vertical scan over IPv6" <<'TEXT'
nmap -6 -sS from fd00:20::66 against the internal server fd00:20::20, ports 1 to 100. Open ports are reset by the scanner, the
others answer with RST.
TEXT
}

# --- twins --------------------------------------------------------------------------------------------------

sample_twin_busy_browser() {
    begin twin_busy_browser pcap.gz
    local n port urls=()
    cat >"$work/many.conf" <<CONF
user root; daemon off; worker_processes 1; pid $work/many.pid; error_log $work/many.err;
events {}
http {
  $(nginx_temporary "$work")
  server { server_name _; root $work/site;
$(for port in 8000 8001 8002 8008 8080 8081 8088 8090 8443 8888 9000 9090 9443 10000 10443; do echo "    listen $port;"; done) }
}
CONF
    addresses server 203.0.113 60 99
    start server nginx -c "$work/many.conf"
    sleep 1
    settle_all
    for n in $(seq 60 99); do urls+=(-o /dev/null "http://203.0.113.$n/files/items.json"); done
    for port in 8000 8001 8002 8008 8080 8081 8088 8090 8443 8888 9000 9090 9443 10000 10443; do urls+=(-o /dev/null "http://203.0.113.50:$port/files/items.json"); done
    watch
    on client curl -s -S --no-progress-meter --max-time 10 -Z --parallel-max 30 "${urls[@]}"
    # Two that are away: a page is rarely whole.
    on client curl -s --max-time 1 -o /dev/null http://203.0.113.200/ || true
    on client curl -s --max-time 1 -o /dev/null http://203.0.113.50:8444/ || true
    watched
    no_addresses server 203.0.113 60 99
    quiet
    origin "A busy browser: many hosts and ports at once, and nearly all answer" <<'TEXT'
curl in parallel from 10.20.0.10: a small file from each of 40 servers on port 80 and from 15 ports of 203.0.113.50, all within a
second, all answered. One more host is away and one more port is closed.
TEXT
}

sample_twin_retry() {
    begin twin_retry
    settle_all
    watch
    for _ in $(seq 60); do on client curl -s --max-time 1 -o /dev/null http://203.0.113.50:8081/ || true; done
    watched
    quiet
    origin "A stubborn client: one refused port, sixty times" <<'TEXT'
curl on 10.20.0.10 tries http://203.0.113.50:8081/ again and again; the server is down and its host refuses. One port of one host,
however often, is no scan.
TEXT
}

sample_twin_backscatter() {
    begin twin_backscatter
    local n
    settle_all
    addresses desk 10.20.0 100 199
    watch
    # The flood itself passes outside: only its answers reach the site, whose addresses the attacker invented.
    for n in $(seq 100 199); do
        on stranger hping3 -q -n -c 1 -S -p 80 -a "10.20.0.$n" 203.0.113.50 >/dev/null 2>&1 &
        sleep 0.02
    done
    for n in $(seq 100 139); do
        on stranger hping3 -q -n -c 1 -S -p 81 -a "10.20.0.$n" 203.0.113.50 >/dev/null 2>&1 &
        sleep 0.02
    done
    sleep 1
    watched
    no_addresses desk 10.20.0 100 199
    quiet
    origin "Backscatter: answers to a flood that somebody else sent" <<'TEXT'
Outside, hping3 floods 203.0.113.50 with SYNs under invented source addresses, which happen to be the site's (10.20.0.100 to
.199). The site sees only what comes back: SYN-ACKs from port 80 and RSTs from port 81 to many hosts and ports, and its own hosts'
resets. The server scans nobody; it is the victim.
TEXT
}

sample_twin_midstream() {
    begin twin_midstream pcap.gz
    local n
    settle_all
    # A small receive buffer keeps the senders waiting: otherwise all is sent before the recording begins.
    ip netns exec "$lab-client" sysctl -qw "net.ipv4.tcp_rmem=4096 8192 8192"
    for n in $(seq 20); do
        on client curl -s --max-time 20 --limit-rate 4k -o /dev/null http://203.0.113.50/files/report.bin &
    done
    sleep 4
    watch -s 96
    sleep 9
    watched
    ip netns exec "$lab-client" sysctl -qw "net.ipv4.tcp_rmem=4096 131072 6291456"
    quiet
    origin "A capture that begins in the middle of its connections" <<'TEXT'
Slow downloads from 203.0.113.50 to 10.20.0.10 were under way for more than four seconds when the recording began, a dozen of
twenty still are: no handshake is there, only data, acknowledgements and ends (FIN+ACK first packets of a direction, too). Snaplen
96.
TEXT
}

all+=(scan_vertical_syn scan_connect scan_stealth scan_ack scan_udp scan_sctp scan_ipproto scan_horizontal scan_block scan_distributed scan_slow
    scan_masscan scan_ipv6 sweep_icmp sweep_arp sweep_ptr os_probe twin_busy_browser twin_retry twin_backscatter twin_midstream)
