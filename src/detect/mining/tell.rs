//! How is a miner told to a person?
//!
//! Title and details of a finding, from what is known so far. Refuses to judge.

use super::Work;
use crate::detect::Finding;
use crate::model::addr::Ip;
use crate::model::flow::ip_protocol;

/// A long account, short enough for a title.
fn short(account: &str) -> String {
    let head: String = account.chars().take(16).collect();
    if head.len() == account.len() { head } else { format!("{head}…") }
}

/// Title and details as they stand.
pub(super) fn describe(finding: &mut Finding, (miner, pool): (Ip, Ip), w: &Work) {
    let place = match w.pool.as_deref() {
        Some(name) => {
            let port = format!(":{}", w.port);
            format!("{} ({pool} port {})", name.strip_suffix(port.as_str()).unwrap_or(name), w.port)
        }
        None => format!("{pool} port {}", w.port),
    };
    let mut title = if w.messages == 0 && w.v2 {
        format!("{miner} keeps what looks like an encrypted Stratum V2 connection to {place}")
    } else if w.messages == 0 {
        format!("{miner} keeps a connection to the mining pool {place}")
    } else {
        format!("{miner} mines for the pool {place}")
    };
    let who = w.worker.as_deref().or(w.account.as_deref());
    if let Some(who) = who {
        title.push_str(&format!(" as {}", short(who)));
    }
    if let Some(agent) = w.agent.as_deref() {
        title.push_str(&format!(" with {agent}"));
    }
    if let Some(algorithm) = w.algorithm.as_deref().filter(|a| a.len() <= 32) {
        title.push_str(&format!(" ({algorithm})"));
    }
    if w.accepted + w.rejected > 0 {
        title.push_str(&format!("; {} of {} shares accepted", w.accepted, w.accepted + w.rejected));
    }
    finding.title = title;
    finding.dst_port = Some(w.port);
    finding.protocol = Some(ip_protocol::TCP);
    if w.messages > 0 {
        finding.detail("dialect", w.dialect);
        finding.detail("shares_accepted", w.accepted);
        finding.detail("shares_rejected", w.rejected);
    }
    let texts = [
        ("worker", &w.worker),
        ("account", &w.account),
        ("agent", &w.agent),
        ("algorithm", &w.algorithm),
        ("pool", &w.pool),
    ];
    for (name, text) in texts {
        if let Some(text) = text.as_deref() {
            finding.detail(name, text);
        }
    }
}
