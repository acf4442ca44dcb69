//! Exchanges made by hand from the layouts of MS-SMB2 section 2.2 and MS-CIFS section 2.2.

use super::*;
use crate::protocol::credentials::Credential;
use crate::protocol::dcerpc::DcerpcRecord;
use crate::protocol::dcerpc::tests::{bind, bind_ack, request, response};
use crate::protocol::files::FileRecord;
use crate::protocol::ntlm::NtlmRecord;
use crate::protocol::ntlm::tests::{type1, type2, type3};
use crate::protocol::testing::{Bench, Run, Sent, lost, orig, resp};

const SVCCTL: u128 = 0x367abb81_9844_35f1_ad32_98f038001003;
const SESSION: u64 = 0x4000;
const FILE: [u8; 16] = [7; 16];

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u32).to_be_bytes()[..], message].concat()
}

/// One request or answer of SMB2: header and body.
fn v2(answer: bool, command: u8, id: u8, status: u32, body: &[u8]) -> Vec<u8> {
    let mut m = vec![0; 64];
    m[..6].copy_from_slice(b"\xfeSMB\x40\0");
    m[8..12].copy_from_slice(&status.to_le_bytes());
    m[12] = command;
    m[16] = u8::from(answer);
    m[24] = id;
    m[36] = 5;
    m[40..48].copy_from_slice(&SESSION.to_le_bytes());
    m.extend_from_slice(body);
    m
}

fn ask(command: u8, id: u8, body: &[u8]) -> Vec<u8> {
    framed(&v2(false, command, id, 0, body))
}

fn tell(command: u8, id: u8, status: u32, body: &[u8]) -> Vec<u8> {
    framed(&v2(true, command, id, status, body))
}

/// A body of `fixed` bytes with these put into it, and `tail` behind it, whose offset from the header is written at `at`.
fn body(fixed: usize, put: &[(usize, &[u8])], at: usize, tail: &[u8]) -> Vec<u8> {
    let mut b = vec![0; fixed];
    for (at, bytes) in put {
        b[*at..*at + bytes.len()].copy_from_slice(bytes);
    }
    b[at] = 64 + fixed as u8;
    b.extend_from_slice(tail);
    b
}

fn setup(blob: &[u8]) -> Vec<u8> {
    body(24, &[(14, &(blob.len() as u16).to_le_bytes())], 12, blob)
}

fn setup_answer(blob: &[u8]) -> Vec<u8> {
    body(8, &[(6, &(blob.len() as u16).to_le_bytes())], 4, blob)
}

fn tree(share: &str) -> Vec<u8> {
    let share = utf16(share);
    body(8, &[(6, &[share.len() as u8])], 4, &share)
}

fn create(name: &str) -> Vec<u8> {
    let name = utf16(name);
    body(56, &[(46, &[name.len() as u8])], 44, &name)
}

fn created(size: u64) -> Vec<u8> {
    body(88, &[(4, &[1, 0, 0, 0]), (48, &size.to_le_bytes()), (64, &FILE)], 87, &[])
}

fn read(offset: u64) -> Vec<u8> {
    body(48, &[(8, &offset.to_le_bytes()), (16, &FILE)], 47, &[])
}

fn read_answer(data: &[u8]) -> Vec<u8> {
    body(16, &[(4, &(data.len() as u32).to_le_bytes())], 2, data)
}

fn write(offset: u64, data: &[u8]) -> Vec<u8> {
    body(48, &[(4, &(data.len() as u32).to_le_bytes()), (8, &offset.to_le_bytes()), (16, &FILE)], 2, data)
}

fn close() -> Vec<u8> {
    body(24, &[(8, &FILE)], 0, &[])
}

fn run(sent: &[Vec<u8>]) -> Run {
    // Odd ones are answers.
    let sent: Vec<_> =
        sent.iter().enumerate().map(|(i, d)| if i % 2 == 0 { orig(d) } else { resp(d) }).collect();
    play(&sent)
}

