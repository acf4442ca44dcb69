//! Does a text carry code for an interpreter behind the application?
//!
//! Templates, PHP and its objects, scripts of web shells, XML entities, filters of LDAP and of document stores, header fields smuggled into an answer, requests that the
//! server shall make, files that only a searcher asks for. Forms after OWASP's descriptions. Refuses what an editor or an interface needs: markup, queries in their own field.

use super::{Class, Place};

/// Marks of a script of PHP, and what such a script does with what it is sent.
const PHP: [&str; 3] = ["<?php", "<?=", "eval("];
const ACTS: [&str; 10] = [
    "system(",
    "exec(",
    "passthru(",
    "shell_exec(",
    "assert(",
    "base64_decode(",
    "$_get",
    "$_post",
    "$_request",
    "eval($",
];

/// The same of other languages: both pieces.
const SHELLS: &[(&str, &str)] = &[
    ("<%", "getruntime("),
    ("<%", "processbuilder"),
    ("<%", "eval(request"),
    ("<%", "eval request"),
    ("<%", "execute(request"),
    ("eval(system.text.encoding", "frombase64string"),
    ("__class__", "__"),
    ("java.lang.processbuilder", "("),
    ("forname('java.lang.runtime')", "("),
    ("routing-expression", "t(java.lang"),
];

/// Files that lie where nobody links to: the end of the path.
const UNLINKED: &[&str] = &[
    "/.env",
    "/.git/config",
    "/.git/head",
    "/.svn/entries",
    "/.aws/credentials",
    "/.htpasswd",
    "/.ssh/id_rsa",
    "/wp-config.php.bak",
    "/wp-config.php.old",
    "/wp-config.php~",
    "/wp-config.txt",
    "/muieblackcat",
    "/phpmyadmin/scripts/setup.php",
    "/pma/scripts/setup.php",
];

/// Names of parameters in which an application takes a page of its own.
const PAGES: [&str; 9] = [
    "page=http",
    "include=http",
    "inc=http",
    "template=http",
    "document_root]=http",
    "absolute_path=http",
    "module=http",
    "include_path=http",
    "path=http",
];

/// Names of parameters in which a web shell takes its command.
const SHELL_PARAMETERS: [&str; 6] = ["cmd=", "exec=", "command=", "execute=", "shell=", "c="];

/// Commands that are asked of a web shell first: alone, or with something behind a blank.
const FIRST: [&str; 9] =
    ["whoami", "uname", "ifconfig", "ipconfig", "netstat", "systeminfo", "cat", "ls", "id"];

/// Length of a run of one character from which on it fills a buffer: padding of base64 stays below.
const RUN: usize = 200;

