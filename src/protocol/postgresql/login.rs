//! Who logs in to which database, how, and was it accepted?
//!
//! PostgreSQL's documentation, section "Start-up" of chapter "Message Flow": the client's first message, requests for encryption and
//! cancelling, then what the server asks for. Refuses: secrets themselves, and steps of SASL inside.

use super::{KEEP, Pending, Postgres, Stage, code, shown, zero_ended};
use crate::model::bytes::Cursor;
use crate::model::text::printable;
use crate::protocol::credentials::{Credential, MAX_ACCOUNT, Secret};
use crate::protocol::{Fed, Output, Parser};

impl Postgres {
    /// The first message of a client: no type, but a code. `None`: not complete, or nothing of ours.
    pub(super) fn start(&mut self, data: &[u8], out: &mut Output<'_>) -> Option<Fed> {
        let mut c = Cursor::new(data);
        let (length, code) = (c.u32()?, c.u32()?);
        let length = usize::try_from(length).ok()?;
        if !(8..=KEEP).contains(&length) {
            return Some(Fed::NotMine);
        }
        let mut body = Cursor::new(c.take(length - 8)?);
        match code {
            code::TLS | code::GSS => {
                self.push(if code == code::TLS { "tls" } else { "gss" }, None, out);
                self.stage = Stage::Encryption;
            }
            code::CANCEL => {
                self.push("cancel", None, out);
                self.finish(out);
                return Some(Fed::Done);
            }
            _ if code >> 16 == 3 => {
                self.stage = Stage::Login;
                while !body.is_empty() {
                    let (name, value) = (zero_ended(&mut body), zero_ended(&mut body));
                    match name {
                        b"user" => self.user = shown(value),
                        b"database" => self.database = shown(value),
                        b"application_name" => self.application = shown(value),
                        _ => {}
                    }
                }
                self.push("login", self.user.as_deref().map(Into::into), out);
            }
            _ => return Some(Fed::NotMine),
        }
        Some(Fed::Took(length))
    }

    pub(super) fn authentication(&mut self, c: &mut Cursor<'_>) {
        let Some(kind) = c.u32() else { return };
        self.auth = Some(match kind {
            0 => self.auth.unwrap_or("trust"),
            2 => "kerberos",
            3 => "password",
            5 => "md5",
            7 => "gss",
            9 => "sspi",
            10 => match zero_ended(c) {
                b"SCRAM-SHA-256" | b"SCRAM-SHA-256-PLUS" => "scram-sha-256",
                b"OAUTHBEARER" => "oauth",
                _ => "sasl",
            },
            _ => return,
        });
        if kind == 0
            && let Some(login) = self.pending.front_mut()
        {
            login.row.success = Some(true);
        }
    }

    pub(super) fn login_over(&mut self, success: bool, out: &mut Output<'_>) {
        let Some(mut login) = self.pending.pop_front() else { return };
        login.row.success = Some(success);
        login.row.auth = self.auth;
        login.row.server_version.clone_from(&self.server_version);
        self.credential(&login, out);
        self.write(login, out);
    }

    pub(super) fn credential(&self, login: &Pending, out: &mut Output<'_>) {
        let mechanism = self.auth.unwrap_or("none");
        let secret = match (mechanism, self.answered) {
            (_, false) | ("trust" | "none", _) => Secret::None,
            ("password" | "oauth", _) => Secret::Clear,
            _ => Secret::Hashed,
        };
        let account = login.row.argument.as_deref().map(|u| printable(u.as_bytes(), MAX_ACCOUNT));
        let detail = login.row.error.as_deref().map(String::from);
        let detail = detail.or_else(|| self.database.as_deref().map(|d| format!("database {d}")));
        let success = login.row.success;
        out.record(
            login.began,
            Credential { service: "postgresql", account, mechanism, secret, success, detail },
        );
    }
}
