//! Which forms of attack does a text hold?
//!
//! Each form is a shape that no honest client needs, with the weight that it carries alone. Written from the descriptions of OWASP and of the
//! CVEs, not from anybody's rules. Texts come as `super::text::plain` leaves them. Refuses to call single quotes, percent signs, long
//! queries or the words `select` and `script` by themselves anything.

mod inject;
mod known;
mod pieces;
#[cfg(test)]
mod tests;

use super::text::around;
use crate::detect::needles::Needles;
use known::EXPLOITS;
use pieces::{
    ALONE, BEHIND_CLIMBS, COMMANDS, HIDDEN_CLIMBS, IN_LISTS, SECRETS, SQL, WITH_ARGUMENT, WRAPPERS,
};
use std::sync::LazyLock;

/// Families of attacks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Class {
    Exploit,
    Sql,
    Command,
    Traversal,
    Script,
    Inclusion,
    Secrets,
    Injection,
}

impl Class {
    /// As a reason, and in sentences.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Exploit => "known_exploit",
            Self::Sql => "sql_injection",
            Self::Command => "command_injection",
            Self::Traversal => "path_traversal",
            Self::Script => "cross_site_scripting",
            Self::Inclusion => "file_inclusion",
            Self::Secrets => "search_for_secrets",
            Self::Injection => "code_injection",
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Exploit => "a known exploit",
            Self::Sql => "SQL injection",
            Self::Command => "command injection",
            Self::Traversal => "path traversal",
            Self::Script => "cross-site scripting",
            Self::Inclusion => "file inclusion",
            Self::Secrets => "a search for secrets",
            Self::Injection => "code injection",
        }
    }
}

/// One form that was seen.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Seen {
    pub(super) class: Class,
    /// What it is called.
    pub(super) form: &'static str,
    pub(super) weight: f64,
    /// The place in its context, decoded.
    pub(super) shown: String,
}

/// Where a text stood. Bodies hold prose, markup and code of honest users, so shapes there must be clearer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Target,
    Header,
    Body,
}

/// Every fixed piece, to see at once that a text holds none, as nearly all do. The same for files.
static PIECES: LazyLock<Needles> = LazyLock::new(|| {
    let exploits = EXPLOITS.iter().filter_map(|(parts, _)| parts.first().copied());
    let weighted = [SQL, WRAPPERS, COMMANDS].into_iter().flatten().map(|(piece, _)| *piece);
    Needles::new(exploits.chain(weighted).chain(["/bin/sh"]), false)
});
static FILES: LazyLock<Needles> = LazyLock::new(|| Needles::new(SECRETS.iter().copied(), false));

/// All forms in a text. `raw` is the same in lower case before decoding.
pub(super) fn inspect(raw: &str, text: &str, place: Place, out: &mut Vec<Seen>) {
    let mut see = |class, form, weight: f64, at: usize| {
        // Prose about attacks, and code, are in bodies of honest users.
        let weight = if place == Place::Body { weight * 0.85 } else { weight };
        out.push(Seen { class, form, weight, shown: around(text, at).to_owned() });
    };
    let pieces = PIECES.may_be_in(text);
    for (parts, name) in EXPLOITS.iter().filter(|_| pieces) {
        let at = parts.first().and_then(|p| text.find(p));
        if let Some(at) = at.filter(|_| parts.iter().all(|p| text.contains(p))) {
            see(Class::Exploit, name, 0.85, at);
        }
    }
    if pieces
        && text.contains("/bin/sh")
        && (raw.contains("/.%2e/") || raw.contains("/%2e%2e/") || raw.contains("%%32%65"))
    {
        see(Class::Exploit, "Apache, CVE-2021-41773", 0.9, 0);
    }
    for (needle, weight) in SQL.iter().filter(|_| pieces) {
        if let Some(at) = text.find(needle).filter(|at| starts_word(text, *at, needle)) {
            see(Class::Sql, needle, *weight, at);
        }
    }
    if let Some((at, weight)) = tautology(text) {
        see(Class::Sql, "a condition that is always true or false", weight, at);
    }
    if let Some(at) = ended(text) {
        see(Class::Sql, "a comment that ends the statement", 0.55, at);
    }
    inject::judge(raw, text, place, &mut see);
    climbs(raw, text, place, &mut see);
    for (needle, weight) in WRAPPERS.iter().filter(|_| pieces) {
        if let Some(at) = text.find(needle) {
            see(Class::Inclusion, needle, *weight, at);
        }
    }
    if let Some((at, weight)) = command(text) {
        see(Class::Command, "a command behind a separator", weight, at);
    } else if place == Place::Target
        && let Some(apart) = inject::separated(raw)
        && let Some((_, weight)) = command(&apart)
    {
        // A line's end and an escaped `&` are blanks and a border once decoded.
        see(Class::Command, "a command behind a separator", weight, 0);
    }
    for (needle, weight) in COMMANDS.iter().filter(|_| pieces) {
        if let Some(at) = text.find(needle) {
            see(Class::Command, needle, *weight, at);
        }
    }
    script(text, place, &mut see);
}

