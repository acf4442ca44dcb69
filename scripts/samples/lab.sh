# shellcheck shell=bash disable=SC2154 # sourced by record-samples.sh, which sets here and all
# The laboratory: hosts in network namespaces, their servers, and how a capture is taken and described.
#
#   site, one switched segment (10.20.0.0/24, fd00:20::/64)            outside
#     client 10.20.0.10    a workstation          router 10.20.0.1 --- server   203.0.113.50 .. (web, names, mail)
#     desk   10.20.0.20    an internal server                      \-- stranger 198.51.100.66 .. (whoever comes from outside)
#     rogue  10.20.0.66    a machine that nobody asked for
# `lan` is the switch of the site: its bridge br0 sees every frame of the segment, as a mirror port does.

lab=snm$$
work=$(mktemp -d)
chmod 755 "$work"
pids=()
current=
spaces=(client router server stranger desk rogue lan swa swb)

cleanup() {
    local pid ns
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    for ns in "${spaces[@]}"; do ip netns del "$lab-$ns" 2>/dev/null || true; done
    rm -rf "$work"
}

# on NS COMMAND...: in that namespace, with the laboratory's resolver, for a minute (or $patience seconds) at most.
on() {
    local ns=$1
    shift
    # shellcheck disable=SC2016 # expanded by the inner shell
    timeout "${patience:-60}" ip netns exec "$lab-$ns" sh -c 'mount --bind "$0" /etc/resolv.conf; exec "$@"' "$work/resolv.conf" "$@"
}

# start NS COMMAND...: in the background, until the sample is described or cleanup. Servers ask no resolver for their clients' names.
start() {
    local ns=$1
    shift
    # shellcheck disable=SC2016 # expanded by the inner shell
    ip netns exec "$lab-$ns" sh -c 'mount --bind "$0" /etc/resolv.conf; exec "$@"' "$work/no-names.conf" "$@" >"$work/log.$ns.$(basename "$1")" 2>&1 &
    pids+=("$!")
}

# start_as_lab NS COMMAND...: start, with the laboratory's own accounts (alice, and the names of service users) instead of this machine's.
start_as_lab() {
    local ns=$1
    shift
    # shellcheck disable=SC2016 # expanded by the inner shell
    start "$ns" sh -c 'mount --bind "$0/passwd" /etc/passwd; mount --bind "$0/group" /etc/group; mount --bind "$0/shadow" /etc/shadow; exec "$@"' "$work" "$@"
}

# plug NS NAME MAC PEER_NS PEER_NAME PEER_MAC: a cable. Offloads are off, so that what is captured is what a wire would carry.
plug() {
    ip link add "$2" netns "$lab-$1" address "$3" type veth peer name "$5" netns "$lab-$4" address "$6"
    for end in "$1 $2" "$4 $5"; do
        read -r ns name <<<"$end"
        ip -n "$lab-$ns" link set "$name" up
        ip netns exec "$lab-$ns" ethtool -K "$name" tx off rx off tso off gso off gro off >/dev/null 2>&1 || true
    done
}

# plug_into_site NS NAME MAC: a cable to the site's switch.
plug_into_site() {
    ports=$((${ports:-0} + 1))
    plug "$1" "$2" "$3" lan "port$ports" "$(printf '02:00:00:00:2f:%02x' "$ports")"
    ip -n "$lab-lan" link set "port$ports" master br0
}

