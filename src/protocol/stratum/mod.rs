//! Who mines for which account at which pool, and are the shares accepted?
//!
//! Mining protocols in clear text on any port: Stratum V1 (as slush's and Braiins' documentation have it, BIP 310), its kin for Ethereum
//! (EthereumStratum/1.0.0 of NiceHash, /2.0.0 by EIP-1571, eth-proxy), Zcash (ZIP 301) and CryptoNote (`login`, `job`, `submit`), and the plain
//! form of Stratum V2. One row is one request with its answer, or one notice; equal ones are counted (see [`super::polling`]).
//!
//! What comes over HTTP ([`http`]) and WebSocket is read there and handed over; so are services that mine in browsers.
//!
//! Refuses other JSON-RPC: node interfaces, Electrum, language servers speak it too, and only methods and fields that miners alone
//! use are taken. Of the encrypted form of V2 the handshake is a row, told by
//! its sizes; refuses to say more of it.

pub(in crate::protocol) mod http;
mod json;
#[cfg(test)]
mod tests;
mod v2;

use self::json::{Line, next_line};
use super::clues::{Clue, HOST_CLUES};
use super::credentials::{CREDENTIALS, Credential, Secret};
use super::polling::{self, Polls, Repeated, Repeats, Waiting, address, seconds};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::flow::Side;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::weird::{Detail, WeirdKind};

/// Longest line in bytes that is waited for. Notices of pools with many transactions reach 4 KiB.
const MAX_LINE: usize = 16 << 10;

/// Lines of one side that a probe looks at; what tells a miner stands in the first.
const PROBED_LINES: usize = 4;

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "stratum",
    about: "Mining by Stratum and its kin; told by a JSON line with a method and fields that only miners and pools use, or a whole SetupConnection of version 2.",
    transports: &[Transport::Tcp],
    ports: &[],
    tables: &[&TABLE, &CREDENTIALS, &HOST_CLUES],
    buffer_cap: MAX_LINE,
    probe,
    parser: Some(|| Box::<Stratum>::default()),
};

/// What the lines of one side say: `Mine`, `NeedMore` while only answers or half a line are there, `NotMine`.
fn judge(data: &[u8]) -> Verdict {
    let mut rest = data;
    for _ in 0..PROBED_LINES {
        match next_line(rest) {
            json::Next::Line(value, len) => {
                let verdict = json::verdict(&value);
                if verdict != Verdict::NeedMore {
                    return verdict;
                }
                rest = rest.get(len..).unwrap_or(&[]);
            }
            json::Next::More => return Verdict::NeedMore,
            json::Next::Bad(_) => return Verdict::NotMine,
        }
    }
    Verdict::NotMine
}

fn probe(p: &Probe<'_>) -> Verdict {
    if let verdict @ (Verdict::Mine(_) | Verdict::NeedMore) = v2::probe(p.orig) {
        return verdict;
    }
    if let verdict @ (Verdict::Mine(_) | Verdict::NeedMore) = v2::probe_noise(p.orig, p.resp) {
        return verdict;
    }
    match (judge(p.orig), judge(p.resp)) {
        (Verdict::Mine(sure), _) | (_, Verdict::Mine(sure)) => Verdict::Mine(sure),
        (Verdict::NotMine, _) | (_, Verdict::NotMine) => Verdict::NotMine,
        _ => Verdict::NeedMore,
    }
}

/// Method of the row that stands for an encrypted connection of version 2.
pub const NOISE: &str = "noise_handshake";

/// Which of the protocols it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Dialect {
    /// `mining.subscribe` and its kin, as Bitcoin's pools speak it.
    V1,
    /// EthereumStratum/1.0.0.
    Ethereum1,
    /// EthereumStratum/2.0.0.
    Ethereum2,
    /// `eth_submitLogin`.
    EthProxy,
    /// V1 with targets and solutions of Zcash.
    Zcash,
    /// `login`, as Monero's pools speak it.
    CryptoNote,
    /// Binary version 2, unencrypted.
    V2,
    /// getwork over HTTP.
    GetWork,
    /// getblocktemplate and submitblock over HTTP (BIP 22).
    GetBlockTemplate,
    /// `auth`, `job` and `submit` by type, as services in browsers speak it.
    Browser,
}