fn play(sent: &[Sent<'_>]) -> Run {
    let run = Bench::tcp(445).run(sent);
    assert_eq!((run.faults, run.service), (0, Some("smb")));
    run
}

fn login() -> Vec<Vec<u8>> {
    let negotiated = body(64, &[(2, &[3]), (4, &[0x11, 3]), (8, &[9; 16])], 63, &[]);
    vec![
        ask(0, 0, &body(36, &[(12, &[8; 16])], 35, &[])),
        tell(0, 0, 0, &negotiated),
        ask(1, 1, &setup(&type1())),
        tell(1, 1, status::MORE_PROCESSING, &setup_answer(&type2())),
        ask(1, 2, &setup(&type3(&[1; 90]))),
        tell(1, 2, 0, &setup_answer(&[])),
        ask(3, 3, &tree("\\\\dc1\\data")),
        tell(3, 3, 0, &body(16, &[(2, &[1])], 15, &[])),
        ask(5, 4, &create("a.txt")),
        tell(5, 4, 0, &created(10)),
    ]
}

fn commands(run: &Run) -> Vec<&'static str> {
    run.records::<SmbRecord>().iter().map(|r| r.command).collect()
}

#[test]
fn a_login_and_a_file_read() {
    let mut talk = login();
    talk.extend([
        ask(8, 5, &read(0)),
        tell(8, 5, 0, &read_answer(b"hello")),
        ask(8, 6, &read(5)),
        tell(8, 6, 0, &read_answer(b"world")),
        ask(6, 7, &close()),
        tell(6, 7, 0, &[]),
    ]);
    let run = run(&talk);
    assert_eq!(
        commands(&run),
        ["negotiate", "session_setup", "session_setup", "tree_connect", "create", "close"]
    );
    let rows = run.records::<SmbRecord>();
    assert_eq!((rows[0].version, rows[0].signing, rows[0].rtt), ("3.1.1", Some("required"), Some(1_000_000)));
    let last = rows[5];
    assert_eq!((last.username.as_deref(), last.session_id), (Some("CORP\\alice"), Some(SESSION)));
    assert_eq!((last.share.as_deref(), last.share_type), (Some("\\\\dc1\\data"), Some("disk")));
    assert_eq!((last.file_name.as_deref(), last.action), (Some("a.txt"), Some("read")));
    assert_eq!((last.read_bytes, last.written_bytes, last.size), (Some(10), Some(0), Some(10)));
    let file = run.records::<FileRecord>()[0];
    assert_eq!((file.seen_bytes, file.sender, file.name.as_deref()), (10, Side::Resp, Some("a.txt")));
    assert!(file.sha256.is_some(), "all ten bytes came in order");
    assert_eq!(run.records::<NtlmRecord>()[0].success, Some(true));
    assert_eq!(run.records::<Credential>()[0].account.as_deref(), Some("CORP\\alice"));
}

#[test]
fn a_wrong_password() {
    let mut talk = login();
    talk.truncate(5);
    talk.push(tell(1, 2, 0xc000_006d, &[]));
    let run = run(&talk);
    let credential = run.records::<Credential>()[0];
    assert_eq!(
        (credential.success, credential.detail.as_deref()),
        (Some(false), Some("STATUS_LOGON_FAILURE"))
    );
    assert_eq!(run.records::<SmbRecord>()[2].username.as_deref(), Some("CORP\\alice"));
}

#[test]
fn bytes_out_of_order_are_a_gap_and_repeated_ones_are_not() {
    let mut talk = login();
    let pieces: [(u64, &[u8]); 4] = [(0, b"he"), (0, b"hell"), (6, b"or"), (4, b"ow")];
    for (i, (at, data)) in pieces.into_iter().enumerate() {
        talk.push(ask(9, 10 + i as u8, &write(at, data)));
        talk.push(tell(9, 10 + i as u8, 0, &[]));
    }
    let run = run(&talk);
    let file = run.records::<FileRecord>()[0];
    assert_eq!((file.seen_bytes, file.missing_bytes, file.sha256), (6, 2, None));
    let last = *run.records::<SmbRecord>().last().unwrap();
    assert_eq!((last.command, last.status, last.written_bytes), ("close", None, Some(10)), "left open");
}

