//! What does one line between miner and pool say, and is it of mining at all?
//!
//! JSON-RPC lines of Stratum and its kin. Objects are taken one after the other, with or without line feeds between them, and in batches.
//! Refuses to name what other services say too: `login` alone is nothing, `login` with `pass` or `agent` is a miner.

use super::{Dialect, StratumRecord};
use crate::model::text::printable;
use crate::protocol::Verdict;
use crate::protocol::credentials::{MAX_ACCOUNT, Secret};
use memchr::memchr;
use serde_json::{Map, Value};

/// Bytes of a text that is kept: agents, job ids and targets are shorter.
const MAX_TEXT: usize = 128;

/// Messages of one batch that are read.
const MAX_BATCH: usize = 32;

/// What comes next.
pub(super) enum Next {
    /// A value, and how many bytes it took with the blanks around it.
    Line(Value, usize),
    /// Not all of it is there.
    More,
    /// No JSON; so many bytes lead to where the next line may begin.
    Bad(usize),
}

/// Read the next object or batch.
pub(super) fn next_line(data: &[u8]) -> Next {
    let blank = data.iter().take_while(|b| b.is_ascii_whitespace() || **b == 0).count();
    let rest = data.get(blank..).unwrap_or(&[]);
    let line_end = || blank + memchr(b'\n', rest).map_or(rest.len(), |i| i + 1);
    match rest.first() {
        None => return Next::More,
        Some(b'{' | b'[') => {}
        Some(_) => return Next::Bad(line_end()),
    }
    // Half a line that arrives in many pieces is not read anew with each of them.
    if memchr(b'\n', rest).is_none() && !matches!(rest.last(), Some(b'}' | b']')) {
        return Next::More;
    }
    let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<Value>();
    match values.next() {
        Some(Ok(value)) => Next::Line(value, blank + values.byte_offset()),
        Some(Err(e)) if e.is_eof() => Next::More,
        _ => Next::Bad(line_end()),
    }
}

/// Is it mining? `NeedMore` for an answer, which says nothing about its question.
pub(super) fn verdict(value: &Value) -> Verdict {
    let mut sum = Verdict::NotMine;
    for message in messages(value).filter_map(Value::as_object) {
        let Some(method) = method(message) else {
            let answer = message.contains_key("id")
                && (message.contains_key("result") || message.contains_key("error"));
            if answer && sum == Verdict::NotMine {
                sum = Verdict::NeedMore;
            }
            continue;
        };
        return if dialect(method, message).is_some() { Verdict::Mine(95) } else { Verdict::NotMine };
    }
    sum
}

pub(super) fn messages(value: &Value) -> impl Iterator<Item = &Value> {
    match value {
        Value::Array(all) => all.iter().take(MAX_BATCH),
        one => std::slice::from_ref(one).iter().take(MAX_BATCH),
    }
}

/// The method, or the type by which services in browsers call it.
fn method(message: &Map<String, Value>) -> Option<&str> {
    let named =
        message.get("method").or_else(|| message.get("type").filter(|_| message.contains_key("params")));
    named.and_then(Value::as_str)
}