/// A statement that is broken off: a quote with a comment behind it, wherever; or `order by 3` and the like with one. Its place.
fn ended(text: &str) -> Option<usize> {
    let end = text.trim_end();
    if (end.ends_with("--") || end.ends_with("-- -") || end.ends_with("'#")) && text.contains('\'') {
        return text.find('\'');
    }
    let comment = |rest: &str| {
        let rest = rest.trim_start_matches([' ', ')']);
        rest.starts_with("-- ") || rest == "--" || rest.starts_with("--&") || rest.starts_with('#')
    };
    if let Some((at, _)) = text.match_indices('\'').find(|(at, _)| text.get(at + 1..).is_some_and(comment)) {
        return Some(at);
    }
    ["order by ", "group by "].into_iter().find_map(|words| {
        let at = text.find(words)?;
        let rest = text.get(at + words.len()..)?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        (digits > 0 && rest.get(digits..).is_some_and(comment)).then_some(at)
    })
}

/// Not within a longer word (`mybenchmark(`); needles that begin with a mark are.
fn starts_word(text: &str, at: usize, needle: &str) -> bool {
    let letter = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_');
    !letter(needle.as_bytes().first()) || at == 0 || !letter(text.as_bytes().get(at - 1))
}

fn climbs(raw: &str, text: &str, place: Place, see: &mut impl FnMut(Class, &'static str, f64, usize)) {
    let first = text.find("../").or_else(|| text.find("..\\"));
    let secret = if FILES.may_be_in(text) {
        SECRETS.iter().find_map(|s| text.find(s).map(|at| (*s, at)))
    } else {
        None
    };
    if first.is_none() && secret.is_none() {
        return;
    }
    let count = text.matches("../").count() + text.matches("..\\").count();
    if let (None, Some(at), true) = (secret, first, count >= 2 || place == Place::Target)
        && text.get(..at).is_some_and(|t| t.contains('='))
        && let Some(name) = BEHIND_CLIMBS.iter().find(|s| text.get(at..).is_some_and(|t| t.contains(**s)))
    {
        return see(Class::Traversal, name, 0.65, at);
    }
    let hidden = HIDDEN_CLIMBS.iter().any(|h| raw.contains(h));
    match (secret, first) {
        (Some((name, at)), Some(_)) => see(Class::Traversal, name, 0.85, at),
        (Some((name, at)), None)
            if place == Place::Target && text.get(..at).is_some_and(|t| t.contains('=')) =>
        {
            see(Class::Traversal, name, 0.6, at);
        }
        (_, Some(at)) if hidden && count >= 2 => see(Class::Traversal, "hidden dots that climb", 0.7, at),
        // Values of header fields have no place to climb to.
        (_, Some(at)) if place == Place::Header && count >= 2 => {
            see(Class::Traversal, "dots that climb in a header", 0.6, at);
        }
        (_, Some(at)) if count >= 3 => {
            // Broken links of honest pages climb in the path, not in a value.
            let in_value = text.get(..at).is_some_and(|t| t.contains('?'));
            see(Class::Traversal, "dots that climb", if in_value { 0.6 } else { 0.4 }, at);
        }
        _ => {}
    }
}

/// `or 1=1`, `' and 'a'='a`: a comparison of two constants behind `or` or `and`. Its place and weight.
fn tautology(text: &str) -> Option<(usize, f64)> {
    if !text.contains(['=', '<', '>']) && !text.contains("like ") {
        return None;
    }
    for word in ["or", "and", "||", "&&"] {
        for (at, _) in text.match_indices(word) {
            let before = text.get(..at).unwrap_or("");
            let after = text.get(at + word.len()..).unwrap_or("");
            let bounded = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '_');
            let symbol = !word.starts_with(|c: char| c.is_ascii_alphabetic());
            let alone = bounded(before.chars().next_back()) && bounded(after.chars().next());
            if !symbol && !alone {
                continue;
            }
            let quoted = before.trim_end().ends_with(['\'', '"', ')']);
            let Some((a, rest)) = constant(after) else { continue };
            let rest = rest.trim_start();
            let Some(rest) = ["=", "<>", "<", ">", "like "].iter().find_map(|op| rest.strip_prefix(op))
            else {
                continue;
            };
            let Some((b, _)) = constant(rest) else { continue };
            let numbers = a.bytes().all(|b| b.is_ascii_digit()) && b.bytes().all(|b| b.is_ascii_digit());
            if (a == b || numbers) && (quoted || !symbol) {
                return Some((at, if quoted { 0.8 } else { 0.6 }));
            }
        }
    }
    None
}

/// A number, or a quoted word; and what follows.
fn constant(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches([' ', '(']);
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let body = quote.map_or(text, |q| text.strip_prefix(q).unwrap_or(text));
    let len = body.bytes().take_while(|b| b.is_ascii_alphanumeric()).count();
    let (word, rest) = body.split_at_checked(len)?;
    let is_number = !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    // The last quote is often left to the statement that is broken into.
    let rest = rest.strip_prefix(['\'', '"']).unwrap_or(rest);
    (quote.is_some() || is_number).then_some((word, rest))
}

