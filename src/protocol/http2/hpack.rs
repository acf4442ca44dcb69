//! Which header fields does a block of HTTP/2 hold?
//!
//! HPACK, RFC 7541. Code of our own: the table has to be bounded by us and not by what the peers agree on, and a block that does not fit ends
//! the decoding without a panic. The state runs along with the connection; when one block is lost, the later ones cannot be read.

use super::huffman;
use crate::model::bytes::Cursor;
use std::collections::VecDeque;

/// Largest dynamic table that is kept, bytes as RFC 7541 section 4.1 counts them. The default is 4 KiB, servers offer up to 64.
const TABLE_CAP: usize = 64 << 10;

/// What an entry costs beside its bytes (RFC 7541 section 4.1).
const ENTRY_COST: usize = 32;

/// Fields of one block; browsers send below 40.
const FIELDS_CAP: usize = 256;

/// Bytes of all fields of one block: a table may be referred to again and again, which costs the sender one byte each.
const BLOCK_CAP: usize = 128 << 10;

/// RFC 7541 appendix A.
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// Name and value.
pub(super) type Field = (Vec<u8>, Vec<u8>);

/// The state of one direction.
#[derive(Debug)]
pub(super) struct Decoder {
    table: VecDeque<Field>,
    size: usize,
    limit: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        // RFC 9113 section 6.5.2: before any setting.
        Self { table: VecDeque::new(), size: 0, limit: 4_096 }
    }
}

/// A number whose first byte has `bits` bits for it (RFC 7541 section 5.1).
fn number(c: &mut Cursor<'_>, first: u8, bits: u32) -> Option<usize> {
    let mask = (1_u8 << bits).wrapping_sub(1);
    let mut value = usize::from(first & mask);
    if value < usize::from(mask) {
        return Some(value);
    }
    // Four more bytes hold what any table or text may need.
    for shift in [0, 7, 14, 21] {
        let b = c.u8()?;
        value = value.checked_add(usize::from(b & 0x7f) << shift)?;
        if b & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn text(c: &mut Cursor<'_>) -> Option<Vec<u8>> {
    let first = c.u8()?;
    let length = number(c, first, 7)?;
    let bytes = c.take(length)?;
    if first & 0x80 == 0 { Some(bytes.to_vec()) } else { huffman::decode(bytes) }
}

impl Decoder {
    fn entry(&self, index: usize) -> Option<Field> {
        let index = index.checked_sub(1)?;
        if let Some((name, value)) = STATIC.get(index) {
            return Some((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        }
        self.table.get(index.checked_sub(STATIC.len())?).cloned()
    }

    fn shrink(&mut self, limit: usize) {
        while self.size > limit {
            let Some((name, value)) = self.table.pop_back() else { break };
            self.size = self.size.saturating_sub(name.len() + value.len() + ENTRY_COST);
        }
    }

    fn insert(&mut self, field: Field) {
        let cost = field.0.len() + field.1.len() + ENTRY_COST;
        self.shrink(self.limit.saturating_sub(cost));
        // An entry larger than the table only empties it (RFC 7541 section 4.4).
        if cost <= self.limit {
            self.size += cost;
            self.table.push_front(field);
        }
    }

    /// All fields of a block. `None`: it does not fit, and nothing that follows can be read.
    pub(super) fn decode(&mut self, block: &[u8]) -> Option<Vec<Field>> {
        let mut c = Cursor::new(block);
        let (mut fields, mut bytes) = (Vec::new(), 0);
        while let Some(first) = c.u8() {
            let field = if first & 0x80 != 0 {
                let index = number(&mut c, first, 7)?;
                self.entry(index)?
            } else if first & 0xe0 == 0x20 {
                let limit = number(&mut c, first, 5)?;
                if limit > TABLE_CAP {
                    return None;
                }
                self.limit = limit;
                self.shrink(limit);
                continue;
            } else {
                let kept = first & 0x40 != 0;
                let index = number(&mut c, first, if kept { 6 } else { 4 })?;
                let name = if index == 0 { text(&mut c)? } else { self.entry(index)?.0 };
                let field = (name, text(&mut c)?);
                if kept {
                    self.insert(field.clone());
                }
                field
            };
            bytes += field.0.len() + field.1.len();
            if fields.len() >= FIELDS_CAP || bytes > BLOCK_CAP {
                return None;
            }
            fields.push(field);
        }
        Some(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[i * 2..i * 2 + 2], 16).unwrap()).collect()
    }

    fn shown(fields: Option<Vec<Field>>) -> Vec<String> {
        let show =
            |(n, v): Field| format!("{}={}", String::from_utf8(n).unwrap(), String::from_utf8(v).unwrap());
        fields.unwrap().into_iter().map(show).collect()
    }

    #[test]
    fn the_published_requests() {
        // RFC 7541 appendices C.3 (plain) and C.4 (Huffman).
        let plain = [
            "828684410f7777772e6578616d706c652e636f6d",
            "828684be58086e6f2d6361636865",
            "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
        ];
        let coded = [
            "828684418cf1e3c2e5f23a6ba0ab90f4ff",
            "828684be5886a8eb10649cbf",
            "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
        ];
        for requests in [plain, coded] {
            let mut d = Decoder::default();
            let first = shown(d.decode(&bytes(requests[0])));
            assert_eq!(first, [":method=GET", ":scheme=http", ":path=/", ":authority=www.example.com"]);
            assert_eq!(
                shown(d.decode(&bytes(requests[1])))[3..],
                [":authority=www.example.com", "cache-control=no-cache"]
            );
            let third = shown(d.decode(&bytes(requests[2])));
            assert_eq!(
                third[1..],
                [
                    ":scheme=https",
                    ":path=/index.html",
                    ":authority=www.example.com",
                    "custom-key=custom-value"
                ]
            );
            assert_eq!((d.table.len(), d.size), (3, 164));
        }
    }

    #[test]
    fn the_table_is_bounded() {
        let mut d = Decoder::default();
        assert!(d.decode(&[0x3f, 0xe1, 0xff, 0x07]).is_none(), "more than is kept");
        assert!(d.decode(&[0x20]).unwrap().is_empty());
        assert_eq!(shown(d.decode(b"\x40\x01a\x01b")), ["a=b"]);
        assert_eq!((d.table.len(), d.size), (0, 0));
        assert!(d.decode(&[0xbe]).is_none(), "an entry that is not there");
        assert!(d.decode(&vec![0x82; FIELDS_CAP + 1]).is_none());
        for end in 0..20 {
            d.decode(&bytes("828684418cf1e3c2e5f23a6ba0ab90f4ff")[..end.min(17)]);
        }
    }
}