/// The dialect that a method with its parameters belongs to; `None` for what is no mining.
fn dialect(method: &str, message: &Map<String, Value>) -> Option<Dialect> {
    let params = message.get("params");
    let named = |names: &[&str]| {
        let object = params.and_then(Value::as_object);
        object.map_or(0, |p| names.iter().filter(|n| p.contains_key(**n)).count())
    };
    let listed = |i: usize| params.and_then(|p| p.get(i));
    let text = |i: usize| listed(i).and_then(Value::as_str);
    match method {
        "mining.hello" | "mining.noop" | "mining.bye" => Some(Dialect::Ethereum2),
        "mining.subscribe" => Some(match (text(1), text(2)) {
            (Some(v), _) if v.starts_with("EthereumStratum/1") => Dialect::Ethereum1,
            (Some(v), _) if v.starts_with("EthereumStratum/2") => Dialect::Ethereum2,
            // ZIP 301: agent, session, host, port.
            (_, Some(_)) if listed(3).is_some() => Dialect::Zcash,
            _ => Dialect::V1,
        }),
        "mining.set_target" => Some(Dialect::Zcash),
        "mining.submit" if text(4).is_some_and(|s| s.len() > 1_000) => Some(Dialect::Zcash),
        m if m.strip_prefix("mining.").is_some_and(|name| MINING.contains(&name)) => Some(Dialect::V1),
        "client.reconnect" | "client.get_version" | "client.show_message"
            if message.contains_key("params") =>
        {
            Some(Dialect::V1)
        }
        "eth_submitLogin" | "eth_submitWork" | "eth_submitHashrate" | "eth_getWork" | "eth_login" => {
            Some(Dialect::EthProxy)
        }
        "auth" if named(&["site_key"]) == 1 => Some(Dialect::Browser),
        "authed" if named(&["token", "hashes"]) == 2 => Some(Dialect::Browser),
        "hash_accepted" if named(&["hashes"]) == 1 => Some(Dialect::Browser),
        "submit" if message.contains_key("type") && named(&["job_id", "nonce", "result"]) == 3 => {
            Some(Dialect::Browser)
        }
        "login" if named(&["login"]) == 1 && named(&["pass", "agent", "algo", "rigid"]) > 0 => {
            Some(Dialect::CryptoNote)
        }
        "submit" if named(&["id", "job_id", "nonce", "result"]) >= 3 => Some(Dialect::CryptoNote),
        "job" if named(&["blob", "job_id", "target"]) >= 2 => Some(Dialect::CryptoNote),
        "getjob" | "keepalived" if named(&["id"]) == 1 => Some(Dialect::CryptoNote),
        _ => None,
    }
}

/// Methods behind `mining.` (Stratum V1, BIP 310, Zcash, EIP-1571).
const MINING: &[&str] = &[
    "authorize",
    "capabilities",
    "configure",
    "extranonce.subscribe",
    "get_transactions",
    "get_hashrate",
    "notify",
    "ping",
    "pong",
    "reconnect",
    "set",
    "set_difficulty",
    "set_extranonce",
    "set_goal",
    "set_nonce",
    "set_version_mask",
    "submit",
    "suggest_difficulty",
    "suggest_target",
    "hashrate",
];

/// One message.
pub(super) struct Line<'a> {
    /// Empty for an answer.
    pub(super) method: String,
    pub(super) dialect: Option<Dialect>,
    pub(super) id: Option<String>,
    pub(super) from_miner: bool,
    /// Set for a login: in which form its secret came.
    pub(super) login: Option<Secret>,
    pub(super) accepted: Option<bool>,
    pub(super) error: Option<String>,
    message: &'a Map<String, Value>,
}

/// A text or number, printable and bounded.
fn shown(value: &Value, cap: usize) -> Option<String> {
    match value {
        Value::String(s) if !s.is_empty() => Some(printable(s.as_bytes(), cap)),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    }
}

impl<'a> Line<'a> {
    /// The messages of a line.
    pub(super) fn all(value: &'a Value) -> impl Iterator<Item = Self> {
        messages(value).filter_map(Value::as_object).map(Self::read)
    }

    fn read(message: &'a Map<String, Value>) -> Self {
        let method = method(message).map(|m| printable(m.as_bytes(), MAX_TEXT)).unwrap_or_default();
        let dialect = dialect(&method, message);
        let mut line = Self {
            from_miner: false,
            login: None,
            id: message.get("id").and_then(|i| shown(i, MAX_TEXT)),
            accepted: None,
            error: None,
            message,
            dialect,
            method,
        };
        line.from_miner = !matches!(
            line.method.as_str(),
            "job"
                | "authed"
                | "hash_accepted"
                | "mining.notify"
                | "mining.set_difficulty"
                | "mining.set_target"
                | "mining.set_extranonce"
                | "mining.set"
                | "mining.set_version_mask"
                | "mining.set_goal"
                | "mining.reconnect"
                | "client.reconnect"
                | "client.get_version"
                | "client.show_message"
        );
        line.login = match line.method.as_str() {
            "mining.authorize" | "eth_submitLogin" | "eth_login" => Some(secret(line.listed(1))),
            "login" => Some(secret(line.named("pass"))),
            _ => None,
        };
        if line.method.is_empty() {
            line.outcome();
        }
        line
    }

    fn listed(&self, i: usize) -> Option<&Value> {
        self.message.get("params")?.get(i)
    }

    fn named(&self, name: &str) -> Option<&Value> {
        self.message.get("params")?.as_object()?.get(name)
    }

