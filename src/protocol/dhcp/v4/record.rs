//! What is told of a DHCP message?
//!
//! The row of `dhcp`, its columns and their meaning.

use super::super::joined;
use super::type_name;
use crate::model::addr::{Ip, Mac};
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DhcpRecord {
    /// Number of the message type; `None` for BOOTP.
    pub message_type: Option<u8>,
    /// From a server?
    pub from_server: bool,
    /// Transaction.
    pub xid: u32,
    /// The client's hardware address, when it is of the usual kind.
    pub client_mac: Option<Mac>,
    /// The client's identifier: an Ethernet address when it is one, else hexadecimal.
    pub client_id: Option<String>,
    /// Address that the client has and uses.
    pub client_ip: Option<Ip>,
    /// Address that the server gives.
    pub assigned_ip: Option<Ip>,
    /// Address that the client wants.
    pub requested_ip: Option<Ip>,
    /// Server's identifier.
    pub server_id: Option<Ip>,
    /// Next server of the boot process.
    pub next_server: Option<Ip>,
    /// Relay agent.
    pub relay_ip: Option<Ip>,
    /// Host name (option 12).
    pub host_name: Option<String>,
    /// Fully qualified name (option 81).
    pub fqdn: Option<String>,
    /// Domain for the client.
    pub domain: Option<String>,
    /// Subnet mask.
    pub subnet_mask: Option<Ip>,
    /// Routers.
    pub routers: Vec<Ip>,
    /// Name servers.
    pub dns_servers: Vec<Ip>,
    /// Time servers.
    pub ntp_servers: Vec<Ip>,
    /// NetBIOS name servers.
    pub netbios_servers: Vec<Ip>,
    /// Static routes as `net/len via router`.
    pub routes: Vec<String>,
    /// Where the proxy configuration lies.
    pub proxy_url: Option<String>,
    /// Lease, seconds.
    pub lease: Option<u32>,
    /// Vendor class.
    pub vendor_class: Option<String>,
    /// Options wanted, in order.
    pub fingerprint: Option<String>,
    /// Boot server's name.
    pub boot_server: Option<String>,
    /// Boot file.
    pub boot_file: Option<String>,
    /// What the server, or a declining client, says in words.
    pub message: Option<String>,
    /// Relay's circuit, printable or hexadecimal.
    pub circuit_id: Option<String>,
    /// Relay's name for the client's end.
    pub remote_id: Option<String>,
}

/// Messages.
pub static TABLE: Table = Table::record(
    "dhcp",
    "One row is one DHCP message for IPv4. Question and answer run over different flows; xid and client_mac join them.",
    &[
        col(
            "message_type",
            T::Text,
            "",
            "discover, offer, request, ack, nak, decline, release, inform …, or a number; NULL for BOOTP.",
        ),
        col("from_server", T::Bool, "", "Did a server send it?"),
        col("xid", T::U32, "", "Transaction, chosen by the client."),
        col(
            "client_mac",
            T::Text,
            "",
            "The client's hardware address; NULL when it is not of Ethernet's kind.",
        ),
        col(
            "client_id",
            T::Text,
            "",
            "The client's identifier (option 61): an Ethernet address, else hexadecimal; NULL without one.",
        ),
        col("client_ip", T::Text, "", "Address that the client already uses; NULL when it has none."),
        col("assigned_ip", T::Text, "", "Address that the server offers or gives; NULL otherwise."),
        col("requested_ip", T::Text, "", "Address that the client asks for (option 50); NULL without one."),
        col("server_id", T::Text, "", "Server that answers or is addressed (option 54); NULL without one."),
        col("next_server", T::Text, "", "Server of the next step of booting; NULL when not set."),
        col("relay_ip", T::Text, "", "Relay agent that forwarded it; NULL when none did."),
        col(
            "host_name",
            T::Text,
            "",
            "Name that the client gives itself, or the server gives it (option 12); NULL without one.",
        ),
        col("fqdn", T::Text, "", "Fully qualified name (option 81); NULL without one."),
        col("domain", T::Text, "", "Domain for the client (option 15); NULL without one."),
        col("subnet_mask", T::Text, "", "Subnet mask; NULL without one."),
        col("routers", T::Text, "", "Routers, with commas; NULL without any."),
        col("dns_servers", T::Text, "", "Name servers, with commas; NULL without any."),
        col("ntp_servers", T::Text, "", "Time servers, with commas; NULL without any."),
        col("netbios_servers", T::Text, "", "NetBIOS name servers, with commas; NULL without any."),
        col(
            "routes",
            T::Text,
            "",
            "Static routes as net/len via router, with commas (options 121 and 249); NULL without any.",
        ),
        col(
            "proxy_url",
            T::Text,
            "",
            "Where the client shall find its proxy settings (option 252); NULL without one.",
        ),
        col("lease_s", T::U32, "seconds", "Lease wanted or given; 4294967295 is for ever; NULL without one."),
        col("vendor_class", T::Text, "", "What the client is by its maker (option 60); NULL without one."),
        col(
            "fingerprint",
            T::Text,
            "",
            "Numbers of the options wanted, in the client's order, with commas; NULL without them.",
        ),
        col(
            "boot_server",
            T::Text,
            "",
            "Name of the boot server (option 66 or the header); NULL without one.",
        ),
        col("boot_file", T::Text, "", "File to boot (option 67 or the header); NULL without one."),
        col("message", T::Text, "", "Reason in words (option 56); NULL without one."),
        col(
            "circuit_id",
            T::Text,
            "",
            "Where the relay heard it (option 82), text or hexadecimal; NULL without a relay that says so.",
        ),
        col(
            "remote_id",
            T::Text,
            "",
            "The relay's name for the far end (option 82), text or hexadecimal; NULL without one.",
        ),
    ],
);

impl Record for DhcpRecord {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        match self.message_type.map(|t| (t, type_name(t))) {
            Some((_, Some(name))) => row.text(name),
            Some((code, None)) => row.display(&code),
            None => row.null(),
        };
        row.bool(self.from_server).u32(self.xid).mac(self.client_mac.unwrap_or(Mac::NONE));
        row.opt_text(self.client_id.as_deref());
        let addresses = [
            self.client_ip,
            self.assigned_ip,
            self.requested_ip,
            self.server_id,
            self.next_server,
            self.relay_ip,
        ];
        for address in addresses {
            opt_ip(row, address);
        }
        row.opt_text(self.host_name.as_deref())
            .opt_text(self.fqdn.as_deref())
            .opt_text(self.domain.as_deref());
        opt_ip(row, self.subnet_mask);
        for list in [&self.routers, &self.dns_servers, &self.ntp_servers, &self.netbios_servers] {
            row.opt_text(joined(list).as_deref());
        }
        row.opt_text(joined(&self.routes).as_deref())
            .opt_text(self.proxy_url.as_deref())
            .opt_u32(self.lease)
            .opt_text(self.vendor_class.as_deref())
            .opt_text(self.fingerprint.as_deref())
            .opt_text(self.boot_server.as_deref())
            .opt_text(self.boot_file.as_deref())
            .opt_text(self.message.as_deref())
            .opt_text(self.circuit_id.as_deref())
            .opt_text(self.remote_id.as_deref());
    }
}

fn opt_ip(row: &mut Row<'_>, ip: Option<Ip>) {
    match ip {
        Some(ip) => row.ip(ip),
        None => row.null(),
    };
}
