//! Talks of each dialect, and other JSON that must not be taken for one.

use super::*;
use crate::protocol::testing::{Bench, Run, lost, orig, resp};

fn shown(run: &Run) -> Vec<(&'static str, &str, Option<bool>, u32)> {
    let row = |r: &&StratumRecord| (r.dialect.name(), r.accepted, r.repeats.count);
    run.records::<StratumRecord>()
        .iter()
        .zip(run.records::<StratumRecord>())
        .map(|(a, b)| {
            let (dialect, accepted, count) = row(a);
            (dialect, b.method.as_str(), accepted, count)
        })
        .collect()
}

#[test]
fn a_session_of_version_1() {
    let run = Bench::tcp(3333).run(&[
        orig(b"{\"id\": 0, \"method\": \"mining.subscribe\", \"params\": [\"bfgminer/5.2.0\"]}\n"),
        resp(b"{\"result\":[[[\"mining.notify\",\"1\"]],\"00b6\",4],\"error\":null,\"id\":0}\n{\"method\":\"mining.set_difficulty\",\"params\":[4096],\"id\":1}\n"),
        orig(b"{\"params\":[\"Bigsky.rig1\",\"123\"],\"id\":2,\"method\":\"mining.authorize\"}\n"),
        resp(b"{\"result\":true,\"error\":null,\"id\":2}\n"),
        orig(b"{\"id\":3,\"method\":\"mining.submit\",\"params\":[\"Bigsky.rig1\",\"j1\",\"00\",\"5\",\"9\"]}\n"),
        resp(b"{\"result\":null,\"error\":[23,\"Low difficulty share\",null],\"id\":3}\n"),
    ]);
    assert_eq!((run.service, run.faults, run.weirds.len()), (Some("stratum"), 0, 0));
    assert_eq!(
        shown(&run),
        [
            ("stratum_v1", "mining.subscribe", Some(true), 1),
            ("stratum_v1", "mining.set_difficulty", None, 1),
            ("stratum_v1", "mining.authorize", Some(true), 1),
            ("stratum_v1", "mining.submit", Some(false), 1),
        ]
    );
    let rows = run.records::<StratumRecord>();
    assert_eq!((rows[0].agent.as_deref(), rows[1].difficulty), (Some("bfgminer/5.2.0"), Some(4096.0)));
    assert_eq!((rows[2].account.as_deref(), rows[2].worker.as_deref()), (Some("Bigsky.rig1"), Some("rig1")));
    assert_eq!(
        (rows[3].error.as_deref(), rows[3].job_id.as_deref()),
        (Some("Low difficulty share"), Some("j1"))
    );
    let login = run.records::<Credential>()[0];
    assert_eq!(
        (login.account.as_deref(), login.secret, login.success),
        (Some("Bigsky.rig1"), Secret::Clear, Some(true))
    );
}

const LOGIN: &[u8] = b"{\"method\":\"login\",\"params\":{\"login\":\"4BCe.c1\",\"pass\":\"x\",\"agent\":\"xmr-stak/1.3\",\"algo\":[\"cn/1\",\"rx/0\"]},\"id\":1}\n";
const JOB: &[u8] = b"{\"id\":1,\"jsonrpc\":\"2.0\",\"error\":null,\"result\":{\"id\":\"47\",\"job\":{\"blob\":\"06\",\"job_id\":\"72\",\"target\":\"dc460300\"},\"status\":\"OK\"}}\n";

#[test]
fn monero_folds_shares_by_how_they_ended() {
    let submit = b"{\"method\":\"submit\",\"params\":{\"id\":\"47\",\"job_id\":\"72\",\"nonce\":\"98\",\"result\":\"c9\"},\"id\":1}\n";
    let ok = b"{\"id\":1,\"jsonrpc\":\"2.0\",\"error\":null,\"result\":{\"status\":\"OK\"}}\n";
    let mut sent = vec![orig(LOGIN), resp(JOB)];
    for _ in 0..9 {
        sent.extend([orig(submit), resp(ok)]);
    }
    let run = Bench::tcp(9050).run(&sent);
    let rows = run.records::<StratumRecord>();
    let shares: u32 =
        rows.iter().filter(|r| r.is_share() && r.accepted == Some(true)).map(|r| r.repeats.count).sum();
    assert_eq!((rows.len(), shares), (1 + 4, 9));
    assert_eq!(
        (rows[0].algorithm.as_deref(), rows[0].target.as_deref(), rows[1].account.as_deref()),
        (Some("cn/1,rx/0"), Some("dc460300"), Some("4BCe.c1"))
    );
    // Byte by byte it is the same.
    let bytes: Vec<_> = LOGIN.chunks(1).map(orig).chain(JOB.chunks(1).map(resp)).collect();
    assert_eq!(shown(&Bench::tcp(9050).run(&bytes)), [("cryptonote", "login", Some(true), 1)]);
}

