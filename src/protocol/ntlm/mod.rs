//! Who proved to whom that they know a password, and what did both say about themselves?
//!
//! NTLM (MS-NLMP): three messages inside another protocol, bare or in SPNEGO. The carrier hands its blobs to a [`Session`] and
//! says how it ended; what comes of it is a row in `ntlm`, one in `credentials`, and clues about both hosts. Refuses to keep
//! challenges and responses, with which a password can be searched for.

use super::Output;
use super::clues::Clue;
use super::credentials::{Credential, MAX_ACCOUNT, Secret};
use super::spnego::{self, NTLM_SIGNATURE};
use crate::flow::At;
use crate::model::addr::Ip;
use crate::model::bytes::{Cursor, le16, le32};
use crate::model::flow::Side;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::text::{printable, printable_utf16};
use crate::model::weird::{Detail, WeirdKind};

/// Longest name kept, bytes: a DNS name in UTF-16.
const MAX_NAME: usize = 512;

/// Attributes of a target that are read; ten kinds are defined, each may come once.
const MAX_ATTRIBUTES: usize = 16;

/// Flags of a message (MS-NLMP section 2.2.2.5).
mod flag {
    pub(super) const UNICODE: u32 = 1;
    pub(super) const SIGN: u32 = 0x10;
    pub(super) const SEAL: u32 = 0x20;
    pub(super) const EXTENDED_SECURITY: u32 = 0x8_0000;
    pub(super) const VERSION: u32 = 0x200_0000;
    pub(super) const KEY_EXCHANGE: u32 = 0x4000_0000;
}

/// One authentication.
#[derive(Clone, Debug, Default)]
pub struct NtlmRecord {
    /// Protocol that carried it.
    pub service: &'static str,
    /// Domain of the account.
    pub domain: Option<String>,
    /// Account.
    pub username: Option<String>,
    /// Name of the client's machine, as it says.
    pub hostname: Option<String>,
    /// Form of the response.
    pub response: Option<&'static str>,
    /// Names of the server: NetBIOS name and domain, DNS name, domain and forest.
    pub server: ServerNames,
    /// The service that the client means to talk to.
    pub target: Option<String>,
    /// System of the client, `major.minor.build`.
    pub client_version: Option<String>,
    /// System of the server.
    pub server_version: Option<String>,
    /// Flags agreed.
    pub flags: Option<u32>,
    /// Did the server accept it?
    pub success: Option<bool>,
    /// What the carrier's answer said.
    pub status: Option<String>,
}

/// What a server calls itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerNames {
    /// NetBIOS name of the machine.
    pub nb_computer: Option<String>,
    /// NetBIOS name of the domain; the machine's own when it is in none.
    pub nb_domain: Option<String>,
    /// DNS name of the machine.
    pub dns_computer: Option<String>,
    /// DNS name of the domain.
    pub dns_domain: Option<String>,
    /// DNS name of the forest.
    pub dns_tree: Option<String>,
}

