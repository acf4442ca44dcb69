//! Who speaks DTLS with whom, and what can be seen of it before it goes dark?
//!
//! DTLS 1.0 (RFC 4347), 1.2 (RFC 6347), 1.3 (RFC 9147), connection ids (RFC 9146). Records become messages here: fragments may
//! come in any order and twice. What they say is read by the code of TLS and written to the same tables `tls` and
//! `x509`; JA4 begins with `d`. Told by a record of epoch 0 with a handshake message or an alert that fits it, or by encrypted records
//! that fill a datagram. Refuses: decryption. A flow that is joined after its hellos is named and has no row.

use super::tls::assembly::Assembly;
use super::tls::handshake::{Handshake, MESSAGE_CAP};
use super::tls::{TLS, X509};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::model::bytes::Cursor;
use crate::model::flow::Side;
use crate::model::weird::{Detail, WeirdKind};

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "dtls",
    about: "DTLS (RFC 6347, RFC 9147); told by a record of epoch 0 with a handshake message or an alert that fits it, or by records of an epoch that fill the datagram.",
    transports: &[Transport::Udp],
    ports: &[4433, 853, 5684, 5349],
    tables: &[&TLS, &X509],
    buffer_cap: 1,
    probe,
    parser: Some(|| Box::new(Dtls::default())),
};

/// Bytes before the body of a handshake message or its fragment.
const MESSAGE_HEADER: usize = 12;

/// Longest payload of a record, bytes (RFC 6347 section 4.1).
const RECORD_CAP: usize = (1 << 14) + 2048;

/// Messages of one side that may be incomplete at once: a flight has at most seven (RFC 6347 section 4.2.4).
const OPEN_CAP: usize = 8;

/// Encrypted records of one side while the other is silent: it is not in the capture.
const ONE_SIDED_CAP: u8 = 32;

mod content {
    pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
    pub(super) const ALERT: u8 = 21;
    pub(super) const HANDSHAKE: u8 = 22;
    pub(super) const APPLICATION_DATA: u8 = 23;
    pub(super) const HEARTBEAT: u8 = 24;
    /// RFC 9146: a connection id of a length that only the two know.
    pub(super) const WITH_CID: u8 = 25;
}

/// A record with its header in clear.
struct Plain<'a> {
    kind: u8,
    epoch: u16,
    payload: &'a [u8],
}

/// The next record; `None` when it does not fit the datagram.
fn plain<'a>(c: &mut Cursor<'a>) -> Option<Plain<'a>> {
    let (kind, version, epoch) = (c.u8()?, c.u16()?, c.u16()?);
    c.skip(6)?;
    let length = usize::from(c.u16()?);
    // 0x0100 is what OpenSSL wrote before the standard, and Cisco's AnyConnect still does.
    let known = matches!(version, 0xfeff | 0xfefd | 0xfefc | 0x0100);
    let valid = (content::CHANGE_CIPHER_SPEC..=content::HEARTBEAT).contains(&kind) && length <= RECORD_CAP;
    if !known || !valid {
        return None;
    }
    Some(Plain { kind, epoch, payload: c.take(length)? })
}

/// A fragment of a handshake message.
struct Fragment<'a> {
    kind: u8,
    length: usize,
    sequence: u16,
    offset: u32,
    body: &'a [u8],
}

fn fragment<'a>(c: &mut Cursor<'a>) -> Option<Fragment<'a>> {
    let (kind, length, sequence, offset, size) = (c.u8()?, c.u24()?, c.u16()?, c.u24()?, c.u24()?);
    let body = c.take(size as usize)?;
    let fits = offset.checked_add(size)? <= length;
    fits.then_some(Fragment { kind, length: length as usize, sequence, offset, body })
}

/// Does the datagram begin a handshake, or refuse one? Also asked where DTLS shares a flow.
pub(super) fn begins(data: &[u8]) -> bool {
    looks(data)
}

