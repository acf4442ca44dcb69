//! Who reads what shares a flow with STUN?
//!
//! By the first byte of a datagram (RFC 7983): the handshake of WebRTC goes to `dtls`, media to `rtp`. They name the flow, as the checks
//! before them only look for a way. Refuses channels of TURN.

use crate::model::flow::Side;
use crate::protocol::{Fed, Output, Parser, dtls, rtp};

/// Datagrams of a flow within which its media must begin to name it. Between two hosts it follows the checks at once; later it comes
/// where a relay or another use of the port is what the flow is for.
pub(super) const MEDIA_BEGINS: u32 = 8;

/// Who reads what shares the flow.
#[derive(Default)]
pub(super) struct Shared {
    /// The handshake, while it lasts.
    pub(super) dtls: Option<Box<dyn Parser>>,
    /// Was there one?
    shook_hands: bool,
    pub(super) media: Option<Box<dyn Parser>>,
    /// Did media begin with the flow?
    early: bool,
}

impl Shared {
    /// A datagram that is no STUN; `media` is the same as the parser of media wants it. True when somebody reads it.
    pub(super) fn datagram(
        &mut self,
        side: Side,
        data: &[u8],
        media: &[u8],
        before: u32,
        out: &mut Output<'_>,
    ) -> bool {
        match data.first() {
            Some(20..=63) => {
                if self.dtls.is_none() && !self.shook_hands && dtls::begins(data) {
                    self.shook_hands = true;
                    self.dtls = dtls::PROTOCOL.parser.map(|new| new());
                }
                let Some(parser) = &mut self.dtls else { return false };
                if !matches!(parser.feed(side, data, out), Fed::Took(_)) {
                    self.dtls = None;
                }
                true
            }
            Some(128..=191) => {
                let parser = match &mut self.media {
                    Some(parser) => parser,
                    None => {
                        self.early = before < MEDIA_BEGINS;
                        let Some(new) = rtp::PROTOCOL.parser else { return false };
                        self.media.insert(new())
                    }
                };
                // Chance is told by what follows: then the flow is looked at as before.
                if matches!(parser.feed(side, media, out), Fed::NotMine) {
                    self.media = None;
                    return false;
                }
                true
            }
            _ => false,
        }
    }

    pub(super) fn service(&self) -> Option<&'static str> {
        let media = self.media.as_ref().is_some_and(|m| m.sure()) && self.early;
        match (self.shook_hands, media) {
            (true, _) => Some(dtls::PROTOCOL.name),
            (false, true) => Some(rtp::PROTOCOL.name),
            (false, false) => None,
        }
    }
}
