//! Which file does a transaction of SMB1 name, and what is to become of it?
//!
//! MS-CIFS section 2.2.6 and, for the levels of the file system, MS-FSCC section 2.4.
//! Refuses: questions for information, and what answers carry.

use super::Block;
use crate::model::bytes::{Cursor, le16, le32, le64};
use crate::model::text::{printable, printable_utf16};
use crate::protocol::smb::ask::{Ask, Handle, MAX_NAME, What};

/// Transactions that are about files (MS-CIFS section 2.2.6); `None` for those that only ask for information.
pub(super) fn transaction2(ask: &mut Ask, b: &Block<'_>) -> Option<()> {
    let w = b.words;
    let parameters = b.part(le16(w, 20), le16(w, 18)).unwrap_or(&[]);
    let data = b.part(le16(w, 24), le16(w, 22)).unwrap_or(&[]);
    let text = |at: usize| {
        let bytes = parameters.get(at..)?;
        let text = if b.unicode { printable_utf16(bytes, MAX_NAME) } else { printable(bytes, MAX_NAME) };
        Some(text.trim_end_matches("\\x00").to_owned())
    };
    ask.command = match le16(w, 28)? {
        0x00 => "trans2_open2",
        0x01 => {
            ask.name = text(12);
            "trans2_find_first2"
        }
        0x06 => {
            ask.name = text(6);
            "trans2_set_path_information"
        }
        0x08 => {
            set_file_information(ask, parameters, data);
            "trans2_set_file_information"
        }
        0x0d => {
            (ask.action, ask.name) = (Some("create"), text(4));
            "trans2_create_directory"
        }
        // Reserved, and never implemented: what speaks it is no client.
        0x0e => {
            ask.announced = le16(w, 2).map(u32::from);
            "trans2_session_setup"
        }
        0x10 => {
            ask.name = text(2);
            "trans2_get_dfs_referral"
        }
        _ => return None,
    };
    Some(())
}

fn set_file_information(ask: &mut Ask, parameters: &[u8], data: &[u8]) {
    ask.file = le16(parameters, 0).map(|id| Handle::Of(u128::from(id)));
    match le16(parameters, 2) {
        // Disposition, in SMB1's own number and in that of the file system.
        Some(0x102 | 0x3f5) => {
            let doomed = data.first().is_some_and(|b| *b != 0);
            (ask.what, ask.action) = (What::Doom(doomed), doomed.then_some("delete"));
        }
        Some(0x104 | 0x3fc) => {
            (ask.what, ask.action, ask.size) = (What::Truncate, Some("truncate"), le64(data, 0));
        }
        Some(0x3f2) => {
            let name = le32(data, 8)
                .and_then(|n| usize::try_from(n).ok())
                .and_then(|n| Cursor::new(data.get(12..)?).take(n));
            ask.new_name = name.map(|n| printable_utf16(n, MAX_NAME));
            (ask.what, ask.action) = (What::Rename, Some("rename"));
        }
        _ => {}
    }
}