#[test]
fn renames_and_deletes() {
    let name = utf16("b.txt");
    let rename = [&[0; 16][..], &(name.len() as u32).to_le_bytes(), &name].concat();
    let set = |class: u8, info: &[u8]| {
        body(32, &[(2, &[1, class]), (4, &[info.len() as u8]), (16, &FILE)], 8, info)
    };
    let mut talk = login();
    talk.extend([
        ask(17, 5, &set(10, &rename)),
        tell(17, 5, 0, &[]),
        ask(17, 6, &set(13, &[1])),
        tell(17, 6, 0, &[]),
        ask(6, 7, &close()),
        tell(6, 7, 0, &[]),
    ]);
    let run = run(&talk);
    let rows: Vec<_> = run.records::<SmbRecord>()[5..]
        .iter()
        .map(|r| (r.command, r.action, r.file_name.as_deref(), r.new_name.as_deref()))
        .collect();
    assert_eq!(
        rows,
        [
            ("set_info", Some("rename"), Some("a.txt"), Some("b.txt")),
            ("set_info", Some("delete"), Some("b.txt"), None),
            ("close", Some("delete"), Some("b.txt"), None),
        ]
    );
}

#[test]
fn several_in_one_message_and_answers_that_take_their_time() {
    let mut first = v2(false, 5, 9, 0, &create("dir"));
    first.resize(first.len().next_multiple_of(8), 0);
    first[20] = first.len() as u8;
    let mut second = v2(false, 6, 10, 0, &body(24, &[(8, &[0xff; 16])], 0, &[]));
    second[16] = 4;
    let mut talk = login();
    talk.push(framed(&[first, second].concat()));
    let mut pending = v2(true, 5, 9, status::PENDING, &[]);
    pending[16] = 3;
    talk.push([framed(&pending), tell(5, 9, 0, &created(0)), tell(6, 10, 0, &[])].concat());
    let run = run(&talk);
    let rows: Vec<_> =
        run.records::<SmbRecord>()[5..].iter().map(|r| (r.command, r.file_name.as_deref())).collect();
    assert_eq!(rows, [("create", Some("dir")), ("close", Some("dir"))]);
}

#[test]
fn what_is_behind_a_query_in_one_message_is_about_the_same_file() {
    let related = |command: u8, id: u8, body: &[u8]| {
        let mut m = v2(false, command, id, 0, body);
        m[16] = 4;
        m
    };
    let mut open = v2(false, 5, 9, 0, &create("dir"));
    // A query has 16 bytes about its buffers before the file (MS-SMB2 section 2.2.37).
    let mut query = related(16, 10, &body(40, &[(2, &[1, 18]), (4, &[0, 16]), (24, &[0xff; 16])], 8, &[]));
    let shut = related(6, 11, &body(24, &[(8, &[0xff; 16])], 0, &[]));
    for m in [&mut open, &mut query] {
        m.resize(m.len().next_multiple_of(8), 0);
        m[20] = m.len() as u8;
    }
    let mut talk = login();
    talk.push(framed(&[open, query, shut].concat()));
    talk.push([tell(5, 9, 0, &created(0)), tell(16, 10, 0, &[]), tell(6, 11, 0, &[])].concat());
    let run = run(&talk);
    let rows: Vec<_> =
        run.records::<SmbRecord>()[5..].iter().map(|r| (r.command, r.file_name.as_deref())).collect();
    assert_eq!(rows, [("create", Some("dir")), ("close", Some("dir"))]);
}

#[test]
fn a_pipe_carries_dcerpc() {
    let mut talk = login();
    talk.truncate(6);
    talk.extend([
        ask(3, 3, &tree("\\\\dc1\\IPC$")),
        tell(3, 3, 0, &body(16, &[(2, &[2])], 15, &[])),
        ask(5, 4, &create("svcctl")),
        tell(5, 4, 0, &created(0)),
        ask(9, 5, &write(0, &bind(1, SVCCTL, None))),
        tell(9, 5, 0, &[]),
        ask(8, 6, &read(0)),
        tell(8, 6, 0, &read_answer(&bind_ack(1, None))),
    ]);
    let said = request(2, 12, &[5; 30], 3);
    let transceive =
        body(56, &[(4, &0x0011_c017_u32.to_le_bytes()), (8, &FILE), (28, &[said.len() as u8])], 24, &said);
    let told = response(2, &[6; 9], 3);
    talk.push(ask(11, 7, &transceive));
    talk.push(tell(11, 7, 0, &body(48, &[(36, &[told.len() as u8])], 32, &told)));
    let run = run(&talk);
    let rows: Vec<_> = run
        .records::<DcerpcRecord>()
        .iter()
        .map(|r| (r.operation(), r.named_pipe.as_deref(), r.bind_result, r.response_bytes))
        .collect();
    assert_eq!(
        rows,
        [(None, Some("svcctl"), Some("acceptance"), 0), (Some("RCreateServiceW"), Some("svcctl"), None, 9)]
    );
    assert!(run.records::<FileRecord>().is_empty(), "what runs over a pipe is no file");
}

