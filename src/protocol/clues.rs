//! What did a host say about itself, or another host about it?
//!
//! The table `host_clues`, shared by every protocol that names hosts, their software or their part in the network. A clue states
//! what was said and where; what it amounts to (`hosts.names`, `os_guess`, `roles`) is concluded from all of them in the
//! store, with the clue as its reason. The engine drops what it has heard before. Refuses to conclude.

use crate::model::addr::Ip;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};

/// Longest value in input bytes: long enough for a user agent that names its system.
pub const MAX_VALUE: usize = 256;

/// What a clue is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Clue {
    /// A name of the host, without the domain it is in when the protocol keeps them apart.
    Name,
    /// Windows or DNS domain it belongs to.
    Domain,
    /// Operating system or device, in the words of the source: a banner, a build number, a vendor class.
    System,
    /// Software of a service it offers, with version: a banner.
    Server,
    /// Software it uses as a client: a user agent.
    Client,
    /// Hardware address that it says it has, `aa:bb:cc:dd:ee:ff`.
    Mac,
    /// What it does in the network: `router`, `resolver`, `dhcp_server`, `domain_controller`, `printer`, `camera`, `plc`,
    /// `mail_server`, `time_server`, `proxy`, `file_server`, `phone`, `database` …
    Role,
    /// A user who works on it.
    User,
    /// Shape of its TCP SYN or DHCP request, for telling its system.
    Fingerprint,
}

impl Clue {
    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Domain => "domain",
            Self::System => "system",
            Self::Server => "server",
            Self::Client => "client",
            Self::Mac => "mac",
            Self::Role => "role",
            Self::User => "user",
            Self::Fingerprint => "fingerprint",
        }
    }
}

/// One clue.
#[derive(Clone, Debug)]
pub struct HostClue {
    /// The host it is about.
    pub ip: Ip,
    /// What it is about.
    pub clue: Clue,
    /// What was said, printable, at most [`MAX_VALUE`] bytes of input.
    pub value: String,
    /// Where it was said: a protocol and, where it matters, the field (`dhcp`, `dhcp.vendor_class`, `smb.native_os`).
    pub source: &'static str,
}

/// The table.
pub static HOST_CLUES: Table = Table::record(
    "host_clues",
    "One row is one thing said about a host, once per capture. ts is when it was first heard.",
    &[
        col("ip", T::Text, "", "The host."),
        col("clue", T::Text, "", "name, domain, system, server, client, mac, role, user or fingerprint."),
        col("value", T::Text, "", "What was said."),
        col("source", T::Text, "", "Protocol, and its field where that matters, such as dhcp.vendor_class."),
    ],
);

impl Record for HostClue {
    fn table(&self) -> &'static Table {
        &HOST_CLUES
    }

    fn write(&self, row: &mut Row<'_>) {
        row.ip(self.ip).text(self.clue.name()).text(&self.value).text(self.source);
    }
}
