//! What does an LDAP message ask or answer?
//!
//! The operations of RFC 4511 section 4. Of values only the names are kept, except in filters and in the few entries that say
//! something about the server itself.

use super::filter;
use super::record::LdapRecord;
use crate::model::text::printable;
use crate::protocol::ber::{Element, Reader, tag};
use crate::protocol::credentials::{MAX_ACCOUNT, Secret};

/// Longest name of an entry in bytes that is shown.
const MAX_DN: usize = 512;

/// Attributes of one operation that are shown.
const MAX_ATTRIBUTES: usize = 32;

/// Longest text of attributes in bytes.
const MAX_ATTRIBUTE_TEXT: usize = 64;

/// StartTLS (RFC 4511 section 4.14.1).
const STARTTLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

/// Tags of the operations.
pub(super) mod op {
    pub(in super::super) const BIND: u8 = 0x60;
    pub(in super::super) const BIND_RESPONSE: u8 = 0x61;
    pub(in super::super) const UNBIND: u8 = 0x42;
    pub(in super::super) const SEARCH: u8 = 0x63;
    pub(in super::super) const ENTRY: u8 = 0x64;
    pub(in super::super) const SEARCH_DONE: u8 = 0x65;
    pub(in super::super) const MODIFY: u8 = 0x66;
    pub(in super::super) const MODIFY_RESPONSE: u8 = 0x67;
    pub(in super::super) const ADD: u8 = 0x68;
    pub(in super::super) const ADD_RESPONSE: u8 = 0x69;
    pub(in super::super) const DELETE: u8 = 0x4a;
    pub(in super::super) const DELETE_RESPONSE: u8 = 0x6b;
    pub(in super::super) const MODIFY_DN: u8 = 0x6c;
    pub(in super::super) const MODIFY_DN_RESPONSE: u8 = 0x6d;
    pub(in super::super) const COMPARE: u8 = 0x6e;
    pub(in super::super) const COMPARE_RESPONSE: u8 = 0x6f;
    pub(in super::super) const ABANDON: u8 = 0x50;
    pub(in super::super) const REFERENCE: u8 = 0x73;
    pub(in super::super) const EXTENDED: u8 = 0x77;
    pub(in super::super) const EXTENDED_RESPONSE: u8 = 0x78;
    pub(in super::super) const INTERMEDIATE: u8 = 0x79;
}

/// Who a bind says it is, and how it proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) account: Option<String>,
    pub(super) mechanism: &'static str,
    pub(super) secret: Secret,
}

/// A request, read.
pub(super) fn request(id: u32, operation: &Element<'_>) -> Option<(LdapRecord, Option<Login>)> {
    let mut record = LdapRecord { message_id: id, ..LdapRecord::default() };
    let dn = |bytes: &[u8]| (!bytes.is_empty()).then(|| printable(bytes, MAX_DN));
    let mut login = None;
    match operation.tag {
        op::UNBIND => record.operation = "unbind",
        op::ABANDON => record.operation = "abandon",
        op::DELETE => (record.operation, record.object) = ("delete", dn(operation.body)),
        op::BIND => {
            record.operation = "bind";
            let mut body = operation.inner()?;
            record.version = body.integer().and_then(|v| u8::try_from(v).ok());
            let name = body.octets()?;
            record.object = dn(name);
            let proof = body.element()?;
            let (said, found) = bind(name, &proof)?;
            record.mechanism = Some(said);
            login = found;
        }
        op::SEARCH => {
            record.operation = "search";
            let mut body = operation.inner()?;
            record.object = dn(body.octets()?);
            record.scope = match body.take(tag::ENUMERATED)?.number()? {
                0 => Some("base"),
                1 => Some("one"),
                2 => Some("sub"),
                3 => Some("subordinates"),
                _ => None,
            };
            // How aliases are followed, limits of size and time, and whether values are wanted.
            for _ in 0..4 {
                body.element()?;
            }
            record.filter = filter::text(&body.element()?);
            record.attributes = body.enter(tag::SEQUENCE).and_then(|list| names(list, false));
        }
        op::MODIFY => {
            record.operation = "modify";
            let mut body = operation.inner()?;
            record.object = dn(body.octets()?);
            record.attributes = body.enter(tag::SEQUENCE).and_then(|list| names(list, true));
        }
        op::ADD => {
            record.operation = "add";
            let mut body = operation.inner()?;
            record.object = dn(body.octets()?);
            record.attributes = body.enter(tag::SEQUENCE).and_then(|list| names(list, true));
        }
        op::MODIFY_DN => {
            record.operation = "modify_dn";
            record.object = dn(operation.inner()?.octets()?);
        }
        op::COMPARE => {
            record.operation = "compare";
            let mut body = operation.inner()?;
            record.object = dn(body.octets()?);
            record.attributes = body.enter(tag::SEQUENCE)?.octets().map(|a| printable(a, MAX_ATTRIBUTE_TEXT));
        }
        op::EXTENDED => {
            let name = operation.inner()?.take(0x80)?.body;
            record.operation = if name == STARTTLS { "starttls" } else { "extended" };
            record.object = dn(name);
        }
        _ => return None,
    }
    Some((record, login))
}