fn looks(data: &[u8]) -> bool {
    let mut c = Cursor::new(data);
    let Some(Plain { kind, epoch: 0, payload }) = plain(&mut c) else { return false };
    match kind {
        content::HANDSHAKE => {
            let mut messages = Cursor::new(payload);
            let known = |f: &Fragment<'_>| matches!(f.kind, 0..=4 | 8 | 11..=16 | 20..=24 | 67);
            fragment(&mut messages).is_some_and(|f| {
                let hello =
                    !matches!(f.kind, 1 | 2) || f.offset > 0 || matches!(f.body, [0xfe, ..] | [1, 0, ..]);
                known(&f) && hello && f.length <= MESSAGE_CAP && f.sequence < 64
            })
        }
        content::ALERT => matches!(payload, [1 | 2, _]),
        _ => false,
    }
}

/// Records of a connection that the capture joined late: encrypted or the change to it, behind each other, and they fill the datagram.
fn goes_on(data: &[u8]) -> bool {
    let (mut c, mut epoch, mut count) = (Cursor::new(data), 0, 0_u8);
    while !c.is_empty() {
        let Some(record) = plain(&mut c) else { return false };
        let fits = match (record.kind, record.epoch) {
            (content::CHANGE_CIPHER_SPEC, _) => record.payload == [1],
            (_, 0) => record.kind == content::HANDSHAKE && record.payload.len() >= MESSAGE_HEADER,
            // A number and a tag of eight bytes (RFC 6655), or a block with a digest.
            (_, 1..=15) => record.payload.len() >= 16,
            _ => false,
        };
        if !fits {
            return false;
        }
        (epoch, count) = (epoch.max(record.epoch), count.saturating_add(1));
    }
    epoch > 0 && count > 0
}

fn probe(p: &Probe<'_>) -> Verdict {
    if looks(p.orig) || looks(p.resp) {
        Verdict::Mine(92)
    } else if goes_on(p.orig) || goes_on(p.resp) {
        Verdict::Mine(75)
    } else {
        Verdict::NotMine
    }
}

/// A message of which pieces are missing.
#[derive(Debug)]
struct Open {
    kind: u8,
    sequence: u16,
    length: usize,
    pieces: Assembly,
}

/// One direction.
#[derive(Default, Debug)]
struct Half {
    open: Vec<Open>,
    /// Messages that were read, one bit a sequence number: flights are sent again until they are answered.
    read: u64,
    encrypted: u8,
}

/// The parser of one flow.
struct Dtls {
    handshake: Handshake,
    halves: [Half; 2],
    seen: bool,
    written: bool,
}

impl Default for Dtls {
    fn default() -> Self {
        Self {
            handshake: Handshake::over_datagrams(),
            halves: Default::default(),
            seen: false,
            written: false,
        }
    }
}

impl Dtls {
    fn half(&mut self, side: Side) -> &mut Half {
        let [orig, resp] = &mut self.halves;
        match side {
            Side::Orig => orig,
            Side::Resp => resp,
        }
    }

    fn write(&mut self, out: &mut Output<'_>) {
        if !std::mem::replace(&mut self.written, true) {
            self.handshake.write(out);
        }
    }

    /// An encrypted record; true when nothing more is wanted.
    fn dark(&mut self, side: Side, is_data: bool, length: usize, out: &mut Output<'_>) -> bool {
        self.handshake.encrypted(side, is_data, length, out.at);
        let half = self.half(side);
        half.encrypted = half.encrypted.saturating_add(1);
        half.encrypted >= ONE_SIDED_CAP || self.handshake.is_established()
    }

    /// Fragments of one record.
    fn messages(&mut self, side: Side, payload: &[u8], out: &mut Output<'_>) {
        let mut c = Cursor::new(payload);
        while c.remaining() >= MESSAGE_HEADER {
            let Some(f) = fragment(&mut c) else {
                out.weird(WeirdKind::TlsMalformed, Detail::Text("a fragment that does not fit".into()));
                return;
            };
            if f.length > MESSAGE_CAP {
                out.weird(WeirdKind::TlsHandshakeTooLarge, Detail::Number(f.length as u64));
                continue;
            }
            // A server without state asks for a cookie with number 0 and begins again with it.
            let bit = 1_u64.checked_shl(u32::from(f.sequence)).unwrap_or(0);
            let again = matches!(f.kind, 1..=3);
            let half = self.half(side);
            if !again && half.read & bit != 0 {
                continue;
            }
            if f.body.len() == f.length {
                half.read |= bit;
                self.handshake.message(side, f.kind, f.body, out);
                continue;
            }
            if let Some((kind, body)) = half.collect(&f, out) {
                half.read |= bit;
                self.handshake.message(side, kind, &body, out);
            }
        }
    }
}

