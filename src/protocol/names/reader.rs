//! Do the first bytes still fit a protocol, already not, or is it too early to say?
//!
//! A probe reads field by field and stops at the first that cannot be. A field that has not come yet is
//! [`Verdict::NeedMore`], but only while the part that did come fits: so a stream is refuted by its first byte where one
//! byte suffices, and never by bytes that are merely missing.

use super::{Verdict, claim};
use crate::model::bytes::Cursor;
use crate::protocol::{Probe, Transport};
use std::ops::RangeInclusive;

/// `Ok`: everything fits. `Err` holds the verdict otherwise.
pub(super) type Told<T = ()> = Result<T, Verdict>;

/// This must hold.
pub(super) fn must(yes: bool) -> Told {
    if yes { Ok(()) } else { Err(Verdict::NotMine) }
}

/// The verdict. A datagram comes whole: what is missing from it will not come.
pub(super) fn settle(p: &Probe<'_>, told: Told, sure: u8) -> Verdict {
    match told {
        Ok(()) => Verdict::Mine(sure),
        Err(Verdict::NeedMore) if p.transport == Transport::Tcp => Verdict::NeedMore,
        Err(_) => Verdict::NotMine,
    }
}

/// A stream is this when whoever spoke first began so.
pub(super) fn opener(p: &Probe<'_>, fits: fn(&mut Reader<'_>) -> Told, sure: u8) -> Verdict {
    let first = if p.orig.is_empty() { p.resp } else { p.orig };
    settle(p, fits(&mut Reader::new(first)), sure)
}

/// A flow of datagrams is this when one of the sides began so.
pub(super) fn datagram(p: &Probe<'_>, fits: fn(&mut Reader<'_>) -> Told, sure: u8) -> Verdict {
    claim(super::any_side(p, |d| fits(&mut Reader::new(d)).is_ok()), sure)
}

/// Reads fields in order.
pub(super) struct Reader<'a>(Cursor<'a>);

impl<'a> Reader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self(Cursor::new(data))
    }

    /// Bytes that were not read yet.
    pub(super) fn left(&self) -> usize {
        self.0.remaining()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.0.rest()
    }

    /// Exactly these bytes.
    pub(super) fn eq(&mut self, want: &[u8]) -> Told {
        let have = self.0.rest();
        let n = have.len().min(want.len());
        must(have.get(..n) == want.get(..n))?;
        self.take(want.len()).map(|_| ())
    }

    /// One of several texts, none of which begins with another.
    pub(super) fn any(&mut self, want: &[&[u8]]) -> Told {
        let mut told = Err(Verdict::NotMine);
        for w in want {
            let mut trial = Self(self.0);
            match trial.eq(w) {
                Ok(()) => {
                    self.0 = trial.0;
                    return Ok(());
                }
                Err(Verdict::NeedMore) => told = Err(Verdict::NeedMore),
                Err(_) => {}
            }
        }
        told
    }

    pub(super) fn take(&mut self, n: usize) -> Told<&'a [u8]> {
        self.0.take(n).ok_or(Verdict::NeedMore)
    }

    pub(super) fn skip(&mut self, n: usize) -> Told {
        self.take(n).map(|_| ())
    }

    pub(super) fn u8(&mut self) -> Told<u8> {
        self.0.u8().ok_or(Verdict::NeedMore)
    }

    pub(super) fn u16(&mut self) -> Told<u16> {
        self.0.u16().ok_or(Verdict::NeedMore)
    }

    pub(super) fn u24(&mut self) -> Told<u32> {
        self.0.u24().ok_or(Verdict::NeedMore)
    }

    pub(super) fn u32(&mut self) -> Told<u32> {
        self.0.u32().ok_or(Verdict::NeedMore)
    }

    pub(super) fn le16(&mut self) -> Told<u16> {
        self.0.u16_le().ok_or(Verdict::NeedMore)
    }

    pub(super) fn le32(&mut self) -> Told<u32> {
        self.0.u32_le().ok_or(Verdict::NeedMore)
    }

    /// One byte that is one of these.
    pub(super) fn of(&mut self, want: &[u8]) -> Told<u8> {
        let b = self.u8()?;
        must(want.contains(&b)).map(|()| b)
    }

    /// One byte in a range.
    pub(super) fn u8_in(&mut self, want: RangeInclusive<u8>) -> Told<u8> {
        let b = self.u8()?;
        must(want.contains(&b)).map(|()| b)
    }

    /// Two bytes in network order, in a range.
    pub(super) fn u16_in(&mut self, want: RangeInclusive<u16>) -> Told<u16> {
        let [a, b] = self.within::<2>(&want.start().to_be_bytes(), &want.end().to_be_bytes())?;
        Ok(u16::from_be_bytes([a, b]))
    }

    /// Four bytes in network order, in a range.
    pub(super) fn u32_in(&mut self, want: RangeInclusive<u32>) -> Told<u32> {
        self.within::<4>(&want.start().to_be_bytes(), &want.end().to_be_bytes()).map(u32::from_be_bytes)
    }

    /// A number between two others, all in network order: what came of it is compared at once.
    fn within<const N: usize>(&mut self, low: &[u8; N], high: &[u8; N]) -> Told<[u8; N]> {
        let have = self.0.rest();
        let have = have.get(..N).unwrap_or(have);
        must(low.get(..have.len()) <= Some(have) && Some(have) <= high.get(..have.len()))?;
        self.0.array::<N>().ok_or(Verdict::NeedMore)
    }

    /// Visible text up to this byte, which is read too; at most `cap` bytes long.
    pub(super) fn text_until(&mut self, end: u8, cap: usize) -> Told<&'a [u8]> {
        let rest = self.0.rest();
        let n = rest.iter().take(cap + 1).position(|b| *b == end);
        let text = rest.get(..n.unwrap_or(rest.len().min(cap + 1))).unwrap_or(&[]);
        must(super::is_text(text) && text.len() <= cap)?;
        self.skip(text.len() + 1)?;
        Ok(text)
    }

    /// Nothing may follow. Only for datagrams, and for requests that wait for an answer.
    pub(super) fn end(&self) -> Told {
        must(self.0.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_must_fit_and_what_is_missing_may_come() {
        let told = |data: &[u8]| {
            let mut r = Reader::new(data);
            r.eq(b"ab")?;
            r.u16_in(0x0102..=0x0203)?;
            r.u32_in(1..=0xff)?;
            r.text_until(0, 3).map(|_| ())
        };
        let good = b"ab\x01\x02\0\0\0\x07abc\0";
        for end in 0..good.len() {
            assert_eq!(told(&good[..end]), Err(Verdict::NeedMore), "{end}");
        }
        assert_eq!(told(good), Ok(()));
        for bad in [
            &b"b"[..],
            b"ac",
            b"ab\0",
            b"ab\x01\x01",
            b"ab\x02\x04",
            b"ab\x01\x02\x01",
            b"ab\x01\x02\0\0\0\0",
        ] {
            assert_eq!(told(bad), Err(Verdict::NotMine), "{bad:?}");
        }
        assert_eq!(told(b"ab\x01\x02\0\0\0\x07abcd"), Err(Verdict::NotMine), "too long");
        assert_eq!(told(b"ab\x01\x02\0\0\0\x07a\x01"), Err(Verdict::NotMine), "no text");
    }

    #[test]
    fn one_of_several_texts() {
        let told = |data: &[u8]| Reader::new(data).any(&[b"get ", b"set "]);
        assert_eq!(told(b"set x"), Ok(()));
        assert_eq!((told(b"s"), told(b"sa")), (Err(Verdict::NeedMore), Err(Verdict::NotMine)));
    }
}