/// The table.
pub static NTLM: Table = Table::record(
    "ntlm",
    "One row is one authentication by NTLM, of whatever protocol. ts is its first message.",
    &[
        col("service", T::Text, "", "Protocol that carried it, such as smb or dcerpc."),
        col("domain", T::Text, "", "Domain of the account; NULL when the client named none."),
        col("username", T::Text, "", "Account; NULL when the client's proof was not seen or is anonymous."),
        col("hostname", T::Text, "", "Name of the client's machine, as it says; NULL when it says none."),
        col(
            "response",
            T::Text,
            "",
            "NTLMv2, NTLMv1, NTLMv1-ESS (with extended session security), LM or anonymous; NULL when the proof was not seen.",
        ),
        col(
            "server_nb_computer_name",
            T::Text,
            "",
            "NetBIOS name of the server; NULL when its challenge does not say.",
        ),
        col(
            "server_nb_domain_name",
            T::Text,
            "",
            "NetBIOS domain of the server, its own name without one; NULL when its challenge does not say.",
        ),
        col(
            "server_dns_computer_name",
            T::Text,
            "",
            "DNS name of the server; NULL when its challenge does not say.",
        ),
        col(
            "server_dns_domain_name",
            T::Text,
            "",
            "DNS domain of the server; NULL when its challenge does not say.",
        ),
        col(
            "server_tree_name",
            T::Text,
            "",
            "DNS name of the server's forest; NULL when its challenge does not say.",
        ),
        col(
            "target",
            T::Text,
            "",
            "Service principal that the client means to reach, such as cifs/host; NULL when it does not say.",
        ),
        col(
            "client_version",
            T::Text,
            "",
            "Windows version of the client, major.minor.build; NULL when it does not say.",
        ),
        col("server_version", T::Text, "", "Windows version of the server; NULL when it does not say."),
        col("signing", T::Bool, "", "Is signing agreed on? NULL when the proof was not seen."),
        col("sealing", T::Bool, "", "Is encryption agreed on? NULL when the proof was not seen."),
        col(
            "key_exchange",
            T::Bool,
            "",
            "Does the client choose the session key? NULL when the proof was not seen.",
        ),
        col(
            "success",
            T::Bool,
            "",
            "Did the server accept it? NULL when the carrier's answer was not seen or does not tell.",
        ),
        col("status", T::Text, "", "What the carrier's answer said; NULL when it was not seen."),
    ],
);

impl Record for NtlmRecord {
    fn table(&self) -> &'static Table {
        &NTLM
    }

    fn write(&self, row: &mut Row<'_>) {
        let agreed = |flag| self.flags.map(|f| f & flag != 0);
        row.text(self.service)
            .opt_text(self.domain.as_deref())
            .opt_text(self.username.as_deref())
            .opt_text(self.hostname.as_deref())
            .opt_text(self.response)
            .opt_text(self.server.nb_computer.as_deref())
            .opt_text(self.server.nb_domain.as_deref())
            .opt_text(self.server.dns_computer.as_deref())
            .opt_text(self.server.dns_domain.as_deref())
            .opt_text(self.server.dns_tree.as_deref())
            .opt_text(self.target.as_deref())
            .opt_text(self.client_version.as_deref())
            .opt_text(self.server_version.as_deref())
            .opt_bool(agreed(flag::SIGN))
            .opt_bool(agreed(flag::SEAL))
            .opt_bool(agreed(flag::KEY_EXCHANGE))
            .opt_bool(self.success)
            .opt_text(self.status.as_deref());
    }
}

/// The NTLM message in a blob: bare, in SPNEGO, or somewhere in a frame that we do not know.
pub fn find(blob: &[u8]) -> Option<&[u8]> {
    match spnego::read(blob) {
        Some(read) if read.token.starts_with(NTLM_SIGNATURE) => Some(read.token),
        Some(read) if read.mechanism == Some(spnego::Mechanism::Kerberos) => None,
        _ => blob.get(memchr::memmem::find(blob, NTLM_SIGNATURE)?..),
    }
}

/// One authentication as its messages come by.
#[derive(Clone, Debug)]
pub struct Session {
    began: Option<At>,
    /// When the client sent its proof, and who the client is.
    proved: Option<(At, Side)>,
    record: NtlmRecord,
}

impl Session {
    /// Inside `service`, as in `flows.service`.
    pub fn new(service: &'static str) -> Self {
        Self { began: None, proved: None, record: NtlmRecord { service, ..NtlmRecord::default() } }
    }

    /// A blob that `side` sent. False when there is no NTLM in it. Authentication begins anew with the client's first message: what
    /// was there is written before.
    pub fn feed(&mut self, side: Side, blob: &[u8], out: &mut Output<'_>) -> bool {
        let Some(message) = find(blob) else { return false };
        let kind = le32(message, 8);
        if kind == Some(1) {
            self.finish(out);
        }
        self.began.get_or_insert(out.at);
        let read = match kind {
            Some(1) => self.negotiate(message),
            Some(2) => self.challenge(side, message, out),
            Some(3) => self.authenticate(side, message, out),
            _ => None,
        };
        if read.is_none() {
            out.weird(WeirdKind::NtlmMalformed, Detail::Number(u64::from(kind.unwrap_or(0))));
        }
        true
    }

