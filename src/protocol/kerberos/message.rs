//! What does a Kerberos message say in the clear?
//!
//! The ASN.1 of RFC 4120 section 5, read as far as it is not encrypted. Field numbers are those of the RFC; a field that is not there is
//! passed over, an order that is not the RFC's ends the message. Refuses to look into tickets beyond realm, name and cipher.

use crate::model::text::printable;
use crate::model::time::Timestamp;
use crate::protocol::ber::{Element, Reader, tag};

/// Longest name or realm in bytes that is shown.
const MAX_NAME: usize = 256;

/// Parts of a principal's name; service, host and realm are three.
const MAX_PARTS: usize = 8;

/// Encryption types or pre-authentications of one request that are kept; real ones list up to ten.
const MAX_LIST: usize = 32;

/// Tags of the application class (RFC 4120 section 5.10).
pub(super) mod kind {
    pub(in super::super) const AS_REQ: u8 = 0x6a;
    pub(in super::super) const AS_REP: u8 = 0x6b;
    pub(in super::super) const TGS_REQ: u8 = 0x6c;
    pub(in super::super) const TGS_REP: u8 = 0x6d;
    pub(in super::super) const AP_REQ: u8 = 0x6e;
    pub(in super::super) const AP_REP: u8 = 0x6f;
    pub(in super::super) const ERROR: u8 = 0x7e;
    /// Of a ticket, inside the others.
    pub(super) const TICKET: u8 = 0x61;
}

/// A request to a key distribution centre.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KdcRequest {
    pub(super) pre_auth: Vec<i64>,
    pub(super) options: u32,
    pub(super) client: Option<String>,
    pub(super) realm: Option<String>,
    pub(super) service: Option<String>,
    pub(super) from: Option<Timestamp>,
    pub(super) till: Option<Timestamp>,
    pub(super) renew_till: Option<Timestamp>,
    pub(super) nonce: Option<i64>,
    pub(super) etypes: Vec<i64>,
    /// NetBIOS name among the client's addresses.
    pub(super) netbios: Option<String>,
}

/// Its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KdcReply {
    pub(super) client_realm: Option<String>,
    pub(super) client: Option<String>,
    pub(super) ticket: Ticket,
    /// Encryption of the part for the client.
    pub(super) etype: Option<i64>,
}

/// The open part of a ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ticket {
    /// Realm that issued it.
    pub realm: Option<String>,
    /// Service that it is for, parts with slashes between.
    pub service: Option<String>,
    /// Number of the encryption type that protects it (RFC 3961 registry).
    pub etype: Option<i64>,
}

/// An error message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KrbError {
    pub(super) code: i64,
    pub(super) client_realm: Option<String>,
    pub(super) client: Option<String>,
    pub(super) realm: Option<String>,
    pub(super) service: Option<String>,
    pub(super) text: Option<String>,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    AsRequest(KdcRequest),
    TgsRequest(KdcRequest),
    AsReply(KdcReply),
    TgsReply(KdcReply),
    ApRequest(Ticket),
    ApReply,
    Error(KrbError),
}

/// Read a message that fills `data`.
pub(super) fn read(data: &[u8]) -> Option<Message> {
    let message = Reader::new(data).element()?;
    let mut body = message.inner()?.enter(tag::SEQUENCE)?;
    match message.tag {
        kind::AS_REQ => request(&mut body).map(Message::AsRequest),
        kind::TGS_REQ => request(&mut body).map(Message::TgsRequest),
        kind::AS_REP => reply(&mut body).map(Message::AsReply),
        kind::TGS_REP => reply(&mut body).map(Message::TgsReply),
        kind::AP_REQ => ap_request(&mut body).map(Message::ApRequest),
        kind::AP_REP => Some(Message::ApReply),
        kind::ERROR => error(&mut body).map(Message::Error),
        _ => None,
    }
}

/// The ticket that a client shows to a service: an AP-REQ as it stands in SPNEGO and GSS-API blobs, behind their token number.
/// `None` when it is not one.
pub fn ap_req_ticket(data: &[u8]) -> Option<Ticket> {
    match read(data)? {
        Message::ApRequest(ticket) => Some(ticket),
        _ => None,
    }
}

fn request(body: &mut Reader<'_>) -> Option<KdcRequest> {
    let mut out = KdcRequest::default();
    body.field(1)?;
    body.field(2)?;
    if let Some(list) = body.field(3) {
        let mut list = list.inner()?;
        while let Some(mut data) = list.enter(tag::SEQUENCE) {
            let kind = data.field(1)?.number()?;
            if out.pre_auth.len() < MAX_LIST {
                out.pre_auth.push(kind);
            }
        }
    }
    let mut b = body.field(4)?.inner()?;
    let options = b.field(0)?.body;
    out.options = options.get(1..5).and_then(|o| o.try_into().ok()).map_or(0, u32::from_be_bytes);
    out.client = b.field(1).and_then(|e| principal(&e));
    out.realm = b.field(2).map(|e| e.text(MAX_NAME));
    out.service = b.field(3).and_then(|e| principal(&e));
    out.from = b.field(4).and_then(|e| time(&e));
    out.till = b.field(5).and_then(|e| time(&e));
    out.renew_till = b.field(6).and_then(|e| time(&e));
    out.nonce = b.field(7).and_then(|e| e.number());
    let mut etypes = b.field(8)?.inner()?;
    while let Some(etype) = etypes.integer() {
        if out.etypes.len() < MAX_LIST {
            out.etypes.push(etype);
        }
    }
    out.netbios = b.field(9).and_then(|e| netbios(&e));
    Some(out)
}

