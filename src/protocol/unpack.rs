//! What was a body before it was packed for the way?
//!
//! Content-Encoding gzip (RFC 1952) and deflate (RFC 1950, and RFC 1951 without its frame, as some servers send) undone while the bytes pass, so
//! that a file's type and hash are those of what its receiver keeps. A body that says gzip and is none is taken as it is, as browsers do.
//! Refuses br, zstd and what is packed twice: their windows of megabytes are too much for every body of every flow. Refuses bombs.

use flate2::{Decompress, FlushDecompress, Status};

/// Bytes that come out of one step, held on the stack.
const STEP: usize = 8 << 10;

/// Bytes that any packed file may have. Pages are larger than this, but rarely come in less than a hundredth of it.
const FREE: u64 = 64 << 10;

/// Beyond [`FREE`], bytes of a file for each byte on the wire. Logs and tables shrink to a thirtieth; at a thousand, which deflate can do, a
/// capture of bombs would take hours.
const MAX_RATIO: u64 = 100;

/// Bytes of gzip's header before its optional fields (RFC 1952 section 2.3).
const HEADER: usize = 10;

/// Bits of its flags: what follows the header.
mod flag {
    pub(super) const CRC: u8 = 2;
    pub(super) const EXTRA: u8 = 4;
    pub(super) const NAME: u8 = 8;
    pub(super) const COMMENT: u8 = 16;
}

/// How a body is packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Packing {
    /// As it is.
    Plain,
    /// gzip.
    Gzip,
    /// deflate, with or without zlib's frame.
    Deflate,
    /// In a way that is not undone.
    Unknown,
}

/// What a Content-Encoding says (RFC 9110 section 8.4). Values that are no coding at all (`utf-8`, `none`) leave the body as it is.
pub(crate) fn packing(encoding: Option<&str>) -> Packing {
    let mut found = Packing::Plain;
    for name in encoding.unwrap_or_default().split(',').map(str::trim) {
        let is = |known: &[&str]| known.iter().any(|k| name.eq_ignore_ascii_case(k));
        let this = if is(&["gzip", "x-gzip"]) {
            Packing::Gzip
        } else if is(&["deflate"]) {
            Packing::Deflate
        } else if is(&["br", "zstd", "compress", "x-compress", "dcb", "dcz"]) {
            Packing::Unknown
        } else {
            continue;
        };
        found = if found == Packing::Plain { this } else { Packing::Unknown };
    }
    found
}

/// Where in a packed body the next byte is.
enum Place {
    /// In the header, of which these bytes came already.
    Header(Vec<u8>),
    /// A part of gzip's header that is skipped: so many bytes, or up to a zero; flags of what follows.
    Skip(u16, u8),
    UpToZero(u8),
    /// The low byte of the length of the extra field is here, or still to come.
    ExtraLength(Option<u8>, u8),
    /// In the packed bytes.
    Inside(Box<Decompress>),
    /// In the checksum and size behind them: so many bytes are left.
    Trailer(u8),
    /// Not packed, whatever was said.
    Plain,
}

/// Undoes one packing. 44 KiB while it works, which is deflate's window.
pub(crate) struct Unpack {
    gzip: bool,
    place: Place,
    /// Bytes so far, packed and not.
    packed: u64,
    unpacked: u64,
}

impl std::fmt::Debug for Unpack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unpack").field("packed", &self.packed).field("unpacked", &self.unpacked).finish()
    }
}

/// Broken, or a bomb: nothing more comes out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct GaveUp;

impl Unpack {
    /// For a body that is packed like this; `None` when there is nothing to undo.
    pub(crate) fn new(packing: Packing) -> Option<Self> {
        let gzip = packing == Packing::Gzip;
        let place = Place::Header(Vec::new());
        matches!(packing, Packing::Gzip | Packing::Deflate).then_some(Self {
            gzip,
            place,
            packed: 0,
            unpacked: 0,
        })
    }

