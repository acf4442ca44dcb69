#!/bin/sh
# Where is the DuckDB library that the program links against?
#
# Prints one line on stdout: the folder with the official prebuilt library, fetched once, its digest checked.
# Exit 1 when there is none for this machine or it cannot be fetched: the caller then compiles DuckDB.
# Everything said to a person goes to stderr. Set DUCKDB_LIB_DIR to use a library of your own.
set -eu

version=1.5.5                # the DuckDB that Cargo.toml pins (duckdb =1.10505.0)
release=1.5.5-r.5            # the npm package that carries exactly this library
x64=902caae815e19fa4177f017cc957552ab8924873feadf556709e7a706f2a67394e669c72bd3e561a6ea332c871838762b4b94eb07b0837f0f8ed162b7235ee1d
arm64=09a7c7d8022f5eda700f29c6dca07fe2e10e1d11a516807b6ae091308c07dc128d2286ec00d5792d2a43277b5fc9108522c2ba7bc013d5eb1e5959eed83bf773
darwin=58975e2d3172e29460eb4ae46e9f6c9ad94fd62210f04aed2099314bed8b42d335659312072c96fb758fa4da0a7bb2303ed565d9f2e53f0eed0e6416e19f7be2

say() { printf '%s\n' "$*" >&2; }
fail() { say "duckdb: $*"; exit 1; }

if [ -n "${DUCKDB_LIB_DIR:-}" ]; then
    printf '%s\n' "$DUCKDB_LIB_DIR"
    exit 0
fi

case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) platform=linux-x64 digest=$x64 library=libduckdb.so ;;
    Linux-aarch64) platform=linux-arm64 digest=$arm64 library=libduckdb.so ;;
    Darwin-arm64) platform=darwin-arm64 digest=$darwin library=libduckdb.dylib ;;
    *) fail "no prebuilt library for $(uname -s) on $(uname -m)" ;;
esac
# The prebuilt library is linked against glibc; on musl it would load and then miss symbols.
if [ "$(uname -s)" = Linux ] && ! getconf GNU_LIBC_VERSION >/dev/null 2>&1; then
    fail "the prebuilt library needs glibc"
fi

home=${XDG_CACHE_HOME:-$HOME/.cache}/secnetmon/duckdb
dir=$home/$version-$platform
if [ -f "$dir/$library" ]; then
    printf '%s\n' "$dir"
    exit 0
fi

sha512() {
    if command -v sha512sum >/dev/null 2>&1; then sha512sum "$1"; else shasum -a 512 "$1"; fi | cut -d ' ' -f 1
}

mkdir -p "$home"
work=$(mktemp -d "$home/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
package=@duckdb/node-bindings-$platform
archive=$work/package.tgz

say "Fetching the official DuckDB $version library (npm package $package, 23 MB) into $dir"
if command -v npm >/dev/null 2>&1; then
    if (cd "$work" && npm pack --silent "$package@$release" >/dev/null 2>npm.log); then
        mv "$work"/duckdb-node-bindings-*.tgz "$archive"
    else
        say "npm pack did not work: $(tail -n 1 "$work/npm.log")"
    fi
fi
if [ ! -f "$archive" ]; then
    command -v curl >/dev/null 2>&1 || fail "neither npm nor curl could fetch it"
    curl --fail --silent --show-error --location --retry 3 --connect-timeout 20 --output "$archive" \
        "https://registry.npmjs.org/$package/-/node-bindings-$platform-$release.tgz" || fail "could not fetch $package"
fi

found=$(sha512 "$archive")
[ "$found" = "$digest" ] || fail "$package@$release has sha512 $found, expected $digest; not used"
tar -xzf "$archive" -C "$work"
[ -f "$work/package/$library" ] || fail "$package@$release holds no $library"

# Renamed into place in one step, so that an interrupted fetch leaves nothing half done.
rm -f "$work/package/duckdb.node"
mv "$work/package" "$dir" 2>/dev/null || [ -f "$dir/$library" ] || fail "could not write $dir"
printf '%s\n' "$dir"