fn reply(body: &mut Reader<'_>) -> Option<KdcReply> {
    body.field(0)?;
    body.field(1)?;
    body.field(2);
    Some(KdcReply {
        client_realm: body.field(3).map(|e| e.text(MAX_NAME)),
        client: body.field(4).and_then(|e| principal(&e)),
        ticket: ticket(&body.field(5)?)?,
        etype: body.field(6).and_then(|e| etype(&e)),
    })
}

fn ap_request(body: &mut Reader<'_>) -> Option<Ticket> {
    body.field(0)?;
    body.field(1)?;
    body.field(2)?;
    ticket(&body.field(3)?)
}

fn ticket(e: &Element<'_>) -> Option<Ticket> {
    if e.tag != kind::TICKET {
        return None;
    }
    let mut t = e.inner()?.enter(tag::SEQUENCE)?;
    t.field(0)?;
    Some(Ticket {
        realm: t.field(1).map(|e| e.text(MAX_NAME)),
        service: t.field(2).and_then(|e| principal(&e)),
        etype: t.field(3).and_then(|e| etype(&e)),
    })
}

fn error(body: &mut Reader<'_>) -> Option<KrbError> {
    // Version, kind, the client's time and the server's time.
    for n in 0..=5 {
        body.field(n);
    }
    Some(KrbError {
        code: body.field(6)?.number()?,
        client_realm: body.field(7).map(|e| e.text(MAX_NAME)),
        client: body.field(8).and_then(|e| principal(&e)),
        realm: body.field(9).map(|e| e.text(MAX_NAME)),
        service: body.field(10).and_then(|e| principal(&e)),
        text: body.field(11).map(|e| e.text(MAX_NAME)).filter(|t| !t.is_empty()),
    })
}

/// The encryption type of encrypted data.
fn etype(e: &Element<'_>) -> Option<i64> {
    e.inner()?.field(0)?.number()
}

/// A principal's name, its parts with slashes between; an empty one is none.
fn principal(e: &Element<'_>) -> Option<String> {
    let mut name = e.inner()?;
    name.field(0)?;
    let (mut parts, mut bytes, mut n) = (name.field(1)?.inner()?, Vec::new(), 0);
    while let Some(part) = parts.element().filter(|_| n < MAX_PARTS) {
        if n > 0 {
            bytes.push(b'/');
        }
        bytes.extend_from_slice(part.body.get(..MAX_NAME).unwrap_or(part.body));
        n += 1;
    }
    (!bytes.is_empty()).then(|| printable(&bytes, MAX_NAME))
}

/// The address of type 20 is a NetBIOS name, padded with spaces (RFC 4120 section 7.5.3).
fn netbios(e: &Element<'_>) -> Option<String> {
    let mut list = e.inner()?;
    while let Some(mut address) = list.enter(tag::SEQUENCE) {
        let (kind, value) = (address.field(0)?.number()?, address.field(1)?);
        if kind == 20 {
            return Some(printable(value.body.trim_ascii_end(), MAX_NAME)).filter(|n| !n.is_empty());
        }
    }
    None
}

/// `YYYYMMDDHHMMSSZ` (RFC 4120 section 5.2.3). `None` before 1971: the epoch stands for "as long as you will".
fn time(e: &Element<'_>) -> Option<Timestamp> {
    let digits = e.body.strip_suffix(b"Z")?.first_chunk::<14>()?;
    if e.body.len() != 15 {
        return None;
    }
    let number = |from: usize, to: usize| {
        digits
            .get(from..to)?
            .iter()
            .try_fold(0_i64, |n, d| d.is_ascii_digit().then(|| n * 10 + i64::from(d - b'0')))
    };
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(8, 10)?, number(10, 12)?, number(12, 14)?);
    let sane = (1971..=2261).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !sane {
        return None;
    }
    // Days since 1970 with years that begin in March, so that the leap day is the last of its year.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    Some(Timestamp(seconds * 1_000_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_calendar() {
        let at = |text: &'static [u8]| {
            let bytes = [&[0x18, text.len() as u8][..], text].concat();
            Reader::new(&bytes).element().and_then(|e| time(&e)).map(|t| t.0 / 1_000_000_000)
        };
        assert_eq!(at(b"20370913024805Z"), Some(2_136_422_885));
        assert_eq!(at(b"20000229235959Z"), Some(951_868_799));
        assert_eq!(at(b"20240301000000Z"), Some(1_709_251_200));
        assert_eq!(at(b"19700101000000Z"), None);
        assert_eq!(
            (at(b"20241301000000Z"), at(b"2024030100000Z"), at(b"99991231235959Z")),
            (None, None, None)
        );
    }
}
