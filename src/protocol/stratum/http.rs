//! Which requests over HTTP are work for a mining pool or from a node?
//!
//! JSON-RPC in the body of a POST: getwork as the first miners spoke it, getblocktemplate and submitblock (BIP 22, 23) and their kin of
//! CryptoNote's daemons, Ethereum's getWork and submitWork, and Stratum's own methods. Headers of miners (`X-Mining-Extensions`) alone
//! are enough, too. Refuses the rest of what nodes answer: balances, blocks, transactions.

use super::json::{self, Line};
use super::{Dialect, StratumRecord};
use crate::flow::At;
use crate::model::text::printable;
use serde_json::Value;

/// Bytes of a text that is kept.
const MAX_TEXT: usize = 128;

/// What HTTP knows of who asks.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::protocol) struct Asked<'a> {
    /// When, if known.
    pub(in crate::protocol) at: Option<At>,
    /// User-Agent.
    pub(in crate::protocol) agent: Option<&'a str>,
    /// Account of the authorization.
    pub(in crate::protocol) account: Option<&'a str>,
    /// Host header.
    pub(in crate::protocol) host: Option<&'a str>,
    /// Is the originator of the flow the client?
    pub(in crate::protocol) by_orig: bool,
}

impl Asked<'_> {
    fn row(&self, dialect: Dialect, method: &str) -> StratumRecord {
        let at = self.at.unwrap_or(At { ts: crate::model::time::Timestamp(0), packet: 0 });
        let mut row = StratumRecord::new(dialect, method, true, at);
        row.by_orig = self.by_orig;
        row.agent = self.agent.map(Into::into);
        row.pool = self.host.map(Into::into);
        if let Some(account) = self.account {
            row.account(account);
        }
        row
    }
}

/// The row of a request; `None` for other services. Of a batch the first message that is mining speaks for all.
pub(in crate::protocol) fn request(value: &Value, asked: Asked<'_>) -> Option<StratumRecord> {
    for message in json::messages(value).filter_map(Value::as_object) {
        let method = message.get("method").and_then(Value::as_str).unwrap_or("");
        let param = message.get("params").and_then(|p| p.get(0));
        let dialect = match method {
            "getwork" => Dialect::GetWork,
            "getblocktemplate"
            | "get_block_template"
            | "submitblock"
            | "submit_block"
            | "getminingcandidate"
            | "submitminingsolution"
            | "getauxblock"
            | "submitauxblock"
            | "createauxblock" => Dialect::GetBlockTemplate,
            _ => continue,
        };
        let mut row = asked.row(dialect, method);
        if dialect == Dialect::GetWork {
            // With a parameter it hands in: the header that was found.
            row.job_id = param.and_then(Value::as_str).map(|d| printable(d.as_bytes(), MAX_TEXT));
        }
        return Some(row);
    }
    let line = Line::all(value).find(|l| l.dialect.is_some())?;
    let mut row = asked.row(line.dialect?, &line.method);
    row.from_miner = line.from_miner;
    line.fill(&mut row);
    Some(row)
}

/// A request without a body that a miner's headers give away.
pub(in crate::protocol) fn headers(asked: Asked<'_>) -> StratumRecord {
    asked.row(Dialect::GetWork, "getwork")
}

/// Put what the answer says into the row.
pub(in crate::protocol) fn answer(bytes: &[u8], row: &mut StratumRecord) {
    let value = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>().next().and_then(Result::ok);
    let Some(value) = value else { return };
    let Some(line) = Line::all(&value).find(|l| l.method.is_empty()) else { return };
    // submitblock answers null when the block is good, a word when it is not (BIP 22).
    let result = value.get("result");
    row.accepted = match (row.dialect, result) {
        (Dialect::GetBlockTemplate, Some(Value::Null)) if line.error.is_none() => Some(true),
        (Dialect::GetBlockTemplate, Some(Value::String(_))) => Some(false),
        _ => line.accepted,
    };
    row.error = line.error.clone();
    line.fill_answer(row);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(value: &Value) -> Option<(Dialect, String, bool)> {
        request(value, Asked::default()).map(|r| (r.dialect, r.method.clone(), r.is_share()))
    }

    #[test]
    fn work_is_told_from_what_wallets_ask() {
        let ask = json!({"method": "getwork", "params": [], "id": 1});
        assert_eq!(told(&ask), Some((Dialect::GetWork, "getwork".into(), false)));
        let found = json!({"method": "getwork", "params": ["0000000123"], "id": 1});
        assert_eq!(told(&found), Some((Dialect::GetWork, "getwork".into(), true)));
        let template = json!([{"method": "getblocktemplate", "params": [{"capabilities": []}], "id": 0}]);
        assert_eq!(told(&template), Some((Dialect::GetBlockTemplate, "getblocktemplate".into(), false)));
        assert_eq!(
            told(&json!({"method": "eth_getWork", "params": [], "id": 1})).map(|t| t.0),
            Some(Dialect::EthProxy)
        );
        for method in
            ["eth_getBalance", "eth_call", "getblockchaininfo", "getbalance", "tools/list", "submit"]
        {
            assert_eq!(told(&json!({"method": method, "params": [], "id": 1})), None, "{method}");
        }
    }

    #[test]
    fn answers_say_whether_it_was_taken() {
        let block = json!({"method": "submitblock", "params": ["00"], "id": 1});
        let said = |answer: &str| {
            let mut row = request(&block, Asked::default()).unwrap();
            super::answer(answer.as_bytes(), &mut row);
            row.accepted
        };
        assert_eq!(said("{\"result\":null,\"error\":null,\"id\":1}"), Some(true));
        assert_eq!(said("{\"result\":\"high-hash\",\"error\":null,\"id\":1}"), Some(false));
        assert_eq!(
            said("{\"result\":null,\"error\":{\"code\":-22,\"message\":\"x\"},\"id\":1}"),
            Some(false)
        );
        assert_eq!(said("<html>"), None);
    }
}
