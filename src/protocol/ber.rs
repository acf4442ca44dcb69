//! How are ASN.1 values read from hostile bytes?
//!
//! The basic and distinguished encoding rules (X.690) as far as Kerberos, LDAP and SNMP use them: tags of one byte, definite
//! lengths. Lengths with leading zeros are taken, because Windows sends them. Nothing is copied.
//!
//! Refuses indefinite lengths, tags above 30, elements over [`MAX_LEN`] and nesting below [`MAX_DEPTH`]; an element that ends
//! outside its parent does not exist.

use crate::model::text::printable;
use std::fmt::Write;

/// Longest content in bytes that is believed. Directories return photographs and certificates, not more.
pub const MAX_LEN: usize = 1 << 24;

/// Deepest nesting that is followed. Kerberos reaches twelve, a filter of a directory search rarely ten.
pub const MAX_DEPTH: u8 = 32;

/// Longest object identifier in bytes of content; 128 arcs of one byte are RFC 3416's limit.
const MAX_OID: usize = 128;

/// Tags of the universal class.
pub mod tag {
    /// BOOLEAN.
    pub const BOOLEAN: u8 = 0x01;
    /// INTEGER.
    pub const INTEGER: u8 = 0x02;
    /// BIT STRING.
    pub const BIT_STRING: u8 = 0x03;
    /// OCTET STRING.
    pub const OCTET_STRING: u8 = 0x04;
    /// OBJECT IDENTIFIER.
    pub const OID: u8 = 0x06;
    /// ENUMERATED.
    pub const ENUMERATED: u8 = 0x0a;
    /// SEQUENCE and SEQUENCE OF.
    pub const SEQUENCE: u8 = 0x30;
    /// SET and SET OF.
    pub const SET: u8 = 0x31;
}

/// The tag and the length at the start of an element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Tag with class and form.
    pub tag: u8,
    /// Bytes of tag and length.
    pub size: usize,
    /// Bytes of content.
    pub len: usize,
}

impl Header {
    /// Bytes of the whole element.
    pub fn total(&self) -> usize {
        self.size.saturating_add(self.len)
    }
}

/// What the start of some bytes is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// An element begins, whole or not.
    Element(Header),
    /// Too few bytes to tell.
    Short,
    /// Nothing that this reader takes.
    Bad,
}

/// Look at tag and length of what begins here.
pub fn start(data: &[u8]) -> Start {
    let Some((&tag, rest)) = data.split_first() else { return Start::Short };
    if tag & 0x1f == 0x1f {
        return Start::Bad;
    }
    let Some(&first) = rest.first() else { return Start::Short };
    if first < 0x80 {
        return Start::Element(Header { tag, size: 2, len: usize::from(first) });
    }
    let bytes = usize::from(first & 0x7f);
    if !(1..=4).contains(&bytes) {
        return Start::Bad;
    }
    let Some(number) = rest.get(1..1 + bytes) else { return Start::Short };
    let len = number.iter().fold(0_usize, |n, b| n << 8 | usize::from(*b));
    if len > MAX_LEN {
        return Start::Bad;
    }
    Start::Element(Header { tag, size: 2 + bytes, len })
}

/// One element.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    /// Tag with class and form.
    pub tag: u8,
    /// Its content.
    pub body: &'a [u8],
    depth: u8,
}

impl<'a> Element<'a> {
    /// The elements inside. `None` when it lies too deep.
    pub fn inner(&self) -> Option<Reader<'a>> {
        let depth = self.depth.checked_add(1).filter(|d| *d <= MAX_DEPTH)?;
        Some(Reader { rest: self.body, depth })
    }

    /// As a signed number of up to eight bytes, whatever its tag.
    pub fn number(&self) -> Option<i64> {
        let (first, rest) = self.body.split_first()?;
        if rest.len() > 7 {
            return None;
        }
        let start = i64::from(*first as i8);
        Some(rest.iter().fold(start, |n, b| n << 8 | i64::from(*b)))
    }

    /// As printable text of at most `cap` bytes of input.
    pub fn text(&self, cap: usize) -> String {
        printable(self.body, cap)
    }

    /// As a dotted object identifier, whatever its tag. `None` when it is malformed.
    pub fn oid(&self) -> Option<String> {
        oid(self.body)
    }
}

/// The dotted form of an object identifier's content.
pub fn oid(body: &[u8]) -> Option<String> {
    if body.is_empty() || body.len() > MAX_OID || body.last().is_some_and(|b| b & 0x80 != 0) {
        return None;
    }
    let mut out = String::new();
    let mut arc = 0_u64;
    for b in body {
        arc = arc.checked_mul(128)?.checked_add(u64::from(b & 0x7f))?;
        if b & 0x80 != 0 {
            continue;
        }
        if out.is_empty() {
            // The first two arcs share a number (X.690 section 8.19.4).
            let top = (arc / 40).min(2);
            let _ = write!(out, "{top}.{}", arc - top * 40);
        } else {
            let _ = write!(out, ".{arc}");
        }
        arc = 0;
    }
    Some(out)
}

