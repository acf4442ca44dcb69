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

/// All of them, by what they ask about: overview first, then hosts, services, protocols, and trust in the data.
pub static ALL: &[Report] = reports! {
    "top_talkers" "top_ports" "top_services" "conversations" "timeline"
    "long_flows" "failed_connections" "unusual_ports" "exposed_services" "bytes_out_by_host"
    "new_hosts" "mac_addresses" "rare_domains" "tunnels" "icmp"
    "weirds" "capture_loss" "capture_ledger"
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
    fn an_unknown_name_gets_a_near_one() {
        assert_eq!(find("top_talkers").unwrap().name, "top_talkers");
        let e = find("top_takers").unwrap_err().to_string();
        assert!(e.contains("Did you mean top_talkers?"), "{e}");
    }
}
