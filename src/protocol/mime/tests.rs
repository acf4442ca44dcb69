//! Mails as programs send them, nested, lying, cut.

use super::*;
use crate::flow::{At, FlowView};
use crate::model::addr::Ip;
use crate::model::flow::Tuple;
use crate::model::ids::FlowId;
use crate::model::text::hex;
use crate::model::time::Timestamp;
use crate::protocol::Emitted;
use crate::protocol::files::FileRecord;
use sha2::{Digest, Sha256};

/// Read a mail; lines of `text` end with LF here.
fn read(text: &[u8], whole: bool) -> (Told, Vec<FileRecord>) {
    let ip = Ip::v4([10, 0, 0, 1]);
    let tuple = Tuple { src: ip, dst: ip, src_port: 40_000, dst_port: 25, protocol: 6 };
    let flow = FlowView { id: FlowId(1), tuple, first_ts: Timestamp(0), saw_start: true };
    let mut files = Vec::new();
    let mut emit = |emitted| {
        if let Emitted::Record(_, record) = emitted {
            files.push(record.as_type::<FileRecord>().unwrap().clone());
        }
    };
    let mut out =
        Output { flow: &flow, at: At { ts: Timestamp(0), packet: 1 }, old_hashes: true, emit: &mut emit };
    let mut message = Message::new("smtp", Side::Orig);
    for line in text.split(|b| *b == b'\n') {
        message.line(line, b"\r\n", &mut out);
    }
    let told = message.finish(whole, &mut out);
    (told, files)
}

const NESTED: &[u8] = b"Received: from c by d
Received: from a
\tby b
From: =?utf-8?Q?J=C3=BCrgen?= <j@example.org>
Subject: one
 two
X-Mailer: The Bat!
Content-Type: multipart/mixed; boundary=out

preamble
--out
Content-Type: multipart/alternative; boundary=\"in\"

--in
Content-Type: text/plain

hello
--in
Content-Type: image/png
Content-Transfer-Encoding: base64

iVBO
Rw0=
--in--
between
--out
Content-Type: application/x-test; name=old
Content-Disposition: attachment; filename=new.bin
Content-Transfer-Encoding: quoted-printable

a=3D=
b
c
--out
Content-Type: message/rfc822

Subject: inner
Content-Type: text/html; name=page.html

<html>
</html>
--out--
";

#[test]
fn parts_inside_each_other_become_files() {
    let (told, files) = read(NESTED, true);
    assert_eq!(told.header.from.as_deref(), Some("J\u{fc}rgen <j@example.org>"));
    assert_eq!(told.header.subject.as_deref(), Some("one two"), "the inner subject is not the mail's");
    assert_eq!((told.header.received.as_deref(), told.header.received_count), (Some("from c by d"), 2));
    assert_eq!(
        (told.attachments, told.attachment_count),
        (vec!["new.bin".to_owned(), "page.html".into()], 4)
    );
    let sha = |content: &[u8]| Some(hex(&Sha256::digest(content)));
    let got: Vec<_> = files.iter().map(|f| (f.name.as_deref(), f.sha256.map(|h| hex(&h)))).collect();
    assert_eq!(
        got,
        [
            (None, sha(b"\x89PNG\x0d")),
            (Some("new.bin"), sha(b"a=b\r\nc")),
            (Some("page.html"), sha(b"<html>\r\n</html>")),
        ]
    );
    // What `printf 'a=b\r\nc' | md5sum` and `sha1sum` print.
    let old = files[1].old_hashes.map(|(md5, sha1)| (hex(&md5), hex(&sha1)));
    assert_eq!(
        old,
        Some(("9ed347081c1671743850bf2f809f7423".into(), "e9cf553e2b6e61fad61e500774e73bc50d16592b".into()))
    );
    assert_eq!((files[0].declared_mime.as_deref(), files[2].mime), (Some("image/png"), Some("text/html")));
}

#[test]
fn every_prefix_survives_and_cut_parts_have_no_hash() {
    for end in 0..NESTED.len() {
        let (_, files) = read(&NESTED[..end], false);
        assert!(files.len() <= 3);
    }
    let cut = NESTED.len() - "\n--out--\n".len();
    let (_, files) = read(&NESTED[..cut], true);
    assert!(files[2].sha256.is_none() && files[2].old_hashes.is_none(), "a part without its boundary");
}

#[test]
fn depth_and_number_of_parts_are_bounded() {
    let mut deep = Vec::new();
    for i in 0..40 {
        deep.extend_from_slice(
            format!("Content-Type: multipart/mixed; boundary=b{i}\n\n--b{i}\n").as_bytes(),
        );
    }
    assert!(read(&deep, true).1.is_empty());
    let mut wide = b"Content-Type: multipart/mixed; boundary=b\n\n".to_vec();
    for _ in 0..1_000 {
        wide.extend_from_slice(b"--b\nContent-Type: application/x\n\nx\n");
    }
    assert_eq!(read(&wide, true).1.len(), usize::from(MAX_PARTS));
}
