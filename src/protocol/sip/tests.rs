//! Calls and registrations, over both transports.

use super::*;
use crate::model::addr::Ip;
use crate::protocol::clues::HostClue;
use crate::protocol::testing::{Bench, lost, orig, resp};

const REGISTER: &[u8] = b"REGISTER sip:example.org SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1\r\nFrom: \"Bob\" <sip:bob@example.org>;tag=1\r\nTo: <sip:bob@example.org>\r\nCall-ID: c1@x\r\nCSeq: 7 REGISTER\r\nExpires: 3600\r\nUser-Agent: Phone/1.0\r\nAuthorization: Digest username=\"bob\", realm=\"example\", response=\"00\"\r\nContent-Length: 0\r\n\r\n";
const DENIED: &[u8] = b"SIP/2.0 401 Unauthorized\r\nVia: x\r\nf: <sip:bob@example.org>;tag=1\r\nt: <sip:bob@example.org>;tag=2\r\ni: c1@x\r\nCSeq: 7 REGISTER\r\nServer: PBX 2\r\nContent-Length: 0\r\n\r\n";

fn invite(transport: &str) -> Vec<u8> {
    let sdp = "v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 49170 RTP/AVP 0 8\r\na=rtcp:49180\r\nm=video 0 RTP/AVP 31\r\nm=audio 5004 UDP/TLS/RTP/SAVPF 111\r\n";
    format!("INVITE sip:alice@10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/{transport} a, SIP/2.0/{transport} b\r\nFrom: sip:bob@x;tag=9\r\nTo: sip:alice@x\r\nCall-ID: c2\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len()).into_bytes()
}

const RINGING: &[u8] = b"SIP/2.0 180 Ringing\r\nCall-ID: c2\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
const OK: &[u8] = b"SIP/2.0 200 OK\r\nCall-ID: c2\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
const ACK: &[u8] =
    b"ACK sip:alice@10.0.0.2 SIP/2.0\r\nCall-ID: c2\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n";

#[test]
fn a_registration_that_is_denied() {
    let run = Bench::udp(5060).run(&[orig(REGISTER), orig(REGISTER), resp(DENIED), resp(DENIED)]);
    let rows = run.records::<SipRecord>();
    assert_eq!((run.service, rows.len(), run.faults), (Some("sip"), 1, 0));
    let r = rows[0];
    assert_eq!(
        (r.method.as_str(), r.status, r.retransmits, r.via, r.expires),
        ("REGISTER", Some(401), 1, Some(1), Some(3600))
    );
    assert_eq!(
        (r.from.as_deref(), r.to.as_deref(), r.server.as_deref()),
        (Some("sip:bob@example.org"), Some("sip:bob@example.org"), Some("PBX 2"))
    );
    let login = run.records::<Credential>()[0];
    assert_eq!(
        (login.account.as_deref(), login.detail.as_deref(), login.success),
        (Some("bob"), Some("example"), Some(false))
    );
    let clues: Vec<_> = run.records::<HostClue>().iter().map(|c| (c.clue, c.value.clone())).collect();
    let want =
        [(Clue::Client, "Phone/1.0"), (Clue::Role, "phone"), (Clue::User, "bob"), (Clue::Server, "PBX 2")];
    assert_eq!(clues, want.map(|(c, v)| (c, v.to_owned())));
}

#[test]
fn a_call_over_both_transports() {
    let (udp, tcp) = (invite("UDP"), invite("TCP"));
    let of_datagrams = Bench::udp(5060).run(&[orig(&udp), resp(RINGING), resp(OK), orig(ACK)]);
    let stream = [&tcp[..], ACK].concat();
    let pieces: Vec<_> =
        stream.chunks(7).map(orig).chain([resp(RINGING), resp(b"\r\n\r\n"), resp(OK)]).collect();
    let of_stream = Bench::tcp(5060).run(&pieces);
    for run in [of_datagrams, of_stream] {
        let mut rows: Vec<_> =
            run.records::<SipRecord>().iter().map(|r| (r.method.clone(), r.status, r.via)).collect();
        rows.sort();
        assert_eq!(rows, [("ACK".into(), None, Some(0)), ("INVITE".into(), Some(200), Some(2))]);
        assert_eq!((run.service, run.weirds.len()), (Some("sip"), 0));
    }
}

#[test]
fn descriptions_announce_what_goes_between_the_two() {
    let body = b"v=0\nc=IN IP4 10.0.0.1\nm=audio 49170 RTP/AVP 0\na=rtcp:49180\nm=audio 4 RTP/SAVP 0\nc=IN IP6 2001:db8::1\na=rtcp-mux\n";
    let all: Vec<_> = message::media(body).iter().map(|m| (m.address, m.port, m.rtcp)).collect();
    let v6 = "2001:db8::1".parse::<std::net::IpAddr>().ok().map(Ip::from);
    assert_eq!(all, [(Some(Ip::v4([10, 0, 0, 1])), 49170, Some(49180)), (v6, 4, None)]);
    for end in 0..body.len() {
        message::media(&body[..end]);
    }
}

#[test]
fn prefixes_loss_and_what_is_no_sip() {
    for end in 0..REGISTER.len() {
        assert_eq!(Bench::tcp(5060).run(&[orig(&REGISTER[..end])]).faults, 0);
        assert_eq!(Bench::udp(5060).run(&[orig(&REGISTER[..end]), resp(DENIED)]).faults, 0);
    }
    let run = Bench::tcp(5060).run(&[
        orig(REGISTER),
        lost(Side::Orig, 5),
        orig(b"rest of a body"),
        orig(REGISTER),
        resp(DENIED),
    ]);
    assert_eq!((run.records::<SipRecord>().len(), run.weirds.len()), (1, 0));
    assert_eq!(Bench::tcp(5060).run(&[orig(b"GET / HTTP/1.1\r\n\r\n")]).service, Some("http"));
    let run = Bench::udp(5060).run(&[orig(REGISTER), orig(b"\xff\xfe"), orig(b"\0\0\0\0"), resp(DENIED)]);
    assert_eq!((run.records::<SipRecord>().len(), run.weirds), (1, vec![WeirdKind::SipMalformed]));
    // An answer alone is a row of its own.
    assert_eq!(Bench::udp(5060).run(&[resp(OK)]).records::<SipRecord>()[0].method, "INVITE");
}
