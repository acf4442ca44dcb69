# shellcheck shell=bash disable=SC2154 # sourced by record-samples.sh after lab.sh
# The samples of plain protocols and of captures that are cut, tagged, tunnelled or lossy: ordinary traffic, one question each.

web='on client curl -s -S --max-time 10 -o /dev/null'

sample_web() {
    begin web
    settle
    record router site "$out"
    # Two requests on one connection, then one connection each.
    $web http://www.example.com/ -o /dev/null http://www.example.com/files/picture.png
    $web http://www.example.com/missing
    $web -L http://www.example.com/old
    $web -d 'user=alice&password=not-a-real-one' http://shop.example.org/login
    $web -I http://www.example.com/files/report.bin
    $web -r 100-299 http://static.example.com/files/report.bin
    $web --compressed -A 'Laboratory/1.0' http://shop.example.org/stream
    $web http://203.0.113.50:80/files/items.json
    stop_recording
    origin "Plain HTTP: what does a visit to a small web server look like?" <<'TEXT'
curl asks nginx for pages and files: two requests on one connection, a 404, a 301 that is followed, a form POST answered by
403, a HEAD, a range (206), a chunked gzip answer, and one request by address. Names come from dnsmasq over UDP, A and AAAA.
The capture point is the router's inner interface; the client is 10.20.0.10 and fd00:20::10.

Look at `http` (ten transactions), `flows.hostname`, and the DNS pairs that led to them.
TEXT
}

sample_tls() {
    begin tls
    settle
    record router site "$out" --time-stamp-precision=nano
    $web -4 -k --tlsv1.3 https://www.example.com/
    $web -4 -k --tls-max 1.2 https://www.example.com/files/picture.png
    $web -4 -k --http1.1 --tls-max 1.2 https://shop.example.org/
    $web -4 -k https://203.0.113.50/
    # The certificate is self-signed and this client minds: an alert instead of a request.
    $web -4 https://www.example.com/ || true
    # TLS to a port that speaks HTTP: a ClientHello answered in another language.
    $web -4 -k https://www.example.com:80/ || true
    on client sh -c 'echo | openssl s_client -connect 203.0.113.51:443 -servername shop.example.org -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256 -alpn http/1.1 -brief' >/dev/null 2>&1 || true
    stop_recording
    origin "TLS 1.2 and 1.3: names, versions, fingerprints and one certificate" <<'TEXT'
curl and openssl talk to nginx with a self-signed certificate: TLS 1.3, TLS 1.2 (the certificate is visible), a session by
address without SNI, a client that refuses the certificate, and a ClientHello to a port that answers in plain HTTP. Nanosecond pcap.

Look at `tls` (server_name, version, ja3, ja4), and `x509`: subject www.example.com, two alternative names, issuer equals subject.
TEXT
}

sample_dns() {
    begin dns
    settle
    record router site "$out"
    local dig='on client dig +tries=1 +timeout=2'
    $dig www.example.com A >/dev/null
    $dig www.example.com AAAA >/dev/null
    $dig static.example.com A +noedns >/dev/null
    $dig example.com MX >/dev/null
    $dig example.com TXT >/dev/null
    $dig -x 203.0.113.50 >/dev/null
    $dig nobody.example.com A >/dev/null
    $dig elsewhere.invalid A >/dev/null
    $dig large.example.com TXT >/dev/null
    $dig large.example.com TXT +tcp >/dev/null
    # Two questions on one TCP connection.
    $dig +tcp +keepopen www.example.com A +tcp +keepopen shop.example.org A >/dev/null
    # Nobody listens there: the port is closed (ICMP), the address is empty (silence).
    $dig @203.0.113.50 www.example.com A >/dev/null || true
    $dig @203.0.113.99 www.example.com A >/dev/null || true
    $dig WwW.ExAmPlE.cOm A >/dev/null
    stop_recording
    origin "DNS over UDP and TCP: answers, failures, and a question nobody answers" <<'TEXT'
dig asks dnsmasq: A, AAAA, CNAME, MX, TXT and PTR, with and without EDNS; a name that does not exist (NXDOMAIN) and one the server refuses;
an answer too large for UDP, which is repeated over TCP after the TC bit; two questions on one TCP connection; a question to a closed
port, answered by ICMP port unreachable; one to an address where nobody is; mixed upper and lower case.

Look at `dns`: rcode, rtt, the truncated answer, and the two questions without an answer.
TEXT
}

