//! Which fields do Zeek's logs have, and which of our columns are they?
//!
//! Names, order and types are those of the `Info` records of Zeek 8's base scripts, then those of its policy scripts and of packages (Community ID,
//! MAC and VLAN logging, JA3, JA4, HASSH). What many logs share is written once and put into them by [`filled`] and [`fields`]. Passwords stay
//! out: they are not stored. Refuses to invent values: what is not stored is unset. `tunnel.log` is not written: it names the outer ends, which a
//! flow inside does not keep.

mod services;
mod traffic;
mod windows;

use super::Log;

/// All of them, the order in which they are written.
pub(super) fn logs() -> impl Iterator<Item = &'static Log> {
    [traffic::LOGS, services::LOGS, windows::LOGS].into_iter().flatten()
}

/// Fields that most logs begin with: when, and between whom.
const ENDS: &str = "ts:time uid:string id.orig_h:addr id.orig_p:port id.resp_h:addr id.resp_p:port";

/// A distinguished name as OpenSSL's RFC 2253 writes it: the last attribute first, commas inside a value escaped.
const DN: &str = "array_to_string(list_reverse(list_transform(string_split(regexp_replace(@, ', ([A-Za-z]+|[0-9.]+)=', chr(1) || '\\1=', 'g'), chr(1)),
                  lambda x: replace(x, ',', '\\,'))), ',')";

/// The addresses of a mail header, one each; a comma inside quotes is no end.
const ADDRESSES: &str = "CASE WHEN @ IS NOT NULL THEN list_transform(regexp_extract_all(@, '(?:\"[^\"]*\"|[^\",])+'), lambda x: trim(x)) END";

/// Result of LDAP in Zeek's words: RFC 4511's names, a word each.
const LDAP_RESULT: &str = "CASE r.result WHEN 'saslBindInProgress' THEN 'SASL bind in progress' WHEN 'invalidDNSyntax' THEN 'invalid DN syntax'
                  WHEN 'notAllowedOnRDN' THEN 'not allowed on RDN' WHEN 'affectsMultipleDSAs' THEN 'affects multiple DSAs'
                  ELSE coalesce(lower(regexp_replace(r.result, '([a-z])([A-Z])', '\\1 \\2', 'g')), CASE WHEN r.result_code IS NOT NULL THEN 'unknown' END) END";

/// Function of Modbus in Zeek's words.
const MODBUS_FUNCTION: &str = "CASE r.function_code WHEN 17 THEN 'REPORT_SLAVE_ID' WHEN 43 THEN 'ENCAP_INTERFACE_TRANSPORT' WHEN 90 THEN 'PROGRAM_UNITY'
                  ELSE coalesce(upper(r.function), 'unknown-' || r.function_code) END";

/// The fields of a log with their types. `*` stands for [`ENDS`].
pub(super) fn fields(log: &Log) -> Vec<(&'static str, &'static str)> {
    let told = log.fields.split_whitespace();
    told.flat_map(|f| if f == "*" { ENDS } else { f }.split(' ')).filter_map(|f| f.split_once(':')).collect()
}

/// A statement with what many share put in: `{ends}` what [`ENDS`] needs, `{flow}` joins a record with its flow `f`; `{dn x}` and `{addresses x}` turn
/// columns, `{ldap_result}` and `{modbus_function}` say ours in Zeek's words.
pub(super) fn filled(sql: &str) -> String {
    let mut sql = sql
        .replace("{ends}", "r.capture_id, r.flow_id, r.ts, f.src_ip, f.src_port, f.dst_ip, f.dst_port,")
        .replace("{flow}", "JOIN flows f ON f.capture_id = r.capture_id AND f.flow_id = r.flow_id")
        .replace("{ldap_result}", LDAP_RESULT)
        .replace("{modbus_function}", MODBUS_FUNCTION);
    for (name, text, columns) in
        [("dn", DN, ["r.subject", "r.issuer"]), ("addresses", ADDRESSES, ["r.header_to", "r.cc"])]
    {
        for column in columns {
            sql = sql.replace(&format!("{{{name} {column}}}"), &text.replace('@', column));
        }
    }
    sql
}
