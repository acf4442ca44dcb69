//! Which response answers which request?
//!
//! RFC 9112 section 9.3: in order, so a queue is enough. An exchange is written when both its messages are over, in the
//! order of the requests; what is left is written when the flow ends. Either message may be missing.

use super::body::Announced;
use super::fields;
use super::head::{Body, Fields};
use super::record::{Content, HttpTransaction};
use super::said::{self, Said};
use crate::flow::At;
use crate::model::flow::Side;
use crate::model::text::printable;
use crate::model::weird::{Detail, WeirdKind};
use crate::protocol::Output;
use crate::protocol::clues::Clue;
use crate::protocol::credentials::{Credential, Secret};
use crate::protocol::ntlm::Session;
use crate::protocol::stratum::http::{self as work, Asked};
use std::collections::VecDeque;

/// Requests of one flow that are remembered while they wait for their answers. Browsers that pipelined sent fewer than ten;
/// the oldest is written without its answer.
const PENDING_CAP: usize = 64;

/// Longest method and protocol version kept, bytes.
const WORD_CAP: usize = 32;

/// Longest reason phrase kept, bytes.
const REASON_CAP: usize = 128;

/// A request and its response in the making.
#[derive(Debug)]
struct Exchange {
    began: At,
    request_over: bool,
    response_over: bool,
    /// Is something of either message missing?
    cut: bool,
    /// Does the request hold the client's proof of NTLM? Then the answer decides it.
    proves: bool,
    /// Did the client send headers of a miner?
    mines: bool,
    /// What the request's body said.
    said: Said,
    tx: HttpTransaction,
}

impl Exchange {
    /// Who asks, for a row of mining.
    fn asked(&self, by_orig: bool) -> Asked<'_> {
        Asked {
            at: Some(self.began),
            agent: self.tx.user_agent.as_deref(),
            account: self.tx.username.as_deref(),
            host: self.tx.host.as_deref(),
            by_orig,
        }
    }
}

/// What a request announces.
pub(super) struct Opened {
    pub(super) body: Body,
    /// Another protocol may follow, by CONNECT or Upgrade.
    pub(super) may_switch: bool,
}

/// What a response announces.
pub(super) struct Answered {
    pub(super) body: Body,
    /// An interim response: the final one follows.
    pub(super) interim: bool,
    /// Another protocol follows.
    pub(super) switched: bool,
}

/// The exchanges of one flow that are not yet written.
#[derive(Default, Debug)]
pub(super) struct Exchanges {
    open: VecDeque<Box<Exchange>>,
    /// Who asks; `None` before the first message.
    pub(super) client: Option<Side>,
    /// A login by NTLM: it is the connection that logs in, over several exchanges.
    ntlm: Option<Box<Session>>,
    /// Exchanges begun so far.
    begun: u32,
    /// Requests written without their answers, which are still to come.
    forgotten: u32,
    /// Account of the last login that worked: clients send it again with every request.
    known: Option<Box<str>>,
    /// Was the software of the client, and that of the server, told?
    told: [bool; 2],
}

impl Exchanges {
    /// Has no message been seen yet?
    pub(super) fn is_untouched(&self) -> bool {
        self.begun == 0
    }

    fn begin(&mut self, began: At) -> Box<Exchange> {
        self.begun = self.begun.saturating_add(1);
        let tx = HttpTransaction { trans_depth: self.begun, ..HttpTransaction::default() };
        Box::new(Exchange {
            began,
            request_over: false,
            response_over: false,
            cut: false,
            proves: false,
            mines: false,
            said: Said::default(),
            tx,
        })
    }