sample_ssh() {
    begin ssh
    settle
    record router site "$out"
    local ssh="on client ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o IdentitiesOnly=yes -o BatchMode=yes"
    $ssh -i "$work/user_key" root@203.0.113.50 'echo hello; head -c 4000 /dev/zero' >/dev/null
    for _ in 1 2 3; do
        $ssh -i "$work/stranger_key" root@203.0.113.50 true 2>/dev/null || true
    done
    on client sh -c "printf 'GET / HTTP/1.0\r\n\r\n' | timeout 3 curl -s --max-time 2 telnet://203.0.113.50:22" >/dev/null || true
    stop_recording
    origin "SSH: one login, three refusals, one client that speaks HTTP" <<'TEXT'
OpenSSH on both ends: one session by key that runs a command, three logins with a key the server does not know, and a client that
sends an HTTP request to the SSH port.

Look at `ssh`: banners of both sides and HASSH; the successful session carries more bytes than the refused ones.
TEXT
}

sample_icmp() {
    begin icmp
    settle
    record router site "$out"
    on client ping -q -c 3 -i 0.2 203.0.113.50 >/dev/null
    on client ping -q -c 2 -i 0.2 -s 4000 203.0.113.50 >/dev/null
    on client ping -q -c 2 -i 0.2 -s 4000 2001:db8:113::50 >/dev/null
    on client ping -q -c 1 -W 4 203.0.113.99 >/dev/null || true
    on client traceroute -n -q 1 -w 1 -m 3 203.0.113.50 >/dev/null || true
    on client ping -q -c 1 -t 1 203.0.113.50 >/dev/null || true
    stop_recording
    origin "ICMP: echo, fragments, a traceroute and what comes back" <<'TEXT'
ping over IPv4 and IPv6, small and with 4,000 bytes (three fragments each way), to an address where nobody is (host unreachable from the
router), with a hop limit of 1 (time exceeded); traceroute over UDP (time exceeded, then port unreachable).

Look at `flows`: echo request and reply are one flow, every fragment counts as a packet, and `icmp_error` stands at the flows that an
error quoted.
TEXT
}

sample_ipv6() {
    begin ipv6
    ip -n "$lab-client" -6 neigh flush dev eth0
    ip -n "$lab-router" -6 neigh flush dev site
    record router site "$out"
    on client ping -6 -q -c 2 -i 0.2 www.example.com >/dev/null
    on client dig +tries=1 @2001:db8:113::53 www.example.com AAAA >/dev/null
    $web -6 http://www.example.com/
    $web -6 -k https://www.example.com/files/items.json
    $web -6 --max-time 2 http://www.example.com:81/ || true
    stop_recording
    origin "IPv6: neighbours, names and the web without IPv4" <<'TEXT'
Neighbour discovery, ping, DNS over IPv6, HTTP and TLS over IPv6, and a connection to a closed port (RST).

Look at `flows` with ip_version 6: canonical addresses, `REJ` for port 81, and a neighbour solicitation to a multicast address beside
the advertisement that answers it.
TEXT
}

sample_scan() {
    begin scan
    settle
    record router site "$out"
    on client nmap -n -Pn -sS --max-retries 1 --host-timeout 30s -p 1-60,80,443,3306,8080 203.0.113.50 >/dev/null
    on client nmap -n -Pn -sT -p 22,80,81 203.0.113.51 >/dev/null
    on client nmap -n -Pn -sX -p 80,81 203.0.113.50 >/dev/null
    on client nmap -n -Pn -sU -p 53,123,161 --max-retries 0 203.0.113.53 >/dev/null
    stop_recording
    origin "A port scan with nmap: half-open, connect, Xmas and UDP" <<'TEXT'
nmap from the site against its own laboratory server: -sS over 64 ports (three open), -sT over three, -sX over two (FIN, PSH and URG together:
flags no stack sends), -sU over three.

Look at `flows.conn_state`: REJ for closed ports, RSTO for open ones that the scanner reset; `weirds` has tcp_bad_flags.
TEXT
}