impl Half {
    /// Keep a fragment; the message when it is whole.
    fn collect(&mut self, f: &Fragment<'_>, out: &mut Output<'_>) -> Option<(u8, Vec<u8>)> {
        let same = |o: &Open| (o.kind, o.sequence, o.length) == (f.kind, f.sequence, f.length);
        let at = self.open.iter().position(same).unwrap_or_else(|| {
            if self.open.len() >= OPEN_CAP {
                out.weird(WeirdKind::TlsHandshakeTooLarge, Detail::Text("too many open messages".into()));
                self.open.remove(0);
            }
            let pieces = Assembly::default();
            self.open.push(Open { kind: f.kind, sequence: f.sequence, length: f.length, pieces });
            self.open.len().saturating_sub(1)
        });
        let open = self.open.get_mut(at)?;
        if !open.pieces.insert(u64::from(f.offset), f.body, f.length) {
            out.weird(WeirdKind::TlsHandshakeTooLarge, Detail::Text("too many fragments".into()));
            self.open.remove(at);
            return None;
        }
        if open.pieces.whole().len() < open.length {
            return None;
        }
        let whole = open.pieces.whole().to_vec();
        self.open.remove(at);
        Some((f.kind, whole))
    }
}

impl Parser for Dtls {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut c = Cursor::new(data);
        while let Some(first) = c.rest().first().copied() {
            // The short headers of DTLS 1.3 (RFC 9147 section 4) and records with a connection id end what can be read of a datagram.
            if (0x20..=0x3f).contains(&first) || first == content::WITH_CID {
                if self.dark(side, true, c.remaining(), out) {
                    self.write(out);
                    return Fed::Done;
                }
                break;
            }
            let Some(record) = plain(&mut c) else {
                // Media and STUN share the flow with WebRTC's handshake (RFC 7983).
                return if self.seen { Fed::Took(data.len()) } else { Fed::NotMine };
            };
            self.seen = true;
            let done = match (record.kind, record.epoch) {
                (content::HANDSHAKE, 0) => {
                    self.messages(side, record.payload, out);
                    false
                }
                (content::ALERT, 0) => self.handshake.alert(side, record.payload, out),
                (content::CHANGE_CIPHER_SPEC, _) => {
                    self.handshake.change_cipher_spec(side);
                    false
                }
                (kind, _) => self.dark(side, kind == content::APPLICATION_DATA, record.payload.len(), out),
            };
            if done {
                self.write(out);
                return Fed::Done;
            }
        }
        Fed::Took(data.len())
    }

    fn gap(&mut self, _: Side, _: u64, _: &mut Output<'_>) -> Fed {
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.write(out);
    }
}

#[cfg(test)]
mod tests {
    use crate::protocol::testing::{Bench, orig, resp};
    use crate::protocol::tls::TlsHandshake;

    fn record(kind: u8, epoch: u16, payload: &[u8]) -> Vec<u8> {
        let head = [&[kind, 0xfe, 0xfd][..], &epoch.to_be_bytes(), &[0; 6]].concat();
        [&head[..], &(payload.len() as u16).to_be_bytes(), payload].concat()
    }

    fn part(kind: u8, sequence: u16, body: &[u8], from: usize, to: usize) -> Vec<u8> {
        let u24 = |n: usize| (n as u32).to_be_bytes()[1..].to_vec();
        let head = [&[kind][..], &u24(body.len()), &sequence.to_be_bytes(), &u24(from), &u24(to - from)];
        [&head.concat()[..], &body[from..to]].concat()
    }

    fn whole(kind: u8, sequence: u16, body: &[u8]) -> Vec<u8> {
        record(22, 0, &part(kind, sequence, body, 0, body.len()))
    }