#[test]
fn large_reads_come_in_pieces_and_survive_a_loss() {
    let data = vec![b'x'; 100_000];
    let whole = tell(8, 5, 0, &read_answer(&data));
    let mut talk = login();
    let opening = talk.len();
    talk.push(ask(8, 5, &read(0)));
    let mut sent: Vec<_> =
        talk.iter().enumerate().map(|(i, d)| if i % 2 == 0 { orig(d) } else { resp(d) }).collect();
    sent.truncate(opening + 1);
    sent.push(resp(&whole[..5_000]));
    sent.push(lost(Side::Resp, 5_000));
    sent.push(resp(&whole[10_000..]));
    let done = [ask(6, 6, &close()), tell(6, 6, 0, &[])];
    sent.extend([orig(&done[0]), resp(&done[1])]);
    let run = play(&sent);
    let file = run.records::<FileRecord>()[0];
    assert_eq!((file.seen_bytes, file.missing_bytes, file.sha256), (95_000, 5_000, None));
    assert_eq!(commands(&run).last(), Some(&"close"));
    assert!(run.most_buffered < 8_192, "bytes of files are not kept: {}", run.most_buffered);
}

#[test]
fn encrypted_messages_are_told_once() {
    let mut sealed = vec![0; 80];
    sealed[..4].copy_from_slice(b"\xfdSMB");
    sealed[44..52].copy_from_slice(&SESSION.to_le_bytes());
    let mut talk = login();
    talk.extend([framed(&sealed), framed(&sealed)]);
    let run = run(&talk);
    let row = *run.records::<SmbRecord>().last().unwrap();
    assert_eq!(
        (row.command, row.encrypted, row.username.as_deref()),
        ("encrypted", true, Some("CORP\\alice"))
    );
    assert_eq!(commands(&run).iter().filter(|c| **c == "encrypted").count(), 1);
}

/// One message of SMB1 with a single block; texts are ASCII.
fn v1(answer: bool, command: u8, words: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut m = vec![0; 32];
    m[..5].copy_from_slice(&[0xff, b'S', b'M', b'B', command]);
    m[9] = if answer { 0x80 } else { 0 };
    m[10..12].copy_from_slice(&[0, 0x40]);
    (m[24], m[28]) = (1, 3);
    m.push((words.len() / 2) as u8);
    m.extend_from_slice(words);
    m.extend((bytes.len() as u16).to_le_bytes());
    m.extend_from_slice(bytes);
    framed(&m)
}

