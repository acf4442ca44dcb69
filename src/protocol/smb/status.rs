//! What does a status number mean?
//!
//! NTSTATUS (MS-ERREF section 2.3), the ones that SMB servers answer with. DOS error classes of SMB1 servers that do not know NTSTATUS
//! (MS-CIFS section 2.2.2.4) keep their numbers. Refuses to guess: the rest is hexadecimal.

/// The answer of a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// NTSTATUS.
    Nt(u32),
    /// Error class and code of DOS.
    Dos(u8, u16),
}

/// All went well.
pub(super) const SUCCESS: u32 = 0;
/// The answer will come later.
pub(super) const PENDING: u32 = 0x0000_0103;
/// An authentication goes on.
pub(super) const MORE_PROCESSING: u32 = 0xc000_0016;
/// The answer is longer than the room for it, the beginning is there.
pub(super) const BUFFER_OVERFLOW: u32 = 0x8000_0005;

/// A listing is over.
pub(super) const NO_MORE_FILES: u32 = 0x8000_0006;

impl Status {
    /// Did the request do what it should?
    pub fn is_success(self) -> bool {
        matches!(self, Self::Nt(SUCCESS) | Self::Dos(0, 0))
    }

    /// Is the other half of the answer still to come?
    pub(super) fn is_more(self) -> bool {
        self == Self::Nt(MORE_PROCESSING)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nt(n) => match name(*n) {
                Some(name) => f.write_str(name),
                None => write!(f, "0x{n:08x}"),
            },
            Self::Dos(0, 0) => f.write_str("STATUS_SUCCESS"),
            Self::Dos(class, code) => write!(f, "dos:{class}:{code}"),
        }
    }
}

