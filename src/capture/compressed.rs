//! What does a compressed capture contain?
//!
//! gzip, zstd, lz4, xz and bzip2, known by their first bytes; several members in a row are one stream, as their tools
//! write them. Memory is bounded (xz and zstd by a window limit), and everything before the damage of a broken stream comes
//! out first: the crates' own `Read` types throw away what the failing call had decoded, so four of the five are driven
//! here step by step. Refuses: archives (zip, tar), and compression inside compression.

use super::split::bytes_at;
use bzip2::Decompress as Bzip2Stream;
use flate2::{Crc, Decompress as Deflate, FlushDecompress};
use liblzma::stream::{Action, Stream as XzStream};
use lz4_flex::frame::FrameDecoder;
use std::io::{self, BufReader, Read};
use zstd::stream::raw::{Decoder as ZstdStream, InBuffer, Operation, OutBuffer};

/// Compressed bytes read at a time.
const INPUT: usize = 128 << 10;
/// Most memory an xz stream may ask for, in bytes; `xz -9` needs 65 MiB.
const XZ_MEMORY: u64 = 128 << 20;
/// Longest gzip header accepted, in bytes: its extra field may have 64 KiB, name and comment are short.
const GZIP_HEADER: usize = 68 << 10;

/// A compression that is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Compression {
    Gzip,
    Zstd,
    Lz4,
    /// What `lz4 -l` writes: frames without an end mark.
    Lz4Legacy,
    Xz,
    Bzip2,
}

impl Compression {
    /// What the first bytes say; six are enough.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        const SKIPPABLE: std::ops::RangeInclusive<u32> = 0x184d_2a50..=0x184d_2a5f;
        let number = bytes_at(head, 0).map(u32::from_le_bytes);
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31 | 0x17, ..] => Some(Self::Bzip2),
            _ => match number? {
                0xfd2f_b528 => Some(Self::Zstd),
                n if SKIPPABLE.contains(&n) => Some(Self::Zstd),
                0x184d_2204 => Some(Self::Lz4),
                0x184c_2102 => Some(Self::Lz4Legacy),
                _ => None,
            },
        }
    }

    /// As the ledger names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lz4 | Self::Lz4Legacy => "lz4",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
        }
    }

    /// A reader of the decompressed bytes of `raw`. Its errors are sentences; all bytes before one come first.
    pub(super) fn reader<R: Read + Send + 'static>(self, raw: R) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::Gzip => Members::boxed(self, raw, Gzip::new()),
            Self::Zstd => Members::boxed(self, raw, Zstd::new()?),
            Self::Xz => Members::boxed(self, raw, Xz::new()?),
            Self::Bzip2 => Members::boxed(self, raw, Bzip2 { stream: Bzip2Stream::new(false) }),
            Self::Lz4 | Self::Lz4Legacy => {
                let raw = BufReader::with_capacity(INPUT, raw);
                let frames = FrameDecoder::new(Counted { raw, read: 0, ended: false });
                Box::new(Lz4 { frames, at: 0, marked: self == Self::Lz4 })
            }
        })
    }
}

/// What one step of a decompressor did.
struct Step {
    read: usize,
    written: usize,
    then: Then,
}

enum Then {
    /// It goes on.
    Go,
    /// The member is complete.
    End,
    /// It is damaged; why.
    Broken(String),
}

/// One decompressor, fed piece by piece.
trait Codec: Send {
    /// Decode some of `input` into `output`. What was written counts even when the step fails.
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Step;
    /// Begin the next member.
    fn restart(&mut self) -> io::Result<()>;
}

/// A stream of members.
struct Members<R, C> {
    kind: Compression,
    raw: R,
    codec: C,
    input: Vec<u8>,
    /// Input bytes used.
    at: usize,
    /// The raw bytes are at their end.
    ended: bool,
    /// Inside a member?
    inside: bool,
    broken: Option<String>,
}

impl<R: Read + Send + 'static, C: Codec + 'static> Members<R, C> {
    fn boxed(kind: Compression, raw: R, codec: C) -> Box<dyn Read + Send> {
        let input = Vec::with_capacity(INPUT);
        Box::new(Self { kind, raw, codec, input, at: 0, ended: false, inside: true, broken: None })
    }

