//! Messages as they come: whole, in pieces, pipelined, lost, lying.

mod loss;

use super::*;
use crate::flow::FlowView;
use crate::model::flow::Tuple;
use crate::model::ids::FlowId;
use crate::model::time::Timestamp;
use crate::protocol::Emitted;
use crate::protocol::clues::HostClue;
use crate::protocol::credentials::{Credential, Secret};
use crate::protocol::files::{FileRecord, HASH_CAP};
use sha2::{Digest, Sha256};

/// A flow under test: what the parser emitted and what it said last.
#[derive(Default)]
struct Flow {
    parser: Http1,
    left: [Vec<u8>; 2],
    skip: [u64; 2],
    rows: Vec<HttpTransaction>,
    files: Vec<FileRecord>,
    logins: Vec<Credential>,
    weirds: Vec<WeirdKind>,
    clues: Vec<String>,
    host: Option<String>,
    last: Option<Fed>,
    clock: i64,
}

fn view() -> FlowView {
    let ip = crate::model::addr::Ip::v4([10, 0, 0, 1]);
    FlowView {
        id: FlowId(1),
        tuple: Tuple { src: ip, dst: ip, src_port: 40_000, dst_port: 80, protocol: 6 },
        first_ts: Timestamp(0),
        saw_start: true,
    }
}

