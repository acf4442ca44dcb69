//! What is kept of a bind or a call?
//!
//! Zeek's and the documents' names of things; numbers that have no name stay numbers.

use super::Uuid;
use super::interfaces::Interface;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};

/// One bind to an interface, or one call.
#[derive(Clone, Debug, Default)]
pub struct DcerpcRecord {
    /// `bind`, `alter_context` or `call`.
    pub kind: &'static str,
    /// Interface and its version; `None` when the bind was not seen.
    pub interface: Option<(Uuid, u16, u16)>,
    /// Operation number of a call.
    pub opnum: Option<u16>,
    /// Named pipe that carries it, without the leading backslash.
    pub named_pipe: Option<Box<str>>,
    /// Object that a call is for.
    pub object: Option<Uuid>,
    /// Answer to a bind.
    pub bind_result: Option<&'static str>,
    /// Status of the fault that answered.
    pub fault: Option<u32>,
    /// Authentication service and level.
    pub auth: Option<(u8, u8)>,
    /// Number of the call.
    pub call_id: u32,
    /// Bytes of arguments.
    pub request_bytes: u64,
    /// Bytes of results.
    pub response_bytes: u64,
    /// What the endpoint mapper answered.
    pub endpoint: Option<String>,
    /// Is the proof of a netlogon call eight zero bytes? `None` for other calls.
    pub zero_proof: Option<bool>,
    /// Nanoseconds until the answer began; `None` without one.
    pub rtt: Option<i64>,
}

impl DcerpcRecord {
    /// Name of the interface.
    pub fn interface_name(&self) -> Option<&'static str> {
        self.known().map(|i| i.name)
    }

    /// Name of the operation.
    pub fn operation(&self) -> Option<&'static str> {
        self.known()?.operation(self.opnum?)
    }

    fn known(&self) -> Option<&'static Interface> {
        Interface::of(self.interface?.0)
    }
}

/// The table.
pub static DCERPC: Table = Table::record(
    "dcerpc",
    "One row is one interface of a bind, or one call, of DCE/RPC over TCP, UDP or a named pipe, with its answer.",
    &[
        col("kind", T::Text, "", "bind, alter_context (a bind on a connection in use) or call."),
        col("interface_uuid", T::Text, "", "Interface; NULL for a call whose bind was not seen."),
        col(
            "interface",
            T::Text,
            "",
            "Its name, such as svcctl or drsuapi; NULL when it is not a known one.",
        ),
        col("interface_version", T::Text, "", "Its version, major.minor; NULL when the bind was not seen."),
        col("opnum", T::U16, "", "Number of the operation; NULL for a bind."),
        col(
            "operation",
            T::Text,
            "",
            "Its name, such as DRSGetNCChanges; NULL for a bind or when it is not a known one.",
        ),
        col("named_pipe", T::Text, "", "SMB pipe that carries it; NULL when it runs over TCP or UDP."),
        col(
            "object_uuid",
            T::Text,
            "",
            "Object that the call is for, in DCOM an interface pointer; NULL without one.",
        ),
        col(
            "bind_result",
            T::Text,
            "",
            "acceptance, or why the server refused; NULL for a call or without an answer.",
        ),
        col(
            "fault",
            T::Text,
            "",
            "Status of the fault that answered, by name or in hexadecimal; NULL when there was none.",
        ),
        col(
            "auth_type",
            T::Text,
            "",
            "Authentication service: spnego, ntlm, kerberos, netlogon, schannel or a number; NULL without one.",
        ),
        col(
            "auth_level",
            T::Text,
            "",
            "connect, call, packet, integrity (signed) or privacy (encrypted), or a number; NULL without authentication.",
        ),
        col("call_id", T::U32, "", "Number of the call on its connection."),
        col(
            "request_bytes",
            T::U64,
            "bytes",
            "Bytes of arguments, padding and authentication left out; 0 for a bind.",
        ),
        col(
            "response_bytes",
            T::U64,
            "bytes",
            "Bytes of results seen when the answer was complete; 0 for a bind and without an answer.",
        ),
        col(
            "endpoint",
            T::Text,
            "",
            "Where the endpoint mapper says an interface listens, such as samr@ncacn_ip_tcp:10.0.0.1[49667]; NULL for all else.",
        ),
        col(
            "zero_proof",
            T::Bool,
            "",
            "Is the challenge or credential of a netlogon call eight zero bytes? NULL but for NetrServerReqChallenge and NetrServerAuthenticate2 and 3 in clear.",
        ),
        col(
            "rtt_s",
            T::F64,
            "seconds",
            "From the request's first packet to the answer's; NULL when no answer was seen.",
        ),
    ],
);