    /// The next bytes; what they hold goes to `out` in pieces.
    pub(crate) fn push(&mut self, mut data: &[u8], out: &mut dyn FnMut(&[u8])) -> Result<(), GaveUp> {
        self.packed = self.packed.saturating_add(data.len() as u64);
        while let Some((first, rest)) = data.split_first() {
            match &mut self.place {
                Place::Plain => {
                    out(data);
                    return Ok(());
                }
                Place::Header(head) => {
                    head.push(*first);
                    data = rest;
                    let head = std::mem::take(head);
                    self.header(head, out)?;
                }
                Place::ExtraLength(low, flags) => {
                    self.place = match *low {
                        None => Place::ExtraLength(Some(*first), *flags),
                        Some(low) => Place::Skip(u16::from_le_bytes([low, *first]), *flags & !flag::EXTRA),
                    };
                    data = rest;
                }
                Place::Skip(0, flags) => {
                    let flags = *flags;
                    self.place = next_part(flags);
                }
                Place::Skip(left, _) => {
                    *left -= 1;
                    data = rest;
                }
                Place::UpToZero(flags) => {
                    let flags = *flags;
                    if *first == 0 {
                        self.place = next_part(flags);
                    }
                    data = rest;
                }
                Place::Inside(inflate) => {
                    let mut step = [0; STEP];
                    let (taken, made) = (inflate.total_in(), inflate.total_out());
                    let status =
                        inflate.decompress(data, &mut step, FlushDecompress::None).map_err(|_| GaveUp)?;
                    let taken = usize::try_from(inflate.total_in() - taken).unwrap_or(data.len());
                    let made = usize::try_from(inflate.total_out() - made).unwrap_or(0);
                    out(step.get(..made).unwrap_or(&[]));
                    data = data.get(taken..).unwrap_or(&[]);
                    self.count(made)?;
                    if status == Status::StreamEnd {
                        self.place = Place::Trailer(if self.gzip { 8 } else { 0 });
                    } else if taken == 0 && made == 0 {
                        return Err(GaveUp);
                    }
                }
                // Another member may follow (RFC 1952 section 2.2); what else follows is nothing that a receiver keeps.
                Place::Trailer(0) if self.gzip && *first == 0x1f => self.place = Place::Header(Vec::new()),
                Place::Trailer(0) => return Ok(()),
                Place::Trailer(left) => {
                    *left -= 1;
                    data = rest;
                }
            }
        }
        self.drain(out)
    }

    /// What the window still holds when all input is taken.
    fn drain(&mut self, out: &mut dyn FnMut(&[u8])) -> Result<(), GaveUp> {
        while let Place::Inside(inflate) = &mut self.place {
            let mut step = [0; STEP];
            let made = inflate.total_out();
            // Without room to go on it says so; that is no fault.
            let status = inflate.decompress(&[], &mut step, FlushDecompress::None).map_err(|_| GaveUp)?;
            let made = usize::try_from(inflate.total_out() - made).unwrap_or(0);
            out(step.get(..made).unwrap_or(&[]));
            self.count(made)?;
            if status == Status::StreamEnd {
                self.place = Place::Trailer(if self.gzip { 8 } else { 0 });
            } else if made < STEP {
                return Ok(());
            }
        }
        Ok(())
    }

    /// So many bytes came out: is that still believable?
    fn count(&mut self, made: usize) -> Result<(), GaveUp> {
        self.unpacked = self.unpacked.saturating_add(made as u64);
        let most = FREE.saturating_add(self.packed.saturating_mul(MAX_RATIO));
        if self.unpacked > most { Err(GaveUp) } else { Ok(()) }
    }

    /// Is there enough of the header to go on?
    fn header(&mut self, head: Vec<u8>, out: &mut dyn FnMut(&[u8])) -> Result<(), GaveUp> {
        let fits = if self.gzip { b"\x1f\x8b\x08".starts_with(head.get(..3).unwrap_or(&head)) } else { true };
        let first_member = self.unpacked == 0;
        if !fits && first_member {
            out(&head);
            self.place = Place::Plain;
            return Ok(());
        } else if !fits {
            self.place = Place::Trailer(0);
            return Ok(());
        }
        if head.len() < if self.gzip { HEADER } else { 2 } {
            self.place = Place::Header(head);
            return Ok(());
        }
        if self.gzip {
            self.place = next_part(head.get(3).copied().unwrap_or(0));
            return Ok(());
        }
        // zlib's frame has a checksum of its own in its two bytes; without it, they are the first of the packed ones.
        let zlib = matches!(head.as_slice(), [a, b] if a & 0x0f == 8 && u16::from_be_bytes([*a, *b]).is_multiple_of(31));
        self.place = Place::Inside(Box::new(Decompress::new(zlib)));
        let packed = self.packed;
        let pushed = self.push(&head, out);
        self.packed = packed;
        pushed
    }

    /// Was the end of what is packed reached?
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.place, Place::Trailer(_) | Place::Plain)
    }
}

