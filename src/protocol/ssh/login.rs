//! How many logins were tried on an encrypted connection, and did one work?
//!
//! RFC 4252 makes the server's answers differ in size whatever the cipher: SERVICE_ACCEPT carries 17 bytes, SUCCESS one, so that with any
//! block of 8 or 16 bytes, any MAC and both ways of counting the length a SUCCESS is exactly 16 bytes shorter than the SERVICE_ACCEPT before it, or
//! 8 where a server fills it to the 16 bytes that RFC 4253 section 6 asks for at least. FAILURE carries the list of methods: longer than a SUCCESS, and the same each time. Padding at random defeats this; then much traffic of
//! the server is a login that worked. Refuses to say anything of what it did not see answered.

use crate::model::flow::Side;

/// How much shorter a SUCCESS is than a SERVICE_ACCEPT, bytes.
const SHORTER: [usize; 2] = [8, 16];

/// Bytes of the server behind its keys that no login needs: a session runs. Ten refused passwords take 1 KiB.
const SESSION: u64 = 8 << 10;

/// Answers of a server that are looked at: servers hang up after 6 to 20 refusals.
const MAX_ANSWERS: u16 = 64;

/// Sizes that are told apart: refusals, questions for a password, banners.
const SIZES: usize = 4;

/// What the sizes tell so far.
#[derive(Default, Debug)]
pub(super) struct Login {
    /// Messages of the client.
    asked: u32,
    /// Size of the server's answer to the first of them.
    accept: Option<usize>,
    /// Sizes of the later answers, and how often each came.
    sizes: [(usize, u16); SIZES],
    answers: u16,
    bytes: u64,
    success: bool,
}

impl Login {
    /// One side sent a message of this size (what came in one segment is one message).
    pub(super) fn sent(&mut self, side: Side, size: usize) {
        if size == 0 || self.is_told() {
            return;
        }
        if side == Side::Orig {
            self.asked = self.asked.saturating_add(1);
            return;
        }
        self.bytes = self.bytes.saturating_add(size as u64);
        match self.accept {
            // RFC 8308: extensions may come before anything is asked.
            _ if self.asked == 0 => return,
            None => {
                self.accept = Some(size);
                return;
            }
            Some(accept) => {
                self.success |= SHORTER.contains(&accept.saturating_sub(size)) || self.bytes > SESSION;
            }
        }
        if self.success {
            return;
        }
        self.answers = self.answers.saturating_add(1);
        if let Some(slot) = self.sizes.iter_mut().find(|(s, n)| *s == size || *n == 0) {
            *slot = (size, slot.1.saturating_add(1));
        }
    }

    /// Would more tell nothing more?
    pub(super) fn is_told(&self) -> bool {
        self.success || self.answers >= MAX_ANSWERS
    }

    /// Attempts, and whether one worked.
    pub(super) fn outcome(&self) -> (Option<u16>, Option<bool>) {
        let refusals = self.sizes.iter().map(|(_, n)| *n).max().unwrap_or(0);
        match (self.success, refusals) {
            (true, n) => (Some(n.saturating_add(1)), Some(true)),
            (false, 0) => (None, None),
            // Talk without end and without bulk is a quiet session whose beginning was not understood.
            (false, n) if self.answers >= MAX_ANSWERS => (Some(n), None),
            (false, n) => (Some(n), Some(false)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Negative: by the server.
    fn told(sizes: &[i64]) -> (Option<u16>, Option<bool>) {
        let mut login = Login::default();
        for s in sizes {
            let side = if *s < 0 { Side::Resp } else { Side::Orig };
            login.sent(side, s.unsigned_abs() as usize);
        }
        login.outcome()
    }

    #[test]
    fn sizes_of_real_servers() {
        // OpenSSH 5.8, aes128-ctr and hmac-md5: nothing, two passwords refused, the third taken.
        let tried = [48, -48, 64, -80, 144, -80, 144, -80, 144, -32, 128, -48];
        assert_eq!(told(&tried), (Some(4), Some(true)));
        // OpenSSH 6.7, hmac-sha1-etm: never the right one.
        assert_eq!(told(&[56, -56, 72, -56, 376, -56, 152, -56]), (Some(3), Some(false)));
        // OpenSSH 9.6, aes256-gcm, its extensions first; libssh2.
        assert_eq!(told(&[-240, 52, -52, 84, -52]), (Some(1), Some(false)));
        assert_eq!(told(&[52, -52, 84, -36]), (Some(1), Some(true)));
        // Dropbear 2020, chacha20-poly1305: the least packet is 16 bytes long.
        assert_eq!(told(&[44, -44, 68, -52, 148, -36, 52, -44]), (Some(2), Some(true)));
        // Questions for a password as messages of their own.
        assert_eq!(told(&[52, -52, 84, -68, 99, -84, 99, -68, 99, -84, 99, -68]), (Some(3), Some(false)));
    }

    #[test]
    fn what_cannot_be_told_stays_open() {
        assert_eq!(told(&[]), (None, None));
        assert_eq!(told(&[48, -48]), (None, None), "nobody tried");
        assert_eq!(told(&[48, -48, 64, -5000, 64, -5000]), (Some(2), Some(true)), "a session runs");
    }
}