#[test]
fn kin_of_other_coins() {
    let cases: &[(&str, &[u8])] = &[
        ("zcash", b"{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"EWBF 0.3.4b\",null,\"pool.example\",\"3333\"]}\n"),
        ("ethereum_stratum_1", b"{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"nhm/1.0\",\"EthereumStratum/1.0.0\"]}\n"),
        ("ethereum_stratum_2", b"{\"id\":0,\"method\":\"mining.hello\",\"params\":{\"agent\":\"x\",\"host\":\"p\",\"port\":\"3f\"}}\n"),
        ("eth_proxy", b"{\"worker\":\"rig\",\"id\":1,\"method\":\"eth_submitLogin\",\"params\":[\"0xabc\",\"x\"]}\n"),
        ("stratum_v1", b"[{\"id\":1,\"method\":\"mining.configure\",\"params\":[[],{}]},{\"id\":2,\"method\":\"mining.subscribe\",\"params\":[]}]\n"),
        ("cryptonote", b"{\"id\":7,\"method\":\"keepalived\",\"params\":{\"id\":\"5\"}}"),
    ];
    for (dialect, line) in cases {
        let run = Bench::tcp(4242).run(&[orig(line)]);
        assert_eq!((run.service, shown(&run)[0].0), (Some("stratum"), *dialect));
        for end in 0..line.len() {
            assert_eq!(Bench::tcp(4242).run(&[orig(&line[..end])]).faults, 0);
        }
    }
}

#[test]
fn other_json_is_left_alone() {
    let others: &[&[u8]] = &[
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_getBalance\",\"params\":[\"0x1\",\"latest\"]}\n",
        b"{\"id\":0,\"method\":\"server.version\",\"params\":[\"electrum\",\"1.4\"]}\n",
        b"{\"id\":0,\"method\":\"blockchain.scripthash.subscribe\",\"params\":[\"ab\"]}\n",
        b"{\"method\":\"login\",\"params\":{\"login\":\"bob\",\"password\":\"x\"},\"id\":1}\n",
        b"{\"method\":\"submit\",\"params\":{\"id\":1,\"form\":2},\"id\":1}\n",
        b"{\"jsonrpc\":\"1.0\",\"id\":\"x\",\"method\":\"getblocktemplate\",\"params\":[]}\n",
        b"{\"jsonrpc\":\"2.0\",\"method\":\"initialize\",\"id\":1,\"params\":{}}\n",
        b"{\"id\":1,\"result\":true}\n{\"id\":2,\"method\":\"getinfo\"}\n",
        b"{\"type\":\"chat\",\"text\":\"mining.submit\"}\n",
    ];
    for line in others {
        assert_eq!(
            Bench::tcp(3333).run(&[orig(line), resp(b"{\"id\":1,\"result\":{}}\n")]).service,
            None,
            "{}",
            String::from_utf8_lossy(line)
        );
    }
}

#[test]
fn damage_and_loss() {
    let run = Bench::tcp(9050).run(&[
        orig(LOGIN),
        resp(JOB),
        lost(Side::Resp, 10),
        resp(b"tail\"}\n{\"method\":\"job\",\"params\":{\"blob\":\"0\",\"job_id\":\"8\"}}\n"),
    ]);
    assert_eq!((shown(&run).len(), run.weirds.len()), (2, 0));
    let run = Bench::tcp(9050).run(&[orig(LOGIN), resp(JOB), orig(b"{bad}\n")]);
    assert_eq!(run.weirds, [WeirdKind::StratumMalformed]);
}

#[test]
fn version_2_without_encryption() {
    let text = |s: &str| [&[s.len() as u8][..], s.as_bytes()].concat();
    let frame = |kind: u8, payload: &[u8]| [&[0, 0, kind, payload.len() as u8, 0, 0][..], payload].concat();
    let setup = [
        &[0, 2, 0, 2, 0, 1, 0, 0, 0][..],
        &text("pool.lan"),
        &[0x4d, 0x85],
        &text("Braiins"),
        &text("S9"),
        &text("21.1"),
        &text("id"),
    ]
    .concat();
    let open = [&[5, 0, 0, 0][..], &text("bob.w1"), &[0; 36]].concat();
    let all =
        [frame(0, &setup), frame(1, &[2, 0, 0, 0, 0, 0]), frame(0x10, &open), frame(0x11, &[5, 0, 0, 0, 1])];
    let run = Bench::tcp(34255).run(&[orig(&all[0]), resp(&all[1]), orig(&all[2]), resp(&all[3])]);
    assert_eq!(
        shown(&run),
        [
            ("stratum_v2", "setup_connection", Some(true), 1),
            ("stratum_v2", "open_standard_mining_channel", Some(true), 1)
        ]
    );
    let rows = run.records::<StratumRecord>();
    assert_eq!(
        (rows[0].agent.as_deref(), rows[0].pool.as_deref(), rows[1].worker.as_deref()),
        (Some("Braiins S9 21.1"), Some("pool.lan:34125"), Some("w1"))
    );
    let bytes: Vec<_> = all[0].chunks(1).map(orig).chain([resp(&all[1])]).collect();
    assert_eq!(shown(&Bench::tcp(34255).run(&bytes)), [("stratum_v2", "setup_connection", Some(true), 1)]);
    for end in 0..all[0].len() {
        assert_eq!(Bench::tcp(34255).run(&[orig(&all[0][..end])]).service, None);
    }
}

#[test]
fn an_encrypted_connection_of_version_2_is_told_by_its_sizes() {
    let key: Vec<u8> = (0..64_u32).map(|n| (n * 167 + 13) as u8).collect();
    let (answer, setup) = (vec![0xa5; 234], vec![0x5a; 120]);
    let run = Bench::tcp(34_254).run(&[orig(&key), resp(&answer), orig(&setup)]);
    assert_eq!(run.service, Some("stratum"));
    let rows: Vec<&StratumRecord> = run.records();
    assert_eq!((rows.len(), rows[0].method.as_str(), rows[0].dialect), (1, NOISE, Dialect::V2));
    for other in [vec![0xa5; 100], vec![0xa5; 400]] {
        let run = Bench::tcp(34_254).run(&[orig(&key), resp(&other), orig(&setup)]);
        assert_eq!(run.records::<StratumRecord>().len(), 0);
    }
}