    /// Offers two ciphers, SRTP and the name example.org.
    fn client_hello(cookie: &[u8]) -> Vec<u8> {
        let name = b"\0\0\0\x10\0\x0e\0\0\x0bexample.org";
        let extensions = [&name[..], &[0, 14, 0, 5, 0, 2, 0, 1, 0], &[0, 10, 0, 4, 0, 2, 0, 29]].concat();
        let head = [&[0xfe, 0xfd][..], &[7; 32], &[0], &[cookie.len() as u8], cookie].concat();
        let tail = [&[0, 4, 0xc0, 0x2b, 0xc0, 0x2f, 1, 0][..], &(extensions.len() as u16).to_be_bytes()];
        [&head[..], &tail.concat(), &extensions].concat()
    }

    fn server_hello() -> Vec<u8> {
        [&[0xfe, 0xfd][..], &[9; 32], &[0, 0xc0, 0x2b, 0]].concat()
    }

    fn bench() -> Bench {
        Bench::udp(4242)
    }

    #[test]
    fn a_handshake_with_a_cookie_in_fragments() {
        let hello = client_hello(&[5; 20]);
        let (first, last) = hello.split_at(50);
        let second = [
            record(22, 0, &part(1, 1, &hello, first.len(), hello.len())),
            record(22, 0, &part(1, 1, &hello, 0, first.len())),
        ];
        assert!(!last.is_empty());
        let flight = [whole(2, 1, &server_hello()), whole(12, 2, &[3, 0, 29, 0])].concat();
        let end = [record(20, 0, &[1]), record(22, 1, &[0xee; 48])].concat();
        let run = bench().run(&[
            orig(&whole(1, 0, &client_hello(&[]))),
            resp(&whole(3, 0, &[0xfe, 0xff, 1, 5])),
            orig(&second[0]),
            orig(&second[1]),
            resp(&flight),
            resp(&flight),
            orig(&end),
            resp(&end),
        ]);
        let rows = run.records::<TlsHandshake>();
        let row = rows[0];
        assert_eq!((rows.len(), run.service, run.done_after), (1, Some("dtls"), Some(8)));
        assert_eq!((row.version, row.client_version, row.cipher), (Some(0xfefd), Some(0xfefd), Some(0xc02b)));
        assert_eq!(
            (row.server_name.as_deref(), run.hostname.as_deref()),
            (Some("example.org"), Some("example.org"))
        );
        assert_eq!((row.hello_retry, row.srtp, row.curve.as_deref()), (true, true, Some("x25519")));
        assert!(row.ja4.as_deref().unwrap().starts_with("dd2d0203"), "{:?}", row.ja4);
        assert!(row.established_after.is_some() && run.weirds.is_empty() && run.faults == 0);
    }

    #[test]
    fn version_1_3_goes_dark_after_its_hellos() {
        let mut hello = client_hello(&[]);
        hello.truncate(44);
        let extensions = [0, 43, 0, 5, 4, 0xfe, 0xfc, 0xfe, 0xfd];
        hello.extend([&[0, 9][..], &extensions].concat());
        let answer = [&server_hello()[..], &[0, 6, 0, 43, 0, 2, 0xfe, 0xfc]].concat();
        let run = bench().run(&[
            orig(&whole(1, 0, &hello)),
            resp(&[whole(2, 0, &answer), [&[0x2e][..], &[0x77; 90]].concat()].concat()),
            orig(&[&[0x2e][..], &[0x77; 60]].concat()),
        ]);
        let rows = run.records::<TlsHandshake>();
        assert_eq!((rows[0].version, rows[0].client_version), (Some(0xfefc), Some(0xfefc)));
        assert!(rows[0].established_after.is_some() && rows[0].ja4.as_deref().unwrap().starts_with("dd3i"));
    }

    #[test]
    fn an_alert_refuses() {
        let run = bench().run(&[orig(&whole(1, 0, &client_hello(&[]))), resp(&record(21, 0, &[2, 40]))]);
        assert_eq!(run.records::<TlsHandshake>()[0].alert.as_deref(), Some("server fatal handshake_failure"));
    }

    #[test]
    fn prefixes_and_flipped_bits_survive() {
        let talk = [whole(1, 0, &client_hello(&[1; 8])), whole(2, 1, &server_hello())].concat();
        for end in 0..talk.len() {
            assert_eq!(bench().run(&[orig(&talk[..end]), resp(&talk[end..])]).faults, 0);
        }
        for bit in 0..talk.len() * 8 {
            let mut bad = talk.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(bench().run(&[orig(&bad), resp(&bad)]).faults, 0);
        }
    }
}
