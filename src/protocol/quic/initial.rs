//! What is inside an Initial packet?
//!
//! RFC 9001 section 5: its keys follow from the connection id that the client chose, so anyone who saw the first packet can read the
//! Initial packets of both sides. That is by design; nothing else of QUIC can be read here, and nothing is guessed: a packet
//! is believed when its authentication tag fits.

use super::version::Salt;
use aes_gcm::aead::AeadInOut;
use aes_gcm::aes::Aes128;
use aes_gcm::aes::cipher::BlockCipherEncrypt;
use aes_gcm::{Aes128Gcm, KeyInit};
use hkdf::Hkdf;
use sha2::Sha256;

/// Length of the authentication tag, bytes.
const TAG: usize = 16;

/// Keys of one direction.
pub(super) struct Keys {
    pub(super) payload: Aes128Gcm,
    pub(super) iv: [u8; 12],
    pub(super) header: Aes128,
}

/// Keys of both directions.
pub(super) struct Pair {
    pub(super) client: Keys,
    pub(super) server: Keys,
}

/// HKDF-Expand-Label of TLS 1.3 without context (RFC 8446 section 7.1).
fn expand<const N: usize>(secret: &Hkdf<Sha256>, label: &[u8]) -> Option<[u8; N]> {
    const PREFIX: &[u8] = b"tls13 ";
    let length = u16::try_from(N).ok()?.to_be_bytes();
    let label_length = [u8::try_from(PREFIX.len().checked_add(label.len())?).ok()?];
    let mut out = [0; N];
    let info = [&length[..], &label_length, PREFIX, label, &[0]].concat();
    secret.expand(&info, &mut out).ok()?;
    Some(out)
}

impl Keys {
    fn new(initial: &Hkdf<Sha256>, side: &[u8], salt: &Salt) -> Option<Self> {
        let secret = expand::<32>(initial, side)?;
        let secret = Hkdf::<Sha256>::from_prk(&secret).ok()?;
        let [key, iv, header] = salt.labels;
        Some(Self {
            payload: Aes128Gcm::new(&expand::<16>(&secret, key)?.into()),
            iv: expand(&secret, iv)?,
            header: Aes128::new(&expand::<16>(&secret, header)?.into()),
        })
    }

    /// The payload of a packet, decrypted into `out`. `None`: these are not its keys.
    pub(super) fn open(&self, packet: &[u8], number_at: usize, out: &mut Vec<u8>) -> Option<()> {
        let sample: [u8; 16] = packet.get(number_at.checked_add(4)?..)?.get(..16)?.try_into().ok()?;
        let mut mask = sample.into();
        self.header.encrypt_block(&mut mask);
        let [m0, m1, m2, m3, m4, ..] = mask.0;
        let first = packet.first()? ^ (m0 & 0x0f);
        let number_len = usize::from(first & 3) + 1;
        let payload_at = number_at.checked_add(number_len)?;
        let mut header = packet.get(..payload_at)?.to_vec();
        *header.first_mut()? = first;
        let mut nonce = self.iv;
        let number = header.get_mut(number_at..)?;
        for (byte, mask) in number.iter_mut().zip([m1, m2, m3, m4]) {
            *byte ^= mask;
        }
        // Numbers of Initial packets stay small, so that the shortened one is the whole one.
        for (to, from) in nonce.iter_mut().rev().zip(number.iter().rev()) {
            *to ^= from;
        }
        let sealed = packet.get(payload_at..)?;
        let (text, tag) = sealed.split_at_checked(sealed.len().checked_sub(TAG)?)?;
        let tag: [u8; TAG] = tag.try_into().ok()?;
        out.clear();
        out.extend_from_slice(text);
        let opened = self.payload.decrypt_inout_detached(
            &nonce.into(),
            &header,
            out.as_mut_slice().into(),
            &tag.into(),
        );
        opened.ok()
    }
}

impl Pair {
    /// From the connection id that the client chose for the server.
    pub(super) fn derive(salt: &Salt, destination: &[u8]) -> Option<Self> {
        let initial = Hkdf::<Sha256>::new(Some(&salt.salt), destination);
        Some(Self {
            client: Keys::new(&initial, b"client in", salt)?,
            server: Keys::new(&initial, b"server in", salt)?,
        })
    }
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pair")
    }
}

#[cfg(test)]
mod tests {
    use super::sealing::seal;
    use super::*;
    use crate::protocol::quic::version::Version;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[i * 2..i * 2 + 2], 16).unwrap()).collect()
    }

    const ID: [u8; 8] = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];

    /// RFC 9001 appendix A.3: the server's Initial.
    #[test]
    fn the_published_example_of_a_server() {
        let packet = bytes(
            "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb38cc5a99f5ede4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc42158407dd074ee",
        );
        let pair = Pair::derive(&Version(1).salts()[0], &ID).unwrap();
        let mut out = Vec::new();
        pair.server.open(&packet, 18, &mut out).expect("the tag fits");
        assert_eq!(out[..7], bytes("02000000000600")[..], "ACK, then CRYPTO from 0");
        assert!(pair.client.open(&packet, 18, &mut out).is_none(), "the other direction has other keys");
    }

    #[test]
    fn what_is_sealed_opens_and_nothing_else() {
        for version in [1, 0x6b33_43cf, 0xff00_001d, 0xff00_001b, 0x5130_3530] {
            let pair = Pair::derive(&Version(version).salts()[0], &ID).unwrap();
            let header = [&[0xc1][..], &version.to_be_bytes(), &[0, 0, 0, 0x40, 60, 0, 1]].concat();
            let packet = seal(&pair.client, &header, 10, &[6; 40]);
            let mut out = Vec::new();
            assert!(pair.client.open(&packet, 10, &mut out).is_some());
            assert_eq!(out, [6; 40]);
            for end in 0..packet.len() {
                assert!(pair.client.open(&packet[..end], 10, &mut out).is_none());
            }
        }
    }
}

#[cfg(test)]
pub(super) mod sealing {
    use super::*;

    /// Seal a payload as `open` expects it, for tests.
    pub(in crate::protocol::quic) fn seal(
        keys: &Keys,
        header: &[u8],
        number_at: usize,
        payload: &[u8],
    ) -> Vec<u8> {
        let mut nonce = keys.iv;
        for (to, from) in nonce.iter_mut().rev().zip(header[number_at..].iter().rev()) {
            *to ^= from;
        }
        let mut text = payload.to_vec();
        let tag =
            keys.payload.encrypt_inout_detached(&nonce.into(), header, text.as_mut_slice().into()).unwrap();
        let mut packet = [header, &text, tag.as_slice()].concat();
        let sample: [u8; 16] = packet[number_at + 4..number_at + 20].try_into().unwrap();
        let mut mask = sample.into();
        keys.header.encrypt_block(&mut mask);
        let number_len = usize::from(packet[0] & 3) + 1;
        packet[0] ^= mask.0[0] & 0x0f;
        for i in 0..number_len {
            packet[number_at + i] ^= mask.0[1 + i];
        }
        packet
    }
}
