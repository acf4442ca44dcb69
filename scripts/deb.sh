#!/bin/sh
# Makes a Debian package of the built program: what install.sh installs, and the commented configuration.
#
# usage: CARGO_TARGET_DIR=DIR scripts/deb.sh BINARY
# cargo-deb writes it to CARGO_TARGET_DIR/debian; metadata and list of files are in Cargo.toml.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
binary=$1
command -v cargo-deb >/dev/null || { echo "cargo-deb is missing; install it with: cargo install cargo-deb" >&2; exit 1; }
stage=$CARGO_TARGET_DIR/release/debian
rm -rf "$stage"
mkdir -p "$stage/etc/secnetmon"
DESTDIR=$stage PREFIX=/usr "$here/scripts/install.sh" "$binary" >/dev/null
rm -r "$stage/usr/bin" # cargo-deb takes the program itself, to strip it
gzip -9n "$stage"/usr/share/man/man1/*.1
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
env HOME="$home" XDG_CONFIG_HOME="$home" SECNETMON_DB="$home/x.duckdb" "$binary" init >/dev/null 2>&1
cp "$home/secnetmon/secnetmon.toml" "$stage/etc/secnetmon/"
cd "$here"
cargo deb --no-build --strip
