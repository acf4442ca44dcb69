# shellcheck shell=bash disable=SC2154 # sourced by record-samples.sh after lab.sh
# Floods with hping3 and others, all of them counted and short, and heavy traffic that is meant to be heavy.

# flood HPING3 ARGS...: from outside, with a count; hping3 ends with 1 where no answer came back to it.
flood() { on stranger hping3 -q -n "$@" >/dev/null 2>&1 || true; }

sample_flood_syn() {
    begin flood_syn pcap.gz
    desk_servers
    settle_all
    watch
    flood -S -p 80 --rand-source -i u2000 -c 800 10.20.0.20
    watched
    expect syn_flood "many invented sources" 10.20.0.20 "port 80, 500 SYNs a second, no handshake is completed"
    origin "A SYN flood from invented sources" <<'TEXT'
hping3 -S --rand-source from outside: 800 SYNs to the web server 10.20.0.20:80 within two seconds, each from another invented
address. The server answers with SYN-ACKs (some more than once), which end nowhere.
TEXT
}

sample_flood_udp() {
    begin flood_udp pcap.gz
    desk_servers
    settle_all
    watch
    flood --udp -p ++1000 -d 64 -i u1000 -c 1500 10.20.0.20
    watched
    expect udp_flood 198.51.100.66 10.20.0.20 "1,500 datagrams over as many ports, answered by ICMP port unreachable"
    origin "A UDP flood over many ports" <<'TEXT'
hping3 --udp -p ++1000 from 198.51.100.66: 1,500 datagrams with 64 equal bytes to as many closed ports of 10.20.0.20, about 900 a
second. The kernel says port unreachable. (Few would call it a scan: nobody waits for the answers. A finding port_scan_vertical
beside it is not wrong.)
TEXT
}

sample_flood_icmp() {
    begin flood_icmp pcap.gz
    settle_all
    watch
    flood --icmp -d 56 -i u2000 -c 900 10.20.0.20
    watched
    expect icmp_flood 198.51.100.66 10.20.0.20 "900 echo requests in two seconds"
    origin "An ICMP flood" <<'TEXT'
hping3 --icmp from 198.51.100.66: 900 echo requests to 10.20.0.20, 450 a second, all answered.
TEXT
}

sample_flood_ack() {
    begin flood_ack pcap.gz
    desk_servers
    settle_all
    watch
    flood -A -p 80 --rand-source -i u2000 -c 600 10.20.0.20
    watched
    expect tcp_flood "many invented sources" 10.20.0.20 "port 80, 600 ACKs that belong to no connection"
    origin "An ACK flood from invented sources" <<'TEXT'
hping3 -A --rand-source from outside: 600 lone ACKs to 10.20.0.20:80 in little more than a second, each from another invented
address. The server answers with RST, but for sources that cannot be.
TEXT
}

sample_flood_synack() {
    begin flood_synack pcap.gz
    settle_all
    watch
    flood -S -A -s 443 -k -p ++20000 --rand-source -i u2000 -c 600 10.20.0.20
    watched
    expect tcp_flood "many invented sources" 10.20.0.20 "600 SYN-ACKs that answer nothing"
    origin "SYN-ACKs of servers that were asked in somebody else's name" <<'TEXT'
hping3 -S -A -s 443 --rand-source from outside: 600 SYN-ACKs from port 443 of as many addresses to 10.20.0.20 within some two
seconds, as the servers of a reflected flood send them to whom the attacker names. 10.20.0.20 asked none of them and answers
with RST, but for sources that cannot be.
TEXT
}

sample_amplification_dns() {
    begin amplification_dns pcap.gz
    settle_all
    watch
    on stranger python3 "$here/scripts/samples/frames.py" ask --source 10.20.0.20 --server 203.0.113.53 --name large.example.com --count 240 --rate 120
    watched
    expect amplification 203.0.113.53 10.20.0.20 "240 large DNS answers in two seconds to a host that asked nothing"
    origin "DNS amplification, seen from the victim" <<'TEXT'
Somebody outside asks the resolver 203.0.113.53 for a large TXT answer 240 times in the name of 10.20.0.20
(scripts/samples/frames.py). The questions do not pass the site; the answers, ten times as large as the questions, do, and
10.20.0.20 says port unreachable to them.
TEXT
}

