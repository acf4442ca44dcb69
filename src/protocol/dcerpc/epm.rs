//! Where does the endpoint mapper say that an interface listens?
//!
//! The answer to `ept_map` (C706 appendix O): towers (appendix L), each a stack of floors: interface, transfer syntax, RPC, port,
//! address. Read as NDR or NDR64 (MS-RPCE section 2.2.5), little endian, which is what every Windows sends.

use super::Uuid;
use super::interfaces::Interface;
use crate::model::addr::Ip;
use crate::model::bytes::Cursor;

/// Towers read of one answer; clients ask for four.
const MAX_TOWERS: usize = 4;

/// Floors of a tower; five or six are usual.
const MAX_FLOORS: u16 = 8;

/// Protocol identifiers of floors.
mod floor {
    pub(super) const TCP: u8 = 7;
    pub(super) const UDP: u8 = 8;
    pub(super) const IP: u8 = 9;
    pub(super) const UUID: u8 = 0x0d;
    pub(super) const PIPE: u8 = 0x0f;
    pub(super) const HTTP: u8 = 0x1f;
}

/// One tower.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tower {
    pub(super) interface: Uuid,
    /// Protocol sequence, such as `ncacn_ip_tcp`.
    pub(super) sequence: &'static str,
    /// Port of TCP, UDP or HTTP.
    pub(super) port: Option<u16>,
    pub(super) address: Option<Ip>,
}

impl std::fmt::Display for Tower {
    /// As a string binding.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match Interface::of(self.interface) {
            Some(known) => f.write_str(known.name)?,
            None => write!(f, "{}", self.interface)?,
        }
        write!(f, "@{}:", self.sequence)?;
        if let Some(address) = self.address {
            write!(f, "{address}")?;
        }
        match self.port {
            Some(port) => write!(f, "[{port}]"),
            None => Ok(()),
        }
    }
}

/// The towers of an answer's results, in whichever of the two encodings.
pub(super) fn map_answer(stub: &[u8]) -> Vec<Tower> {
    // In NDR64 numbers of the array take eight bytes: read as four, its length is zero.
    let towers = towers(stub, 4);
    if towers.is_empty() { self::towers(stub, 8) } else { towers }
}

/// With numbers of arrays and pointers of `width` bytes, at multiples of it.
fn towers(stub: &[u8], width: usize) -> Vec<Tower> {
    let mut out = Vec::new();
    let mut c = Cursor::new(stub);
    let align = |c: &mut Cursor<'_>| c.skip(c.position().wrapping_neg() & (width - 1));
    let number = |c: &mut Cursor<'_>| {
        let n = if width == 8 { c.u64_le()? } else { u64::from(c.u32_le()?) };
        usize::try_from(n).ok()
    };
    // Handle and number of towers, then the array's size, offset and length.
    let count = c
        .skip(20 + 4)
        .and_then(|()| align(&mut c))
        .and_then(|()| c.skip(2 * width))
        .and_then(|()| number(&mut c));
    let count = count.unwrap_or(0).min(MAX_TOWERS);
    if c.skip(count * width).is_none() {
        return out;
    }
    for _ in 0..count {
        let Some(len) = c.skip(width).and_then(|()| c.u32_le()) else { break };
        let Some(bytes) = usize::try_from(len).ok().and_then(|len| c.take(len)) else { break };
        out.extend(tower(bytes));
        if align(&mut c).is_none() {
            break;
        }
    }
    out
}

fn tower(bytes: &[u8]) -> Option<Tower> {
    let mut c = Cursor::new(bytes);
    let floors = c.u16_le()?.min(MAX_FLOORS);
    let mut tower = Tower::default();
    for i in 0..floors {
        let left = usize::from(c.u16_le()?);
        let left = c.take(left)?;
        let right = usize::from(c.u16_le()?);
        let right = c.take(right)?;
        match (left.first()?, right) {
            (&floor::UUID, _) if i == 0 => {
                tower.interface = Uuid::read(&mut Cursor::new(left.get(1..)?), true)?;
            }
            (&floor::TCP, [high, low]) => {
                (tower.sequence, tower.port) = ("ncacn_ip_tcp", Some(u16::from_be_bytes([*high, *low])));
            }
            (&floor::UDP, [high, low]) => {
                (tower.sequence, tower.port) = ("ncadg_ip_udp", Some(u16::from_be_bytes([*high, *low])));
            }
            (&floor::HTTP, [high, low]) => {
                (tower.sequence, tower.port) = ("ncacn_http", Some(u16::from_be_bytes([*high, *low])));
            }
            (&floor::PIPE, _) => tower.sequence = "ncacn_np",
            (&floor::IP, [a, b, c, d]) => tower.address = Some(Ip::v4([*a, *b, *c, *d])),
            _ => {}
        }
    }
    (!tower.sequence.is_empty()).then_some(tower)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An answer with one tower: drsuapi on TCP port 49667 of 10.0.0.2.
    pub(crate) fn answer() -> Vec<u8> {
        let mut uuid = 0xe3514235_4b06_11d1_ab04_00c04fc2dcd2_u128.to_be_bytes();
        uuid[..4].reverse();
        uuid[4..6].reverse();
        uuid[6..8].reverse();
        let floor = |left: &[u8], right: &[u8]| {
            [&[left.len() as u8, 0], left, &[right.len() as u8, 0], right].concat()
        };
        let tower = [
            vec![5, 0],
            floor(&[&[0x0d], &uuid[..], &[4, 0]].concat(), &[0, 0]),
            floor(&[&[0x0d][..], &[4; 18]].concat(), &[0, 0]),
            floor(&[0x0b], &[0, 0]),
            floor(&[7], &49667_u16.to_be_bytes()),
            floor(&[9], &[10, 0, 0, 2]),
        ]
        .concat();
        let len = (tower.len() as u32).to_le_bytes();
        let mut stub = [
            &[0; 20][..],
            &[1, 0, 0, 0],
            &[4, 0, 0, 0],
            &[0; 4],
            &[1, 0, 0, 0],
            &[3, 0, 0, 0],
            &len,
            &len,
            &tower,
        ]
        .concat();
        stub.resize(stub.len().next_multiple_of(4) + 4, 0);
        stub
    }

    #[test]
    fn a_tower_as_a_string_binding() {
        let towers: Vec<_> = map_answer(&answer()).iter().map(ToString::to_string).collect();
        assert_eq!(towers, ["drsuapi@ncacn_ip_tcp:10.0.0.2[49667]"]);
    }

    #[test]
    fn the_same_in_ndr64() {
        let whole = answer();
        let tower = &whole[44..whole.len() - 4];
        let n = |n: u8| [n, 0, 0, 0, 0, 0, 0, 0];
        let stub = [&[0; 20][..], &[1, 0, 0, 0], &n(4), &n(0), &n(1), &n(3), &n(75), tower].concat();
        assert_eq!(map_answer(&stub), map_answer(&whole));
        assert_eq!(map_answer(&stub).len(), 1);
    }

    #[test]
    fn every_prefix_survives() {
        let whole = answer();
        for end in 0..whole.len() - 8 {
            assert!(map_answer(&whole[..end]).is_empty(), "{end}");
        }
        assert!(map_answer(&[0xff; 200]).is_empty());
    }
}
