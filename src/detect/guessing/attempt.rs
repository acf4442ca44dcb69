//! Which facts are attempts to log in, and how did they go?
//!
//! `credentials` records say it in words; SSH records by the sizes of the server's answers; connections of RDP and VNC by how little came back.
//! Refuses to count what does not tell: a greeting, a key exchange, a login whose answer was not seen.

use crate::detect::{FlowFact, RecordFact};
use crate::model::addr::Ip;
use crate::model::ids::FlowId;
use crate::model::time::Timestamp;
use crate::protocol::credentials::Credential;
use crate::protocol::snmp::SnmpRecord;
use crate::protocol::ssh::SshRecord;

/// Bytes of an RDP server up to which nobody can have logged in: negotiation, TLS handshake and CredSSP with its refusal take 2 to 5 KB.
const RDP_REFUSED: u64 = 6_000;
/// Bytes of an RDP server from which on a session ran: the first screen alone is more.
const RDP_SESSION: u64 = 20_000;
/// Bytes that an RDP client sends before it can have tried a password.
const RDP_TRIED: u64 = 300;
/// Bytes of a VNC server up to which nobody logged in: version, security types, challenge, refusal with its reason.
const VNC_REFUSED: u64 = 200;
/// Bytes of a VNC server from which on a screen was shown.
const VNC_SESSION: u64 = 1_000;
/// Bytes that a VNC client sends when it answers a challenge: version, choice, 16 bytes of response (RFC 6143 section 7.2.2).
const VNC_TRIED: u64 = 29;

/// Communities of SNMP that a manager tries at one agent in one flow: the house's own, the one before it, `public`.
const FEW_COMMUNITIES: u32 = 3;

/// One attempt, or one connection in which some were made.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) ts: Timestamp,
    pub(super) flow: FlowId,
    pub(super) src: Ip,
    pub(super) dst: Ip,
    pub(super) port: u16,
    pub(super) protocol: u8,
    pub(super) service: &'static str,
    pub(super) account: Option<Box<str>>,
    /// Attempts that failed.
    pub(super) failed: u16,
    /// Did it end with a login?
    pub(super) worked: bool,
    /// Told by sizes, of a whole connection.
    pub(super) by_size: bool,
    /// A form whose answer says nothing either way: a page with the same form again, or the one behind it.
    pub(super) unsure: bool,
    /// Was it a form of a page, which a person fills in?
    pub(super) form: bool,
}

/// Services whose logins are not a person's or tool's way in.
fn is_way_in(service: &str) -> bool {
    // A pool that refuses its miner is told by another detector; of communities the sum of a flow counts (below).
    !matches!(service, "stratum" | "snmp")
}

/// What a record tells.
pub(super) fn of_record(r: &RecordFact) -> Option<Attempt> {
    let t = &r.tuple;
    let base = Attempt {
        ts: r.ts,
        flow: r.flow_id,
        src: t.src,
        dst: t.dst,
        port: t.dst_port,
        protocol: t.protocol,
        service: "",
        account: None,
        failed: 0,
        worked: false,
        by_size: false,
        unsure: false,
        form: false,
    };
    if let Some(c) = r.of::<Credential>() {
        let unsure = c.success.is_none() && matches!(c.mechanism, "form" | "query" | "json");
        let worked = if unsure { false } else { c.success? };
        return is_way_in(c.service).then(|| Attempt {
            unsure,
            form: c.mechanism == "form",
            service: c.service,
            account: c.account.as_deref().map(|a| a.to_lowercase().into()),
            failed: u16::from(!worked),
            worked,
            ..base
        });
    }
    if let Some(snmp) = r.of::<SnmpRecord>() {
        // A manager knows one community, or tries the two or three of the house; of a list, one at most is right.
        let failed = u16::try_from(snmp.communities.saturating_sub(1)).unwrap_or(u16::MAX);
        return (snmp.communities > FEW_COMMUNITIES).then_some(Attempt { service: "snmp", failed, ..base });
    }
    let ssh = r.of::<SshRecord>()?;
    let worked = ssh.auth_success?;
    // The first answer is mostly to the question which methods there are; keys that an agent offers count as well.
    let tried = ssh.auth_attempts.unwrap_or(1);
    let failed = if worked { tried.saturating_sub(2) } else { tried.saturating_sub(1).max(1) };
    Some(Attempt { service: "ssh", failed, worked, by_size: true, ..base })
}

/// What a connection tells by its sizes.
pub(super) fn of_flow(f: &FlowFact) -> Option<Attempt> {
    let service = f.spoken()?;
    let (service, tried, refused, session) = match service {
        "rfb" => ("vnc", VNC_TRIED, VNC_REFUSED, VNC_SESSION),
        "rdp" => ("rdp", RDP_TRIED, RDP_REFUSED, RDP_SESSION),
        "tls" if f.tuple.dst_port == 3389 => ("rdp", RDP_TRIED, RDP_REFUSED, RDP_SESSION),
        _ => return None,
    };
    let worked = f.resp.bytes >= session;
    let failed = f.resp.bytes <= refused && f.orig.bytes >= tried;
    if !f.is_tcp() || !f.established() || !(worked || failed) {
        return None;
    }
    Some(Attempt {
        ts: f.first_ts,
        flow: f.id,
        src: f.src(),
        dst: f.dst(),
        port: f.tuple.dst_port,
        protocol: f.tuple.protocol,
        service,
        account: None,
        failed: u16::from(failed),
        worked,
        by_size: true,
        unsure: false,
        form: false,
    })
}

/// The service in a title.
pub(super) fn shown(service: &str) -> String {
    match service {
        "mysql" => "MySQL".into(),
        "postgresql" => "PostgreSQL".into(),
        "mongodb" => "MongoDB".into(),
        "kerberos" => "Kerberos".into(),
        "redis" => "Redis".into(),
        "telnet" => "Telnet".into(),
        "radius" => "RADIUS".into(),
        "tds" => "MS-SQL".into(),
        "netlogon" => "Netlogon".into(),
        other => other.to_uppercase(),
    }
}