build_lab() {
    local ns n
    for ns in "${spaces[@]}"; do
        ip netns add "$lab-$ns"
        ip -n "$lab-$ns" link set lo up
        ip netns exec "$lab-$ns" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
            net.ipv6.conf.default.router_solicitations=0 net.ipv6.conf.all.accept_ra=0 net.ipv6.conf.default.accept_ra=0 net.ipv4.ip_forward=0 \
            net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
    done
    ip netns exec "$lab-lan" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
    ip -n "$lab-lan" link add br0 address 02:00:00:00:2f:00 type bridge mcast_snooping 0
    ip -n "$lab-lan" link set br0 up
    plug_into_site client eth0 02:00:00:00:20:10
    plug_into_site router site 02:00:00:00:20:01
    plug_into_site desk eth0 02:00:00:00:20:20
    plug_into_site rogue eth0 02:00:00:00:20:66
    plug router wan 02:00:00:00:13:01 server eth0 02:00:00:00:13:50
    plug router wan2 02:00:00:00:51:01 stranger eth0 02:00:00:00:51:66
    ip netns exec "$lab-router" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.send_redirects=0
    for n in client:10 desk:20 rogue:66; do
        ns=${n%:*}
        ip -n "$lab-$ns" addr add "10.20.0.${n#*:}/24" brd + dev eth0
        ip -n "$lab-$ns" addr add "fd00:20::${n#*:}/64" dev eth0 nodad
        ip -n "$lab-$ns" route add default via 10.20.0.1
        ip -n "$lab-$ns" route add default via fd00:20::1
    done
    ip -n "$lab-router" addr add 10.20.0.1/24 brd + dev site
    ip -n "$lab-router" addr add fd00:20::1/64 dev site nodad
    ip -n "$lab-router" addr add 203.0.113.1/24 dev wan
    ip -n "$lab-router" addr add 2001:db8:113::1/64 dev wan nodad
    ip -n "$lab-router" addr add 198.51.100.1/24 dev wan2
    # Answers to invented addresses end here without a word, as they do somewhere in the Internet.
    ip -n "$lab-router" route add blackhole default
    for n in 50 51 53; do
        ip -n "$lab-server" addr add "203.0.113.$n/24" dev eth0
        ip -n "$lab-server" addr add "2001:db8:113::$n/64" dev eth0 nodad
    done
    ip -n "$lab-server" route add default via 203.0.113.1
    ip -n "$lab-server" route add default via 2001:db8:113::1
    ip -n "$lab-stranger" addr add 198.51.100.66/24 dev eth0
    ip -n "$lab-stranger" route add default via 198.51.100.1
    echo "nameserver 203.0.113.53" >"$work/resolv.conf"
    printf 'nameserver 127.0.0.1\noptions attempts:1 timeout:1\n' >"$work/no-names.conf"
}

# addresses NS PREFIX FIRST LAST: more addresses on eth0 of NS, so that one host plays many.
addresses() {
    local n
    for n in $(seq "$3" "$4"); do ip -n "$lab-$1" addr add "$2.$n/24" dev eth0 2>/dev/null || true; done
}

no_addresses() {
    local n
    for n in $(seq "$3" "$4"); do ip -n "$lab-$1" addr del "$2.$n/24" dev eth0 2>/dev/null || true; done
}

# make_site FOLDER: what the web servers serve. Fixed bytes that do not compress, so that the sizes are the same at each recording.
make_site() {
    mkdir -p "$1/files"
    echo '<html><head><title>It works</title></head><body>Hello from the laboratory.</body></html>' >"$1/index.html"
    openssl enc -aes-128-ctr -K 0 -iv 0 -in /dev/zero 2>/dev/null | head -c 60000 >"$1/files/report.bin" || true
    head -c 3000 "$1/files/report.bin" >"$1/files/picture.png"
    echo '{"items":[1,2,3]}' >"$1/files/items.json"
    echo success >"$1/success.txt"
}

# nginx_temporary FOLDER: the settings that keep nginx inside the laboratory's folder.
nginx_temporary() {
    echo "access_log off; default_type application/octet-stream; client_body_temp_path $1/body; proxy_temp_path $1/proxy;"
    echo "fastcgi_temp_path $1/fastcgi; uwsgi_temp_path $1/uwsgi; scgi_temp_path $1/scgi;"
    echo "types { text/html html; text/plain txt; application/json json; image/png png; application/x-msdownload exe; }"
}

