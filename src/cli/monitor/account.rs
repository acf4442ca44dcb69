//! Whose will the database be?
//!
//! Accounts of this system, as the system's own library tells them. Under sudo it is the one who called sudo; a name on the command line outweighs that.
//! Who is not root can become nobody else.

use super::super::env::Env;
use super::super::exit::usage;
use anyhow::{Result, anyhow};
use nix::unistd::{Uid, User};
use std::path::PathBuf;

/// A user of this system.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Further groups.
    pub(super) groups: Vec<u32>,
    pub(super) home: PathBuf,
}

impl Account {
    fn of(user: User) -> Self {
        let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
        Self { groups: groups(&user), name: user.name, uid, gid, home: user.dir }
    }
}

#[cfg(not(target_vendor = "apple"))]
fn groups(user: &User) -> Vec<u32> {
    let name = std::ffi::CString::new(user.name.as_str()).unwrap_or_default();
    let all = nix::unistd::getgrouplist(&name, user.gid).unwrap_or_default();
    all.into_iter().map(nix::unistd::Gid::as_raw).collect()
}

#[cfg(target_vendor = "apple")]
fn groups(user: &User) -> Vec<u32> {
    vec![user.gid.as_raw()]
}

fn is_root() -> bool {
    Uid::effective().is_root()
}

/// Who called sudo; `None` when nobody did, or the caller is who we are.
pub(super) fn caller(env: &Env) -> Result<Option<Account>> {
    let Some(uid) = env.text("SUDO_UID").and_then(|t| t.parse::<u32>().ok()) else { return Ok(None) };
    if !is_root() || uid == 0 {
        return Ok(None);
    }
    let user = User::from_uid(Uid::from_raw(uid))
        .ok()
        .flatten()
        .ok_or_else(|| anyhow!("SUDO_UID is {uid}, which is no user of this system; give --user NAME"))?;
    Ok(Some(Account::of(user)))
}

/// The user of this name; `None` when that is who we are.
pub(super) fn named(name: &str) -> Result<Option<Account>> {
    let user = User::from_name(name)
        .ok()
        .flatten()
        .ok_or_else(|| usage(format!("there is no user {name} on this system")))?;
    if user.uid == Uid::effective() {
        return Ok(None);
    }
    if !is_root() {
        return Err(usage(format!("only root can become {name}; start with sudo")));
    }
    Ok(Some(Account::of(user)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_up_and_strangers_refused() {
        assert!(named("no-such-user-here").unwrap_err().to_string().contains("no user no-such-user-here"));
        assert_eq!(caller(&Env::of(&[])).unwrap(), None);
        assert_eq!(caller(&Env::of(&[("SUDO_UID", "0")])).unwrap(), None);
        if is_root() {
            assert_eq!(named("root").unwrap(), None);
            let nobody = named("nobody").unwrap().unwrap();
            assert!(nobody.uid > 0 && nobody.groups.contains(&nobody.gid));
            let uid = nobody.uid.to_string();
            assert_eq!(caller(&Env::of(&[("SUDO_UID", &uid)])).unwrap(), Some(nobody));
        }
    }
}
