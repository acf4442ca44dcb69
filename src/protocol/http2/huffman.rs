//! What do the Huffman-coded texts of HTTP/2 say?
//!
//! RFC 7541 section 5.2 and appendix B. The code is canonical: symbols of one length have codes that follow each other, in the
//! order of the symbols; so the lengths are all there is to write down.

/// Length of the code of each byte, bits (RFC 7541 appendix B).
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
    8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7,
    15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24,
    23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23,
    23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26,
    26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20,
    21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27,
    27, 27, 26,
];

/// Longest code, bits.
const LONGEST: usize = 30;

/// For each length: its first code, and where its symbols begin in [`SYMBOLS`].
struct Level {
    first: u32,
    count: u32,
    at: usize,
}

/// Bytes in the order of their codes.
const SYMBOLS: [u8; 256] = symbols();

const LEVELS: [Level; LONGEST + 1] = levels();

#[expect(clippy::indexing_slicing, reason = "runs at compile time only")]
const fn symbols() -> [u8; 256] {
    let mut out = [0; 256];
    let (mut length, mut n) = (1, 0);
    while length <= LONGEST {
        let mut symbol = 0;
        while symbol < 256 {
            if LENGTHS[symbol] as usize == length {
                out[n] = symbol as u8;
                n += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    out
}

#[expect(clippy::indexing_slicing, reason = "runs at compile time only")]
const fn levels() -> [Level; LONGEST + 1] {
    let mut out = [const { Level { first: 0, count: 0, at: 0 } }; LONGEST + 1];
    let (mut length, mut code, mut at) = (1, 0, 0);
    while length <= LONGEST {
        code <<= 1;
        let (mut symbol, mut count) = (0, 0);
        while symbol < 256 {
            if LENGTHS[symbol] as usize == length {
                count += 1;
            }
            symbol += 1;
        }
        out[length] = Level { first: code, count, at };
        code += count;
        at += count as usize;
        length += 1;
    }
    out
}

/// The text; `None` when the padding is not the beginning of the end mark, or the mark itself is inside.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len().saturating_mul(8) / 5);
    let (mut code, mut length) = (0_u32, 0_usize);
    for byte in bytes {
        for bit in (0..8).rev() {
            code = code << 1 | u32::from(byte >> bit & 1);
            length += 1;
            let level = LEVELS.get(length)?;
            if let Some(place) = code.checked_sub(level.first).filter(|p| *p < level.count) {
                out.push(*SYMBOLS.get(level.at.checked_add(place as usize)?)?);
                (code, length) = (0, 0);
            }
        }
    }
    // At most seven bits, all of them ones.
    (length < 8 && code == (1 << length) - 1).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_examples() {
        // RFC 7541 appendices C.4 and C.6.
        assert_eq!(
            decode(&[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff]).unwrap(),
            b"www.example.com"
        );
        assert_eq!(decode(&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf]).unwrap(), b"no-cache");
        assert_eq!(decode(&[0x64, 0x02]).unwrap(), b"302");
        let date = [
            0xd0, 0x7a, 0xbe, 0x94, 0x10, 0x54, 0xd4, 0x44, 0xa8, 0x20, 0x05, 0x95, 0x04, 0x0b, 0x81, 0x66,
            0xe0, 0x82, 0xa6, 0x2d, 0x1b, 0xff,
        ];
        assert_eq!(decode(&date).unwrap(), b"Mon, 21 Oct 2013 20:13:21 GMT");
    }

    #[test]
    fn the_code_is_complete_and_padding_is_checked() {
        // Kraft's sum with the end mark of 30 bits is one.
        let sum: u64 = LENGTHS.iter().map(|l| 1 << (30 - l)).sum::<u64>() + 1;
        assert_eq!(sum, 1 << 30);
        assert_eq!(decode(&[0xff, 0xff, 0xff, 0xff]), None, "the end mark");
        assert_eq!(decode(&[0x00]), None, "padding of zeros");
        assert_eq!(decode(&[]), Some(Vec::new()));
    }
}
