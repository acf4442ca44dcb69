//! Where are database and configuration?
//!
//! The user's folders by the XDG base directory specification, the system's for a service. Refuses to create anything.

use super::env::Env;
use std::path::{Path, PathBuf};

/// Name of our folder in each base folder.
const FOLDER: &str = "secnetmon";
/// The database in the data folder.
const DATABASE: &str = "secnetmon.duckdb";
/// The configuration in the config folder.
const CONFIG: &str = "secnetmon.toml";
/// Data of a system service.
const SYSTEM_DATA: &str = "/var/lib/secnetmon";
/// What a monitor of a system service says of itself.
const SYSTEM_STATE: &str = "/run/secnetmon";
/// Configuration of a system service.
const SYSTEM_CONFIG: &str = "/etc/secnetmon";

fn home(env: &Env) -> Option<PathBuf> {
    env.absolute("HOME").or_else(|| directories::BaseDirs::new().map(|b| b.home_dir().to_path_buf()))
}

/// The database without `--db`: `SECNETMON_DB`, else the data folder of the service manager, of the user, of the system.
pub(super) fn database(env: &Env) -> PathBuf {
    env.path("SECNETMON_DB").unwrap_or_else(|| usual_database(env))
}

/// The database that nobody named.
pub(super) fn usual_database(env: &Env) -> PathBuf {
    // systemd sets it for units with StateDirectory=.
    env.absolute("STATE_DIRECTORY")
        .or_else(|| env.absolute("XDG_DATA_HOME").map(|d| d.join(FOLDER)))
        .or_else(|| home(env).map(|h| h.join(".local/share").join(FOLDER)))
        .unwrap_or_else(|| PathBuf::from(SYSTEM_DATA))
        .join(DATABASE)
}

/// The database to read without `--db`: the user's, else the system service's when only that one is there.
pub(super) fn database_to_read(env: &Env) -> PathBuf {
    let own = database(env);
    let system = Path::new(SYSTEM_DATA).join(DATABASE);
    if env.path("SECNETMON_DB").is_none() && !own.exists() && system.exists() { system } else { own }
}

/// Where a monitor leaves its log, its process number and how it is doing: the folder of the service manager, else the user's.
pub(super) fn state(env: &Env) -> PathBuf {
    // systemd sets them for units with LogsDirectory= and RuntimeDirectory=.
    env.absolute("RUNTIME_DIRECTORY")
        .or_else(|| env.absolute("XDG_STATE_HOME").map(|d| d.join(FOLDER)))
        .or_else(|| home(env).map(|h| h.join(".local/state").join(FOLDER)))
        .unwrap_or_else(|| PathBuf::from(SYSTEM_STATE))
}

/// Where the monitor of the system's service leaves them.
pub(super) fn system_state() -> &'static Path {
    Path::new(SYSTEM_STATE)
}

/// Where `init` writes the configuration.
pub(super) fn own_config(env: &Env) -> PathBuf {
    env.path("SECNETMON_CONFIG").unwrap_or_else(|| {
        env.absolute("XDG_CONFIG_HOME")
            .or_else(|| home(env).map(|h| h.join(".config")))
            .map_or_else(|| PathBuf::from(SYSTEM_CONFIG), |d| d.join(FOLDER))
            .join(CONFIG)
    })
}

/// The configuration to read: the user's, else the system's, else none.
pub(super) fn config_to_read(env: &Env) -> Option<PathBuf> {
    let own = own_config(env);
    if env.path("SECNETMON_CONFIG").is_some() || own.exists() {
        return Some(own);
    }
    Some(Path::new(SYSTEM_CONFIG).join(CONFIG)).filter(|p| p.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precedence_of_the_database() {
        let at = |pairs: &[(&str, &str)]| database(&Env::of(pairs)).display().to_string();
        assert_eq!(at(&[("HOME", "/h")]), "/h/.local/share/secnetmon/secnetmon.duckdb");
        assert_eq!(at(&[("HOME", "/h"), ("XDG_DATA_HOME", "/d")]), "/d/secnetmon/secnetmon.duckdb");
        assert_eq!(
            at(&[("HOME", "/h"), ("XDG_DATA_HOME", "relative")]),
            "/h/.local/share/secnetmon/secnetmon.duckdb"
        );
        assert_eq!(at(&[("HOME", "/h"), ("STATE_DIRECTORY", "/var/lib/x")]), "/var/lib/x/secnetmon.duckdb");
        assert_eq!(at(&[("HOME", "/h"), ("SECNETMON_DB", "x.duckdb")]), "x.duckdb");
    }

    #[test]
    fn the_configuration_is_the_users_first() {
        let env = Env::of(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/c")]);
        assert_eq!(own_config(&env), Path::new("/c/secnetmon/secnetmon.toml"));
        let named = Env::of(&[("SECNETMON_CONFIG", "/x/y.toml")]);
        assert_eq!(config_to_read(&named), Some(PathBuf::from("/x/y.toml")));
    }
}