    /// Has the client sent its proof?
    pub fn is_proved(&self) -> bool {
        self.proved.is_some()
    }

    /// The account with its domain, `DOMAIN\user`, once the client has sent its proof.
    pub fn account(&self) -> Option<String> {
        let user = self.record.username.as_deref()?;
        Some(match self.record.domain.as_deref() {
            Some(domain) => format!("{domain}\\{user}"),
            None => user.to_owned(),
        })
    }

    /// The carrier says how it ended; `status` is its answer, printable. Writes the rows.
    pub fn outcome(&mut self, success: Option<bool>, status: Option<String>, out: &mut Output<'_>) {
        self.record.success = success;
        self.record.status = status;
        self.finish(out);
    }

    /// Nothing more comes: write what is there.
    pub fn finish(&mut self, out: &mut Output<'_>) {
        let Some(began) = self.began.take() else { return };
        let account = self.account();
        let fresh = NtlmRecord { service: self.record.service, ..NtlmRecord::default() };
        let record = std::mem::replace(&mut self.record, fresh);
        if let Some((at, client)) = self.proved.take() {
            if let Some(account) = account.as_deref().filter(|_| record.success == Some(true)) {
                out.clue(address(client, out), Clue::User, account, "ntlm");
            }
            let anonymous = record.response == Some("anonymous");
            let credential = Credential {
                service: record.service,
                account: account.map(|a| printable(a.as_bytes(), MAX_ACCOUNT)),
                mechanism: "ntlm",
                secret: if anonymous { Secret::None } else { Secret::Hashed },
                success: record.success,
                detail: record.status.clone(),
            };
            out.record(at, credential);
        }
        out.record(began, record);
    }

    /// The client begins: its machine and domain in a character set of its own, if at all.
    fn negotiate(&mut self, message: &[u8]) -> Option<()> {
        let flags = le32(message, 12)?;
        // Old clients stop behind the flags.
        self.record.hostname = text(field(message, 24).unwrap_or(&[]), 0);
        self.record.client_version = version(message, 32, flags);
        Some(())
    }

    /// The server's challenge, with its names.
    fn challenge(&mut self, side: Side, message: &[u8], out: &mut Output<'_>) -> Option<()> {
        let flags = le32(message, 20)?;
        self.record.server_version = version(message, 48, flags);
        let target = text(field(message, 12)?, flags);
        // Servers before Windows 2000 have no list: the target is all there is.
        if let Some(list) = field(message, 40) {
            self.attributes(list);
        }
        let server = &mut self.record.server;
        if server.nb_domain.is_none() {
            server.nb_domain = target;
        }
        let ip = address(side, out);
        let (server, version) = (&self.record.server, &self.record.server_version);
        let in_domain = server.nb_domain != server.nb_computer;
        let clues = [
            (Clue::Name, &server.nb_computer, "ntlm.nb_computer_name", true),
            (Clue::Name, &server.dns_computer, "ntlm.dns_computer_name", true),
            (Clue::Domain, &server.nb_domain, "ntlm.nb_domain_name", in_domain),
            (Clue::Domain, &server.dns_domain, "ntlm.dns_domain_name", in_domain),
        ];
        for (clue, value, source, told) in clues {
            if let Some(value) = value.as_deref().filter(|_| told) {
                out.clue(ip, clue, value, source);
            }
        }
        system(ip, version.as_deref(), out);
        Some(())
    }

