#!/bin/sh
# Makes a Debian package: the program in the profile `dist` (small and fast), what install.sh installs, and the commented configuration.
#
# usage: CARGO_TARGET_DIR=DIR scripts/deb.sh
# The program is built for the package alone: whole-program optimisation takes long (10 minutes and more on two cores), and it must not look for its
# library in the folders of the machine that builds it. cargo-deb writes the package to CARGO_TARGET_DIR/debian; metadata and list of files are in Cargo.toml.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
command -v cargo-deb >/dev/null || { echo "cargo-deb is missing; install it with: cargo install cargo-deb" >&2; exit 1; }
SECNETMON_PACKAGED=1 SECNETMON_PROFILE=dist "$here/scripts/cargo.sh" build --bin secnetmon
binary=$CARGO_TARGET_DIR/dist/secnetmon
stage=$CARGO_TARGET_DIR/dist/debian
rm -rf "$stage"
mkdir -p "$stage/etc/secnetmon"
# It knows the library only where the package puts it.
if library=$("$here/scripts/duckdb.sh" 2>/dev/null); then
    LD_LIBRARY_PATH=$library
    export LD_LIBRARY_PATH
fi
DESTDIR=$stage PREFIX=/usr "$here/scripts/install.sh" "$binary" >/dev/null
rm -r "$stage/usr/bin" # cargo-deb takes the program itself
gzip -9n "$stage"/usr/share/man/man1/*.1
# What Debian asks for: a library without symbols, the project's history as changelog.gz, and a history of the package.
strip --strip-unneeded "$stage"/usr/lib/secnetmon/*.so 2>/dev/null || true
doc=$stage/usr/share/doc/secnetmon
gzip -9nc "$doc/CHANGELOG.md" >"$doc/changelog.gz"
rm "$doc/CHANGELOG.md"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/Cargo.toml" | head -n 1)
built=$(date -R -d "@${SOURCE_DATE_EPOCH:-$(git -C "$here" log -1 --format=%ct 2>/dev/null || date +%s)}")
maintainer=$(sed -n 's/^maintainer = "\(.*\)"/\1/p' "$here/Cargo.toml")
printf 'secnetmon (%s-1) unstable; urgency=medium\n\n  * What changed is told in changelog.gz.\n\n -- %s  %s\n' \
    "$version" "$maintainer" "$built" | gzip -9nc >"$doc/changelog.Debian.gz"
# The program holds the list of makers of network cards as data of its own, reduced to what it needs; the package is not made for the archive.
mkdir -p "$stage/usr/share/lintian/overrides"
printf "%s\n" "secnetmon: embedded-library ieee-data*" "secnetmon: initial-upload-closes-no-bugs*" >"$stage/usr/share/lintian/overrides/secnetmon"
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
env HOME="$home" XDG_CONFIG_HOME="$home" SECNETMON_DB="$home/x.duckdb" "$binary" init >/dev/null 2>&1
cp "$home/secnetmon/secnetmon.toml" "$stage/etc/secnetmon/"
cd "$here"
cargo deb --no-build --no-strip --profile dist