/// Names of attributes with commas between; `changes`: each is inside a sequence, after the kind of change where there is one.
fn names(mut list: Reader<'_>, changes: bool) -> Option<String> {
    let (mut out, mut n) = (String::new(), 0);
    while let Some(item) = list.element() {
        if n >= MAX_ATTRIBUTES {
            out.push_str(",…");
            break;
        }
        let name = if changes {
            let mut inside = item.inner()?;
            if inside.take(tag::ENUMERATED).is_some() {
                inside = inside.enter(tag::SEQUENCE)?;
            }
            inside.octets()?
        } else {
            item.body
        };
        if n > 0 {
            out.push(',');
        }
        out.push_str(&printable(name, MAX_ATTRIBUTE_TEXT));
        n += 1;
    }
    (n > 0).then_some(out)
}

/// The mechanism of a bind as shown, and the attempt to log in, unless it is anonymous.
fn bind(name: &[u8], proof: &Element<'_>) -> Option<(String, Option<Login>)> {
    let account = |bytes: &[u8]| (!bytes.is_empty()).then(|| printable(bytes, MAX_ACCOUNT));
    Some(match proof.tag {
        0x80 => {
            let login = Login { account: account(name), mechanism: "simple", secret: Secret::Clear };
            // Without a password a bind is anonymous, whatever its name (RFC 4513 section 5.1.2).
            ("simple".into(), Some(login).filter(|_| !proof.body.is_empty()))
        }
        0xa3 => {
            let mut sasl = proof.inner()?;
            let mechanism = sasl.octets()?;
            let token = sasl.octets().unwrap_or(&[]);
            (printable(mechanism, MAX_ATTRIBUTE_TEXT), Some(sasl_login(mechanism, token)))
        }
        // Windows' older way: a list of packages is asked for, then NTLM (MS-ADTS section 5.1.1.1.3).
        0x89..=0x8b => {
            let login = Login { account: account(name), mechanism: "sicily", secret: Secret::Hashed };
            ("sicily".into(), Some(login).filter(|_| proof.tag == 0x8b))
        }
        _ => return None,
    })
}

/// The token of a login: in a bind, or in the answer to it. Windows' older way puts the server's in the place of a name.
pub(super) fn token<'a>(operation: &Element<'a>) -> Option<&'a [u8]> {
    let mut body = operation.inner()?;
    if operation.tag == op::BIND {
        body.integer()?;
        body.octets()?;
        let proof = body.element()?;
        return match proof.tag {
            0xa3 => {
                let mut sasl = proof.inner()?;
                sasl.octets()?;
                sasl.octets()
            }
            0x89..=0x8b => Some(proof.body),
            _ => None,
        };
    }
    body.take(tag::ENUMERATED)?;
    let name = body.octets()?;
    body.octets()?;
    while let Some(field) = body.element() {
        if field.tag == 0x87 {
            return Some(field.body);
        }
    }
    Some(name)
}

