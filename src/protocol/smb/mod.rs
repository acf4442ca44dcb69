//! Which shares and files were used, by whom, and what was done to them?
//!
//! SMB1 (MS-CIFS, MS-SMB), SMB2 and SMB3 (MS-SMB2), straight over TCP and inside the NetBIOS session service (RFC 1002 section 4.3).
//! Requests meet their answers; logins go to `ntlm` and `credentials`, files to `files`, pipes to `dcerpc`. After a loss it waits for a
//! segment that begins with a message. Refuses: what is inside encrypted and compressed messages (it says that they were there), and
//! SMB over QUIC or RDMA.
//! Read this file (framing), then `v1` and `v2` (what messages say), `ask` (in which words), `state` (what belongs together), `record`, `status`.

mod ask;
mod login;
mod record;
mod state;
mod status;
#[cfg(test)]
mod tests;
mod v1;
mod v2;

pub use record::{SMB, SmbRecord};
pub use status::Status;

use super::clues::{Clue, HOST_CLUES};
use super::credentials::CREDENTIALS;
use super::dcerpc::DCERPC;
use super::files::FILES;
use super::ntlm::NTLM;
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::model::bytes::{be32, le64};
use crate::model::flow::Side;
use crate::model::text::printable;
use crate::model::weird::{Detail, WeirdKind};
use ask::Stream;
use state::State;

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "smb",
    about: "SMB versions 1 to 3; told by its marker behind the NetBIOS length, or the session request before it.",
    transports: &[Transport::Tcp],
    ports: &[445, 139],
    tables: &[&SMB, &FILES, &DCERPC, &NTLM, &CREDENTIALS, &HOST_CLUES],
    buffer_cap: MAX_WHOLE + FRAME,
    probe,
    parser: Some(|| Box::<Smb>::default()),
};

/// The length before each message, bytes.
const FRAME: usize = 4;

/// Longest message that is waited for, bytes: a listing of a directory, or a login with a ticket. Of a longer one the beginning is read;
/// bytes of files are not waited for at all.
const MAX_WHOLE: usize = 64 << 10;

/// Longest NetBIOS name request, bytes: two encoded names with scopes.
const MAX_SESSION_REQUEST: usize = 2 * 255;

/// Begin of a session request with two names (RFC 1002 section 4.3.2).
const SESSION_REQUEST: [u8; 4] = [0x81, 0, 0, 68];

/// A positive answer to it, whole (RFC 1002 section 4.3.3).
const SESSION_ACCEPTED: [u8; 4] = [0x82, 0, 0, 0];

/// Does a message begin here?
fn marker(d: &[u8]) -> bool {
    matches!(d, [0, _, _, _, 0xfc..=0xff, b'S', b'M', b'B', ..])
}

fn probe(p: &Probe<'_>) -> Verdict {
    if marker(p.orig) || marker(p.resp) {
        return Verdict::Mine(95);
    }
    // Behind a session request (RFC 1002 section 4.3.2) the first message follows on both sides.
    if p.on_port(&[139]) {
        let begins = |d: &[u8], with: [u8; 4]| with.starts_with(d.get(..4).unwrap_or(d));
        let behind = p.orig.get(72..).unwrap_or(&[]);
        if marker(behind) && begins(p.orig, SESSION_REQUEST) {
            return Verdict::Mine(95);
        }
        let asks = begins(p.orig, SESSION_REQUEST) && behind.len() < 8;
        if asks && (begins(p.resp, SESSION_ACCEPTED) || p.resp.first() == Some(&0x83)) {
            return Verdict::NeedMore;
        }
    }
    let short = |d: &[u8]| d.is_empty() || (d.len() < 8 && d.starts_with(&[0]));
    if short(p.orig) && short(p.resp) { Verdict::NeedMore } else { Verdict::NotMine }
}

/// One side.
#[derive(Default)]
struct Lane {
    /// Bytes left of the message at hand.
    left: u64,
    /// What of it is a file's.
    stream: Option<Stream>,
    /// Where we are is unknown.
    lost: bool,
}

/// One connection.
#[derive(Default)]
struct Smb {
    lanes: [Lane; 2],
    state: State,
    spoke: bool,
    /// Were encrypted and compressed messages told?
    told: [bool; 2],
}

/// What one step did.
enum Step {
    Took(usize),
    Wait,
    All,
}

impl Smb {
    fn lane(&mut self, side: Side) -> &mut Lane {
        let [orig, resp] = &mut self.lanes;
        match side {
            Side::Orig => orig,
            Side::Resp => resp,
        }
    }

    /// Bytes of a message whose beginning was read.
    fn body(&mut self, side: Side, rest: &[u8], out: &mut Output<'_>) -> usize {
        let lane = self.lane(side);
        let here = usize::try_from(lane.left).unwrap_or(usize::MAX).min(rest.len());
        lane.left -= here as u64;
        if let Some(mut stream) = lane.stream.take() {
            let now = usize::try_from(stream.left).unwrap_or(usize::MAX).min(here);
            self.state.data(&stream, rest.get(..now).unwrap_or(&[]), out);
            stream.offset = stream.offset.saturating_add(now as u64);
            stream.left -= now as u64;
            if stream.left > 0 {
                self.lane(side).stream = Some(stream);
            }
        }
        here
    }

