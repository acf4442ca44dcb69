//! Which protocol of text lines is it?
//!
//! NNTP (RFC 3977), rsync, git.
//! Where the server's word is not enough, the client's first command decides.

use super::{TCP, begins_with_word, contains_word, first_line, magic, named, surest};
use crate::protocol::lines::begins_like;
use crate::protocol::{Probe, Protocol, Verdict};

/// NNTP.
pub static NNTP: Protocol = named(
    "nntp",
    "Network news (RFC 3977); told by the server's 200 or 201 with a command of news readers.",
    TCP,
    &[119],
    |p| {
        let first = &["MODE READER", "CAPABILITIES", "GROUP", "ARTICLE", "XOVER", "NEWGROUPS", "AUTHINFO"];
        if !p.resp.starts_with(b"200 ") && !p.resp.starts_with(b"201 ") {
            let begins = b"200 ".starts_with(p.resp) || b"201 ".starts_with(p.resp);
            return if begins && begins_like(p.orig, first) { Verdict::NeedMore } else { Verdict::NotMine };
        }
        let says =
            ["NNTP", "NEWS SERVER", "INTERNETNEWS"].iter().any(|w| contains_word(first_line(p.resp), w));
        if begins_with_word(p.orig, first) || (says && p.resp.contains(&b'\n')) {
            Verdict::Mine(90)
        } else if begins_like(p.orig, first) {
            Verdict::NeedMore
        } else {
            Verdict::NotMine
        }
    },
);

/// rsync.
pub static RSYNC: Protocol = named("rsync", "The rsync daemon; told by its greeting.", TCP, &[873], |p| {
    magic(first_side(p), b"@RSYNCD: ", 95)
});

/// git.
pub static GIT: Protocol =
    named("git", "The git daemon; told by a packet line that asks to fetch or push.", TCP, &[9418], |p| {
        let d = p.orig;
        let length = d.iter().take(4).all(u8::is_ascii_hexdigit);
        if !length || (p.orig.is_empty() && !p.resp.is_empty()) {
            return Verdict::NotMine;
        }
        let command = d.get(4..).unwrap_or(&[]);
        surest(&[magic(command, b"git-upload-pack ", 95), magic(command, b"git-receive-pack ", 95)])
    });

fn first_side<'a>(p: &Probe<'a>) -> &'a [u8] {
    if p.orig.is_empty() { p.resp } else { p.orig }
}
