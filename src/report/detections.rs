//! Which detections in SQL are there?
//!
//! Every file of `queries/detections/`, in the binary, and those of the user's own folder. To add one: the file, and one line here. A file
//! of the user with the name of a shipped one takes its place. Refuses a bad file alone; the others still run.

use super::detection::{BadDetection, Detection, stem};
use std::path::Path;

/// The largest file that is read, bytes: one that is larger is no SQL.
const MAX_BYTES: u64 = 1 << 20;

/// Files read from a folder.
const MAX_FILES: usize = 1_000;

macro_rules! detections {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../queries/detections/", $name, ".sql"))),)*]
    };
}

/// Name and text of all shipped ones, by what they ask about: command channels, leaving data, scans, DNS, TLS, hygiene, hosts.
pub static SHIPPED: &[(&str, &str)] = detections! {
    "beacon" "long_connection" "strobe" "rare_contact" "exfiltration" "stealer_report" "slow_scan"
    "dns_tunnel" "dga" "dns_storm" "dns_fast_flux" "dns_rebinding" "dns_zone_transfer" "dns_resolver"
    "rare_fingerprint" "tls_certificate" "tls_obsolete" "cleartext_credentials" "executable_download" "lookup_obeyed"
    "new_device" "behaviour_change" "indicator_match"
};

/// The shipped ones; a test holds that each can be read.
pub fn shipped() -> Vec<Detection> {
    SHIPPED
        .iter()
        .filter_map(|(name, sql)| Detection::parse(name, name, sql).ok())
        .map(|d| Detection { shipped: true, ..d })
        .collect()
}

/// The shipped ones and those of a folder, and which of its files were refused. A folder that is not there has none.
pub fn with_folder(folder: Option<&Path>) -> (Vec<Detection>, Vec<BadDetection>) {
    let mut all = shipped();
    let mut bad = Vec::new();
    for path in folder.map(|f| files(f, &mut bad)).unwrap_or_default() {
        match read(&path) {
            Ok(own) => match all.iter_mut().find(|d| d.header.name == own.header.name) {
                Some(shipped) => *shipped = own,
                None => all.push(own),
            },
            Err(e) => bad.push(e),
        }
    }
    (all, bad)
}

/// The `.sql` files of a folder in order.
fn files(folder: &Path, bad: &mut Vec<BadDetection>) -> Vec<std::path::PathBuf> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(e) => {
            bad.push(BadDetection {
                origin: folder.display().to_string(),
                what: format!("cannot be read: {e}"),
            });
            return Vec::new();
        }
    };
    let mut found: Vec<_> = entries
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "sql"))
        .take(MAX_FILES)
        .collect();
    found.sort();
    found
}

fn read(path: &Path) -> Result<Detection, BadDetection> {
    let origin = path.display().to_string();
    let bad = |what: String| BadDetection { origin: origin.clone(), what };
    let size = std::fs::metadata(path).map_err(|e| bad(format!("cannot be read: {e}")))?.len();
    if size > MAX_BYTES {
        return Err(bad("is larger than 1 MiB; that is no SQL file".to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(|e| bad(format!("cannot be read: {e}")))?;
    Detection::parse(&origin, &stem(path), &text)
}

#[cfg(test)]
mod tests;
