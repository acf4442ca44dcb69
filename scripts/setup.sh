#!/bin/sh
# What is missing on this machine, and how does it get here?
#
# usage: scripts/setup.sh [build] [test] [bench] [samples]
# Looks for what each purpose needs and installs what is missing with apt-get: as root, or through sudo.
# Where neither works it prints the exact command and exits 1. Installs nothing that is there already.
set -eu

rust=1.95 # rust-version in Cargo.toml
missing=

say() { printf '%s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

# need COMMAND PACKAGE: the package, when the command is not there (sbin is looked into too).
need() {
    have "$1" || [ -x "/usr/sbin/$1" ] || missing="$missing $2"
}

links() {
    printf 'int main(void) { return 0; }\n' | cc -x c - "$1" -o /dev/null 2>/dev/null
}

for purpose in "${@:-build}"; do
    case $purpose in
        build)
            { have cc && have c++; } || missing="$missing build-essential"
            # Asked of the linker itself: that is who needs it.
            { have cc && links -lpcap; } || missing="$missing libpcap-dev"
            { have npm || have curl; } || missing="$missing ca-certificates curl"
            ;;
        test)
            need capinfos tshark
            need chromium chromium
            need python3 python3
            need ip iproute2
            need tcpdump tcpdump
            need tcpreplay tcpreplay
            ;;
        bench)
            need nfpcapd nfdump
            need argus argus-server
            need racount argus-client
            need ip iproute2
            need tcpdump tcpdump
            need tcpreplay tcpreplay
            need python3 python3
            ;;
        samples)
            need ip iproute2
            need tcpdump tcpdump
            need tshark tshark
            need curl curl
            need dig bind9-dnsutils
            need dnsmasq dnsmasq-base
            need nginx nginx-light
            need openssl openssl
            need ssh openssh-client
            need sshd openssh-server
            need ping iputils-ping
            need traceroute traceroute
            need ethtool ethtool
            need avahi-daemon avahi-daemon
            need busybox busybox
            need nmblookup samba-common-bin
            need nmap nmap
            need masscan masscan
            need fping fping
            need arp-scan arp-scan
            need hping3 hping3
            need hydra hydra
            need slowhttptest slowhttptest
            need iperf3 iperf3
            need ab apache2-utils
            need arpspoof dsniff
            need radvd radvd
            need keepalived keepalived
            need chronyd chrony
            need iodine iodine
            need dns2tcpc dns2tcp
            need named bind9
            need ptunnel-ng ptunnel-ng
            need vsftpd vsftpd
            need smbd samba
            need smbclient smbclient
            need nc netcat-openbsd
            need tor tor
            need Xvnc tigervnc-standalone-server
            need vncsnapshot vncsnapshot
            need krb5kdc krb5-kdc
            need kadmin.local krb5-admin-server
            need kvno krb5-user
            need mbpoll mbpoll
            [ -d /usr/share/doc/python3-impacket ] || missing="$missing python3-impacket"
            [ -d /usr/share/doc/python3-pymodbus ] || missing="$missing python3-pymodbus python3-serial python3-serial-asyncio"
            need xz xz-utils
            need python3 python3
            ;;
        *)
            say "setup: unknown purpose '$purpose'; known are build, test, bench, samples"
            exit 2
            ;;
    esac
done

if [ -n "$missing" ]; then
    # shellcheck disable=SC2086 # a list of words on purpose
    set -- $missing
    if ! have apt-get; then
        say "Missing: $*. Please install what your system calls these Debian packages, then run this again."
        exit 1
    fi
    install="apt-get install --yes --no-install-recommends $*"
    if [ "$(id -u)" -eq 0 ]; then
        as=
    elif have sudo && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
        as=sudo
    else
        say "Missing: $*. Please run as root:"
        say "    apt-get update && $install"
        exit 1
    fi
    say "Installing what is missing: $*"
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    # shellcheck disable=SC2086 # words on purpose
    if ! $as apt-get update >"$log" 2>&1 || ! $as env DEBIAN_FRONTEND=noninteractive $install >>"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        say "apt-get failed; the command was: apt-get update && $install"
        exit 1
    fi
fi

# Cargo, at least of the version that Cargo.toml asks for.
PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
new_enough() {
    have cargo || return 1
    version=$(cargo --version 2>/dev/null | cut -d ' ' -f 2)
    [ "$(printf '%s\n%s\n' "$rust" "$version" | sort -V | head -n 1)" = "$rust" ]
}
if ! new_enough; then
    if have rustup; then
        say "Rust $rust or newer is needed; rustup fetches the stable toolchain."
        rustup toolchain install stable --profile minimal --component rustfmt --component clippy >&2
        rustup default stable >&2
    else
        say "Rust $rust or newer is needed. The official installer puts it into your home folder, without root:"
        say "    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal -c rustfmt -c clippy"
        # Asked where somebody can answer; a script of others is not run behind anybody's back.
        answer=no
        if [ -t 0 ]; then
            printf 'Run it now? [Y/n] ' >&2
            read -r answer || answer=no
        fi
        case $answer in
            "" | [yY]*) curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal -c rustfmt -c clippy ;;
            *) say "Please run it, then start this again."; exit 1 ;;
        esac
    fi
    new_enough || { say "cargo $rust or newer is still not there"; exit 1; }
fi