    /// What begins at the front of `rest`.
    fn frame(&mut self, side: Side, rest: &[u8], out: &mut Output<'_>) -> Step {
        let Some(first) = be32(rest, 0) else { return Step::Wait };
        if self.lane(side).lost {
            if rest.len() >= 8 && !marker(rest) {
                return Step::All;
            }
            self.lane(side).lost = false;
        }
        // Three bytes of length; NetBIOS has 17 bits, of which the highest is among flags that are zero.
        let len = (first & 0x00ff_ffff) as usize;
        match first >> 24 {
            0 => {}
            0x81 if len <= MAX_SESSION_REQUEST => {
                let Some(names) = rest.get(FRAME..FRAME + len) else { return Step::Wait };
                session_request(names, out);
                return Step::Took(FRAME + len);
            }
            // Accepted, refused with a reason, sent elsewhere, keep alive.
            0x82..=0x85 if len <= 6 => {
                let whole = FRAME + len;
                return if rest.len() < whole { Step::Wait } else { Step::Took(whole) };
            }
            _ => return self.broken(side, out),
        }
        if len == 0 {
            return Step::Took(FRAME);
        }
        let Some(message) = rest.get(FRAME..) else { return Step::Wait };
        let message = message.get(..len).unwrap_or(message);
        let wanted = match message {
            [0xfe, b'S', b'M', b'B', ..] => v2::wanted(message, len),
            [0xff, b'S', b'M', b'B', ..] => v1::wanted(message, len),
            [0xfd, b'S', b'M', b'B', ..] => 52,
            [0xfc, b'S', b'M', b'B', ..] => 16,
            [_, _, _, _, ..] => return self.broken(side, out),
            _ => 4,
        };
        let wanted = wanted.min(len).min(MAX_WHOLE);
        if message.len() < wanted || message.len() < 4 {
            return Step::Wait;
        }
        // Asked again: with the header there, what is wanted may be more.
        self.spoke = true;
        let stream = match message {
            [0xfe, ..] => v2::message(&mut self.state, side, message, out),
            [0xff, ..] => v1::message(&mut self.state, side, message, out),
            [0xfd, ..] => {
                // The session stands at byte 44 (MS-SMB2 section 2.2.41).
                self.unreadable(0, "encrypted", le64(message, 44).unwrap_or(0), side, out);
                None
            }
            _ => {
                self.unreadable(1, "compressed", 0, side, out);
                None
            }
        };
        *self.lane(side) = Lane { left: (len - message.len()) as u64, stream, lost: false };
        Step::Took(FRAME + message.len())
    }

    fn unreadable(
        &mut self,
        which: usize,
        command: &'static str,
        session: u64,
        side: Side,
        out: &mut Output<'_>,
    ) {
        if let Some(told) = self.told.get_mut(which)
            && !std::mem::replace(told, true)
        {
            self.state.unreadable(command, session, side, out);
        }
    }

    fn broken(&mut self, side: Side, out: &mut Output<'_>) -> Step {
        // The probe saw a message, perhaps on the other side: a capture may begin inside of one.
        if self.spoke {
            out.weird(WeirdKind::SmbMalformed, Detail::Text("no message where one must begin".into()));
        }
        self.lane(side).lost = true;
        Step::All
    }
}

impl Parser for Smb {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut at = 0;
        while let Some(rest) = data.get(at..).filter(|rest| !rest.is_empty()) {
            if self.lane(side).left > 0 {
                at += self.body(side, rest, out);
                continue;
            }
            match self.frame(side, rest, out) {
                Step::Took(n) => at += n,
                Step::Wait => return Fed::Took(at),
                Step::All => return Fed::Took(data.len()),
            }
        }
        let lane = self.lane(side);
        if lane.left > 0 && lane.stream.is_none() {
            return Fed::Skip(std::mem::take(&mut lane.left));
        }
        Fed::Took(data.len())
    }

    fn gap(&mut self, side: Side, missing: u64, _: &mut Output<'_>) -> Fed {
        let lane = self.lane(side);
        if lane.left == 0 || missing > lane.left {
            *lane = Lane { lost: true, ..Lane::default() };
            return Fed::Took(0);
        }
        lane.left -= missing;
        if let Some(stream) = &mut lane.stream {
            let gone = missing.min(stream.left);
            stream.left -= gone;
            // The file sees a gap when its next bytes come.
            stream.offset = stream.offset.saturating_add(gone);
        }
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.state.finish(out);
    }
}

/// The names in a session request: who is called, and who calls (RFC 1002 section 4.3.2).
fn session_request(names: &[u8], out: &mut Output<'_>) {
    let called = names.get(1..33).and_then(netbios_name);
    // Each name has its length before it and a zero, or a scope, behind.
    let calling = names.get(35..67).and_then(netbios_name);
    for (ip, name) in [(out.flow.tuple.dst, called), (out.flow.tuple.src, calling)] {
        if let Some(name) = name.filter(|n| !n.starts_with('*')) {
            out.clue(ip, Clue::Name, &name, "netbios.session");
        }
    }
}

/// A name in the first-level encoding (RFC 1001 section 14.1): half a byte a letter. The sixteenth byte is its kind.
fn netbios_name(encoded: &[u8]) -> Option<String> {
    let (pairs, []) = encoded.as_chunks::<2>() else { return None };
    let half = |c: u8| c.checked_sub(b'A').filter(|n| *n < 16);
    let bytes: Option<Vec<u8>> =
        pairs.iter().map(|[high, low]| Some(half(*high)? << 4 | half(*low)?)).collect();
    let bytes = bytes.filter(|b| b.len() == 16)?;
    let name = bytes.get(..15)?.trim_ascii_end();
    (!name.is_empty()).then(|| printable(name, 15))
}