/// Reads elements one after the other; never moves on failure.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    depth: u8,
}

impl<'a> Reader<'a> {
    /// Over bytes that hold elements.
    pub fn new(data: &'a [u8]) -> Self {
        Self { rest: data, depth: 0 }
    }

    /// Is nothing left?
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Bytes not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Tag of the next element.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element, if it is whole.
    pub fn element(&mut self) -> Option<Element<'a>> {
        let Start::Element(header) = start(self.rest) else { return None };
        let body = self.rest.get(header.size..header.total())?;
        self.rest = self.rest.get(header.total()..)?;
        Some(Element { tag: header.tag, body, depth: self.depth })
    }

    /// The next element if it has this tag.
    pub fn take(&mut self, tag: u8) -> Option<Element<'a>> {
        if self.peek() == Some(tag) { self.element() } else { None }
    }

    /// The elements inside the next one if it has this tag.
    pub fn enter(&mut self, tag: u8) -> Option<Reader<'a>> {
        let element = Reader::take(&mut self.clone(), tag)?;
        let inner = element.inner()?;
        self.element()?;
        Some(inner)
    }

    /// An INTEGER of up to eight bytes.
    pub fn integer(&mut self) -> Option<i64> {
        self.take(tag::INTEGER)?.number()
    }

    /// An OCTET STRING.
    pub fn octets(&mut self) -> Option<&'a [u8]> {
        self.take(tag::OCTET_STRING).map(|e| e.body)
    }

    /// What is inside the explicit context tag `n` (at most 30), if that comes next.
    pub fn field(&mut self, n: u8) -> Option<Element<'a>> {
        self.enter(0xa0 | n)?.element()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_in_all_their_forms() {
        let header = |size, len| Start::Element(Header { tag: 0x30, size, len });
        assert_eq!(start(&[0x30, 5]), header(2, 5));
        assert_eq!(start(&[0x30, 0x82, 1, 0]), header(4, 256));
        assert_eq!(start(&[0x30, 0x84, 0, 0, 0, 9]), header(6, 9), "as Windows sends them");
        assert_eq!((start(&[0x30, 0x80]), start(&[0x30, 0x85])), (Start::Bad, Start::Bad));
        assert_eq!((start(&[0x1f, 1]), start(&[0x7f, 0x65, 1])), (Start::Bad, Start::Bad));
        assert_eq!(start(&[0x30, 0x84, 1, 0, 0, 1]), Start::Bad, "longer than believed");
        assert_eq!(
            (start(&[]), start(&[0x30]), start(&[0x30, 0x82, 1])),
            (Start::Short, Start::Short, Start::Short)
        );
    }

    #[test]
    fn numbers_and_identifiers() {
        let read = |d: &'static [u8]| Reader::new(d).element();
        assert_eq!(read(&[2, 1, 0xff]).and_then(|e| e.number()), Some(-1));
        assert_eq!(read(&[2, 2, 1, 0]).and_then(|e| e.number()), Some(256));
        assert_eq!(read(&[2, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8]).and_then(|e| e.number()), None);
        assert_eq!(read(&[2, 0]).and_then(|e| e.number()), None);
        let dotted = read(&[6, 8, 0x2b, 6, 1, 2, 1, 1, 1, 0]).and_then(|e| e.oid());
        assert_eq!(dotted.as_deref(), Some("1.3.6.1.2.1.1.1.0"));
        assert_eq!(oid(&[0x88, 0x37]).as_deref(), Some("2.999"));
        assert_eq!((oid(&[]), oid(&[0x2b, 0x86]), oid(&[0xff; 20])), (None, None, None));
    }

    #[test]
    fn a_failed_read_does_not_move() {
        let mut r = Reader::new(&[0x30, 3, 2, 1, 7, 4, 2, b'x']);
        assert!(r.take(0x31).is_none() && r.enter(0x31).is_none());
        assert_eq!(r.enter(0x30).and_then(|mut s| s.integer()), Some(7));
        assert!(r.octets().is_none(), "one byte short");
        assert_eq!(r.rest(), [4, 2, b'x']);
    }

    #[test]
    fn depth_has_an_end() {
        let mut nested = Vec::new();
        for _ in 0..40 {
            let len = nested.len() as u8;
            nested.splice(0..0, [0x30, len]);
        }
        let (mut reader, mut depth) = (Reader::new(&nested), 0);
        while let Some(inner) = reader.enter(tag::SEQUENCE) {
            (reader, depth) = (inner, depth + 1);
        }
        assert_eq!(depth, MAX_DEPTH);
    }

    proptest! {
        /// Elements never reach past their input, and every read of one ends.
        #[test]
        fn anything_can_be_read(data in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut r = Reader::new(&data);
            let mut used = 0;
            while let Some(e) = r.element() {
                used += 2 + e.body.len();
                prop_assert!(used <= data.len());
                let _ = (e.number(), e.oid(), e.text(8), e.inner().and_then(|mut i| i.element().map(|e| e.tag)));
            }
        }
    }
}