impl Record for DcerpcRecord {
    fn table(&self) -> &'static Table {
        &DCERPC
    }

    fn write(&self, row: &mut Row<'_>) {
        row.text(self.kind);
        match self.interface {
            Some((uuid, major, minor)) => {
                row.display(&uuid);
                row.opt_text(self.interface_name()).display(&format_args!("{major}.{minor}"));
            }
            None => {
                row.null().null().null();
            }
        }
        row.opt_u16(self.opnum).opt_text(self.operation()).opt_text(self.named_pipe.as_deref());
        match &self.object {
            Some(uuid) => row.display(uuid),
            None => row.null(),
        };
        row.opt_text(self.bind_result);
        match self.fault {
            Some(status) => match fault_name(status) {
                Some(name) => row.text(name),
                None => row.display(&format_args!("0x{status:08x}")),
            },
            None => row.null(),
        };
        let named = |row: &mut Row<'_>, number: Option<u8>, name: fn(u8) -> Option<&'static str>| match number
        {
            Some(n) => match name(n) {
                Some(name) => drop(row.text(name)),
                None => drop(row.display(&n)),
            },
            None => drop(row.null()),
        };
        named(row, self.auth.map(|a| a.0), auth_type);
        named(row, self.auth.map(|a| a.1), auth_level);
        row.u32(self.call_id)
            .u64(self.request_bytes)
            .u64(self.response_bytes)
            .opt_text(self.endpoint.as_deref())
            .opt_bool(self.zero_proof)
            .opt_f64(self.rtt.map(|ns| ns as f64 / 1e9));
    }
}

/// Common fault codes (C706 appendix E, MS-RPCE section 2.2.2.5, MS-ERREF).
pub(super) fn fault_name(status: u32) -> Option<&'static str> {
    Some(match status {
        0x0000_0005 => "ERROR_ACCESS_DENIED",
        0x0000_0057 => "ERROR_INVALID_PARAMETER",
        0x0000_06d8 => "EPT_S_CANT_PERFORM_OP",
        0x0000_06f7 => "RPC_X_BAD_STUB_DATA",
        0x0000_0721 => "RPC_S_SEC_PKG_ERROR",
        0x1c00_0001 => "nca_s_fault_int_div_by_zero",
        0x1c00_0002 => "nca_s_fault_addr_error",
        0x1c00_0006 => "nca_s_fault_invalid_tag",
        0x1c00_0007 => "nca_s_fault_invalid_bound",
        0x1c00_0008 => "nca_s_rpc_version_mismatch",
        0x1c00_0009 => "nca_s_unspec_reject",
        0x1c00_000d => "nca_s_fault_cancel",
        0x1c00_0012 => "nca_s_fault_unspec",
        0x1c00_001a => "nca_s_fault_context_mismatch",
        0x1c01_0002 => "nca_s_op_rng_error",
        0x1c01_0003 => "nca_s_unk_if",
        0x1c01_000b => "nca_s_proto_error",
        0x1c01_0013 => "nca_s_out_args_too_big",
        0x1c01_0014 => "nca_s_server_too_busy",
        0x1c01_0017 => "nca_s_unsupported_type",
        _ => return None,
    })
}

fn auth_type(number: u8) -> Option<&'static str> {
    Some(match number {
        9 => "spnego",
        10 => "ntlm",
        14 => "schannel",
        16 => "kerberos",
        68 => "netlogon",
        _ => return None,
    })
}

fn auth_level(number: u8) -> Option<&'static str> {
    Some(match number {
        1 => "none",
        2 => "connect",
        3 => "call",
        4 => "packet",
        5 => "integrity",
        6 => "privacy",
        _ => return None,
    })
}