impl Dialect {
    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::V1 => "stratum_v1",
            Self::Ethereum1 => "ethereum_stratum_1",
            Self::Ethereum2 => "ethereum_stratum_2",
            Self::EthProxy => "eth_proxy",
            Self::Zcash => "zcash",
            Self::CryptoNote => "cryptonote",
            Self::V2 => "stratum_v2",
            Self::GetWork => "getwork",
            Self::GetBlockTemplate => "getblocktemplate",
            Self::Browser => "browser",
        }
    }
}

/// One request with its answer, or one notice.
#[derive(Clone, Debug)]
pub struct StratumRecord {
    /// Which protocol.
    pub dialect: Dialect,
    /// Method, as sent.
    pub method: String,
    /// Did the miner send it?
    pub from_miner: bool,
    /// Is the miner the originator of the flow? Not where the capture began in mid-connection. Not stored.
    pub by_orig: bool,
    /// Account: a wallet address or a name, with the worker when it was sent so.
    pub account: Option<String>,
    /// Worker.
    pub worker: Option<String>,
    /// Software of the miner.
    pub agent: Option<String>,
    /// Pool as the miner was told to reach it: host, or host:port.
    pub pool: Option<String>,
    /// Algorithm or coin.
    pub algorithm: Option<String>,
    /// Identifier of the job.
    pub job_id: Option<String>,
    /// Difficulty that the pool sets.
    pub difficulty: Option<f64>,
    /// Target that the pool sets, as sent.
    pub target: Option<String>,
    /// Did the pool take it?
    pub accepted: Option<bool>,
    /// What the pool said against it.
    pub error: Option<String>,
    /// Nanoseconds to the answer.
    pub rtt: Option<i64>,
    /// How often.
    pub repeats: Repeats,
}

impl StratumRecord {
    pub(crate) fn new(dialect: Dialect, method: &str, from_miner: bool, at: At) -> Self {
        Self {
            dialect,
            method: method.into(),
            from_miner,
            by_orig: true,
            account: None,
            worker: None,
            agent: None,
            pool: None,
            algorithm: None,
            job_id: None,
            difficulty: None,
            target: None,
            accepted: None,
            error: None,
            rtt: None,
            repeats: Repeats::once(at),
        }
    }

    /// Is it a share (work that is handed in)?
    pub fn is_share(&self) -> bool {
        matches!(
            self.method.as_str(),
            "submit"
                | "mining.submit"
                | "eth_submitWork"
                | "submit_shares_standard"
                | "submit_shares_extended"
                | "submitblock"
                | "submit_block"
                | "submitminingsolution"
                | "submitauxblock"
        ) || (self.dialect == Dialect::GetWork && self.job_id.is_some())
    }

    /// Keep the account, and the worker behind its first dot or slash.
    fn account(&mut self, account: &str) {
        if account.is_empty() {
            return;
        }
        if let Some((_, worker)) = account.split_once(['.', '/'])
            && self.worker.is_none()
            && !worker.is_empty()
        {
            self.worker = Some(worker.into());
        }
        self.account = Some(account.into());
    }
}

impl Repeated for StratumRecord {
    fn repeats(&mut self) -> &mut Repeats {
        &mut self.repeats
    }
}