    /// The client's proof.
    fn authenticate(&mut self, side: Side, message: &[u8], out: &mut Output<'_>) -> Option<()> {
        // What old clients leave out behind the names counts as no flags but their character set.
        let flags = le32(message, 60).unwrap_or(0);
        let (lm, nt) = (field(message, 12)?, field(message, 20)?);
        let record = &mut self.record;
        record.domain = text(field(message, 28)?, flags);
        record.username = text(field(message, 36)?, flags);
        record.hostname = text(field(message, 44)?, flags).or(record.hostname.take());
        record.flags = Some(flags);
        record.client_version = version(message, 64, flags).or(record.client_version.take());
        record.response = Some(match (lm, nt) {
            (lm, nt) if nt.len() < 24 && lm.len() < 24 => "anonymous",
            (_, nt) if nt.len() > 24 => "NTLMv2",
            // With extended session security the first third is the client's challenge, the rest is empty.
            ([_, _, _, _, _, _, _, _, rest @ ..], nt)
                if nt.len() == 24 && flags & flag::EXTENDED_SECURITY != 0 && rest.iter().all(|b| *b == 0) =>
            {
                "NTLMv1-ESS"
            }
            (_, nt) if nt.len() == 24 => "NTLMv1",
            _ => "LM",
        });
        self.proved = Some((out.at, side));
        // Proof, version and time take 44 bytes before the server's attributes come back (MS-NLMP section 2.2.2.7).
        if let Some(list) = nt.get(44..) {
            self.attributes(list);
        }
        let ip = address(side, out);
        if let Some(name) = self.record.hostname.as_deref() {
            out.clue(ip, Clue::Name, name, "ntlm.workstation");
        }
        system(ip, self.record.client_version.as_deref(), out);
        Some(())
    }

    /// What the server says about itself, in its challenge and again in the client's proof.
    fn attributes(&mut self, list: &[u8]) {
        let mut c = Cursor::new(list);
        for _ in 0..MAX_ATTRIBUTES {
            let (Some(id), Some(len)) = (c.u16_le(), c.u16_le()) else { return };
            let Some(value) = c.take(usize::from(len)) else { return };
            let server = &mut self.record.server;
            let slot = match id {
                0 => return,
                1 => &mut server.nb_computer,
                2 => &mut server.nb_domain,
                3 => &mut server.dns_computer,
                4 => &mut server.dns_domain,
                5 => &mut server.dns_tree,
                9 => &mut self.record.target,
                _ => continue,
            };
            if slot.is_none() {
                *slot = text(value, flag::UNICODE);
            }
        }
    }
}

fn address(side: Side, out: &Output<'_>) -> Ip {
    match side {
        Side::Orig => out.flow.tuple.src,
        Side::Resp => out.flow.tuple.dst,
    }
}

/// Build 0 is what other systems send to look like Windows: no clue.
fn system(ip: Ip, version: Option<&str>, out: &mut Output<'_>) {
    if let Some(version) = version.filter(|v| !v.ends_with(".0")) {
        out.clue(ip, Clue::System, &format!("Windows {version}"), "ntlm.version");
    }
}

/// The bytes that length, room and offset at `at` point to.
fn field(message: &[u8], at: usize) -> Option<&[u8]> {
    let len = usize::from(le16(message, at)?);
    let offset = usize::try_from(le32(message, at.checked_add(4)?)?).ok()?;
    if len == 0 { Some(&[]) } else { message.get(offset..offset.checked_add(len)?) }
}

fn text(bytes: &[u8], flags: u32) -> Option<String> {
    let text = if flags & flag::UNICODE != 0 {
        printable_utf16(bytes, MAX_NAME)
    } else {
        printable(bytes, MAX_NAME)
    };
    (!text.is_empty()).then_some(text)
}

fn version(message: &[u8], at: usize, flags: u32) -> Option<String> {
    let bytes = message.get(at..at.checked_add(8)?).filter(|_| flags & flag::VERSION != 0)?;
    match bytes {
        [0, 0, 0, 0, ..] => None,
        [major, minor, low, high, ..] => {
            Some(format!("{major}.{minor}.{}", u16::from_le_bytes([*low, *high])))
        }
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests;