start_servers() {
    # Twelve TXT records of 130 bytes: more than a UDP answer holds, so that the client comes back over TCP.
    local big=()
    for i in $(seq 1 12); do
        big+=("--txt-record=large.example.com,part-$i-$(printf '%0.sx' $(seq 1 120))")
    done
    start server dnsmasq --keep-in-foreground --no-resolv --no-hosts --user=root --pid-file="$work/dnsmasq.pid" \
        --listen-address=203.0.113.53,2001:db8:113::53 --bind-interfaces --local-ttl=300 --edns-packet-max=1232 \
        --host-record=www.example.com,203.0.113.50,2001:db8:113::50 --host-record=shop.example.org,203.0.113.51,2001:db8:113::51 \
        --cname=static.example.com,www.example.com --mx-host=example.com,mail.example.com,10 --local=/example.com/ --local=/example.org/ \
        --txt-record=example.com,"v=spf1 -all" --ptr-record=50.113.0.203.in-addr.arpa,www.example.com "${big[@]}" \
        --conf-file="$here/scripts/samples/names.conf"

    make_site "$work/site"
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/O=Laboratory/CN=www.example.com" \
        -addext "subjectAltName=DNS:www.example.com,DNS:shop.example.org" -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
    cat >"$work/nginx.conf" <<CONF
user root; daemon off; worker_processes 1; pid $work/nginx.pid; error_log $work/nginx.err;
events {}
http {
  $(nginx_temporary "$work")
  server {
    listen 80; listen [::]:80; listen 443 ssl; listen [::]:443 ssl; server_name _; root $work/site;
    ssl_certificate $work/cert.pem; ssl_certificate_key $work/key.pem; ssl_protocols TLSv1.2 TLSv1.3;
    location = /old { return 301 http://www.example.com/; }
    location = /login { return 403 "no\n"; }
    location = /stream { chunked_transfer_encoding on; gzip on; gzip_types *; gzip_min_length 1; alias $work/site/files/items.json; }
  }
}
CONF
    start server nginx -c "$work/nginx.conf"

    ssh-keygen -q -t ed25519 -N '' -C lab -f "$work/host_key"
    ssh-keygen -q -t ed25519 -N '' -C lab -f "$work/user_key"
    ssh-keygen -q -t ed25519 -N '' -C lab -f "$work/stranger_key"
    install -m 644 "$work/user_key.pub" "$work/authorized_keys"
    mkdir -p /run/sshd
    start server /usr/sbin/sshd -D -e -f /dev/null -o Port=22 -o HostKey="$work/host_key" -o PidFile=none -o UsePAM=no -o StrictModes=no \
        -o PermitRootLogin=yes -o PasswordAuthentication=no -o AuthorizedKeysFile="$work/authorized_keys" -o PrintMotd=no
    sleep 1
    lasting=${#pids[@]}
}

# accounts: alice with the password that a guesser finds in the end, and the users that the servers run as.
accounts() {
    mkdir -p "$work/home/alice" /run/sshd
    echo "the plan" >"$work/home/alice/plan.txt"
    chown -R 1000:1000 "$work/home/alice"
    {
        echo "root:x:0:0:root:/root:/usr/sbin/nologin"
        grep -E '^(nobody|ftp|sshd|www-data):' /etc/passwd | sed 's,[^:]*$,/usr/sbin/nologin,'
        echo "alice:x:1000:1000::$work/home/alice:/bin/sh"
    } >"$work/passwd"
    grep -E '^(root|nogroup|sshd|www-data|ftp|shadow):' /etc/group >"$work/group"
    echo "alice:x:1000:" >>"$work/group"
    {
        echo "root:*:19000::::::"
        echo "alice:$(openssl passwd -6 -salt laboratory summer2026):19000::::::"
    } >"$work/shadow"
    chmod 600 "$work/shadow"
}

# --- recording ----------------------------------------------------------------------------------------------

# record NS INTERFACE FILE [TCPDUMP ARGS...]: begin; stop_recording ends it.
record() {
    local ns=$1 interface=$2 file=$3
    shift 3
    ip netns exec "$lab-$ns" tcpdump -q -n -i "$interface" -U --immediate-mode -Z root "$@" -w "$file" 2>"$work/tcpdump.log" &
    recorder=$!
    pids+=("$recorder")
    for _ in $(seq 50); do
        grep -qs listening "$work/tcpdump.log" && break
        sleep 0.1
    done
}

stop_recording() {
    sleep 0.7
    kill -INT "$recorder"
    wait "$recorder" || true
}

# watch [TCPDUMP ARGS...]: records the site's segment for the sample that was begun; watch_at NS INTERFACE does it elsewhere.
watch() { watch_at lan br0 "$@"; }

watch_at() {
    raw=$work/$current.raw
    # Small slots for packets give many of them, so that nothing is lost at the rates of a scanner.
    record "$1" "$2" "$raw" -s 1600 -B 32768 "${@:3}"
}

# watched: ends the recording and puts it in its place, compressed where the sample's name says so.
watched() {
    stop_recording
    grep -q '^0 packets dropped by kernel' "$work/tcpdump.log" || { echo "record-samples: $current: tcpdump lost packets" >&2; exit 1; }
    keep "$raw"
}

# keep FILE: that is the sample; compressed where its name says so.
keep() {
    case $out in
        *.gz) gzip -9 -n -c "$1" >"$out" ;;
        *) cp "$1" "$out" ;;
    esac
}