/// Requests and notices.
pub static TABLE: Table = Table::record(
    "stratum",
    "One row is one request between miner and pool with its answer, one notice, or many equal ones of one flow.",
    &[
        col(
            "dialect",
            T::Text,
            "",
            "stratum_v1, ethereum_stratum_1, ethereum_stratum_2, eth_proxy, zcash, cryptonote, stratum_v2, getwork, getblocktemplate or browser.",
        ),
        col("method", T::Text, "", "Method as sent, such as mining.authorize, login or job."),
        col("from_miner", T::Bool, "", "Did the miner send it (and not the pool)?"),
        col(
            "is_share",
            T::Bool,
            "",
            "Is it work that is handed in? Shares accepted are the sum of count where this and accepted are true.",
        ),
        col("account", T::Text, "", "Wallet address or account, as sent; NULL when the message names none."),
        col("worker", T::Text, "", "Name of the worker; NULL when the message names none."),
        col("agent", T::Text, "", "Mining software with its version; NULL when the message names none."),
        col(
            "pool",
            T::Text,
            "",
            "Pool as the miner was told to reach it, with its port where it says so; NULL when the message names none.",
        ),
        col("algorithm", T::Text, "", "Algorithms or coin; NULL when the message names none."),
        col(
            "job_id",
            T::Text,
            "",
            "Identifier of the job, of the first message that the row stands for; NULL without.",
        ),
        col("difficulty", T::F64, "", "Difficulty that the pool sets; NULL when the message sets none."),
        col("target", T::Text, "", "Target that the pool sets, as sent; NULL when the message sets none."),
        col(
            "accepted",
            T::Bool,
            "",
            "Did the pool accept it? NULL for notices, and when no answer was seen.",
        ),
        col("error", T::Text, "", "What the pool said against it; NULL when it said nothing."),
        polling::RTT,
        polling::COUNT,
        polling::LAST_TS,
    ],
);

impl Record for StratumRecord {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        row.text(self.dialect.name())
            .text(&self.method)
            .bool(self.from_miner)
            .bool(self.is_share())
            .opt_text(self.account.as_deref())
            .opt_text(self.worker.as_deref())
            .opt_text(self.agent.as_deref())
            .opt_text(self.pool.as_deref())
            .opt_text(self.algorithm.as_deref())
            .opt_text(self.job_id.as_deref())
            .opt_f64(self.difficulty)
            .opt_text(self.target.as_deref())
            .opt_bool(self.accepted)
            .opt_text(self.error.as_deref())
            .opt_f64(self.rtt.map(seconds))
            .u32(self.repeats.count)
            .time(self.repeats.last);
    }
}

/// A request that waits, with the login that it is.
struct Asked {
    row: StratumRecord,
    login: Option<Secret>,
}

/// What makes two messages equal. Logins are always rows of their own.
type Key = (String, bool, Option<bool>, Option<String>, Option<u64>, Option<String>, Option<String>);

/// The state of one connection.
#[derive(Default)]
struct Stratum {
    dialect: Option<Dialect>,
    binary: Option<bool>,
    waiting: Waiting<(bool, String), Asked>,
    polls: Polls<Key, StratumRecord>,
    /// Account of the last login, for shares that do not name one.
    account: Option<String>,
    lost: bool,
    told: bool,
}

impl Stratum {
    fn write(&mut self, began: At, asked: Asked, out: &mut Output<'_>) {
        let Asked { row, login } = asked;
        let Some(secret) = login else {
            let key = (
                row.method.clone(),
                row.from_miner,
                row.accepted,
                row.error.clone(),
                row.difficulty.map(f64::to_bits),
                row.target.clone(),
                row.account.clone(),
            );
            self.polls.reading(key, began, row, out);
            return;
        };
        self.account.clone_from(&row.account);
        let credential = Credential {
            service: "stratum",
            account: row.account.clone(),
            mechanism: "password",
            secret,
            success: row.accepted,
            detail: row.error.clone(),
        };
        out.record(began, credential);
        out.record(began, row);
    }

