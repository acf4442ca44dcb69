//! Can a text hold any of these words at all?
//!
//! One walk over a text for all words at once (Aho, Corasick 1975), so that the many searches behind it are only made where one of them may
//! find something. Says yes or no, never where.

use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// Words that are looked for together.
#[derive(Debug)]
pub struct Needles(Option<AhoCorasick>);

impl Needles {
    /// These words, in any case of ASCII letters when `fold`.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>, fold: bool) -> Self {
        let built = AhoCorasick::builder()
            .ascii_case_insensitive(fold)
            .kind(Some(AhoCorasickKind::DFA))
            .build(words.into_iter().map(str::as_bytes));
        Self(built.ok())
    }

    /// Is one of them in `text`? Also true when they could not be prepared: then the searches behind it tell.
    pub fn may_be_in(&self, text: &str) -> bool {
        self.0.as_ref().is_none_or(|a| a.is_match(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_any_place_and_case() {
        let words = Needles::new(["union select", "etc/"], true);
        assert!(words.0.is_some());
        assert!(
            words.may_be_in("/a?id=1 UNION select 2") && words.may_be_in("etc/") && !words.may_be_in("union")
        );
        let exact = Needles::new(["Passwd"], false);
        assert!(exact.may_be_in("xPasswd") && !exact.may_be_in("passwd"));
    }
}