#[test]
fn version_one() {
    let account = [&[1; 24][..], &[2; 24], b"bob\0WG\0Unix\0Samba\0"].concat();
    let basic = [&[0xff, 0, 0, 0][..], &[0; 10], &[24, 0, 24, 0], &[0; 8]].concat();
    let mut opened = vec![0; 68];
    (opened[0], opened[5], opened[7], opened[55]) = (0xff, 9, 2, 3);
    let mut wrote = vec![0; 28];
    (wrote[0], wrote[4], wrote[20], wrote[22]) = (0xff, 9, 3, 32 + 1 + 28 + 2);
    let run = run(&[
        v1(false, 0x72, &[], b"\x02NT LM 0.12\0"),
        v1(true, 0x72, &[0, 0, 3, 0], &[]),
        v1(false, 0x73, &basic, &account),
        v1(true, 0x73, &[0xff, 0, 0, 0, 0, 0], b"Windows 5.1\0Windows 2000 LAN Manager\0WG\0"),
        v1(false, 0x75, &[0xff, 0, 0, 0, 0, 0, 1, 0], b"\0\\\\SRV\\C$\0?????\0"),
        v1(true, 0x75, &[0xff, 0, 0, 0, 0, 0], b"A:\0NTFS\0"),
        v1(false, 0xa2, &[[0xff, 0].to_vec(), vec![0; 46]].concat(), b"\\x.exe\0"),
        v1(true, 0xa2, &opened, &[]),
        v1(false, 0x2f, &wrote, b"MZ\x90"),
        v1(true, 0x2f, &[0xff, 0, 0, 0, 3, 0], &[]),
        v1(false, 0x04, &[9, 0, 0, 0, 0, 0], &[]),
        v1(true, 0x04, &[], &[]),
        v1(false, 0x06, &[0, 0], b"\x04\\old.log\0"),
        v1(true, 0x06, &[], &[]),
    ]);
    assert_eq!(commands(&run), ["negotiate", "session_setup", "tree_connect", "create", "close", "delete"]);
    let rows = run.records::<SmbRecord>();
    assert_eq!(
        (rows[1].username.as_deref(), rows[1].native[2].as_deref()),
        (Some("WG\\bob"), Some("Windows 5.1"))
    );
    assert_eq!(rows[1].native[1].as_deref(), Some("Samba"));
    assert_eq!((rows[2].share.as_deref(), rows[2].share_type), (Some("\\\\SRV\\C$"), Some("disk")));
    assert_eq!((rows[4].file_name.as_deref(), rows[4].action), (Some("\\x.exe"), Some("write")));
    assert_eq!((rows[5].file_name.as_deref(), rows[5].action), (Some("\\old.log"), Some("delete")));
    let file = run.records::<FileRecord>()[0];
    assert_eq!((file.sender, file.seen_bytes, file.sha256.is_some()), (Side::Orig, 3, true));
    assert_eq!(run.records::<Credential>()[0].success, Some(true));
}

#[test]
fn a_netbios_session_names_both() {
    let encoded = |name: &str| -> Vec<u8> {
        let padded = format!("{name:<15}\0");
        let half = padded.bytes().flat_map(|b| [b'A' + (b >> 4), b'A' + (b & 15)]);
        [vec![32], half.collect(), vec![0]].concat()
    };
    let names = [encoded("SRV"), encoded("PC7")].concat();
    let asked = [&[0x81, 0, 0, 68][..], &names].concat();
    let run = Bench::tcp(139).run(&[
        orig(&asked),
        resp(&[0x82, 0, 0, 0]),
        orig(&v1(false, 0x72, &[], b"\x02NT LM 0.12\0")),
    ]);
    let clues: Vec<_> =
        run.records::<crate::protocol::clues::HostClue>().iter().map(|c| c.value.as_str()).collect();
    assert_eq!((run.service, clues), (Some("smb"), vec!["SRV", "PC7"]));
    assert_eq!(run.records::<SmbRecord>()[0].status, None, "nobody answered");
}

#[test]
fn every_prefix_survives() {
    let mut talk = login();
    talk.extend([ask(8, 5, &read(0)), tell(8, 5, 0, &read_answer(b"hello"))]);
    for cut in &talk {
        for end in (0..cut.len()).step_by(3) {
            let bench =
                Bench::tcp(445).run(&[orig(&talk[0]), resp(&talk[1]), orig(&cut[..end]), resp(&cut[..end])]);
            assert_eq!((bench.faults, bench.service), (0, Some("smb")));
        }
    }
    let all: Vec<u8> = talk.iter().step_by(2).flatten().copied().collect();
    let bytes: Vec<_> = all.chunks(1).map(orig).collect();
    assert_eq!(commands(&play(&bytes)).len(), 5, "byte by byte, nothing answered");
}

#[test]
fn after_a_loss_it_begins_at_the_next_message() {
    let talk = login();
    let run = play(&[
        orig(&talk[0]),
        resp(&talk[1]),
        lost(Side::Orig, 77),
        orig(b"the rest of something"),
        orig(&talk[6]),
        resp(&talk[7]),
    ]);
    assert_eq!((commands(&run), run.weirds), (vec!["negotiate", "tree_connect"], vec![]));
}
