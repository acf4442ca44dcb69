//! Whole handshakes through the dispatcher, and what is wrong with them.

use super::record::list;
use super::*;
use crate::model::text::hex;
use crate::protocol::testing::{Bench, lost, orig, resp};
use md5::{Digest, Md5};

/// A key exchange packet with these lists and four bytes of padding.
fn kexinit(lists: [&str; 10]) -> Vec<u8> {
    let mut body = vec![4, KEXINIT];
    body.extend([7; 16]);
    for l in lists {
        body.extend((l.len() as u32).to_be_bytes());
        body.extend(l.bytes());
    }
    body.extend([0; 5 + 4]);
    [&(body.len() as u32).to_be_bytes()[..], &body].concat()
}

fn client() -> Vec<u8> {
    let kex = "curve25519-sha256,ext-info-c,kex-strict-c-v00@openssh.com";
    let (aead, mac) = ("chacha20-poly1305@openssh.com,aes128-ctr", "hmac-sha2-256");
    let lists = [kex, "ssh-ed25519,rsa-sha2-512", aead, "aes128-ctr", mac, mac, "none,zlib", "none", "", ""];
    [&b"SSH-2.0-OpenSSH_9.2 Debian\r\n"[..], &kexinit(lists)].concat()
}

fn server() -> Vec<u8> {
    let kex = "ecdh-sha2-nistp256,curve25519-sha256,kex-strict-s-v00@openssh.com";
    let both = "aes128-ctr,chacha20-poly1305@openssh.com";
    let mac = "hmac-sha1,hmac-sha2-256";
    let lists = [kex, "rsa-sha2-512", both, both, mac, mac, "none", "none", "", ""];
    [&b"SSH-2.0-dropbear\n"[..], &kexinit(lists)].concat()
}

fn row(sent: &[crate::protocol::testing::Sent<'_>]) -> SshRecord {
    let run = Bench::tcp(2222).run(sent);
    assert_eq!((run.service, run.faults), (Some("ssh"), 0));
    let rows: Vec<&SshRecord> = run.records();
    assert_eq!(rows.len(), 1);
    rows[0].clone()
}

#[test]
fn the_first_of_the_client_that_the_server_has_is_chosen() {
    let (c, s) = (client(), server());
    let r = row(&[orig(&c), resp(&s)]);
    assert_eq!(r.client.as_deref(), Some("SSH-2.0-OpenSSH_9.2 Debian"));
    assert_eq!(r.chosen(list::KEX), Some("curve25519-sha256"));
    assert_eq!(r.chosen(list::HOST_KEY), Some("rsa-sha2-512"));
    assert_eq!(r.chosen(list::CIPHER_OUT), Some("chacha20-poly1305@openssh.com"));
    assert_eq!(r.chosen_mac(list::MAC_OUT, list::CIPHER_OUT), Some("<implicit>"));
    assert_eq!(r.chosen_mac(list::MAC_IN, list::CIPHER_IN), Some("hmac-sha2-256"));
    assert_eq!((r.strict_kex(), r.version), (Some(true), Some(2)));
    let text = "curve25519-sha256,ext-info-c,kex-strict-c-v00@openssh.com;chacha20-poly1305@openssh.com,aes128-ctr;hmac-sha2-256;none,zlib";
    assert_eq!(r.client_kex.unwrap().hassh, hex(&Md5::digest(text)));
}

#[test]
fn byte_by_byte_is_the_same() {
    let (c, s) = (client(), server());
    let whole = row(&[resp(&s), orig(&c)]);
    let bytes: Vec<_> = s.chunks(1).map(resp).chain(c.chunks(1).map(orig)).collect();
    assert_eq!(format!("{whole:?}"), format!("{:?}", row(&bytes)));
}

#[test]
fn logins_are_told_behind_the_keys() {
    let newkeys: Vec<u8> = [&[0, 0, 0, 12, 10, NEWKEYS][..], &[0; 10]].concat();
    let (c, s) = ([client(), newkeys.clone()].concat(), [server(), newkeys].concat());
    let (accept, refused, taken) = ([0x55; 44], [0x55; 52], [0x55; 28]);
    let tried = [orig(&c), resp(&s), orig(&accept), resp(&accept), orig(&[1; 68]), resp(&refused)];
    let r = row(&tried);
    assert_eq!((r.auth_attempts, r.auth_success), (Some(1), Some(false)));
    let run = Bench::tcp(22).run(&[&tried[..], &[orig(&[1; 148]), resp(&taken), orig(b"session")]].concat());
    let r = run.records::<SshRecord>()[0];
    assert_eq!((r.auth_attempts, r.auth_success), (Some(2), Some(true)));
    assert_eq!(run.done_after, Some(8), "nothing is wanted of the session");
    let r = row(&[orig(&c), resp(&s)]);
    assert_eq!((r.auth_attempts, r.auth_success), (None, None));
}

#[test]
fn lines_before_the_banner_one_side_only_and_version_1() {
    let s = server();
    let r = row(&[resp(&[b"Welcome.\r\nNo entry.\r\n", &s[..]].concat())]);
    assert_eq!((r.lines_before_banner, r.server.as_deref()), (2, Some("SSH-2.0-dropbear")));
    assert_eq!(r.chosen(list::KEX), None);
    let r = row(&[resp(b"SSH-1.5-Cisco-1.25\n"), orig(b"SSH-1.5-1.2.27\n")]);
    assert_eq!((r.version, r.client.as_deref()), (Some(1), Some("SSH-1.5-1.2.27")));
    let r = row(&[resp(b"SSH-1.99-x\n"), orig(b"SSH-2.0-y\n")]);
    assert_eq!(r.version, Some(2));
}

#[test]
fn a_client_of_version_1_keeps_a_server_of_both_at_version_1() {
    // The server's first packet of version 1: length, padding, SSH_SMSG_PUBLIC_KEY.
    let key = [&[0, 0, 1, 0x0b, 0, 0, 0, 0, 0, 2][..], &[0x41; 261]].concat();
    let run = Bench::tcp(22).run(&[resp(b"SSH-1.99-OpenSSH_2.9\n"), orig(b"SSH-1.5-1.2.27\n"), resp(&key)]);
    let r = run.records::<SshRecord>()[0];
    assert_eq!((r.version, run.weirds.len()), (Some(1), 0));
}

#[test]
fn every_prefix_and_flipped_bit_survives() {
    let (c, s) = (client(), server());
    for end in 0..c.len() {
        Bench::tcp(22).run(&[orig(&c[..end]), resp(&s[..end.min(s.len())])]);
    }
    let mut flipped = c.clone();
    for bit in (0..c.len() * 8).step_by(3) {
        flipped[bit / 8] ^= 1 << (bit % 8);
        Bench::tcp(22).run(&[orig(&flipped), resp(&s)]);
        flipped[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn lies_are_weird_and_gaps_keep_what_was_there() {
    let run = Bench::tcp(22).run(&[orig(b"SSH-2.0-x\r\n\xff\xff\xff\xff\0")]);
    assert_eq!(run.weirds, [WeirdKind::SshMalformed]);
    let c = client();
    let run = Bench::tcp(22).run(&[orig(&c), lost(Side::Resp, 100), resp(b"x")]);
    assert_eq!((run.records::<SshRecord>().len(), run.weirds.len(), run.done_after), (1, 0, Some(2)));
}