    /// Read more input behind what is left of it.
    fn refill(&mut self) -> io::Result<()> {
        self.input.drain(..self.at);
        self.at = 0;
        let old = self.input.len();
        self.input.resize(INPUT.max(old + 1), 0);
        let got = self.raw.read(self.input.get_mut(old..).unwrap_or(&mut []));
        self.input.truncate(old + *got.as_ref().unwrap_or(&0));
        self.ended |= got? == 0;
        Ok(())
    }

    /// Between members: is there another one? Zero bytes after the last are padding (tapes, block devices).
    fn next_member(&mut self) -> io::Result<bool> {
        loop {
            let rest = self.input.get(self.at..).unwrap_or(&[]);
            if Compression::of(rest) == Some(self.kind) {
                self.codec.restart()?;
                self.inside = true;
                return Ok(true);
            }
            let zeros = rest.iter().take_while(|b| **b == 0).count();
            if self.ended && zeros == rest.len() {
                return Ok(false);
            }
            if rest.len() - zeros >= 6 || self.ended {
                let name = self.kind.name();
                return Err(io::Error::other(format!("what follows the {name} stream is not {name}")));
            }
            self.at += zeros;
            self.refill()?;
        }
    }
}

impl<R: Read + Send + 'static, C: Codec + 'static> Read for Members<R, C> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(reason) = &self.broken {
                return Err(io::Error::other(reason.clone()));
            }
            if output.is_empty() || (!self.inside && !self.next_member()?) {
                return Ok(0);
            }
            let step = self.codec.step(self.input.get(self.at..).unwrap_or(&[]), output);
            self.at += step.read;
            match step.then {
                Then::Go if step.written == 0 && step.read == 0 => {
                    if self.ended {
                        self.broken = Some(format!("the {} stream ends early", self.kind.name()));
                    } else {
                        self.refill()?;
                    }
                }
                Then::Go => {}
                Then::End => self.inside = false,
                Then::Broken(reason) => {
                    self.broken = Some(format!("the {} stream is damaged: {reason}", self.kind.name()));
                }
            }
            if step.written > 0 {
                return Ok(step.written);
            }
        }
    }
}

/// Where in a gzip member we are (RFC 1952).
enum Place {
    Header,
    Body,
    Trailer,
}

struct Gzip {
    deflate: Deflate,
    crc: Crc,
    place: Place,
}

impl Gzip {
    fn new() -> Self {
        Self { deflate: Deflate::new(false), crc: Crc::new(), place: Place::Header }
    }
}

