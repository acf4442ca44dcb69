//! Where does the program find DuckDB's shared library when it runs?
//!
//! With `DUCKDB_LIB_DIR` the program links against a library outside the system's folders. Run-time
//! search paths go into it: the place where `make install` puts the library, relative to the program; the same under
//! the usual prefixes, because the loader ignores relative ones in a program with capabilities (setcap); and
//! then that folder. It stands last, so that an installed program never looks into somebody's
//! cache; a package (`SECNETMON_PACKAGED`) leaves it out, and `/usr/local`, which is the administrator's. Without the variable, or with `bundled`, nothing is added.
#![allow(clippy::disallowed_methods)] // a build script is told everything through its environment

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=DUCKDB_LIB_DIR");
    println!("cargo:rerun-if-env-changed=SECNETMON_PACKAGED");
    let shared =
        env::var_os("CARGO_FEATURE_STORE").is_some() && env::var_os("CARGO_FEATURE_BUNDLED").is_none();
    let Ok(dir) = env::var("DUCKDB_LIB_DIR") else { return };
    if !shared || dir.is_empty() {
        return;
    }
    let beside = match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("macos") => "@executable_path/../lib/secnetmon",
        Ok("linux") => "$ORIGIN/../lib/secnetmon",
        _ => return,
    };
    let packaged = env::var_os("SECNETMON_PACKAGED").is_some();
    println!("cargo:rustc-link-arg=-Wl,-rpath,{beside}");
    if beside.starts_with("$ORIGIN") {
        for prefix in if packaged { &["/usr"][..] } else { &["/usr/local", "/usr"] } {
            println!("cargo:rustc-link-arg=-Wl,-rpath,{prefix}/lib/secnetmon");
        }
    }
    if !packaged {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{dir}");
    }
}