    /// A request or notice.
    fn message(&mut self, side: Side, line: Line<'_>, out: &mut Output<'_>) {
        // A line can make the dialect plainer, never change it from one that was plain.
        let dialect = match (self.dialect, line.dialect) {
            (None | Some(Dialect::V1), Some(now)) => now,
            (Some(before), _) => before,
            (None, None) => Dialect::V1,
        };
        self.dialect = Some(dialect);
        let mut row = StratumRecord::new(dialect, &line.method, line.from_miner, out.at);
        row.by_orig = (side == Side::Orig) == line.from_miner;
        line.fill(&mut row);
        if row.is_share() && row.account.is_none() {
            row.account.clone_from(&self.account);
        }
        if let Some(agent) = row.agent.as_deref()
            && !self.told
        {
            self.told = true;
            out.clue(address(&out.flow.tuple, side), Clue::Client, agent, "stratum.agent");
        }
        let login = line.login;
        let asked = Asked { row, login };
        match line.id {
            // Notices of the pool have no id, or one that nobody answers.
            Some(id) if line.from_miner => {
                if let Some((began, old)) = self.waiting.put((side == Side::Orig, id), asked, out) {
                    self.write(began, old, out);
                }
            }
            _ => self.write(out.at, asked, out),
        }
    }

    /// An answer.
    fn answer(&mut self, side: Side, line: &Line<'_>, out: &mut Output<'_>) {
        let Some(id) = line.id.clone() else { return };
        let Some((began, mut asked)) = self.waiting.take(&(side == Side::Resp, id)) else { return };
        let row = &mut asked.row;
        row.rtt = Some(out.at.ts.since(began.ts));
        row.accepted = line.accepted;
        row.error.clone_from(&line.error);
        // The answer to a login brings the first job.
        line.fill_answer(row);
        self.write(began, asked, out);
    }

    fn lines(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut rest = data;
        loop {
            match next_line(rest) {
                json::Next::Line(value, len) => {
                    self.lost = false;
                    rest = rest.get(len..).unwrap_or(&[]);
                    for line in Line::all(&value) {
                        if line.method.is_empty() {
                            self.answer(side, &line, out);
                        } else {
                            self.message(side, line, out);
                        }
                    }
                }
                json::Next::More => return Fed::Took(data.len() - rest.len()),
                json::Next::Bad(skip) => {
                    if self.dialect.is_none() && !self.lost {
                        return Fed::NotMine;
                    }
                    if !self.lost {
                        out.weird(WeirdKind::StratumMalformed, Detail::Number(skip as u64));
                    }
                    rest = rest.get(skip.max(1)..).unwrap_or(&[]);
                }
            }
        }
    }

    fn frames(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut rest = data;
        while let Some((frame, len)) = v2::frame(rest) {
            rest = rest.get(len..).unwrap_or(&[]);
            let Some(seen) = v2::read(&frame, out.at) else { continue };
            match seen {
                v2::Seen::Request(id, row) => {
                    let login = row.account.is_some().then_some(Secret::None);
                    if let Some((began, old)) =
                        self.waiting.put((side == Side::Orig, id), Asked { row: *row, login }, out)
                    {
                        self.write(began, old, out);
                    }
                }
                v2::Seen::Answer(id, accepted, error) => {
                    if let Some((began, mut asked)) = self.waiting.take(&(side == Side::Resp, id)) {
                        asked.row.rtt = Some(out.at.ts.since(began.ts));
                        (asked.row.accepted, asked.row.error) = (Some(accepted), error);
                        self.write(began, asked, out);
                    }
                }
                v2::Seen::Notice(row) => self.write(out.at, Asked { row: *row, login: None }, out),
            }
        }
        Fed::Took(data.len() - rest.len())
    }
}

impl Parser for Stratum {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        if self.binary.is_none() && side == Side::Orig && v2::begins_with_key(data) {
            out.record(out.at, v2::handshake(out.at));
            return Fed::Done;
        }
        // A SetupConnection begins with a zero byte, JSON never does.
        let binary = *self.binary.get_or_insert(data.first() == Some(&0));
        if binary { self.frames(side, data, out) } else { self.lines(side, data, out) }
    }

    fn gap(&mut self, _: Side, _: u64, out: &mut Output<'_>) -> Fed {
        if self.binary == Some(true) {
            // Nothing marks the start of a frame.
            self.finish(out);
            return Fed::Done;
        }
        // The next line begins behind the next line feed.
        self.lost = true;
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        for (began, asked) in self.waiting.drain() {
            self.write(began, asked, out);
        }
        self.polls.finish(out);
    }
}
