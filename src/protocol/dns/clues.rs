//! What do name services within a network tell about its hosts?
//!
//! Answers of mDNS (RFC 6762, RFC 6763) and LLMNR (RFC 4795), registrations and answers of NetBIOS (RFC 1002; the kinds of its
//! names are Microsoft's, MS-NBTE section 2.1.1). Who announces a printing service is a printer. Refuses to learn from
//! questions: they tell what somebody looks for.

use super::codes::rtype;
use super::message::{Answer, Message};
use super::rdata::Rdata;
use super::record::Kind;
use crate::model::addr::Ip;
use crate::model::flow::Side;
use crate::protocol::Output;
use crate::protocol::clues::Clue;

/// Service types (RFC 6763 section 7) and the part in the network of who offers them.
#[rustfmt::skip] // one line a role
const SERVICES: &[(&[&str], &str)] = &[
    (&["_ipp._tcp", "_ipps._tcp", "_printer._tcp", "_pdl-datastream._tcp"], "printer"),
    (&["_uscan._tcp", "_uscans._tcp", "_scanner._tcp"], "scanner"),
    (&["_axis-video._tcp", "_rtsp._tcp", "_onvif._tcp"], "camera"),
    (&["_googlecast._tcp", "_airplay._tcp", "_raop._tcp", "_spotify-connect._tcp", "_sonos._tcp", "_androidtvremote2._tcp",
       "_amzn-wplay._tcp"], "media"),
    (&["_smb._tcp", "_afpovertcp._tcp", "_nfs._tcp", "_webdav._tcp"], "file_server"),
    (&["_apple-mobdev2._tcp", "_sip._udp"], "phone"),
    (&["_hap._tcp", "_hue._tcp", "_matter._tcp", "_esphomelib._tcp"], "iot"),
];

/// Operation codes with which a host claims a NetBIOS name: registration, refresh (two numbers are in use), multi-homed
/// registration (RFC 1002 section 4.2.1.1).
const CLAIMS: &[u8] = &[5, 8, 9, 15];

/// Pass on what a message of the family says about hosts.
pub(super) fn tell(kind: Kind, side: Side, m: &Message, out: &mut Output<'_>) {
    let tuple = &out.flow.tuple;
    let sender = if side == Side::Orig { tuple.src } else { tuple.dst };
    match kind {
        Kind::Dns => {}
        Kind::Mdns if m.header.is_response() => m.records.iter().for_each(|a| mdns(sender, a, out)),
        Kind::Llmnr if m.header.is_response() => {
            m.records.iter().for_each(|a| own_address(sender, a, "llmnr", out));
        }
        Kind::Nbns if m.header.is_response() => {
            m.records.iter().for_each(|a| netbios_answer(sender, a, out));
        }
        Kind::Nbns if CLAIMS.contains(&m.header.opcode()) => {
            for question in &m.questions {
                netbios(sender, &question.name, out);
            }
        }
        Kind::Mdns | Kind::Llmnr | Kind::Nbns => {}
    }
}

/// A host answers for its own name.
fn own_address(sender: Ip, a: &Answer, source: &'static str, out: &mut Output<'_>) {
    if matches!(a.data, Rdata::Address(ip) if ip == sender) {
        out.clue(sender, Clue::Name, &a.name, source);
    }
}

fn mdns(sender: Ip, a: &Answer, out: &mut Output<'_>) {
    // A record that may be kept for no time says goodbye (RFC 6762 section 10.1).
    if a.ttl == 0 {
        return;
    }
    own_address(sender, a, "mdns", out);
    if a.rtype == rtype::PTR
        && let Some(service) = a.name.strip_suffix(".local")
        && let Some((_, role)) = SERVICES.iter().find(|(types, _)| types.contains(&service))
    {
        out.clue(sender, Clue::Role, role, "mdns.service");
    }
    // Apple's: `model=MacBookPro11,1`, and more strings behind it.
    if a.rtype == rtype::TXT
        && a.name.ends_with("._device-info._tcp.local")
        && let Rdata::Text(text) = &a.data
        && let Some(model) = text.strip_prefix("model=")
    {
        let end = model.find("osxvers=").unwrap_or(model.len());
        out.clue(sender, Clue::System, model.get(..end).unwrap_or(model), "mdns.device_info");
    }
}

