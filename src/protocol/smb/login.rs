//! Who logs in, and was it accepted?
//!
//! Security blobs go to `ntlm`, which finds NTLMSSP also inside SPNEGO; old logins of SMB1 carry account and responses in the open.
//! Refuses: Kerberos, and keeping the secrets themselves.

use super::record::SmbRecord;
use super::status::Status;
use crate::model::flow::Side;
use crate::protocol::Output;
use crate::protocol::credentials::{Credential, Secret};
use crate::protocol::ntlm::Session;

/// An authentication under way.
#[derive(Debug, Default)]
pub(super) struct Login {
    pub(super) ntlm: Option<Session>,
    /// Account of a login without NTLMSSP, and in which form its secret came.
    pub(super) account: Option<(String, Secret)>,
    pub(super) native: [Option<Box<str>>; 2],
}

impl Login {
    pub(super) fn feed(&mut self, side: Side, blob: &[u8], out: &mut Output<'_>) {
        let fresh = || Session::new("smb");
        let mut session = self.ntlm.take().unwrap_or_else(fresh);
        if session.feed(side, blob, out) || session.is_proved() {
            self.ntlm = Some(session);
        }
    }
}

/// A login ended: `outcome` is whether it was accepted, and whether only as a guest.
pub(super) fn settle(
    login: &mut Login,
    outcome: Option<(bool, bool)>,
    status: Option<Status>,
    row: &mut SmbRecord,
    out: &mut Output<'_>,
) {
    let told = status.map(|s| s.to_string());
    // A guest was let in whatever the password was.
    let success = outcome.map(|(yes, guest)| yes && !guest);
    let detail = if outcome == Some((true, true)) { Some("guest".to_owned()) } else { told };
    if let Some(ntlm) = &mut login.ntlm {
        row.username = ntlm.account().map(Into::into);
        ntlm.outcome(success, detail, out);
    } else if let Some((account, secret)) = login.account.take() {
        row.username = Some(account.as_str()).filter(|a| !a.is_empty()).map(Into::into);
        let account = (!account.is_empty()).then_some(account);
        let mechanism = if secret == Secret::Clear { "password" } else { "ntlm" };
        out.record(out.at, Credential { service: "smb", account, mechanism, secret, success, detail });
    }
}