#[rustfmt::skip] // one line a number
fn name(status: u32) -> Option<&'static str> {
    Some(match status {
        SUCCESS => "STATUS_SUCCESS",
        PENDING => "STATUS_PENDING",
        MORE_PROCESSING => "STATUS_MORE_PROCESSING_REQUIRED",
        BUFFER_OVERFLOW => "STATUS_BUFFER_OVERFLOW",
        0x0000_010b => "STATUS_NOTIFY_CLEANUP",
        0x0000_010c => "STATUS_NOTIFY_ENUM_DIR",
        NO_MORE_FILES => "STATUS_NO_MORE_FILES",
        0x8000_002d => "STATUS_STOPPED_ON_SYMLINK",
        0xc000_0001 => "STATUS_UNSUCCESSFUL",
        0xc000_0002 => "STATUS_NOT_IMPLEMENTED",
        0xc000_0003 => "STATUS_INVALID_INFO_CLASS",
        0xc000_0004 => "STATUS_INFO_LENGTH_MISMATCH",
        0xc000_0008 => "STATUS_INVALID_HANDLE",
        0xc000_000d => "STATUS_INVALID_PARAMETER",
        0xc000_000e => "STATUS_NO_SUCH_DEVICE",
        0xc000_000f => "STATUS_NO_SUCH_FILE",
        0xc000_0010 => "STATUS_INVALID_DEVICE_REQUEST",
        0xc000_0011 => "STATUS_END_OF_FILE",
        0xc000_0022 => "STATUS_ACCESS_DENIED",
        0xc000_0023 => "STATUS_BUFFER_TOO_SMALL",
        0xc000_0033 => "STATUS_OBJECT_NAME_INVALID",
        0xc000_0034 => "STATUS_OBJECT_NAME_NOT_FOUND",
        0xc000_0035 => "STATUS_OBJECT_NAME_COLLISION",
        0xc000_0039 => "STATUS_OBJECT_PATH_INVALID",
        0xc000_003a => "STATUS_OBJECT_PATH_NOT_FOUND",
        0xc000_003b => "STATUS_OBJECT_PATH_SYNTAX_BAD",
        0xc000_0043 => "STATUS_SHARING_VIOLATION",
        0xc000_0054 => "STATUS_FILE_LOCK_CONFLICT",
        0xc000_0055 => "STATUS_LOCK_NOT_GRANTED",
        0xc000_0056 => "STATUS_DELETE_PENDING",
        0xc000_005e => "STATUS_NO_LOGON_SERVERS",
        0xc000_0061 => "STATUS_PRIVILEGE_NOT_HELD",
        0xc000_0064 => "STATUS_NO_SUCH_USER",
        0xc000_006a => "STATUS_WRONG_PASSWORD",
        0xc000_006d => "STATUS_LOGON_FAILURE",
        0xc000_006e => "STATUS_ACCOUNT_RESTRICTION",
        0xc000_006f => "STATUS_INVALID_LOGON_HOURS",
        0xc000_0070 => "STATUS_INVALID_WORKSTATION",
        0xc000_0071 => "STATUS_PASSWORD_EXPIRED",
        0xc000_0072 => "STATUS_ACCOUNT_DISABLED",
        0xc000_007e => "STATUS_RANGE_NOT_LOCKED",
        0xc000_007f => "STATUS_DISK_FULL",
        0xc000_0098 => "STATUS_FILE_INVALID",
        0xc000_009a => "STATUS_INSUFFICIENT_RESOURCES",
        0xc000_00ab => "STATUS_INSTANCE_NOT_AVAILABLE",
        0xc000_00ac => "STATUS_PIPE_NOT_AVAILABLE",
        0xc000_00ad => "STATUS_INVALID_PIPE_STATE",
        0xc000_00ae => "STATUS_PIPE_BUSY",
        0xc000_00b0 => "STATUS_PIPE_DISCONNECTED",
        0xc000_00b1 => "STATUS_PIPE_CLOSING",
        0xc000_00b5 => "STATUS_IO_TIMEOUT",
        0xc000_00ba => "STATUS_FILE_IS_A_DIRECTORY",
        0xc000_00bb => "STATUS_NOT_SUPPORTED",
        0xc000_00be => "STATUS_BAD_NETWORK_PATH",
        0xc000_00c9 => "STATUS_NETWORK_NAME_DELETED",
        0xc000_00ca => "STATUS_NETWORK_ACCESS_DENIED",
        0xc000_00cb => "STATUS_BAD_DEVICE_TYPE",
        0xc000_00cc => "STATUS_BAD_NETWORK_NAME",
        0xc000_00d0 => "STATUS_REQUEST_NOT_ACCEPTED",
        0xc000_0101 => "STATUS_DIRECTORY_NOT_EMPTY",
        0xc000_0103 => "STATUS_NOT_A_DIRECTORY",
        0xc000_0120 => "STATUS_CANCELLED",
        0xc000_0121 => "STATUS_CANNOT_DELETE",
        0xc000_0128 => "STATUS_FILE_CLOSED",
        0xc000_015b => "STATUS_LOGON_TYPE_NOT_GRANTED",
        0xc000_018b => "STATUS_NO_TRUST_SAM_ACCOUNT",
        0xc000_018d => "STATUS_TRUSTED_RELATIONSHIP_FAILURE",
        0xc000_0192 => "STATUS_NETLOGON_NOT_STARTED",
        0xc000_0193 => "STATUS_ACCOUNT_EXPIRED",
        0xc000_0203 => "STATUS_USER_SESSION_DELETED",
        0xc000_0205 => "STATUS_INSUFF_SERVER_RESOURCES",
        0xc000_020c => "STATUS_CONNECTION_DISCONNECTED",
        0xc000_0224 => "STATUS_PASSWORD_MUST_CHANGE",
        0xc000_0225 => "STATUS_NOT_FOUND",
        0xc000_0234 => "STATUS_ACCOUNT_LOCKED_OUT",
        0xc000_0257 => "STATUS_PATH_NOT_COVERED",
        0xc000_035c => "STATUS_NETWORK_SESSION_EXPIRED",
        0xc000_0413 => "STATUS_AUTHENTICATION_FIREWALL_FAILED",
        0xc000_a000 => "STATUS_INVALID_SIGNATURE",
        _ => return None,
    })
}