    /// A request's head is complete.
    pub(super) fn request(
        &mut self,
        began: At,
        method: &[u8],
        target: &[u8],
        version: (u8, u8),
        fields: Fields<'_>,
        out: &mut Output<'_>,
    ) -> Opened {
        if self.open.len() >= PENDING_CAP
            && let Some(oldest) = self.open.pop_front()
        {
            out.weird(WeirdKind::PendingFull, Detail::None);
            self.forgotten = self.forgotten.saturating_add(u32::from(!oldest.response_over));
            self.write(*oldest, out);
        }
        let mut exchange = self.begin(began);
        let tx = &mut exchange.tx;
        tx.request_ts = Some(began.ts);
        tx.version = version;
        tx.method = Some(printable(method, WORD_CAP).into());
        tx.uri = fields::text(target, fields::URI_CAP);
        let told = fields::request(fields, tx);
        notice(&told, out);
        tx.request.content_length = told.framing.length;
        exchange.mines = told.mines;
        if let Some(token) = &told.token {
            let side = self.client.unwrap_or(Side::Orig);
            let ntlm = self.ntlm.get_or_insert_with(new_session);
            ntlm.feed(side, token, out);
            exchange.proves = ntlm.is_proved();
            if let Some(account) = ntlm.account() {
                tx.username = fields::text(account.as_bytes(), fields::URI_CAP);
            }
        }
        match fields::authority(method, target) {
            // Spoken to a proxy: the name is not that of the responder.
            Some(authority) => {
                if tx.host.is_none() {
                    tx.host = fields::text(authority, fields::URI_CAP);
                }
            }
            None => {
                if let Some(name) = tx.host.as_deref().and_then(fields::server_name) {
                    out.hostname(&name);
                }
            }
        }
        let connect = method == b"CONNECT";
        let body = if connect { Body::None } else { told.framing.request() };
        let may_switch = connect || (told.upgrade && tx.upgrade.is_some());
        self.open.push_back(exchange);
        Opened { body, may_switch }
    }

    /// A response's head is complete.
    pub(super) fn response(
        &mut self,
        began: At,
        version: (u8, u8),
        status: u16,
        reason: &[u8],
        fields: Fields<'_>,
        out: &mut Output<'_>,
    ) -> Answered {
        let forgotten = self.forgotten > 0;
        if matches!(status, 100..=199) && status != 101 {
            if let Some(exchange) = self.open.iter_mut().find(|e| !e.response_over).filter(|_| !forgotten) {
                exchange.tx.info_code = Some(status);
            }
            return Answered { body: Body::None, interim: true, switched: false };
        }
        if forgotten || self.open.iter().all(|e| e.response_over) {
            let mut exchange = self.begin(began);
            exchange.request_over = true;
            exchange.tx.version = version;
            if forgotten {
                self.open.push_front(exchange);
            } else {
                self.open.push_back(exchange);
            }
        }
        let Some(exchange) = self.open.iter_mut().find(|e| !e.response_over) else {
            // Cannot be: one was pushed above if there was none.
            return Answered { body: Body::UntilClose, interim: false, switched: false };
        };
        let tx = &mut exchange.tx;
        self.forgotten = self.forgotten.saturating_sub(1);
        tx.status_code = Some(status);
        tx.status_msg = fields::text(reason, REASON_CAP);
        tx.response_ts = Some(began.ts);
        let told = fields::response(fields, tx);
        notice(&told, out);
        if let Some(token) = &told.token {
            let side = self.client.unwrap_or(Side::Orig).other();
            self.ntlm.get_or_insert_with(new_session).feed(side, token, out);
        }
        if let Some(ntlm) = self.ntlm.as_mut().filter(|_| exchange.proves) {
            let said = format!("{status} {}", tx.status_msg.as_deref().unwrap_or(""));
            ntlm.outcome(accepted_login(Some(status)), Some(said.trim_end().to_owned()), out);
        }
        let accepted = tx.method.as_deref() == Some("CONNECT") && matches!(status, 200..=299);
        let switched = accepted || status == 101;
        if switched {
            tx.switched = true;
            exchange.response_over = true;
        }
        let body = told.framing.response(status, exchange.tx.method.as_deref());
        Answered { body, interim: false, switched }
    }

    /// What the message at hand of the client or the server carries.
    pub(super) fn content(&mut self, of_client: bool) -> Option<&mut Content> {
        if of_client {
            self.open.iter_mut().find(|e| !e.request_over).map(|e| &mut e.tx.request)
        } else {
            self.open.iter_mut().find(|e| !e.response_over).map(|e| &mut e.tx.response)
        }
    }