/// Length of the gzip header at the start of `data`; `None` when it is not all there.
fn gzip_header(data: &[u8]) -> Option<usize> {
    let flags = *data.get(3)?;
    let mut at = 10;
    if flags & 4 != 0 {
        at += 2 + usize::from(bytes_at(data, at).map(u16::from_le_bytes)?);
    }
    for text in [8, 16] {
        if flags & text != 0 {
            at += 1 + memchr::memchr(0, data.get(at..)?)?;
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    (at <= data.len()).then_some(at)
}

impl Codec for Gzip {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Step {
        let done = |read, then| Step { read, written: 0, then };
        match self.place {
            Place::Header => match gzip_header(input) {
                _ if input.get(2).is_some_and(|method| *method != 8) => {
                    done(0, Then::Broken("unknown method".into()))
                }
                Some(length) => {
                    self.place = Place::Body;
                    done(length, Then::Go)
                }
                None if input.len() > GZIP_HEADER => done(0, Then::Broken("its header does not end".into())),
                None => done(0, Then::Go),
            },
            Place::Body => {
                let (read, written) = (self.deflate.total_in(), self.deflate.total_out());
                let result = self.deflate.decompress(input, output, FlushDecompress::None);
                let read = (self.deflate.total_in() - read) as usize;
                let written = (self.deflate.total_out() - written) as usize;
                self.crc.update(output.get(..written).unwrap_or(&[]));
                let then = match result {
                    Ok(flate2::Status::StreamEnd) => {
                        self.place = Place::Trailer;
                        Then::Go
                    }
                    Ok(_) => Then::Go,
                    Err(_) => Then::Broken("its deflate data is invalid".into()),
                };
                Step { read, written, then }
            }
            Place::Trailer => {
                let (Some(sum), Some(length)) = (bytes_at(input, 0), bytes_at(input, 4)) else {
                    return done(0, Then::Go);
                };
                let good = (u32::from_le_bytes(sum), u32::from_le_bytes(length))
                    == (self.crc.sum(), self.crc.amount());
                done(8, if good { Then::End } else { Then::Broken("its checksum is wrong".into()) })
            }
        }
    }

    fn restart(&mut self) -> io::Result<()> {
        self.deflate.reset(false);
        self.crc.reset();
        self.place = Place::Header;
        Ok(())
    }
}

struct Zstd {
    stream: ZstdStream<'static>,
    /// Bytes the library wants next: exactly one block. Feeding no more keeps a damaged block from hiding the one before.
    wanted: usize,
}

/// Bytes of the smallest frame header.
const ZSTD_START: usize = 5;

impl Zstd {
    fn new() -> io::Result<Self> {
        Ok(Self { stream: ZstdStream::new()?, wanted: ZSTD_START })
    }
}

impl Codec for Zstd {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Step {
        let mut from = InBuffer::around(input.get(..self.wanted).unwrap_or(input));
        let mut to = OutBuffer::around(output);
        let then = match self.stream.run(&mut from, &mut to) {
            Ok(0) => Then::End,
            Ok(wanted) => {
                self.wanted = wanted;
                Then::Go
            }
            Err(e) => Then::Broken(e.to_string()),
        };
        Step { read: from.pos(), written: to.pos(), then }
    }

    fn restart(&mut self) -> io::Result<()> {
        self.wanted = ZSTD_START;
        self.stream.reinit()
    }
}

struct Xz {
    stream: XzStream,
}

impl Xz {
    fn new() -> io::Result<Self> {
        Ok(Self { stream: XzStream::new_stream_decoder(XZ_MEMORY, 0)? })
    }
}

impl Codec for Xz {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Step {
        use liblzma::stream::{Error, Status};
        let (read, written) = (self.stream.total_in(), self.stream.total_out());
        let result = self.stream.process(input, output, Action::Run);
        let then = match result {
            Ok(Status::StreamEnd) => Then::End,
            Ok(_) => Then::Go,
            Err(Error::MemLimit) => Then::Broken(format!("it asks for more than {} MiB", XZ_MEMORY >> 20)),
            Err(e) => Then::Broken(e.to_string()),
        };
        let read = (self.stream.total_in() - read) as usize;
        Step { read, written: (self.stream.total_out() - written) as usize, then }
    }

    fn restart(&mut self) -> io::Result<()> {
        *self = Self::new()?;
        Ok(())
    }
}

struct Bzip2 {
    stream: Bzip2Stream,
}

impl Codec for Bzip2 {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Step {
        let (read, written) = (self.stream.total_in(), self.stream.total_out());
        let then = match self.stream.decompress(input, output) {
            Ok(bzip2::Status::StreamEnd) => Then::End,
            Ok(bzip2::Status::MemNeeded) => Then::Broken("no memory".into()),
            Ok(_) => Then::Go,
            Err(e) => Then::Broken(e.to_string()),
        };
        let read = (self.stream.total_in() - read) as usize;
        Step { read, written: (self.stream.total_out() - written) as usize, then }
    }

    fn restart(&mut self) -> io::Result<()> {
        self.stream = Bzip2Stream::new(false);
        Ok(())
    }
}

/// lz4_flex has no stepwise decoder, but hands out each block before it looks at the next, so nothing is lost. It takes the end of
/// the file inside a frame for the frame's end, so the bytes are counted here.
struct Lz4<R: Read> {
    frames: FrameDecoder<Counted<R>>,
    /// Raw bytes read when the last frame ended.
    at: u64,
    /// Do its frames have an end mark?
    marked: bool,
}

struct Counted<R> {
    raw: R,
    read: u64,
    ended: bool,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        let got = self.raw.read(output)?;
        self.read += got as u64;
        self.ended |= got == 0 && !output.is_empty();
        Ok(got)
    }
}

impl<R: Read + Send> Read for Lz4<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        loop {
            let got = match self.frames.read(output) {
                Ok(got) => got,
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(io::Error::other("the lz4 stream ends early"));
                }
                Err(e) => return Err(io::Error::other(format!("the lz4 stream is damaged: {e}"))),
            };
            let below = self.frames.get_ref();
            if got > 0 || output.is_empty() {
                return Ok(got);
            }
            // Nothing came: a frame ended, or the raw bytes did. Between two frames both have read the same.
            match (below.ended, below.read == self.at) {
                (true, same) if same || !self.marked => return Ok(0),
                (true, _) => return Err(io::Error::other("the lz4 stream ends early")),
                (false, _) => self.at = below.read,
            }
        }
    }
}