pub(super) fn judge(
    raw: &str,
    text: &str,
    place: Place,
    see: &mut impl FnMut(Class, &'static str, f64, usize),
) {
    scripts(text, see);
    templates(text, see);
    if let Some(at) = text.find("<!entity").filter(|_| text.contains("system") || text.contains("public")) {
        see(Class::Injection, "an XML entity from elsewhere", 0.75, at);
    }
    if let Some(at) = object(text) {
        see(Class::Injection, "an object of PHP", 0.65, at);
    }
    if let Some(at) = store(text) {
        see(Class::Injection, "an operator in place of a password", 0.7, at);
    }
    if place == Place::Target {
        target(raw, text, see);
    }
}

fn scripts(text: &str, see: &mut impl FnMut(Class, &'static str, f64, usize)) {
    let php = PHP.iter().find_map(|p| text.find(p));
    if let Some(at) = php.filter(|_| ACTS.iter().any(|a| text.contains(a))) {
        see(Class::Injection, "a script of PHP that runs what it is sent", 0.8, at);
    }
    for (first, second) in SHELLS {
        if let Some(at) = text.find(first)
            && text.get(at + first.len()..).is_some_and(|rest| rest.contains(second))
        {
            see(Class::Injection, "a script that runs what it is sent", 0.75, at);
            return;
        }
    }
}

/// `{{7*7}}` and its kin: a sum that tells which language fills in the page.
fn templates(text: &str, see: &mut impl FnMut(Class, &'static str, f64, usize)) {
    for (open, close) in [("{{", "}}"), ("${", "}"), ("#{", "}"), ("<%=", "%>")] {
        for (at, _) in text.match_indices(open).take(16) {
            let inner =
                text.get(at + open.len()..).and_then(|t| t.split_once(close)).map_or("", |(i, _)| i).trim();
            let sum = inner.split_once('*').is_some_and(|(a, b)| {
                let number = |t: &str| !t.trim().is_empty() && t.trim().bytes().all(|b| b.is_ascii_digit());
                number(a) && number(b)
            });
            if sum {
                see(Class::Injection, "a sum for a template", 0.65, at);
                return;
            }
        }
    }
}

/// `o:21:"JDatabase…":3:{`: an object of PHP in writing.
fn object(text: &str) -> Option<usize> {
    text.match_indices("o:").take(16).map(|(at, _)| at).find(|at| {
        let rest = text.get(at + 2..).unwrap_or("");
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        digits > 0
            && rest
                .get(digits..)
                .and_then(|r| r.strip_prefix(":\""))
                .and_then(|r| r.split_once("\":"))
                .is_some_and(|(name, rest)| {
                    name.len() < 100 && rest.get(..8.min(rest.len())).is_some_and(|r| r.contains(":{"))
                })
    })
}

/// `pass[$ne]=`, `"pass":{"$gt":…`: an operator of a document store where a word belongs (interfaces of stores take them for other fields).
fn store(text: &str) -> Option<usize> {
    text.match_indices("pass").take(8).map(|(at, _)| at).find(|at| {
        let rest = text.get(at + 4..).unwrap_or("");
        let letters = rest.bytes().take_while(|b| b.is_ascii_lowercase() || *b == b'_').count();
        let rest: String =
            rest.get(letters..).unwrap_or("").chars().filter(|c| !c.is_whitespace()).take(8).collect();
        rest.starts_with("[$") || rest.starts_with("\":{\"$")
    })
}

fn target(raw: &str, text: &str, see: &mut impl FnMut(Class, &'static str, f64, usize)) {
    let path = text.split(['?', '#']).next().unwrap_or(text);
    if let Some(name) = UNLINKED.iter().find(|u| path.ends_with(*u)) {
        see(Class::Secrets, name, 0.6, path.len().saturating_sub(name.len()));
    }
    for metadata in ["169.254.169.254", "metadata.google.internal"] {
        // In the value of a parameter: a host asks for its own by path.
        if let Some(at) = text.find(metadata).filter(|at| text.get(..*at).is_some_and(|t| t.contains('='))) {
            see(Class::Inclusion, "the cloud's own address, asked for by the server", 0.7, at);
        }
    }
    if let Some(at) = PAGES.iter().find_map(|p| text.find(p)) {
        let value = text.get(at..).unwrap_or("").split(['&', ' ']).next().unwrap_or("");
        let script =
            [".txt", ".txt?", ".php?", ".inc", ".txt??", ".gif?", ".jpg?"].iter().any(|e| value.ends_with(e));
        if value.contains("://") && script {
            see(Class::Inclusion, "a page from elsewhere", 0.6, at);
        }
    }
    if [")(uid=", "*)(", ")(|(", ")(&("].iter().filter(|p| text.contains(**p)).count() >= 2 {
        see(Class::Injection, "a filter of LDAP that goes on", 0.6, text.find(")(").unwrap_or(0));
    }
    if let Some(at) = raw.find("%0d%0a").or_else(|| raw.find("%0a")) {
        let rest = raw.get(at..).unwrap_or("").trim_start_matches("%0d").trim_start_matches("%0a");
        if [
            "set-cookie:",
            "set-cookie%3a",
            "location:",
            "location%3a",
            "content-length:",
            "content-length%3a",
            "http/1.",
        ]
        .iter()
        .any(|f| rest.starts_with(f))
        {
            see(Class::Injection, "a header field for the answer", 0.7, 0);
        }
    }
    if let Some(at) = shell_parameter(text) {
        see(Class::Command, "a command for a web shell", 0.65, at);
    }
    let bytes = text.as_bytes();
    if bytes.len() > RUN && bytes.chunk_by(|a, b| a == b).any(|run| run.len() >= RUN) {
        see(Class::Exploit, "one character over and over, to overflow a buffer", 0.6, 0);
    }
}

/// `?cmd=whoami`, `?c=ls -la /`.
fn shell_parameter(text: &str) -> Option<usize> {
    let query = text.find('?')?;
    SHELL_PARAMETERS.iter().find_map(|name| {
        text.match_indices(name).map(|(at, _)| at).find(|at| {
            let begins = *at > query && matches!(text.as_bytes().get(at.wrapping_sub(1)), Some(b'?' | b'&'));
            let value = text.get(at + name.len()..).unwrap_or("").split('&').next().unwrap_or("").trim();
            let (word, rest) = value.split_once(' ').unwrap_or((value, ""));
            let word = word.rsplit('/').next().unwrap_or(word);
            // `ls` and `id` alone are names of what managers of files and others are asked for.
            let alone = rest.is_empty() && !matches!(word, "ls" | "id" | "cat") && name.len() > 2;
            let argument = rest.starts_with(['-', '/', '.']);
            begins && FIRST.contains(&word) && (alone || argument)
        })
    })
}

/// A target whose escaped ends of lines, and escaped `&` behind a number, are written as `;`: what separates commands and is something else
/// once it is decoded. `None` where there is none.
pub(super) fn separated(raw: &str) -> Option<String> {
    let ends = raw.contains("%0a");
    let and = raw
        .match_indices("%26")
        .any(|(at, _)| raw.as_bytes().get(at.wrapping_sub(1)).is_some_and(u8::is_ascii_digit));
    if !(ends || and) {
        return None;
    }
    let mut text = raw.replace("%0d%0a", ";").replace("%0a", ";");
    if and {
        text = text.replace("%26", ";");
    }
    Some(crate::detect::web_attack::text::plain(text.as_bytes()))
}