    /// Is the body of the message at hand worth keeping?
    pub(super) fn keeps(&self, of_client: bool) -> bool {
        self.open
            .iter()
            .find(|e| if of_client { !e.request_over } else { !e.response_over })
            .is_some_and(|e| if of_client { said::is_wanted(&e.tx) } else { e.said.work.is_some() })
    }

    /// Read a body that was kept and is whole.
    pub(super) fn said(&mut self, of_client: bool, bytes: &[u8], out: &Output<'_>) {
        let by_orig = self.client != Some(Side::Resp);
        let at_hand = |e: &&mut Box<Exchange>| if of_client { !e.request_over } else { !e.response_over };
        let Some(exchange) = self.open.iter_mut().find(at_hand) else { return };
        if of_client {
            exchange.said = said::read(bytes, exchange.asked(by_orig));
        } else if let Some(row) = &mut exchange.said.work {
            row.rtt = Some(out.at.ts.since(exchange.began.ts));
            work::answer(bytes, row);
        }
    }

    /// The message at hand of the client or the server is over.
    pub(super) fn end(&mut self, of_client: bool, complete: bool, out: &mut Output<'_>) {
        let over = |e: &&mut Box<Exchange>| if of_client { !e.request_over } else { !e.response_over };
        if let Some(exchange) = self.open.iter_mut().find(over) {
            if of_client {
                exchange.request_over = true;
                exchange.tx.request_complete = complete;
            } else {
                exchange.response_over = true;
            }
            exchange.cut |= !complete;
        }
        self.write_finished(out);
    }

    /// The answer to the oldest request is lost.
    pub(super) fn answer_lost(&mut self, out: &mut Output<'_>) {
        self.end(false, false, out);
    }

    fn write_finished(&mut self, out: &mut Output<'_>) {
        while self.open.front().is_some_and(|e| e.request_over && e.response_over) {
            if let Some(exchange) = self.open.pop_front() {
                self.write(*exchange, out);
            }
        }
    }

    /// The exchange that the connection changed its protocol with.
    pub(super) fn switched(&self) -> Option<&HttpTransaction> {
        self.open.iter().map(|e| &e.tx).find(|tx| tx.switched)
    }

    /// What the two ends run, once a flow. What comes through a proxy is the software of somebody else.
    fn tell(&mut self, tx: &HttpTransaction, out: &mut Output<'_>) {
        let [client_told, server_told] = &mut self.told;
        let tuple = &out.flow.tuple;
        let (client, server) = match self.client {
            Some(Side::Resp) => (tuple.dst, tuple.src),
            _ => (tuple.src, tuple.dst),
        };
        let forwarded = tx.via.is_some() || tx.x_forwarded_for.is_some() || tx.forwarded.is_some();
        if let Some(agent) = tx.user_agent.as_deref().filter(|_| !*client_told && !forwarded) {
            *client_told = true;
            out.clue(client, Clue::Client, agent, "http.user_agent");
        }
        if *server_told || tx.status_code.is_none() {
            return;
        }
        if tx.method.as_deref() == Some("CONNECT") {
            *server_told = true;
            if matches!(tx.status_code, Some(200..=299)) {
                out.clue(server, Clue::Role, "proxy", "http.connect");
            }
        } else if tx.uri.as_deref().is_some_and(|uri| uri.starts_with("http://")) {
            *server_told = true;
        } else if let Some(name) = tx.server.as_deref() {
            *server_told = true;
            out.clue(server, Clue::Server, name, "http.server");
        }
    }

    /// Write what is left.
    pub(super) fn finish(&mut self, out: &mut Output<'_>) {
        for exchange in std::mem::take(&mut self.open) {
            self.write(*exchange, out);
        }
        if let Some(mut ntlm) = self.ntlm.take() {
            ntlm.finish(out);
        }
    }

