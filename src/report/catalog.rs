//! Which questions does the program bring along?
//!
//! Every file of `queries/`, in the binary, so that a name works from any folder. To add one: the file, and one line
//! here. A test compares the list with the folder; another prepares each on an empty database.

use super::header::Header;
use super::suggest::hint;

/// One shipped question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Report {
    /// Name of the file without `.sql`.
    pub name: &'static str,
    /// Its text with the header.
    pub sql: &'static str,
}

macro_rules! reports {
    ($($name:literal)*) => {
        &[$(Report { name: $name, sql: include_str!(concat!("../../queries/", $name, ".sql")) },)*]
    };
}

/// All of them, by what they ask about: overview first, then hosts, services, protocols, then trust in the data.
pub static ALL: &[Report] = reports! {
    "top_talkers" "top_ports" "top_services" "conversations" "timeline"
    "long_flows" "failed_connections" "unusual_ports" "exposed_services" "bytes_out_by_host"
    "new_hosts" "host_roles" "mac_addresses" "rare_domains" "tunnels" "icmp"
    "dns_top_names" "dns_failures" "dns_servers" "http_hosts" "http_user_agents" "http_downloads" "files_seen"
    "logins" "failed_logins" "cleartext_logins" "database_logins"
    "kerberos_failures" "ntlm_logins" "smb_activity" "smb_shares" "rpc_operations" "dhcp_leases"
    "mail_envelopes" "ftp_transfers" "sip_calls" "mqtt_topics" "industrial_commands"
    "tls_servers" "tls_clients" "ja4_rarity" "weak_tls" "certificates" "expired_certificates" "quic_servers" "ssh_servers"
    "weirds" "capture_loss" "capture_drops" "capture_ledger"
};

/// No shipped question has this name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "no saved query {name:?}, and no file of that name.{hint} `secnetmon query --list` shows the saved ones."
)]
pub struct UnknownReport {
    name: String,
    hint: String,
}

/// The question of this name.
pub fn find(name: &str) -> Result<&'static Report, UnknownReport> {
    ALL.iter()
        .find(|r| r.name == name)
        .ok_or_else(|| UnknownReport { name: name.to_owned(), hint: hint(name, ALL.iter().map(|r| r.name)) })
}

impl Report {
    /// What its header says; a test holds that every one can be read.
    pub fn header(&self) -> Header {
        Header::parse(self.sql).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Limits, Reader, Store, StoreConfig};
    use std::collections::BTreeMap;

    #[test]
    fn the_list_is_the_folder() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/queries");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|e| e.unwrap().file_name().to_str()?.strip_suffix(".sql").map(str::to_owned))
            .collect();
        let mut names: Vec<String> = ALL.iter().map(|r| r.name.to_owned()).collect();
        files.sort_unstable();
        names.sort_unstable();
        assert_eq!(names, files);
    }

    #[test]
    fn every_question_explains_itself() {
        for report in ALL {
            let name = report.name;
            let h = Header::parse(report.sql).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(h.name, name);
            assert!(h.question.ends_with('?') && h.question.len() > 20, "{name}: question");
            assert!(h.why.ends_with('.') && h.why.len() > 40, "{name}: why");
            assert!(!h.columns.is_empty(), "{name}: columns");
            for (column, meaning) in &h.columns {
                assert!(meaning.ends_with(['.', '?']), "{name}: column {column} needs a sentence");
            }
            for p in &h.params {
                assert!(p.meaning.ends_with('.'), "{name}: parameter {} needs a sentence", p.name);
                assert!(report.sql.contains(&format!("${}", p.name)), "{name}: ${} is not used", p.name);
            }
            assert!(report.sql.trim_end().ends_with(';'), "{name}: ends without ;");
        }
    }

    #[test]
    fn every_question_answers_on_an_empty_database_with_the_columns_it_names() {
        let folder = std::env::temp_dir().join(format!("secnetmon-catalog-{}", std::process::id()));
        let path = folder.join("empty.duckdb");
        Store::create_if_missing(&path).unwrap();
        let reader = Reader::open(&path, &StoreConfig::default(), &[]).unwrap();
        for report in ALL {
            let name = report.name;
            let h = report.header();
            let wanted = reader.parameters(report.sql).unwrap_or_else(|e| panic!("{name}: {e}"));
            let params = h.bind(&BTreeMap::new(), &wanted).unwrap_or_else(|e| panic!("{name}: {e}"));
            let results = reader.query(report.sql, &params, &Limits::default());
            let mut results = results.unwrap_or_else(|e| panic!("{name}: {e}"));
            let schema = results.schema().clone();
            let columns: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
            let named: Vec<&str> = h.columns.iter().map(|(c, _)| c.as_str()).collect();
            assert_eq!(columns, named, "{name}: columns of the result and of the header");
            let rows: usize =
                results.by_ref().map(|b| b.unwrap_or_else(|e| panic!("{name}: {e}")).num_rows()).sum();
            assert_eq!(rows, 0, "{name}: rows out of nothing");
        }
        drop(reader);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn every_question_is_plain_sql() {
        // What needs our Rust functions, the extension icu, or falls from nano- to microseconds.
        let forbidden = [
            "ip_in(",
            "ip_class(",
            "is_internal(ip",
            "etld1(",
            "port_name(",
            "packets(",
            "now(",
            "current_date",
            "current_timestamp",
            "timestamptz",
            "at time zone",
            "strftime(",
            "date_trunc(",
            "date_part(",
            "time_bucket(",
            "epoch(",
            "interval ",
        ];
        for report in ALL {
            let sql: String =
                report.sql.lines().filter(|l| !l.starts_with("--")).collect::<Vec<_>>().join("\n");
            for word in forbidden {
                assert!(!sql.to_lowercase().contains(word), "{}: {word}", report.name);
            }
        }
    }

    #[test]
    fn an_unknown_name_gets_a_near_one() {
        assert_eq!(find("top_talkers").unwrap().name, "top_talkers");
        let e = find("top_takers").unwrap_err().to_string();
        assert!(e.contains("Did you mean top_talkers?"), "{e}");
    }
}
