//! What does the configuration file of `init` look like?
//!
//! Every setting with its sentence and its default, commented out: a default that a later version improves then
//! reaches everybody who did not choose otherwise.

use super::defaults;
use super::keys::{KEYS, SECTIONS, variable};
use super::load::flatten;
use crate::report::fold::fold;
use std::fmt::Write;

/// Widest line of a comment, in characters.
const WIDTH: usize = 100;

/// The text of a new `secnetmon.toml`.
pub(in crate::cli) fn template() -> String {
    let defaults = flatten(&defaults());
    let mut out = String::from(
        "# Settings of secnetmon. Each line that begins with # and a name shows a default: remove the # to change it.\n\
         # A flag outweighs the environment, the environment this file. The variable of query.max_rows is\n",
    );
    let _ = writeln!(
        out,
        "# {}, and so on; the flag of any setting is --set KEY=VALUE.",
        variable("query.max_rows")
    );
    for (section, meaning) in SECTIONS {
        let _ = write!(out, "\n# {meaning}\n[{section}]\n");
        for known in KEYS.iter() {
            let Some(name) = known.key.strip_prefix(section).and_then(|k| k.strip_prefix('.')) else {
                continue;
            };
            wrap(&mut out, known.meaning);
            match defaults.iter().find(|(k, _)| k == known.key) {
                Some((_, value)) => {
                    let _ = writeln!(out, "#{name} = {value}");
                }
                None => {
                    let _ = writeln!(out, "#{name} =");
                }
            }
        }
    }
    out
}

fn wrap(out: &mut String, sentence: &str) {
    for line in fold("# ", "# ", sentence, WIDTH) {
        let _ = writeln!(out, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::super::{defaults, load::flatten};
    use super::*;

    #[test]
    fn every_setting_is_listed_and_every_listed_one_exists() {
        let mut defined: Vec<String> = flatten(&defaults()).into_iter().map(|(k, _)| k).collect();
        let mut listed: Vec<String> = KEYS.iter().map(|k| k.key.to_owned()).collect();
        defined.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, defined);
        for known in KEYS.iter() {
            assert!(known.meaning.ends_with(['.', '?']), "{} needs a sentence", known.key);
            assert!(
                SECTIONS.iter().any(|(s, _)| known.key.split('.').next() == Some(s)),
                "{} is in no section",
                known.key
            );
        }
    }

    #[test]
    fn as_written_and_uncommented_it_says_the_defaults() {
        let text = template();
        assert_eq!(flatten(&toml::from_str(&text).unwrap()), []);
        let uncommented: String = text
            .lines()
            .map(|l| match l.strip_prefix('#') {
                Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
                _ => format!("{l}\n"),
            })
            .collect();
        let again: toml::Table = toml::from_str(&uncommented).unwrap();
        assert_eq!(again, defaults());
    }
}
