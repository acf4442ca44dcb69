//! Does a client of netlogon prove itself with zeros?
//!
//! MS-NRPC section 3.5.4.4: NetrServerReqChallenge ends with the client's challenge, NetrServerAuthenticate2 and 3 carry its credential before
//! the flags. Eight zero bytes are what nobody draws by chance and what the flaw of AES-CFB8 (CVE-2020-1472) needs.
//! Refuses everything else of these calls.

use super::Uuid;
use super::pdu::{u16_of, u32_of};
use crate::model::bytes::Cursor;

/// The interface.
pub(super) const INTERFACE: Uuid = Uuid(0x12345678_1234_abcd_ef00_01234567cffb_u128.to_be_bytes());

/// Longest packet that is read for this, bytes: three names of 255 letters and their numbers.
pub(super) const LONGEST: usize = 2_048;

/// Longest name, in letters of two bytes.
const MAX_NAME: u32 = 256;

const REQ_CHALLENGE: u16 = 4;
const AUTHENTICATE2: u16 = 15;
const AUTHENTICATE3: u16 = 26;

/// Is the challenge or credential zero? `None` for other operations and what cannot be read.
pub(super) fn zero_proof(opnum: u16, stub: &[u8], little: bool) -> Option<bool> {
    let mut c = Cursor::new(stub);
    // The server's name is behind a pointer that may be none.
    if u32_of(&mut c, little)? != 0 {
        name(&mut c, little)?;
    }
    match opnum {
        REQ_CHALLENGE => name(&mut c, little)?,
        AUTHENTICATE2 | AUTHENTICATE3 => {
            name(&mut c, little)?;
            u16_of(&mut c, little)?;
            name(&mut c, little)?;
        }
        _ => return None,
    }
    let proof: [u8; 8] = c.array()?;
    Some(proof == [0; 8])
}

/// Pass a conformant, varying string (C706 section 14.3.4): three numbers, aligned, and its letters.
fn name(c: &mut Cursor<'_>, little: bool) -> Option<()> {
    let pad = c.position().next_multiple_of(4) - c.position();
    c.skip(pad)?;
    let (_, _, letters) = (u32_of(c, little)?, u32_of(c, little)?, u32_of(c, little)?);
    if letters > MAX_NAME {
        return None;
    }
    c.skip(usize::try_from(letters).ok()? * 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(out: &mut Vec<u8>, name: &str) {
        out.resize(out.len().next_multiple_of(4), 0);
        let n = name.len() as u32 + 1;
        for number in [n, 0, n] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend(name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes));
    }

    fn authenticate(proof: [u8; 8]) -> Vec<u8> {
        let mut stub = 0xdb29u32.to_le_bytes().to_vec();
        text(&mut stub, "\\\\DC");
        text(&mut stub, "DC$");
        stub.extend_from_slice(&6u16.to_le_bytes());
        text(&mut stub, "DC");
        stub.extend_from_slice(&proof);
        stub.extend_from_slice(&[0xff, 0xff, 0x2f, 0x21]);
        stub
    }

    #[test]
    fn zeros_are_seen_and_others_are_not() {
        assert_eq!(zero_proof(AUTHENTICATE3, &authenticate([0; 8]), true), Some(true));
        assert_eq!(zero_proof(AUTHENTICATE3, &authenticate([0, 0, 0, 0, 0, 0, 0, 1]), true), Some(false));
        let mut challenge = 0u32.to_le_bytes().to_vec();
        text(&mut challenge, "PC7");
        challenge.extend_from_slice(&[0; 8]);
        assert_eq!(zero_proof(REQ_CHALLENGE, &challenge, true), Some(true));
        assert_eq!(zero_proof(39, &challenge, true), None);
    }

    #[test]
    fn any_prefix_is_harmless() {
        let whole = authenticate([0; 8]);
        for n in 0..whole.len() - 4 {
            assert_eq!(zero_proof(AUTHENTICATE3, &whole[..n], true), None);
        }
    }
}
