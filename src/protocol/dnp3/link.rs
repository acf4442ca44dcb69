//! Where does a DNP3 frame begin, and is what it holds undamaged?
//!
//! IEEE 1815 clause 9: start bytes, length, control, two addresses, a checksum; then blocks of 16 bytes, each with its checksum. Nothing is
//! allocated: the data of a frame fits a fixed array. Refuses a header with a wrong checksum: without it no length is to be believed.

use crate::model::bytes::Cursor;
use memchr::memmem;

/// What every frame begins with.
const START: &[u8] = &[0x05, 0x64];

/// Most data of one frame, bytes: the length counts 5 of the header and up to 250.
const MAX_DATA: usize = 250;

/// Bytes of data that share a checksum.
const BLOCK: usize = 16;

/// A frame without its checksums.
pub(super) struct Frame {
    pub(super) source: u16,
    pub(super) destination: u16,
    /// Is the checksum of a block wrong?
    pub(super) damaged: bool,
    data: [u8; MAX_DATA],
    len: usize,
}

impl Frame {
    pub(super) fn data(&self) -> &[u8] {
        self.data.get(..self.len).unwrap_or(&[])
    }
}

/// What the next bytes hold.
#[allow(clippy::large_enum_variant)] // a box would cost an allocation a frame
pub(super) enum Next {
    Frame {
        frame: Frame,
        len: usize,
    },
    /// So many bytes belong to no frame.
    Skip(usize),
    More,
}

/// Length of the data, destination and source of a header whose checksum is right.
pub(super) fn header(d: &[u8]) -> Option<(usize, u16, u16)> {
    let mut c = Cursor::new(d);
    let head = c.take(8)?;
    let crc = c.u16_le()?;
    if !head.starts_with(START) || crc16(head) != crc {
        return None;
    }
    let mut c = Cursor::new(head.get(2..)?);
    let len = usize::from(c.u8()?).checked_sub(5)?;
    c.skip(1)?;
    Some((len, c.u16_le()?, c.u16_le()?))
}

/// Read the frame at the start of `d`.
pub(super) fn next_frame(d: &[u8]) -> Next {
    if !d.starts_with(START) {
        return match memmem::find(d, START) {
            Some(at) => Next::Skip(at),
            None if d.last() == Some(&0x05) => {
                if d.len() > 1 {
                    Next::Skip(d.len() - 1)
                } else {
                    Next::More
                }
            }
            None if d.is_empty() => Next::More,
            None => Next::Skip(d.len()),
        };
    }
    if d.len() < 10 {
        return Next::More;
    }
    let Some((len, destination, source)) = header(d) else { return Next::Skip(START.len()) };
    let mut c = Cursor::new(d);
    let mut frame = Frame { source, destination, damaged: false, data: [0; MAX_DATA], len: 0 };
    let _ = c.skip(10);
    while frame.len < len {
        let n = (len - frame.len).min(BLOCK);
        let (Some(block), Some(crc)) = (c.take(n), c.u16_le()) else { return Next::More };
        frame.damaged |= crc16(block) != crc;
        if let Some(to) = frame.data.get_mut(frame.len..frame.len + n) {
            to.copy_from_slice(block);
        }
        frame.len += n;
    }
    Next::Frame { frame, len: c.position() }
}

/// CRC-16/DNP: reflected polynomial 0xa6bc, complemented.
pub(super) fn crc16(data: &[u8]) -> u16 {
    let crc = data.iter().fold(0_u16, |crc, b| {
        (0..8).fold(crc ^ u16::from(*b), |c, _| if c & 1 == 1 { c >> 1 ^ 0xa6bc } else { c >> 1 })
    });
    !crc
}