sample_lan() {
    begin lan
    cat >"$work/avahi.conf" <<'CONF'
[server]
host-name=printer
domain-name=local
use-ipv4=yes
use-ipv6=yes
allow-interfaces=site
enable-dbus=no
disallow-other-stacks=no
[publish]
publish-workstation=yes
[wide-area]
enable-wide-area=no
CONF
    record router site "$out"
    ip -n "$lab-client" neigh flush dev eth0
    start router dnsmasq --keep-in-foreground --port=0 --no-resolv --no-hosts --user=root --pid-file="$work/dhcp.pid" --interface=site --bind-interfaces --no-ping \
        --dhcp-range=10.20.0.100,10.20.0.120,1h --dhcp-leasefile="$work/leases" --dhcp-option=option:router,10.20.0.1 --domain=site.example
    start router avahi-daemon --file="$work/avahi.conf" --no-drop-root --no-chroot --no-rlimits
    sleep 3
    on client busybox udhcpc -i eth0 -n -q -t 3 -T 1 -s /bin/true -x hostname:laptop >/dev/null 2>&1 || true
    on client dig +tries=1 +timeout=2 @224.0.0.251 -p 5353 printer.local A >/dev/null || true
    on client nmap -n -sn -e eth0 --script broadcast-dns-service-discovery --script-args newtargets=false,timeout=2 10.20.0.1 >/dev/null || true
    on client nmap -n -e eth0 --script llmnr-resolve --script-args llmnr-resolve.hostname=fileserver,llmnr-resolve.timeout=1 >/dev/null || true
    on client nmblookup -s /dev/null -B 10.20.0.255 FILESERVER >/dev/null 2>&1 || true
    on client ping -q -c 1 10.20.0.1 >/dev/null
    stop_recording
    origin "A local network introducing itself: DHCP, mDNS, LLMNR, NetBIOS names, ARP" <<'TEXT'
The client gets an address by DHCP, a host announces itself by mDNS (avahi), is asked for by name, and names nobody has are asked for over
LLMNR and NetBIOS. Multicast and broadcast next to one ping.

Look at `dns.transport` (mdns, llmnr, nbns) and `flows.direction`: multicast.
TEXT
}

# wire_switches LOSE TAG...: client eth1 - swa - trunk - swb - server eth1, with the tags on the trunk.
wire_switches() {
    local lose=$1 tag args=()
    shift
    for tag in "$@"; do args+=(--tag "$tag"); done
    plug client eth1 02:00:00:00:30:10 swa access 02:00:00:00:3a:01
    plug swa trunk 02:00:00:00:3a:02 swb trunk 02:00:00:00:3b:02
    plug swb access 02:00:00:00:3b:01 server eth1 02:00:00:00:30:50
    ip -n "$lab-client" addr add 10.30.0.10/24 brd + dev eth1
    ip -n "$lab-server" addr add 10.30.0.50/24 brd + dev eth1
    ip -n "$lab-client" link set eth1 mtu 1400
    ip -n "$lab-server" link set eth1 mtu 1400
    start swa python3 "$here/scripts/lab_switch.py" access trunk "${args[@]}" --lose "$lose"
    switches=("$!")
    start swb python3 "$here/scripts/lab_switch.py" access trunk "${args[@]}"
    switches+=("$!")
    sleep 1
}

unwire_switches() {
    kill "${switches[@]}" 2>/dev/null || true
    ip -n "$lab-client" link del eth1
    ip -n "$lab-server" link del eth1
    ip -n "$lab-swa" link del trunk
}

sample_vlan() {
    begin vlan
    wire_switches 0 8100:7
    record swb trunk "$out"
    on client ping -q -c 2 -i 0.2 10.30.0.50 >/dev/null
    $web http://10.30.0.50/files/picture.png
    unwire_switches
    wait "$recorder" 2>/dev/null || true
    local first=$work/vlan7.pcap second=$work/qinq.pcap
    mv "$out" "$first"
    wire_switches 0 88a8:100 8100:8
    record swb trunk "$second"
    on client ping -q -c 2 -i 0.2 10.30.0.50 >/dev/null
    $web http://10.30.0.50/
    stop_recording
    unwire_switches
    mergecap -F pcap -a -w "$out" "$first" "$second"
    origin "A trunk: 802.1Q, then 802.1ad with two tags" <<'TEXT'
The link between two switches: first VLAN 7 (802.1Q), then customer VLAN 8 inside service VLAN 100 (802.1ad, QinQ). In each a ping and an HTTP
download between the same two hosts. The switches are `scripts/lab_switch.py`, because the recording kernel has no VLAN module; the hosts, their
stacks and the tags on the wire are real. Two recordings, put one after the other with mergecap.

Look at `flows.vlan` and `flows.inner_vlan`: 7 and NULL, then 100 and 8.
TEXT
}