/// An address for a name, or the list of a host's own names.
fn netbios_answer(sender: Ip, a: &Answer, out: &mut Output<'_>) {
    match &a.data {
        Rdata::Address(ip) => netbios(*ip, &a.name, out),
        Rdata::Text(names) if a.rtype == rtype::NBSTAT => {
            // `NAME<20> OTHER<1e>`; a blank may be part of a name.
            for name in names.split_inclusive('>') {
                netbios(sender, name.trim_start(), out);
            }
        }
        _ => {}
    }
}

/// The last byte of a NetBIOS name says what it names. Kind 0 is left out: it is a host or a group.
fn netbios(host: Ip, name: &str, out: &mut Output<'_>) {
    let Some((name, kind)) = name.rsplit_once('<').filter(|(name, _)| !name.is_empty()) else { return };
    // A scope may stand behind the kind.
    match kind.get(..2) {
        Some("20") => {
            out.clue(host, Clue::Name, name, "nbns");
            out.clue(host, Clue::Role, "file_server", "nbns");
        }
        Some("1b" | "1c") => {
            out.clue(host, Clue::Domain, name, "nbns");
            out.clue(host, Clue::Role, "domain_controller", "nbns");
        }
        Some("1e") => out.clue(host, Clue::Domain, name, "nbns"),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{ANNOUNCEMENT, NETBIOS};
    use crate::protocol::clues::HostClue;
    use crate::protocol::testing::{Bench, Sent, orig, resp};

    fn clues(port: u16, sent: &[Sent<'_>]) -> Vec<String> {
        let run = Bench::udp(port).source_port(port).run(sent);
        assert_eq!(run.faults, 0);
        let shown = |c: &HostClue| format!("{} {} {} {}", c.ip, c.clue.name(), c.value, c.source);
        run.records().into_iter().map(shown).collect()
    }

    /// A response with these records.
    fn answer(id: u16, records: &[(&[u8], u16, &[u8])]) -> Vec<u8> {
        let mut m = id.to_be_bytes().to_vec();
        m.extend([0x84, 0, 0, 0, 0, records.len() as u8, 0, 0, 0, 0]);
        for (name, kind, data) in records {
            m.extend(*name);
            m.extend(kind.to_be_bytes());
            m.extend([0, 1, 0, 0, 0, 120, 0, data.len() as u8]);
            m.extend(*data);
        }
        m
    }

    #[test]
    fn who_announces_a_service_has_its_role() {
        assert_eq!(clues(5353, &[orig(ANNOUNCEMENT)]), ["10.0.0.1 role printer mdns.service"]);
        let mac = answer(
            0,
            &[
                (b"\x04desk\x05local\0", 1, &[10, 0, 0, 1]),
                (b"\x05other\x05local\0", 1, &[10, 0, 0, 9]),
                (b"\x04desk\x0c_device-info\x04_tcp\x05local\0", 16, b"\x14model=MacBookPro11,1"),
            ],
        );
        assert_eq!(
            clues(5353, &[orig(&mac)]),
            ["10.0.0.1 name desk.local mdns", "10.0.0.1 system MacBookPro11,1 mdns.device_info"]
        );
        let mut goodbye = ANNOUNCEMENT.to_vec();
        let ttl = ANNOUNCEMENT.len() - 14;
        goodbye[ttl..ttl + 4].fill(0);
        assert!(clues(5353, &[orig(&goodbye)]).is_empty());
    }

    #[test]
    fn kinds_of_netbios_names() {
        assert!(clues(137, &[orig(NETBIOS)]).is_empty(), "a question tells nothing");
        let mut claim = NETBIOS.to_vec();
        claim[2] = 0x29; // registration
        assert_eq!(
            clues(137, &[orig(&claim)]),
            ["10.0.0.1 domain WORKGROUP nbns", "10.0.0.1 role domain_controller nbns"]
        );
        let name = &NETBIOS[12..46];
        let list = [&b"\x02"[..], b"DESK 1         \x20\x04\0", b"WORKGROUP      \x1e\x84\0"].concat();
        let status = answer(0x8101, &[(name, 0x21, &list)]);
        let asked = [&NETBIOS[..46], &[0, 0x21, 0, 1]].concat();
        assert_eq!(
            clues(137, &[orig(&asked), resp(&status)]),
            ["10.0.0.2 name DESK 1 nbns", "10.0.0.2 role file_server nbns", "10.0.0.2 domain WORKGROUP nbns"]
        );
    }

    #[test]
    fn llmnr_answers_name_the_sender() {
        let reply = answer(7, &[(b"\x04desk\0", 1, &[10, 0, 0, 1])]);
        assert_eq!(clues(5355, &[orig(&reply)]), ["10.0.0.1 name desk llmnr"]);
    }
}