sample_slow_http() {
    begin slow_http pcap.gz
    desk_servers
    settle_all
    watch
    on stranger slowhttptest -H -c 40 -r 40 -i 4 -l 22 -u http://10.20.0.20/ >/dev/null 2>&1 || true
    watched
    expect slow_http 198.51.100.66 10.20.0.20 "40 connections whose request header never ends"
    origin "Slowloris: forty requests that never end" <<'TEXT'
slowhttptest -H from 198.51.100.66 against nginx on 10.20.0.20:80: 40 connections, each sends a piece of a header every four
seconds and no empty line, for 22 seconds.
TEXT
}

sample_dhcp_starvation() {
    begin dhcp_starvation pcap.gz
    start router dnsmasq --keep-in-foreground --port=0 --no-resolv --no-hosts --user=root --pid-file="$work/dhcp.pid" --interface=site --bind-interfaces --no-ping \
        --dhcp-range=10.20.0.100,10.20.0.199,1h --dhcp-leasefile="$work/leases" --dhcp-option=option:router,10.20.0.1
    settle_all
    sleep 1
    watch
    on rogue python3 "$here/scripts/samples/frames.py" starve --interface eth0 --count 150 --rate 10
    watched
    rm -f "$work/leases"
    expect dhcp_starvation 0.0.0.0 10.20.0.1 "150 client addresses in 15 seconds; their frames come from 02:00:00:00:20:66"
    origin "DHCP starvation: a hundred clients that do not exist" <<'TEXT'
A machine on the segment sends 150 DHCPDISCOVER in 15 seconds, each for another invented client address
(scripts/samples/frames.py; the Ethernet source is always 02:00:00:00:20:66), and asks for what it is offered. dnsmasq on
10.20.0.1 gives away its hundred addresses and then has none.
TEXT
}

sample_flood_http() {
    begin flood_http pcap.gz
    desk_servers
    settle_all
    watch
    on stranger ab -q -k -n 500 -c 50 http://10.20.0.20/files/items.json >/dev/null 2>&1 || true
    watched
    expect http_flood 198.51.100.66 10.20.0.20 "500 requests for one page within a second, 50 at a time"
    origin "A flood of requests for one page" <<'TEXT'
ab (Apache's benchmark) from 198.51.100.66 asks nginx on 10.20.0.20 for the same small file 500 times over 50 connections, as fast
as it can.
TEXT
}

# --- twins --------------------------------------------------------------------------------------------------

sample_twin_iperf() {
    begin twin_iperf pcap.gz
    settle_all
    start server iperf3 -s -1
    sleep 1
    watch -s 128
    on client iperf3 -u -b 8M -l 1200 -t 2 -c 203.0.113.50 >/dev/null
    watched
    quiet
    origin "A bandwidth test with iperf3 over UDP" <<'TEXT'
iperf3 -u from 10.20.0.10 to 203.0.113.50:5201, 8 Mbit/s for two seconds: 830 datagrams a second on one flow, with a control
connection over TCP. Snaplen 128.
TEXT
}

sample_twin_half_route() {
    begin twin_half_route pcap.gz
    settle_all
    watch "src host 203.0.113.50"
    on client curl -s -o /dev/null -H "Connection: close" "http://203.0.113.50/success.txt?[1-300]"
    watched
    quiet
    origin "Three hundred downloads, of which only the server's half was captured" <<'TEXT'
curl on 10.20.0.10 fetches a small page of 203.0.113.50:80 three hundred times, each over a connection of its own, as fast as it can. The
capture has only what the server sent, as on one of two ways that a route takes: SYN-ACKs to SYNs that it never shows.
TEXT
}

sample_twin_ping() {
    begin twin_ping pcap.gz
    settle_all
    watch
    on client ping -q -c 200 -i 0.01 203.0.113.50 >/dev/null
    on client ping -q -c 8 -i 0.3 -s 4000 203.0.113.50 >/dev/null
    watched
    quiet
    origin "A fast but short ping, and a large one" <<'TEXT'
ping from 10.20.0.10 to 203.0.113.50: 200 echoes, 100 a second for two seconds, then eight of 4,000 bytes (fragments).
TEXT
}

all+=(flood_syn flood_udp flood_icmp flood_ack amplification_dns slow_http dhcp_starvation flood_http flood_synack twin_iperf twin_half_route twin_ping)
