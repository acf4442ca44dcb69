//! What is left of messages when a side, the rest of a head, or a part of a body was not captured?

use super::*;

#[test]
fn either_side_may_be_missing() {
    let mut f = Flow::default();
    f.answer(OK).answer(OK).end();
    assert_eq!(f.statuses(), [(None, Some(200)); 2]);
    let mut f = Flow::default();
    f.ask(GET).ask(GET).end();
    assert_eq!(f.statuses(), [(Some("/a"), None); 2]);
    assert!(f.rows.iter().all(|r| !r.complete));
    // The first packet of the capture came from the server.
    let mut f = Flow::default();
    f.ask(OK).answer(GET).ask(OK).end();
    assert_eq!(f.statuses(), [(None, Some(200)), (Some("/a"), Some(200))]);
}

#[test]
fn loss_in_a_head_waits_for_the_next_message() {
    let mut f = Flow::default();
    f.ask(GET).answer(b"HTTP/1.1 200 OK\r\nContent-Le").gap(Side::Resp, 100).answer(b"rest of something");
    f.ask(b"GET /b HTTP/1.1\r\n\r\n").answer(OK).end();
    assert_eq!(f.statuses(), [(Some("/a"), Some(200)), (Some("/b"), Some(200))]);
    assert!(!f.rows[0].complete && f.rows[1].complete);
    let mut f = Flow::default();
    f.ask(GET).gap(Side::Resp, 100).answer(b"middle of a body").gap(Side::Orig, 60).ask(GET).answer(OK).end();
    assert_eq!(f.statuses(), [(Some("/a"), None), (Some("/a"), Some(200))]);
}

#[test]
fn heads_that_the_snaplen_cut_keep_their_complete_lines() {
    let mut f = Flow::default();
    f.ask(b"GET /a HTTP/1.1\r\nHost: h.org\r\nUser-Agent: Mozi").gap(Side::Orig, 300);
    f.answer(b"HTTP/1.1 302 Found\r\nLocation: /b\r\nServ").gap(Side::Resp, 300);
    f.ask(b"GET /b HTTP/1.1\r\nHost: h.org\r\nX").end();
    assert_eq!(f.statuses(), [(Some("/a"), Some(302)), (Some("/b"), None)]);
    let row = &f.rows[0];
    assert_eq!((row.host.as_deref(), row.user_agent.as_deref()), (Some("h.org"), None));
    assert_eq!((row.location.as_deref(), row.complete), (Some("/b"), false));
}

#[test]
fn a_request_line_that_the_snaplen_cut_keeps_what_it_asked_for() {
    let mut f = Flow::default();
    f.ask(b"GET /service/update2/crx?os=mac&arch=x86&prodver").gap(Side::Orig, 360).answer(OK).end();
    assert_eq!(f.statuses(), [(Some("/service/update2/crx?os=mac&arch=x86&prodver"), Some(200))]);
    assert!(!f.rows[0].complete);
    let mut f = Flow::default();
    f.ask(b"GE").gap(Side::Orig, 360).answer(OK).end();
    assert_eq!(f.statuses(), [(None, Some(200))]);
}

#[test]
fn loss_in_a_body_is_stepped_over() {
    let mut f = Flow::default();
    f.ask(GET)
        .answer(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n12345")
        .gap(Side::Resp, 95)
        .ask(GET)
        .answer(OK);
    assert_eq!((f.rows.len(), f.rows[0].response.body_len, f.rows[0].complete), (2, 5, false));
    let mut f = Flow::default();
    f.ask(GET)
        .answer(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n12345")
        .gap(Side::Resp, 500)
        .ask(GET)
        .answer(OK);
    assert_eq!((f.rows.len(), f.rows[1].complete), (2, true));
}