/// What follows in gzip's header, by the flags of what is still to come.
fn next_part(flags: u8) -> Place {
    if flags & flag::EXTRA != 0 {
        Place::ExtraLength(None, flags)
    } else if flags & flag::NAME != 0 {
        Place::UpToZero(flags & !flag::NAME)
    } else if flags & flag::COMMENT != 0 {
        Place::UpToZero(flags & !flag::COMMENT)
    } else if flags & flag::CRC != 0 {
        Place::Skip(2, flags & !flag::CRC)
    } else {
        Place::Inside(Box::new(Decompress::new(false)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use std::io::Write;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::default());
        packer.write_all(text).unwrap();
        packer.finish().unwrap()
    }

    /// Pushed in pieces of `size`: what came out, whether its end was seen, and whether it gave up.
    fn unpacked(packing: Packing, data: &[u8], size: usize) -> (Vec<u8>, bool, bool) {
        let mut unpack = Unpack::new(packing).unwrap();
        let mut got = Vec::new();
        for piece in data.chunks(size) {
            if unpack.push(piece, &mut |bytes| got.extend_from_slice(bytes)).is_err() {
                return (got, false, true);
            }
        }
        (got, unpack.is_whole(), false)
    }

    #[test]
    fn every_packing_comes_out_in_pieces_of_any_size() {
        let text: Vec<u8> = (0..60_000_u32).flat_map(|n| (n % 251).to_string().into_bytes()).collect();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        zlib.write_all(&text).unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
        raw.write_all(&text).unwrap();
        let packed = [
            (Packing::Gzip, gzip(&text)),
            (Packing::Deflate, zlib.finish().unwrap()),
            (Packing::Deflate, raw.finish().unwrap()),
        ];
        for (packing, data) in &packed {
            for size in [1, 7, 1_460, usize::MAX] {
                assert_eq!(unpacked(*packing, data, size), (text.clone(), true, false), "{packing:?} {size}");
            }
        }
    }

    #[test]
    fn all_parts_of_gzips_header_are_stepped_over() {
        let plain = gzip(b"hello");
        for flags in 0..32_u8 {
            let mut data = plain[..10].to_vec();
            data[3] = flags & !1;
            if flags & flag::EXTRA != 0 {
                data.extend_from_slice(b"\x03\x00abc");
            }
            if flags & flag::NAME != 0 {
                data.extend_from_slice(b"name\0");
            }
            if flags & flag::COMMENT != 0 {
                data.extend_from_slice(b"words\0");
            }
            if flags & flag::CRC != 0 {
                data.extend_from_slice(b"\x12\x34");
            }
            data.extend_from_slice(&plain[10..]);
            for size in [1, 5, usize::MAX] {
                assert_eq!(unpacked(Packing::Gzip, &data, size), (b"hello".to_vec(), true, false), "{flags}");
            }
        }
    }

    #[test]
    fn members_follow_each_other_and_what_else_follows_is_left_out() {
        let mut data = gzip(b"one ");
        data.extend(gzip(b"two"));
        data.extend_from_slice(b"\0\0\0");
        assert_eq!(unpacked(Packing::Gzip, &data, 3), (b"one two".to_vec(), true, false));
    }

    #[test]
    fn what_is_no_gzip_is_taken_as_it_is() {
        assert_eq!(unpacked(Packing::Gzip, b"<html>", 2), (b"<html>".to_vec(), true, false));
        assert_eq!(unpacked(Packing::Gzip, b"\x1f\x8bno", 1), (b"\x1f\x8bno".to_vec(), true, false));
    }

    #[test]
    fn cut_and_broken_ones_are_not_whole() {
        let data = gzip(b"hello, hello, hello");
        for end in 0..data.len() - 8 {
            let (_, whole, gave_up) = unpacked(Packing::Gzip, &data[..end], usize::MAX);
            assert!(!whole && !gave_up, "{end}");
        }
        let mut bad = data;
        bad[10] = 0xff;
        assert!(unpacked(Packing::Gzip, &bad, usize::MAX).2);
    }

    #[test]
    fn a_bomb_is_given_up() {
        let bomb = gzip(&vec![0; 10 << 20]);
        let (got, _, gave_up) = unpacked(Packing::Gzip, &bomb, 1_460);
        assert!(gave_up && got.len() < 1 << 20, "{}", got.len());
    }

    #[test]
    fn names_of_encodings() {
        let is = |name| packing(Some(name));
        assert_eq!(
            (packing(None), is("identity"), is("utf-8")),
            (Packing::Plain, Packing::Plain, Packing::Plain)
        );
        assert_eq!(
            (is("gzip"), is("X-GZIP"), is("deflate")),
            (Packing::Gzip, Packing::Gzip, Packing::Deflate)
        );
        assert_eq!((is("br"), is("gzip, gzip")), (Packing::Unknown, Packing::Unknown));
    }
}
