//! What does the first SYN of a connection give away about the system that sent it?
//!
//! Initial TTL, window, and the TCP options in their order (RFC 9293, RFC 7323, RFC 2018): each stack has its own
//! habit. Twelve bytes and the layout, the same for most flows of a host, so flows share it by number. Says what was
//! sent; what system that is, is concluded elsewhere. Refuses to read options that a snaplen cut.

use std::fmt::{self, Write};

/// Option kinds kept, in their order. A header has room for 40 option bytes, but no stack sends more than about ten options;
/// eight bits each would not fit one word.
const MAX_OPTIONS: usize = 15;

/// Kinds as they are kept, four bits each; 0 is the end of the list.
const UNKNOWN: u8 = 15;

/// The shape of a SYN.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct SynShape {
    /// Kinds of the options, four bits each, the first one lowest; kind + 1, or 15 for one above 13.
    layout: u64,
    window: u16,
    /// 0 without the option.
    mss: u16,
    /// TTL with which it was sent, as far as that can be told.
    ttl: u8,
    /// Window scale plus one; 0 without the option.
    scale: u8,
    /// Padding bytes behind an end-of-list option.
    padding: u8,
}

impl SynShape {
    /// The shape of a SYN that arrived with `ttl`; `None` when an option lies about its length.
    pub fn read(ttl: u8, window: u16, options: &[u8]) -> Option<Self> {
        let mut rest = options;
        let mut shape = Self { window, ttl: initial_ttl(ttl), ..Self::default() };
        for at in 0..MAX_OPTIONS {
            let Some((&kind, behind)) = rest.split_first() else { break };
            let code = if kind < 14 { kind + 1 } else { UNKNOWN };
            shape.layout |= u64::from(code) << (4 * at);
            rest = match (kind, behind) {
                (0, _) => {
                    shape.padding = behind.len() as u8;
                    break;
                }
                (1, _) => behind,
                (_, [len, ..]) => {
                    let body = usize::from(*len).checked_sub(2)?;
                    let (value, after) = behind.get(1..)?.split_at_checked(body)?;
                    match (kind, value) {
                        (2, [high, low]) => shape.mss = u16::from_be_bytes([*high, *low]),
                        (3, [scale]) => shape.scale = scale.saturating_add(1),
                        _ => {}
                    }
                    after
                }
                _ => return None,
            };
        }
        Some(shape)
    }

    /// The window that it offers.
    pub fn window(&self) -> u16 {
        self.window
    }

    /// Kinds of its options in their order; one above 13 shows as 14.
    pub fn options(&self) -> impl Iterator<Item = u8> {
        let layout = self.layout;
        (0..MAX_OPTIONS).map(move |at| (layout >> (4 * at)) as u8 & 15).take_while(|c| *c > 0).map(|c| c - 1)
    }
}

/// The TTL that a packet had when it was sent: systems begin with 32, 64, 128 or 255, and few paths are longer than 30 hops.
fn initial_ttl(ttl: u8) -> u8 {
    match ttl {
        0..=32 => 32,
        33..=64 => 64,
        65..=128 => 128,
        129.. => 255,
    }
}

/// `64:64240:mss1460,sack,ts,nop,ws7`: initial TTL, window, options in their order.
impl fmt::Display for SynShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.ttl, self.window)?;
        for at in 0..MAX_OPTIONS {
            let code = (self.layout >> (4 * at)) as u8 & 15;
            if code == 0 {
                break;
            }
            if at > 0 {
                f.write_char(',')?;
            }
            match code {
                1 => write!(f, "eol+{}", self.padding)?,
                2 => f.write_str("nop")?,
                3 => write!(f, "mss{}", self.mss)?,
                4 => write!(f, "ws{}", self.scale.saturating_sub(1))?,
                5 => f.write_str("sack")?,
                9 => f.write_str("ts")?,
                UNKNOWN => f.write_char('?')?,
                known => write!(f, "?{}", known - 1)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn syn(ttl: u8, window: u16, options: &[u8]) -> Option<String> {
        SynShape::read(ttl, window, options).map(|s| s.to_string())
    }

    #[test]
    fn shapes_name_what_was_sent_in_its_order() {
        let linux = b"\x02\x04\x05\xb4\x04\x02\x08\x0a\0\0\0\x01\0\0\0\0\x01\x03\x03\x07";
        assert_eq!(syn(61, 64_240, linux).as_deref(), Some("64:64240:mss1460,sack,ts,nop,ws7"));
        let windows = b"\x02\x04\x05\xb4\x01\x03\x03\x08\x01\x01\x04\x02";
        assert_eq!(syn(128, 64_240, windows).as_deref(), Some("128:64240:mss1460,nop,ws8,nop,nop,sack"));
        let mac = b"\x02\x04\x05\xb4\x01\x03\x03\x06\x01\x01\x08\x0a\0\0\0\x01\0\0\0\0\x04\x02\0\0";
        assert_eq!(syn(64, 65_535, mac).as_deref(), Some("64:65535:mss1460,nop,ws6,nop,nop,ts,sack,eol+1"));
        assert_eq!(syn(250, 1024, b"").as_deref(), Some("255:1024:"));
        let shape = SynShape::read(61, 64_240, linux).unwrap_or_default();
        assert_eq!((shape.window(), shape.options().collect::<Vec<_>>()), (64_240, vec![2, 4, 8, 1, 3]));
        assert_eq!(syn(64, 1, b"\x13\x02\x22\x02\x05\x02").as_deref(), Some("64:1:?,?,?5"));
    }

    #[test]
    fn options_that_lie_have_no_shape() {
        let full = b"\x02\x04\x05\xb4\x04\x02\x08\x0a\0\0\0\x01\0\0\0\0";
        for cut in 1..full.len() {
            let whole = matches!(cut, 4 | 6);
            assert_eq!(syn(64, 1, &full[..cut]).is_some(), whole, "{cut}");
        }
        assert_eq!(syn(64, 1, b"\x02\x01\x05\xb4"), None, "an option shorter than its head");
        assert_eq!(syn(64, 1, &[1; 40]).map(|s| s.matches("nop").count()), Some(MAX_OPTIONS));
    }
}