    /// Was it taken, and what was said against it?
    fn outcome(&mut self) {
        let error = self.message.get("error").filter(|e| !e.is_null());
        // `[20, "text", null]` or `{"code": -1, "message": "text"}`.
        let said = error.and_then(|e| e.get("message").or_else(|| e.get(1)).or(Some(e)));
        self.error = said.and_then(|s| shown(s, MAX_TEXT));
        let result = self.message.get("result");
        self.accepted = match (error, result) {
            (Some(_), _) => Some(false),
            (None, Some(Value::Bool(yes))) => Some(*yes),
            (None, Some(Value::Null)) | (None, None) => None,
            (None, Some(r)) => {
                let status = r.get("status").and_then(Value::as_str);
                Some(status.is_none_or(|s| matches!(s, "OK" | "KEEPALIVED")))
            }
        };
    }

    /// Put what a request or notice says into its row.
    pub(super) fn fill(&self, row: &mut StratumRecord) {
        let list = |i: usize| self.listed(i).and_then(|v| shown(v, MAX_TEXT));
        let account = |v: Option<&Value>| v.and_then(|v| shown(v, MAX_ACCOUNT));
        let name = |n: &str| self.named(n).and_then(|v| shown(v, MAX_TEXT));
        row.worker = self.message.get("worker").and_then(|w| shown(w, MAX_TEXT)).or_else(|| name("rigid"));
        match self.method.as_str() {
            "mining.subscribe" => {
                row.agent = list(0);
                row.pool = list(2).map(|host| match list(3) {
                    Some(port) => format!("{host}:{port}"),
                    None => host,
                });
            }
            "mining.hello" => {
                row.agent = name("agent");
                row.pool = name("host").map(|host| match name("port") {
                    Some(port) => format!("{host}:{port}"),
                    None => host,
                });
            }
            "mining.authorize" | "eth_submitLogin" | "eth_login" => {
                if let Some(a) = account(self.listed(0)) {
                    row.account(&a);
                }
            }
            "login" => {
                row.agent = name("agent");
                if let Some(a) = account(self.named("login")) {
                    row.account(&a);
                }
                row.algorithm = match self.named("algo") {
                    Some(Value::Array(all)) => {
                        let names: Vec<_> =
                            all.iter().take(MAX_BATCH).filter_map(|v| shown(v, MAX_TEXT)).collect();
                        Some(names.join(",")).filter(|s| !s.is_empty())
                    }
                    Some(one) => shown(one, MAX_TEXT),
                    None => None,
                };
            }
            "mining.submit" => {
                if let Some(a) = account(self.listed(0)) {
                    row.account(&a);
                }
                row.job_id = list(1);
            }
            "auth" => {
                if let Some(a) = account(self.named("site_key")) {
                    row.account(&a);
                }
            }
            "submit" => row.job_id = name("job_id"),
            "mining.notify" => row.job_id = list(0),
            "job" => self.job(self.message.get("params"), row),
            "mining.set_difficulty" | "mining.suggest_difficulty" => {
                row.difficulty = self.listed(0).and_then(Value::as_f64);
            }
            "mining.set_target" | "mining.suggest_target" => row.target = list(0),
            "mining.set" => {
                row.algorithm = name("algo");
                row.target = name("target");
            }
            "client.reconnect" | "mining.reconnect" => {
                row.pool = list(0).map(|host| match list(1) {
                    Some(port) => format!("{host}:{port}"),
                    None => host,
                });
            }
            _ => {}
        }
    }

    /// Put the job that an answer brings into the row of its login.
    pub(super) fn fill_answer(&self, row: &mut StratumRecord) {
        let job = self.message.get("result").and_then(|r| r.get("job").or_else(|| r.get("blob").map(|_| r)));
        if job.is_some() {
            let algorithm = row.algorithm.take();
            self.job(job, row);
            row.algorithm = row.algorithm.take().or(algorithm);
        }
    }

    fn job(&self, job: Option<&Value>, row: &mut StratumRecord) {
        let get = |name: &str| job.and_then(|j| j.get(name)).and_then(|v| shown(v, MAX_TEXT));
        row.job_id = get("job_id");
        row.target = get("target");
        row.algorithm = get("algo");
    }
}

/// Miners send a password because the format asks for it; `x` and nothing are what most pools want.
fn secret(password: Option<&Value>) -> Secret {
    match password.and_then(Value::as_str) {
        Some("") | None => Secret::None,
        Some(_) => Secret::Clear,
    }
}
