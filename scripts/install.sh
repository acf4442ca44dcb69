#!/bin/sh
# Puts the built program where a system expects it, or takes it away again.
#
# usage: [DESTDIR=DIR] [PREFIX=/usr/local] scripts/install.sh BINARY | --remove
# The DuckDB library goes to PREFIX/lib/secnetmon: the program looks there first, relative to itself.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
prefix=${PREFIX:-/usr/local}
to=${DESTDIR:-}$prefix

man=$to/share/man/man1
bash=$to/share/bash-completion/completions/secnetmon
zsh=$to/share/zsh/site-functions/_secnetmon
unit=$to/lib/systemd/system/secnetmon.service
fish=$to/share/fish/vendor_completions.d/secnetmon.fish

if [ "$1" = --remove ]; then
    rm -f "$to/bin/secnetmon" "$unit" "$bash" "$zsh" "$fish" "$man"/secnetmon.1 "$man"/secnetmon-*.1
    rm -rf "$to/lib/secnetmon" "$to/share/doc/secnetmon"
    echo "Removed secnetmon from $to. Databases and configuration were left alone."
    exit 0
fi

binary=$1
install -D -m 0755 "$binary" "$to/bin/secnetmon"
# Only the quick road needs a library beside the program; with `bundled` it is inside.
if dir=$("$here/scripts/duckdb.sh" 2>/dev/null); then
    for library in libduckdb.so libduckdb.dylib; do
        [ ! -f "$dir/$library" ] || install -D -m 0644 "$dir/$library" "$to/lib/secnetmon/$library"
    done
fi

# Started by nobody until an administrator enables it.
mkdir -p "$(dirname "$unit")"
sed "s|@PREFIX@|$prefix|" "$here/packaging/secnetmon.service" >"$unit"
chmod 0644 "$unit"

mkdir -p "$man" "$(dirname "$bash")" "$(dirname "$zsh")" "$(dirname "$fish")"
"$binary" man --out "$man" 2>/dev/null
"$binary" completions bash >"$bash"
"$binary" completions zsh >"$zsh"
"$binary" completions fish >"$fish"
for page in README.md CHANGELOG.md LICENSE; do
    install -D -m 0644 "$here/$page" "$to/share/doc/secnetmon/$page"
done
for page in "$here"/docs/*; do
    install -D -m 0644 "$page" "$to/share/doc/secnetmon/docs/$(basename "$page")"
done
echo "Installed $to/bin/secnetmon. Begin with: secnetmon --help"