sample_lossy() {
    begin lossy
    wire_switches 9
    record client eth1 "$out" -s 120
    $web http://10.30.0.50/files/report.bin
    stop_recording
    unwire_switches
    origin "Loss and a short snaplen: what is missing, and what was only not kept" <<'TEXT'
A download of 60,000 bytes through a switch that loses every ninth data segment, captured at the receiver with a snaplen of 120 bytes. The
receiver sees gaps, duplicate acknowledgements (with SACK) and the segments again.

Look at `flows.history` and `flows.dst_bytes` (from original lengths, although at most 120 bytes of each packet were kept), and
`captures.truncated_packets`.
TEXT
}

sample_vxlan() {
    begin vxlan
    # The overlay's ends know each other's address, so that only the overlay's own traffic crosses.
    ip -n "$lab-router" link add vx42 address 02:00:00:00:42:01 type vxlan id 42 local 203.0.113.1 remote 203.0.113.50 dstport 4789
    ip -n "$lab-server" link add vx42 address 02:00:00:00:42:50 type vxlan id 42 local 203.0.113.50 remote 203.0.113.1 dstport 4789
    ip -n "$lab-router" link set vx42 up mtu 1400
    ip -n "$lab-server" link set vx42 up mtu 1400
    ip netns exec "$lab-router" ethtool -K vx42 tx off tso off gso off >/dev/null 2>&1 || true
    ip netns exec "$lab-server" ethtool -K vx42 tx off tso off gso off >/dev/null 2>&1 || true
    ip -n "$lab-router" addr add 10.42.0.1/24 dev vx42
    ip -n "$lab-server" addr add 10.42.0.50/24 dev vx42
    record router wan "$out"
    on router ping -q -c 2 -i 0.2 10.42.0.50 >/dev/null
    on router curl -s -S --max-time 10 -o /dev/null http://10.42.0.50/files/items.json
    on router ping -q -c 1 203.0.113.50 >/dev/null
    stop_recording
    ip -n "$lab-router" link del vx42
    ip -n "$lab-server" link del vx42
    origin "An overlay: HTTP and ping inside VXLAN 42" <<'TEXT'
Two hosts with the kernel's own VXLAN, captured on the network underneath: UDP port 4789 outside, Ethernet with ARP, ICMP and HTTP inside, and one ping
outside the tunnel for comparison.

Look at `flows.tunnel`: vxlan:42 for what is inside, NULL for the carrier and the plain ping.
TEXT
}

sample_twosides() {
    begin twosides pcapng.gz
    settle
    local plain=$work/twosides.pcapng
    ip netns exec "$lab-router" dumpcap -q -i site -i wan -w "$plain" >"$work/dumpcap.log" 2>&1 &
    local recorder=$!
    pids+=("$recorder")
    sleep 2
    $web -4 http://www.example.com/
    on client ping -q -c 2 -i 0.2 203.0.113.50 >/dev/null
    stop_recording
    # dumpcap notes hardware, kernel and its own version.
    python3 "$here/scripts/anonymous-pcapng.py" "$plain"
    gzip -9 -n -c "$plain" >"$out"
    origin "Both sides of a router in one pcapng, gzip-compressed" <<'TEXT'
dumpcap records the router's two interfaces into one pcapng (two interface blocks, interface statistics at the end), then gzip. Every packet that is
routed is there twice, with other link addresses and a hop limit that differs by one.

Look at `captures.interfaces` and `captures.format`; a flow that crosses the router counts both copies, as every tool does with such a capture.
TEXT
}

sample_cut() {
    begin cut
    settle
    local whole=$work/whole.pcap
    record router site "$whole"
    $web -4 http://www.example.com/files/report.bin
    stop_recording
    head -c 20000 "$whole" >"$out"
    origin "A capture that ends in the middle of a packet" <<'TEXT'
The beginning of a download of 60,000 bytes, and only the first 20,000 bytes of the capture: what is left when a disk fills up or a copy
breaks off.

Look at `captures.status` (damaged), `stop_reason` and `stop_offset`; `ingest` ends with exit code 3, and everything before the damage is there.
TEXT
}

all+=(web tls dns ssh icmp ipv6 scan lan vlan lossy vxlan twosides cut)