/// Is the value that ends at `at` a word, as in lists? Injections follow an address, a number or nothing.
fn follows_a_word(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or("");
    let word = before.rsplit(['=', '&', '?', '/', '|', ';', ',', ' ']).next().unwrap_or("");
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_')
}

/// A shell's command behind `;`, `|`, `&&`, a backtick or `$(`. Its place and weight.
fn command(text: &str) -> Option<(usize, f64)> {
    if !text.contains([';', '|', '&', '`', '$', '\n']) {
        return None;
    }
    for separator in [";", "|", "&&", "`", "$(", "\n"] {
        for (at, _) in text.match_indices(separator) {
            let after = text.get(at + separator.len()..).unwrap_or("").trim_start_matches([' ', '|', '&']);
            let len = after.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"/._-".contains(b)).count();
            let (path, rest) = after.split_at_checked(len).unwrap_or((after, ""));
            let name = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".exe");
            let argument = rest.trim_start_matches(' ');
            let spaced = argument.len() < rest.len();
            let next = argument.chars().next();
            let ends = rest.is_empty()
                || matches!(rest.chars().next(), Some(';' | '|' | '&' | '`' | ')' | '\'' | '"'));
            let field =
                matches!(separator, ";" | "|") && IN_LISTS.contains(&name) && follows_a_word(text, at);
            if ALONE.contains(&name) && (ends || argument.is_empty()) && !field {
                return Some((at, 0.65));
            }
            let telling = next.is_some_and(|c| matches!(c, '/' | '-' | '.' | '$' | '%' | '0'..='9'))
                || argument.starts_with("http");
            if WITH_ARGUMENT.contains(&name) && spaced && telling {
                return Some((at, 0.75));
            }
        }
    }
    None
}

/// What handlers are named after, behind `on`: the whole name or its beginning.
const EVENTS: &[&str] = &[
    "error",
    "load",
    "click",
    "mouse",
    "focus",
    "toggle",
    "start",
    "begin",
    "animation",
    "transition",
    "pointer",
    "key",
    "submit",
    "blur",
    "change",
    "input",
    "scroll",
    "wheel",
    "resize",
    "unload",
    "drag",
    "hashchange",
    "message",
    "page",
    "copy",
    "paste",
    "dblclick",
];

fn script(text: &str, place: Place, see: &mut impl FnMut(Class, &'static str, f64, usize)) {
    let marked = text.contains('<') || text.contains("javascript:");
    if !marked && !text.contains(['"', '\'']) {
        return;
    }
    let acts = [
        "alert(",
        "prompt(",
        "confirm(",
        "document.cookie",
        "eval(",
        "fromcharcode",
        "document.location",
        "alert`",
    ];
    let acts = acts.iter().any(|a| text.contains(a));
    // Out of the value of an attribute, or of a string in a script.
    if acts {
        let out = [
            "\" on",
            "' on",
            "\"on",
            "';alert",
            "\";alert",
            "'-alert",
            "\"-alert",
            "'+alert",
            "\" autofocus",
            "' autofocus",
        ];
        if let Some(at) = out.iter().find_map(|o| text.find(o)) {
            see(Class::Script, "out of an attribute or string, into a script", 0.65, at);
        }
    }
    if !marked {
        return;
    }
    // Editors and mail send markup in bodies: there it must act, too.
    if place == Place::Body && !acts {
        return;
    }
    if let Some(at) = text.find("<script") {
        see(Class::Script, "<script", if acts { 0.85 } else { 0.6 }, at);
    }
    if let Some(at) = ["<iframe", "<object ", "<embed "].iter().find_map(|t| text.find(t)) {
        see(Class::Script, "a tag that loads", if acts { 0.7 } else { 0.5 }, at);
    }
    if let Some(at) = text.find("javascript:").filter(|_| acts) {
        see(Class::Script, "javascript: that acts", 0.6, at);
    }
    for (at, _) in text.match_indices('<') {
        let tag = text.get(at + 1..).unwrap_or("");
        let tag = tag.split('>').next().unwrap_or(tag);
        if !tag.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let handles = |sep: &str| {
            tag.match_indices(sep).any(|(i, _)| {
                let name = tag.get(i + sep.len()..).unwrap_or("");
                let len = name.bytes().take_while(u8::is_ascii_lowercase).count();
                let event = name.get(..len).unwrap_or("");
                EVENTS.iter().any(|e| event.starts_with(e))
                    && name.get(len..).is_some_and(|r| r.trim_start().starts_with('='))
            })
        };
        if [" on", "/on", "\"on", "'on"].iter().any(|s| handles(s)) {
            see(Class::Script, "a tag with a handler", if acts { 0.8 } else { 0.6 }, at);
            return;
        }
    }
}
