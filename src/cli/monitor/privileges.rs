//! What may this process still do once its devices are open?
//!
//! It becomes the user whose database it is, keeps one capability for the threads that capture (to open a device again), gains no privileges by running
//! programs, sees only the folders it works with (Landlock, Linux 5.13), and cannot start programs or change the system (seccomp). Where the kernel has no Landlock or
//! seccomp it goes on without, and says so. On Linux privileges belong to threads: all of this happens while there is only one.

use super::super::{Context, output, paths};
use super::account::Account;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// Folders that a monitor works with.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Where it writes: database, log, the ring of packets.
    pub(super) write: Vec<PathBuf>,
    /// Where it reads: configuration, detections.
    pub(super) read: Vec<PathBuf>,
}

impl Places {
    pub(super) fn of(cx: &Context, database: &Path, state: &Path, ring: Option<&Path>) -> Self {
        let folder = |p: &Path| match p.parent() {
            Some(f) if !f.as_os_str().is_empty() => f.to_owned(),
            _ => PathBuf::from("."),
        };
        let mut read: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
        let config = cx.global.config.clone().or_else(|| paths::config_to_read(&cx.env));
        read.extend(config.as_deref().map(folder));
        let detections = &cx.settings.engine.detect.folder;
        if !detections.is_empty() {
            read.push(detections.into());
        }
        let mut write = vec![folder(database), state.to_owned(), "/dev/null".into()];
        write.extend(ring.map(Path::to_owned));
        Self { write, read }
    }
}

/// What libraries and libpcap read: time zones, devices, the process itself.
const SYSTEM: [&str; 8] = ["/etc", "/usr", "/lib", "/lib64", "/proc", "/sys", "/dev", "/run/systemd/resolve"];

#[cfg(target_os = "linux")]
mod linux {
    use super::{Account, Places, Result};
    use anyhow::{Context as _, anyhow};
    use landlock::{
        ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr,
        RulesetStatus, path_beneath_rules,
    };
    use rustix::process::{Gid, Uid};
    use rustix::thread::{
        CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_keep_capabilities,
        set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
    };
    use seccompiler::{SeccompAction, SeccompFilter, apply_filter};

    /// System calls that nothing here needs and every intruder wants: starting programs, looking into others, changing the system.
    const REFUSED: [i64; 35] = [
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_getfd,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_io_uring_setup,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_move_mount,
        libc::SYS_open_tree,
        libc::SYS_fsopen,
        libc::SYS_setns,
        libc::SYS_unshare,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_delete_module,
        libc::SYS_kexec_load,
        libc::SYS_reboot,
        libc::SYS_swapon,
        libc::SYS_swapoff,
        libc::SYS_acct,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_open_by_handle_at,
        libc::SYS_settimeofday,
        libc::SYS_clock_settime,
        libc::SYS_sethostname,
        libc::SYS_quotactl,
    ];

    /// The one capability that opening a device needs.
    fn to_capture() -> CapabilitySet {
        CapabilitySet::NET_RAW
    }

    fn keep(kept: CapabilitySet) -> Result<()> {
        let has = capabilities(None).context("cannot read the capabilities")?.permitted;
        let kept = has & kept;
        let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
        set_capabilities(None, sets).context("cannot drop capabilities")
    }

    pub(super) fn become_user(owner: Option<&Account>) -> Result<()> {
        if let Some(owner) = owner {
            let failed = |e: rustix::io::Errno| anyhow!("cannot become {}: {e}", owner.name);
            let groups: Vec<Gid> = owner.groups.iter().map(|g| Gid::from_raw(*g)).collect();
            let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
            set_keep_capabilities(true).map_err(failed)?;
            set_thread_groups(&groups).map_err(failed)?;
            set_thread_res_gid(gid, gid, gid).map_err(failed)?;
            set_thread_res_uid(uid, uid, uid).map_err(failed)?;
            set_keep_capabilities(false).map_err(failed)?;
        }
        keep(to_capture())
    }

    pub(super) fn drop_all() -> Result<()> {
        // What execve would hand on goes as well; nothing to clear is no error.
        let _ = rustix::thread::clear_ambient_capability_set();
        keep(CapabilitySet::empty())
    }

    pub(super) fn lock_in(places: &Places) -> String {
        let mut told = Vec::new();
        match set_no_new_privs(true) {
            Ok(()) => told.push("no new privileges".to_owned()),
            Err(e) => told.push(format!("new privileges possible ({e})")),
        }
        match landlock(places) {
            Ok(RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced) => {
                told.push("Landlock: writes only to database and log, no TCP".to_owned());
            }
            Ok(RulesetStatus::NotEnforced) => told.push("no Landlock in this kernel".to_owned()),
            Err(e) => told.push(format!("no Landlock ({e})")),
        }
        match seccomp() {
            Ok(()) => told.push("seccomp: cannot start programs".to_owned()),
            Err(e) => told.push(format!("no seccomp ({e})")),
        }
        told.join("; ")
    }

    fn landlock(places: &Places) -> Result<RulesetStatus, landlock::RulesetError> {
        let abi = ABI::V5;
        let read = AccessFs::from_read(abi) & !AccessFs::Execute;
        let status = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(abi))?
            .handle_access(AccessNet::from_all(abi))?
            .create()?
            .add_rules(path_beneath_rules(&places.read, read))?
            .add_rules(path_beneath_rules(&places.write, AccessFs::from_all(abi) & !AccessFs::Execute))?
            .restrict_self()?;
        Ok(status.ruleset)
    }

    fn seccomp() -> Result<()> {
        let arch = std::env::consts::ARCH.try_into().map_err(|_| anyhow!("not for this processor"))?;
        let rules = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
        let refuse = SeccompAction::Errno(libc::EPERM as u32);
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch)?;
        let program: seccompiler::BpfProgram = filter.try_into()?;
        Ok(apply_filter(&program)?)
    }
}

/// Become this user (or stay who we are), keeping only what opening a device needs. With one thread only.
pub(super) fn become_user(owner: Option<&Account>) -> Result<()> {
    #[cfg(target_os = "linux")]
    linux::become_user(owner)?;
    #[cfg(not(target_os = "linux"))]
    if let Some(owner) = owner {
        let _ = owner;
        output::complain(
            "this system has no way to become another user thread by thread; database and log belong to root",
        );
    }
    #[cfg(target_os = "linux")]
    if owner.is_none() && rustix::process::geteuid().is_root() {
        output::complain(
            "runs as root without its privileges; --user NAME makes database and log somebody else's",
        );
    }
    Ok(())
}

/// Give up what is left, for this thread and those it will start.
pub(super) fn drop_all() -> Result<()> {
    #[cfg(target_os = "linux")]
    linux::drop_all()?;
    Ok(())
}

/// Lock this thread and those it will start in; says what holds.
pub(super) fn lock_in(places: &Places) -> String {
    #[cfg(target_os = "linux")]
    return linux::lock_in(places);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = places;
        "not locked in: this system has neither Landlock nor seccomp".to_owned()
    }
}
