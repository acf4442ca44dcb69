//! What does a small body say that other tables hold: a login by a form, or work for a mining pool?
//!
//! Forms as browsers send them (`application/x-www-form-urlencoded`) and JSON objects, with a field for a password and one for who it is;
//! JSON-RPC of getwork, getblocktemplate (BIP 22) and their kin is handed to [`stratum`]. Refuses to keep a secret, and to guess what a page
//! says: whether a login worked is told by status and redirection alone.

use super::record::HttpTransaction;
use crate::model::text::printable;
use crate::protocol::credentials::MAX_ACCOUNT;
use crate::protocol::encoding::percent;
use crate::protocol::stratum::http::Asked;
use crate::protocol::stratum::{self, StratumRecord};
use serde_json::Value;

/// Bytes of a body that are kept to be read.
pub(super) const KEEP: usize = 4 << 10;

/// Fields of one form that are read.
const MAX_FIELDS: usize = 64;

/// What a request's body says.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// A form or object with a password: whose, where it says so, and how it came.
    pub(super) login: Option<(Option<String>, &'static str)>,
    /// Work for a pool.
    pub(super) work: Option<Box<StratumRecord>>,
}

/// Is a body of this type worth keeping?
pub(super) fn is_wanted(tx: &HttpTransaction) -> bool {
    let small = tx.request.content_length.is_none_or(|n| n <= KEEP as u64);
    let kind = tx.request.content_type.as_deref().unwrap_or("");
    let is = |word: &str| kind.get(..word.len()).is_some_and(|k| k.eq_ignore_ascii_case(word));
    small
        && tx.request.encoding.is_none()
        && (kind.is_empty()
            || is("application/x-www-form-urlencoded")
            || is("application/json")
            || is("text/"))
}

/// Does a field of this name hold a password?
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // Names of rights and tickets end the same way.
    ["pass", "pwd", "psw", "kennwort", "contrasena", "senha"].iter().any(|w| name.contains(w))
        && !["passport", "passenger", "bypass", "compass", "passive"].iter().any(|w| name.contains(w))
        || matches!(name.as_str(), "pw" | "upw" | "user_pw")
}

/// How likely a field of this name says who it is; 0: not at all.
fn names_account(name: &str) -> u8 {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "user" | "username" | "login" | "log" | "account" | "uname" | "userid" | "user_name" => 3,
        n if n.contains("user") || n.contains("login") || n.contains("account") => 2,
        n if n.contains("mail") || n.ends_with("name") || n == "id" || n == "uid" => 1,
        _ => 0,
    }
}

/// A login among these fields.
fn login(fields: impl Iterator<Item = (String, Vec<u8>)>) -> Option<Option<String>> {
    let (mut secret, mut account) = (false, None::<(u8, String)>);
    for (name, value) in fields.take(MAX_FIELDS).filter(|(_, v)| !v.is_empty()) {
        if is_secret(&name) {
            secret = true;
        } else {
            let likely = names_account(&name);
            if likely > account.as_ref().map_or(0, |(l, _)| *l) {
                account = Some((likely, printable(&value, MAX_ACCOUNT)));
            }
        }
    }
    secret.then(|| account.map(|(_, a)| a))
}

/// Fields of a form, or of a query.
fn fields(text: &[u8]) -> impl Iterator<Item = (String, Vec<u8>)> {
    text.split(|b| *b == b'&').filter_map(|pair| {
        let at = pair.iter().position(|b| *b == b'=')?;
        let (name, value) = pair.split_at_checked(at)?;
        let plain =
            |t: &[u8]| percent(&t.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect::<Vec<u8>>());
        Some((String::from_utf8_lossy(&plain(name)).into_owned(), plain(value.get(1..)?)))
    })
}

/// Read a request's body.
pub(super) fn read(bytes: &[u8], asked: Asked<'_>) -> Said {
    let body = bytes.trim_ascii();
    if !matches!(body.first(), Some(b'{' | b'[')) {
        return Said { login: login(fields(body)).map(|a| (a, "form")), work: None };
    }
    let Some(value) =
        serde_json::Deserializer::from_slice(body).into_iter::<Value>().next().and_then(Result::ok)
    else {
        return Said::default();
    };
    if let Some(work) = stratum::http::request(&value, asked) {
        return Said { login: None, work: Some(Box::new(work)) };
    }
    let object = value.as_object().into_iter().flatten();
    let texts = object.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.as_bytes().to_vec())));
    Said { login: login(texts).map(|a| (a, "json")), work: None }
}

/// A login in the query of a request's target.
pub(super) fn query(tx: &HttpTransaction) -> Option<Option<String>> {
    let (_, query) = tx.uri.as_deref()?.split_once('?')?;
    login(fields(query.as_bytes()))
}

/// Did a login by form work? Only what the protocol shows: refused, or sent on to somewhere else than a login.
pub(super) fn accepted(tx: &HttpTransaction) -> Option<bool> {
    let path = |uri: &str| {
        let uri = uri
            .split_once("://")
            .map_or(uri, |(_, rest)| rest.find('/').and_then(|i| rest.get(i..)).unwrap_or("/"));
        uri.split(['?', '#', ';']).next().unwrap_or("").to_ascii_lowercase()
    };
    match tx.status_code? {
        401 | 403 | 422 | 429 => Some(false),
        300..=399 => {
            let to = tx.location.as_deref()?;
            let words = ["login", "signin", "sign_in", "error", "fail", "denied", "invalid", "incorrect"];
            let again = path(to) == path(tx.uri.as_deref().unwrap_or(""));
            let refused = words.iter().any(|w| to.to_ascii_lowercase().contains(w));
            Some(!(again || refused))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Option<Option<String>> {
        login(fields(text.as_bytes()))
    }

    #[test]
    fn logins_are_told_by_the_names_of_fields() {
        assert_eq!(form("log=admin&pwd=x%26y&wp-submit=Log+In"), Some(Some("admin".into())));
        assert_eq!(form("email=a%40b.example&user=anna&password=1"), Some(Some("anna".into())));
        assert_eq!(form("pass=1"), Some(None));
        assert_eq!(form("password=&user=anna"), None, "nothing was sent");
        assert_eq!(form("passenger=2&name=x"), None);
        assert_eq!(form("q=how+to+pass"), None);
        let said = read(b"{\"username\":\"anna\",\"password\":\"x\"}", Asked::default());
        assert_eq!(said.login, Some((Some("anna".into()), "json")));
    }

    #[test]
    fn where_the_answer_sends_the_client_tells() {
        let tx = |status, location: Option<&str>| HttpTransaction {
            uri: Some("/wp-login.php".into()),
            status_code: Some(status),
            location: location.map(Into::into),
            ..HttpTransaction::default()
        };
        assert_eq!(accepted(&tx(302, Some("https://a.example/wp-admin/"))), Some(true));
        assert_eq!(accepted(&tx(302, Some("/wp-login.php?again=1"))), Some(false));
        assert_eq!(accepted(&tx(302, Some("/signin?error"))), Some(false));
        assert_eq!(accepted(&tx(401, None)), Some(false));
        assert_eq!(accepted(&tx(200, None)), None);
    }
}