/// What a SASL mechanism shows of the account in its first or second token.
fn sasl_login(mechanism: &[u8], token: &[u8]) -> Login {
    let is = |name: &str| mechanism.eq_ignore_ascii_case(name.as_bytes());
    let begins =
        |name: &str| mechanism.get(..name.len()).is_some_and(|m| m.eq_ignore_ascii_case(name.as_bytes()));
    let shown = |bytes: &[u8]| (!bytes.is_empty()).then(|| printable(bytes, MAX_ACCOUNT));
    // The value behind `key`, to the next comma.
    let value = |key: &[u8]| {
        let at = token.windows(key.len()).position(|w| w == key)?;
        let rest = token.get(at + key.len()..)?;
        let value = rest.split(|b| *b == b',').next()?;
        shown(value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value))
    };
    let (name, secret, account) = if is("PLAIN") {
        ("plain", Secret::Clear, token.split(|b| *b == 0).nth(1).and_then(shown))
    } else if begins("SCRAM-") {
        ("scram", Secret::Hashed, value(b",n="))
    } else if is("DIGEST-MD5") {
        ("digest-md5", Secret::Hashed, value(b"username="))
    } else if is("CRAM-MD5") {
        ("cram-md5", Secret::Hashed, token.rsplitn(2, |b| *b == b' ').nth(1).and_then(shown))
    } else if is("GSS-SPNEGO") {
        ("gss-spnego", Secret::Hashed, None)
    } else if is("GSSAPI") {
        ("gssapi", Secret::Hashed, None)
    } else if is("EXTERNAL") {
        ("external", Secret::None, shown(token))
    } else if is("ANONYMOUS") {
        ("anonymous", Secret::None, shown(token))
    } else {
        ("sasl", Secret::Hashed, None)
    };
    Login { account, mechanism: name, secret }
}

/// The result in a response: its number, and what the server says about it.
pub(super) fn result(operation: &Element<'_>) -> Option<(u32, Option<String>)> {
    let mut body = operation.inner()?;
    let code = u32::try_from(body.take(tag::ENUMERATED)?.number()?).ok()?;
    body.octets()?;
    // Windows ends its words with a zero.
    let words = body.octets()?;
    let words = words.strip_suffix(b"\0").unwrap_or(words).trim_ascii();
    Some((code, (!words.is_empty()).then(|| printable(words, MAX_DN))))
}

/// Does a response belong to this operation?
pub(super) fn answers(response: u8, operation: &str) -> bool {
    match response {
        op::BIND_RESPONSE => operation == "bind",
        op::SEARCH_DONE | op::ENTRY | op::REFERENCE => operation == "search",
        op::MODIFY_RESPONSE => operation == "modify",
        op::ADD_RESPONSE => operation == "add",
        op::DELETE_RESPONSE => operation == "delete",
        op::MODIFY_DN_RESPONSE => operation == "modify_dn",
        op::COMPARE_RESPONSE => operation == "compare",
        op::EXTENDED_RESPONSE => matches!(operation, "extended" | "starttls"),
        _ => false,
    }
}

/// The attributes of an entry with their first values, when the entry has no name: it then describes the server itself.
pub(super) fn root_entry<'a>(operation: &Element<'a>) -> Option<Vec<(&'a [u8], &'a [u8])>> {
    let mut body = operation.inner()?;
    if !body.octets()?.is_empty() {
        return None;
    }
    let (mut list, mut out) = (body.enter(tag::SEQUENCE)?, Vec::new());
    while let Some(mut attribute) = list.enter(tag::SEQUENCE).filter(|_| out.len() < MAX_ATTRIBUTES * 2) {
        let name = attribute.octets()?;
        let first = attribute.enter(tag::SET).and_then(|mut values| values.octets());
        out.push((name, first.unwrap_or(&[])));
    }
    Some(out)
}