# settle: neighbour tables filled and quiet, so that a sample begins with its own first packet.
settle() {
    on client ping -q -c 1 203.0.113.50 >/dev/null
    on client ping -q -c 1 2001:db8:113::50 >/dev/null
}

# settle_all: the same for every host of the laboratory.
settle_all() {
    settle
    on client ping -q -c 1 10.20.0.20 >/dev/null
    on rogue ping -q -c 1 10.20.0.20 >/dev/null
    on rogue ping -q -c 1 203.0.113.50 >/dev/null
    on desk ping -q -c 1 203.0.113.50 >/dev/null
    on stranger ping -q -c 1 10.20.0.20 >/dev/null
}

# expect KIND SRC DST [NOTE]: what the detectors have to say about the sample; quiet: that they have to say nothing.
expect() { expected+=("\`$1\` from $2 to $3${4:+ ($4)}"); }
quiet() { expected=(quiet); }

# origin TITLE: writes ORIGIN.md from what the caller says on standard input and what the file itself shows.
origin() {
    local dir=$here/samples/$current file line plain=$out
    file=$(basename "$out")
    # capinfos does not unpack this one.
    [ "${out%.xz}" = "$out" ] || { plain=$work/plain.pcap && xz -dc "$out" >"$plain"; }
    {
        echo "# $1"
        echo
        cat
        echo
        case ${expected[0]:-} in
            "") ;;
            quiet)
                echo "Look at \`anomalies\`: it must stay quiet, no finding of medium or above."
                echo
                ;;
            *)
                echo "Look at \`anomalies\`: the finding of the table below, with source, target and reasons."
                echo
                ;;
        esac
        echo "| fact | value |"
        echo "| --- | --- |"
        for line in "${expected[@]}"; do echo "| finding | ${line/#quiet/none of medium or above} |"; done
        echo "| file | \`$file\`, $(stat -c %s "$dir/$file") bytes |"
        echo "| sha256 | \`$(sha256sum "$dir/$file" | cut -d ' ' -f 1)\` |"
        # Both tools end with an error on the damaged sample, after saying what they read.
        { capinfos -T -r -M -c -d "$plain" 2>/dev/null || true; } | awk -F '\t' '{print "| packets, by capinfos | " $2 " |\n| bytes on the wire, by capinfos | " $3 " |"}'
        printf '| protocols, by tshark | %s |\n' "$({ tshark -r "$plain" -q -z io,phs 2>/dev/null || true; } | awk '/frames:/ {print $1}' | sort -u | grep -vE '^(eth|frame)$' | paste -sd ' ')"
        echo "| recorded by | \`scripts/record-samples.sh $current\`, Debian $(cut -d . -f 1 /etc/debian_version) |"
        echo "| licence | MIT, as this project |"
    } >"$dir/ORIGIN.md"
    echo "$current: $(stat -c %s "$dir/$file") bytes"
    # Servers that only this sample needed go with it.
    local pid
    for pid in "${pids[@]:$lasting}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]:$lasting}"; do wait "$pid" 2>/dev/null || true; done
    pids=("${pids[@]:0:$lasting}")
}

begin() {
    current=$1
    expected=()
    rm -rf "${here:?}/samples/$1"
    mkdir -p "$here/samples/$1"
    out=$here/samples/$1/$1.${2:-pcap}
}