impl Flow {
    fn with<R>(&mut self, work: impl FnOnce(&mut Http1, &mut Output<'_>) -> R) -> R {
        let flow = view();
        self.clock += 1_000_000;
        let at = At { ts: Timestamp(self.clock), packet: 1 };
        let (rows, weirds, host) = (&mut self.rows, &mut self.weirds, &mut self.host);
        let (files, logins, clues) = (&mut self.files, &mut self.logins, &mut self.clues);
        let mut emit = |emitted| match emitted {
            Emitted::Record(_, record) => {
                if let Some(clue) = record.as_type::<HostClue>() {
                    clues.push(format!("{} {}", clue.clue.name(), clue.value));
                }
                rows.extend(record.as_type::<HttpTransaction>().cloned());
                files.extend(record.as_type::<FileRecord>().cloned());
                logins.extend(record.as_type::<Credential>().cloned());
            }
            Emitted::Weird(kind, _) => weirds.push(kind),
            Emitted::Hostname(name) => drop(host.get_or_insert(name.into())),
            Emitted::Expect(..) | Emitted::Next(..) => {}
        };
        work(&mut self.parser, &mut Output { flow: &flow, at, old_hashes: false, emit: &mut emit })
    }

    /// As the dispatcher feeds: what is skipped is not shown, what was left comes again.
    fn feed(&mut self, side: Side, data: &[u8]) -> &mut Self {
        let i = side.index();
        let n = (self.skip[i] as usize).min(data.len());
        self.skip[i] -= n as u64;
        if data[n..].is_empty() {
            return self;
        }
        self.left[i].extend_from_slice(&data[n..]);
        let all = std::mem::take(&mut self.left[i]);
        let fed = self.with(|p, out| p.feed(side, &all, out));
        match fed {
            Fed::Took(n) => {
                assert!(n <= all.len(), "took more than there was");
                self.left[i] = all[n..].to_vec();
            }
            Fed::Skip(n) => self.skip[i] = n,
            _ => {}
        }
        self.last = Some(fed);
        self
    }

    fn ask(&mut self, data: &[u8]) -> &mut Self {
        self.feed(Side::Orig, data)
    }

    fn answer(&mut self, data: &[u8]) -> &mut Self {
        self.feed(Side::Resp, data)
    }

    fn gap(&mut self, side: Side, missing: u64) -> &mut Self {
        let unseen = self.skip[side.index()].min(missing);
        self.skip[side.index()] -= unseen;
        if unseen > 0 {
            self.parser.unskipped(side, unseen);
        }
        if missing > unseen {
            self.left[side.index()].clear();
            self.with(|p, out| p.gap(side, missing - unseen, out));
        }
        self
    }

    fn end(&mut self) -> &mut Self {
        for side in [Side::Orig, Side::Resp] {
            let unseen = std::mem::take(&mut self.skip[side.index()]);
            if unseen > 0 {
                self.parser.unskipped(side, unseen);
            }
        }
        self.with(|p, out| p.finish(out));
        self
    }

    fn statuses(&self) -> Vec<(Option<&str>, Option<u16>)> {
        self.rows.iter().map(|r| (r.uri.as_deref(), r.status_code)).collect()
    }
}

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: Example.org:80\r\nUser-Agent: t\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: s\r\n\r\nhello";

#[test]
fn a_request_and_its_response_are_one_row() {
    let mut f = Flow::default();
    f.ask(GET).answer(OK);
    let row = &f.rows[0];
    assert_eq!(
        (row.method.as_deref(), row.uri.as_deref(), row.status_code),
        (Some("GET"), Some("/a"), Some(200))
    );
    assert_eq!((row.host.as_deref(), f.host.as_deref()), (Some("Example.org:80"), Some("example.org")));
    assert_eq!((row.response.body_len, row.response.mime), (5, Some("text/plain")));
    assert_eq!((row.complete, row.trans_depth, row.version), (true, 1, (1, 1)));
    assert_eq!(row.response_ts.unwrap().since(row.request_ts.unwrap()), 1_000_000);
    assert!(f.weirds.is_empty());
    f.end();
    assert_eq!(f.rows.len(), 1, "nothing twice");
}

#[test]
fn a_row_fits_its_table() {
    let mut rows = crate::model::rows::Rows::new(&HTTP);
    {
        let mut row = rows.row();
        row.time(Timestamp(0)).i64(0).i64(0);
        crate::model::record::Record::write(&HttpTransaction::default(), &mut row);
    }
    assert_eq!(rows.faults(), 0);
}

#[test]
fn pieces_of_any_size_give_the_same_row() {
    let chunked =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n";
    for size in 1..40 {
        let mut f = Flow::default();
        for piece in GET.chunks(size) {
            f.ask(piece);
        }
        for piece in chunked.chunks(size) {
            f.answer(piece);
        }
        for piece in GET.chunks(size) {
            f.ask(piece);
        }
        for piece in OK.chunks(size) {
            f.answer(piece);
        }
        assert_eq!(f.statuses(), [(Some("/a"), Some(200)); 2], "pieces of {size}");
        assert_eq!((f.rows[0].response.body_len, f.rows[1].response.body_len), (5, 5));
        assert!(f.rows.iter().all(|r| r.complete) && f.weirds.is_empty());
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let mut f = Flow::default();
    f.ask(b"GET /1 HTTP/1.1\r\n\r\nHEAD /2 HTTP/1.1\r\n\r\nPOST /3 HTTP/1.1\r\nContent-Length: 2\r\n\r\nxyGET /4 HTTP/1.1\r\n\r\n");
    f.answer(b"HTTP/1.1 204 No\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nHTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 304 N\r\n\r\n");
    f.end();
    let want =
        [(Some("/1"), Some(204)), (Some("/2"), Some(200)), (Some("/3"), Some(304)), (Some("/4"), None)];
    assert_eq!(f.statuses(), want);
    assert_eq!((f.rows[2].info_code, f.rows[2].request.body_len, f.rows[3].complete), (Some(100), 2, false));
}

#[test]
fn bodies_are_files() {
    let mut f = Flow::default();
    f.ask(b"GET /dir/a%20b.bin?q=1 HTTP/1.1\r\n\r\n");
    f.answer(b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        .answer(b"2\r\nde\r\n0\r\n\r\n");
    f.ask(b"POST /up.php HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyz").answer(
        b"HTTP/1.1 206 Part\r\nContent-Disposition: attachment; filename=c\r\nContent-Length: 2\r\n\r\nhi",
    );
    let shown: Vec<_> =
        f.files.iter().map(|r| (r.name.as_deref(), r.sender, r.seen_bytes, r.sha256)).collect();
    let sha = |content: &[u8]| Some(Sha256::digest(content).into());
    assert_eq!(
        shown,
        [
            (Some("a b.bin"), Side::Resp, 5, sha(b"abcde")),
            (None, Side::Orig, 3, sha(b"xyz")),
            (Some("c"), Side::Resp, 2, None),
        ]
    );
    assert_eq!(f.files[0].declared_mime.as_deref(), Some("text/html"));
}

#[test]
fn a_form_is_as_many_files_as_it_carries() {
    let body = b"--B\r\nContent-Disposition: form-data; name=\"t\"\r\n\r\ntext\r\n--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n\x01\n\x02\r\n\r\n--B--\r\n";
    let head = format!(
        "POST / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    for size in [1, 7, 1000] {
        let mut f = Flow::default();
        f.ask(head.as_bytes());
        for piece in body.chunks(size) {
            f.ask(piece);
        }
        f.end();
        assert_eq!(f.files.len(), 1);
        assert_eq!((f.files[0].name.as_deref(), f.files[0].seen_bytes), (Some("x.bin"), 5));
        assert_eq!(f.files[0].sha256, Some(Sha256::digest(b"\x01\n\x02\r\n").into()));
    }
}

#[test]
fn logins_are_attempts() {
    let ask = |f: &mut Flow, status: &str| {
        f.ask(b"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n");
        f.answer(format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n").as_bytes());
    };
    let mut f = Flow::default();
    ["401", "401", "200", "304", "500"].iter().for_each(|status| ask(&mut f, status));
    f.ask(b"GET / HTTP/1.1\r\nAuthorization: Bearer abc\r\n\r\n").answer(OK);
    let shown: Vec<_> = f.logins.iter().map(|l| (l.account.as_deref(), l.secret, l.success)).collect();
    let aladdin = |success| (Some("Aladdin"), Secret::Clear, success);
    assert_eq!(shown, [aladdin(Some(false)), aladdin(Some(false)), aladdin(Some(true))]);
}

#[test]
fn a_request_without_a_version_has_an_answer_without_a_head() {
    let mut f = Flow::default();
    f.ask(b"GET /old\r\n").answer(b"<html>").answer(b"old</html>").end();
    let row = &f.rows[0];
    assert_eq!((row.uri.as_deref(), row.version, row.response.body_len), (Some("/old"), (0, 9), 16));
    assert_eq!((row.status_code, f.files[0].name.as_deref()), (None, Some("old")));
    let mut f = Flow::default();
    f.ask(b"GET /old\r\n").answer(OK).end();
    assert_eq!(f.statuses(), [(Some("/old"), Some(200))]);
}

/// More of a body than is hashed, in pieces; what is left to come of `more` bytes.
fn large(f: &mut Flow, more: u64) {
    f.ask(GET).answer(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", HASH_CAP + more).as_bytes());
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..HASH_CAP >> 20 {
        f.answer(&piece);
    }
}

#[test]
fn bodies_are_skipped_past_the_hash_and_counted_as_seen() {
    let mut f = Flow::default();
    large(&mut f, 1_000_000);
    f.answer(&[b'x'; 600]);
    assert_eq!(f.last, Some(Fed::Skip(1_000_000 - 600)));
    f.answer(&[b'x'; 400]).gap(Side::Resp, 1000).answer(&[b'x'; 1000]).end();
    let row = &f.rows[0];
    assert_eq!(
        (row.response.body_len, row.response.content_length),
        (HASH_CAP + 2000, Some(HASH_CAP + 1_000_000))
    );
    assert!(!row.complete);
    let file = &f.files[0];
    assert_eq!((file.seen_bytes, file.missing_bytes, file.sha256), (HASH_CAP + 2000, 998_000, None));
}

#[test]
fn a_skipped_body_ends_where_it_should() {
    let mut f = Flow::default();
    large(&mut f, 2000);
    f.answer(&[b'x'; 500]).answer(&[b'x'; 1500]);
    f.ask(GET).answer(OK);
    assert_eq!((f.rows.len(), f.rows[0].response.body_len, f.rows[0].complete), (2, HASH_CAP + 2000, true));
    assert_eq!((f.files[0].sha256, f.files[1].sha256), (None, Some(Sha256::digest(b"hello").into())));
}

#[test]
fn a_body_may_end_with_the_connection() {
    let mut f = Flow::default();
    f.ask(b"GET / HTTP/1.0\r\n\r\n").answer(b"HTTP/1.0 200 OK\n\n<html>").answer(b"</html>").end();
    assert_eq!((f.rows[0].response.body_len, f.rows[0].response.mime), (13, Some("text/html")));
    assert!(f.rows[0].complete);
}

#[test]
fn connect_and_upgrade_hand_the_flow_on() {
    let mut f = Flow::default();
    f.ask(b"CONNECT h.org:443 HTTP/1.1\r\nHost: h.org:443\r\n\r\n\x16\x03\x01")
        .answer(b"HTTP/1.1 200 Established\r\n\r\nxx");
    assert_eq!(f.last, Some(Fed::Switch(28)));
    assert_eq!(f.left[0], b"\x16\x03\x01", "what the client said early is left for the next");
    assert!(f.rows[0].switched && f.rows[0].complete && f.host.is_none());
    let mut f = Flow::default();
    f.ask(b"GET /c HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    f.answer(b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n");
    assert!(matches!(f.last, Some(Fed::Switch(_))));
    assert_eq!(f.rows[0].upgrade.as_deref(), Some("websocket"));
    let mut f = Flow::default();
    f.ask(b"CONNECT h:1 HTTP/1.1\r\n\r\n")
        .answer(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")
        .ask(GET)
        .answer(OK);
    assert_eq!(f.statuses(), [(Some("h:1"), Some(407)), (Some("/a"), Some(200))]);
}

#[test]
fn conflicting_lengths_and_broken_chunks_are_weird() {
    let mut f = Flow::default();
    f.ask(b"POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n").end();
    assert_eq!(f.weirds, [WeirdKind::HttpConflictingLength]);
    assert_eq!(f.rows[1].uri.as_deref(), Some("/smuggled"));
    let mut f = Flow::default();
    f.ask(GET).answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").end();
    assert_eq!((f.weirds.as_slice(), f.rows[0].complete), (&[WeirdKind::HttpMalformed][..], false));
}

#[test]
fn an_endless_head_is_given_up() {
    let mut f = Flow::default();
    f.ask(b"GET / HTTP/1.1\r\nX: ");
    for _ in 0..70 {
        f.ask(&[b'a'; 1024]);
    }
    assert_eq!(f.weirds, [WeirdKind::HttpHeaderTooLarge]);
    assert!(f.left[0].len() <= HEAD_CAP);
    f.ask(GET).answer(OK).answer(OK);
    assert_eq!(f.statuses(), [(Some("/"), Some(200)), (Some("/a"), Some(200))], "its first line is kept");
}

#[test]
fn more_requests_than_are_remembered_do_not_shift_the_answers() {
    let mut f = Flow::default();
    for i in 0..66 {
        f.ask(format!("GET /{i} HTTP/1.1\r\n\r\n").as_bytes());
    }
    for i in 0..66 {
        f.answer(format!("HTTP/1.1 {} x\r\nContent-Length: 0\r\n\r\n", 200 + i).as_bytes());
    }
    assert_eq!(f.weirds, [WeirdKind::PendingFull; 2]);
    assert!(f.rows.iter().any(|r| r.uri.as_deref() == Some("/65") && r.status_code == Some(265)));
    assert_eq!(f.rows.len(), 68, "two requests and two answers stand alone");
}

#[test]
fn software_is_told_once_and_not_behind_a_proxy() {
    let ask = |extra: &str| format!("GET /x HTTP/1.1\r\nUser-Agent: curl/8.5.0\r\n{extra}\r\n");
    let answer = b"HTTP/1.1 200 OK\r\nServer: nginx/1.24.0\r\nContent-Length: 0\r\n\r\n";
    let mut f = Flow::default();
    for _ in 0..3 {
        f.ask(ask("").as_bytes()).answer(answer);
    }
    assert_eq!(f.clues, ["client curl/8.5.0", "server nginx/1.24.0"]);
    let mut f = Flow::default();
    f.ask(ask("Via: 1.1 squid\r\n").as_bytes()).answer(answer);
    assert_eq!(f.clues, ["server nginx/1.24.0"], "the agent is that of somebody behind the proxy");
    let mut f = Flow::default();
    f.ask(b"CONNECT a:443 HTTP/1.1\r\n\r\n").answer(b"HTTP/1.1 200 ok\r\nServer: x\r\n\r\n");
    assert_eq!(f.clues, ["role proxy"]);
}

#[test]
fn other_text_protocols_are_not_mine() {
    let verdict =
        |orig: &[u8], resp: &[u8]| probe(&Probe { orig, resp, transport: Transport::Tcp, ports: (1, 80) });
    assert_eq!(verdict(GET, b""), Verdict::Mine(95));
    assert_eq!(verdict(b"", OK), Verdict::Mine(90));
    assert_eq!(verdict(b"rest of a body", OK), Verdict::Mine(90));
    assert_eq!(verdict(b"NICK x\r\nUSER x\r\n", b":irc 001\r\n"), Verdict::NotMine);
    assert_eq!(verdict(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0\0"), Verdict::NotMine);
    assert_eq!(verdict(b"OPTIONS rtsp://x RTSP/1.0\r\n", b"RTSP/1.0 200 OK\r\n"), Verdict::NotMine);
    assert_eq!(verdict(b"PO", b""), Verdict::NeedMore);
}

#[test]
fn no_prefix_and_no_flipped_bit_breaks_it() {
    let asked = [GET, b"POST /x HTTP/1.1\r\nContent-Length: 3\r\nCookie: a=b\r\n\r\nabc"].concat();
    let answered =
        [OK, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"].concat();
    for n in 0..=asked.len() {
        Flow::default().ask(&asked[..n]).answer(&answered).end();
        Flow::default().ask(&asked).answer(&answered[..n.min(answered.len())]).end();
    }
    for bit in 0..answered.len() * 8 {
        let (mut a, mut b) = (asked.clone(), answered.clone());
        b[bit / 8] ^= 1 << (bit % 8);
        if let Some(byte) = a.get_mut(bit / 8) {
            *byte ^= 1 << (bit % 8);
        }
        Flow::default().ask(&a).answer(&b).gap(Side::Resp, 7).answer(OK).end();
    }
}

#[test]
fn a_login_by_ntlm_over_three_exchanges() {
    use crate::protocol::ntlm::NtlmRecord;
    use crate::protocol::ntlm::tests::{in_base64, type1, type2, type3};
    use crate::protocol::testing::{Bench, orig, resp};
    for (scheme, status, success) in [
        ("NTLM", "200 OK", Some(true)),
        ("Negotiate", "401 Unauthorized", Some(false)),
        ("NTLM", "500 Oh", None),
    ] {
        let ask = |m: &[u8]| format!("GET / HTTP/1.1\r\nAuthorization: {scheme} {}\r\n\r\n", in_base64(m));
        let (first, last) = (ask(&type1()), ask(&type3(&[1; 90])));
        let offer = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n";
        let challenge = format!(
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {scheme} {}\r\nContent-Length: 0\r\n\r\n",
            in_base64(&type2())
        );
        let end = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        let run = Bench::tcp(80).run(&[
            orig(b"GET / HTTP/1.1\r\n\r\n"),
            resp(offer.as_bytes()),
            orig(first.as_bytes()),
            resp(challenge.as_bytes()),
            orig(last.as_bytes()),
            resp(end.as_bytes()),
        ]);
        let r = run.records::<NtlmRecord>();
        assert_eq!((r.len(), run.faults), (1, 0));
        assert_eq!(
            (r[0].service, r[0].success, r[0].status.as_deref(), r[0].server.nb_computer.as_deref()),
            ("http", success, Some(status), Some("DC1"))
        );
        let c = run.records::<Credential>();
        assert_eq!((c.len(), c[0].account.as_deref(), c[0].success), (1, Some("CORP\\alice"), success));
        let rows = run.records::<HttpTransaction>();
        let users: Vec<_> = rows.iter().map(|t| t.username.as_deref()).collect();
        assert_eq!(users, [None, None, Some("CORP\\alice")]);
    }
}

#[test]
fn a_packed_body_is_hashed_as_it_is_kept() {
    use std::io::Write;
    let page = b"<!DOCTYPE html><html>".repeat(300);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(&page).unwrap();
    let packed = packer.finish().unwrap();
    for (encoding, whole) in [("gzip", true), ("br", false)] {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {}\r\n\r\n",
            packed.len()
        );
        let mut f = Flow::default();
        f.ask(GET).answer(head.as_bytes());
        for piece in packed.chunks(50) {
            f.answer(piece);
        }
        let file = &f.files[0];
        assert_eq!((file.seen_bytes, file.declared_bytes), (packed.len() as u64, Some(packed.len() as u64)));
        assert_eq!(file.sha256, whole.then(|| Sha256::digest(&page).into()));
        assert_eq!(file.mime == Some("text/html"), whole);
    }
}