    /// What is said of the body that the client or the server sends now.
    pub(super) fn announced(&self, of_client: bool) -> Announced {
        let at_hand = |e: &Exchange| if of_client { !e.request_over } else { !e.response_over };
        let Some(exchange) = self.open.iter().find(|e| at_hand(e)) else { return Announced::default() };
        let tx = &exchange.tx;
        let content = if of_client { &tx.request } else { &tx.response };
        // What POST sends is not what its target names.
        let target = tx.uri.as_deref().filter(|_| !of_client || tx.method.as_deref() == Some("PUT"));
        let name = content.file_name.as_deref().map(str::to_owned).or_else(|| fields::last_segment(target?));
        let mime = content.content_type.as_deref().map(str::to_owned);
        let encoding = content.encoding.as_deref().map(str::to_owned);
        Announced { name, mime, encoding, partial: !of_client && tx.status_code == Some(206) }
    }

    fn write(&mut self, mut exchange: Exchange, out: &mut Output<'_>) {
        let by_orig = self.client != Some(Side::Resp);
        let said = std::mem::take(&mut exchange.said);
        let worked =
            said.work.or_else(|| exchange.mines.then(|| Box::new(work::headers(exchange.asked(by_orig)))));
        if let Some(row) = worked {
            out.record(exchange.began, *row);
        }
        let Exchange { began, request_over, response_over, cut, mut tx, .. } = exchange;
        let asked = tx.method.as_deref() == Some("GET");
        let by_query = || said::query(&tx).filter(|_| asked).map(|account| (account, "query"));
        if let Some((account, mechanism)) = said.login.or_else(by_query) {
            let success = said::accepted(&tx);
            let detail = tx.host.as_deref().map(|host| {
                let path = tx.uri.as_deref().unwrap_or("").split('?').next().unwrap_or("");
                format!("{host}{path}")
            });
            let secret = Secret::Clear;
            out.record(began, Credential { service: "http", account, mechanism, secret, success, detail });
        }
        let both = tx.method.is_some() && tx.status_code.is_some();
        tx.complete = both && request_over && response_over && !cut;
        self.login(began, &tx, out);
        self.tell(&tx, out);
        out.record(began, tx);
    }

    /// The account in a request, and whether the server took it. NTLM's is told by its own reader.
    fn login(&mut self, began: At, tx: &HttpTransaction, out: &mut Output<'_>) {
        let Some(account) = tx.username.as_deref() else { return };
        let is = |scheme: &str| tx.auth_scheme.as_deref().is_some_and(|s| s.eq_ignore_ascii_case(scheme));
        let (mechanism, secret) = match () {
            () if is("basic") => ("basic", if tx.password_seen { Secret::Clear } else { Secret::None }),
            () if is("digest") => ("digest", Secret::Hashed),
            () => return,
        };
        let success = accepted_login(tx.status_code);
        // Once it worked, the same account again is no new attempt.
        if success != Some(false) && self.known.as_deref() == Some(account) {
            return;
        }
        if success == Some(true) {
            self.known = Some(account.into());
        }
        let detail = tx.host.as_deref().map(str::to_owned);
        let account = Some(account.to_owned());
        out.record(began, Credential { service: "http", account, mechanism, secret, success, detail });
    }
}

fn new_session() -> Box<Session> {
    Box::new(Session::new("http"))
}

/// Does an answer with this status accept the login in its request? `None`: it does not tell.
fn accepted_login(status: Option<u16>) -> Option<bool> {
    match status {
        Some(200..=399 | 101) => Some(true),
        Some(401 | 407) => Some(false),
        _ => None,
    }
}

fn notice(told: &fields::Told, out: &mut Output<'_>) {
    if told.framing.conflicts() {
        out.weird(WeirdKind::HttpConflictingLength, Detail::None);
    }
    if told.framing.bad {
        out.weird(WeirdKind::HttpMalformed, Detail::Text("Content-Length is no number".into()));
    } else if told.odd {
        out.weird(
            WeirdKind::HttpMalformed,
            Detail::Text("a header field that does not follow the grammar".into()),
        );
    }
}
