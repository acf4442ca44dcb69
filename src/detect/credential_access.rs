//! Does a host fetch secrets of the domain, or of another host?
//!
//! Replication asked for by a host that is no controller (DCSync), service tickets of the old encryption taken in numbers (Kerberoasting), logins
//! granted without proof (AS-REP roasting), registry hives and secrets saved or read from afar, the domain's database read over a share,
//! searches of the directory for accounts that these suit.
//! Sources: MS-DRSR, RFC 4120, MS-RRP, MS-LSAD; T. Medin 2014, B. Delpy and V. Le Toux 2015. Sees the whole capture, because who is a
//! controller is known by what others ask of it. Refuses to call a lone old ticket more than low: old networks have no others.

use super::window::Keyed;
use super::{Detector, Findings, Meta, Params, RecordFact, Scope, Threshold};
use crate::model::addr::Ip;
use crate::model::anomaly::{Severity, Subject};
use crate::model::kind;
use crate::model::time::Timestamp;
use crate::protocol::dcerpc::{DCERPC, DcerpcRecord};
use crate::protocol::kerberos::{Exchange, KerberosRecord, TABLE as KERBEROS};
use crate::protocol::ldap::record::{LdapRecord, TABLE as LDAP};
use crate::protocol::smb::{SMB, SmbRecord};
use std::collections::BTreeSet;

/// Hosts remembered: up to 8 KB each with all names, so at most 16 MB.
const MAX_HOSTS: usize = 2_048;

/// Names remembered of one host.
const MAX_NAMES: usize = 64;

/// RC4 (RFC 4757) and DES (RFC 3961): encryption types that are guessed quickly.
const WEAK: [i64; 5] = [23, 24, 1, 2, 3];

/// Encryption types of AES (RFC 3962, RFC 8009).
const AES: [i64; 4] = [17, 18, 19, 20];

/// Proofs before a ticket is granted: encrypted time stamp, certificates, FAST and its kin (RFC 4120, RFC 4556, RFC 6113).
const PROOFS: [i64; 7] = [2, 14, 15, 16, 17, 136, 138];

/// What it says about itself.
pub static META: Meta = Meta {
    id: "credential_access",
    question: "Does a host fetch secrets of the domain, or of another host?",
    method: "Calls and tickets by which secrets leave: replication by a host that nobody asks as a controller; service tickets encrypted with RC4 although \
             the client offers AES, counted by service; logins granted without any proof; hives of the registry saved by remote call; LSA secrets; \
             the domain's database or hives read over a share; lists of accounts; \
             searches of the directory for accounts whose tickets can be guessed.",
    kinds: &[&kind::CREDENTIAL_ACCESS],
    scope: Scope::Segment,
    flows: false,
    tables: &[&DCERPC, &KERBEROS, &SMB, &LDAP],
    icmp: false,
    thresholds: &[
        Threshold {
            name: "weak_tickets",
            unit: "services",
            default: 5.0,
            why: "Different services for which a host takes weak tickets within the window: a user needs a few, a collector wants all.",
            source: "chosen; T. Medin 2014: all services of a domain at once",
        },
        Threshold {
            name: "window",
            unit: "s",
            default: 300.0,
            why: "Tickets are kept for hours, so many new ones in so short a time are no work of a user.",
            source: "chosen",
        },
        Threshold {
            name: "unproved_logins",
            unit: "accounts",
            default: 3.0,
            why: "Single accounts without proof exist for old devices; several asked by one host are a search.",
            source: "chosen",
        },
    ],
    innocent: &[
        "A network so old that its tickets are all RC4, and service accounts without AES keys.",
        "A controller, or a synchronisation with a cloud directory, that the capture does not show as one.",
        "Backup of a controller; inventory tools that list accounts.",
    ],
    next: &[
        "Is the source a controller or a synchronisation server? If not, the domain's secrets are known: plan their renewal.",
        "Which account asked (table kerberos, ntlm)? Change passwords of the services named in details.",
        "Allow only AES for service accounts; require proof for all accounts.",
    ],
    references: &[
        "MITRE ATT&CK T1003.006, T1558.003, T1558.004, T1003.002, T1003.003, T1003.004, T1087.002.",
    ],
    build: |p| Box::new(Access::new(p)),
};

/// What a host did.
#[derive(Debug, Default)]
struct Host {
    weak: Vec<(Timestamp, Box<str>)>,
    accounts: BTreeSet<Box<str>>,
    cracked_names: bool,
    changes: u32,
}

#[derive(Debug)]
struct Access {
    tickets: usize,
    window: i64,
    logins: usize,
    hosts: Keyed<Ip, Host>,
    /// Who is asked as a controller.
    controllers: BTreeSet<Ip>,
}

/// Classes of services that run under the account of their machine (MS-ADTS, the mapping of `host`, and what every machine registers by itself):
/// a login at an old domain takes a handful of their tickets.
const OF_MACHINES: [&str; 12] = [
    "krbtgt",
    "host",
    "cifs",
    "ldap",
    "gc",
    "dns",
    "rpcss",
    "wsman",
    "termsrv",
    "protectedstorage",
    "restrictedkrbhost",
    "e3514235-4b06-11d1-ab04-00c04fc2dcd2",
];

/// Is it the service of a machine, whose password nobody guesses?
fn is_machine(service: &str) -> bool {
    let class = service.split('/').next().unwrap_or(service);
    service.ends_with('$')
        || service.contains('/') && OF_MACHINES.iter().any(|c| c.eq_ignore_ascii_case(class))
}

/// Controllers remembered; large forests have some hundred.
const MAX_CONTROLLERS: usize = 1_024;

impl Access {
    fn new(p: &Params) -> Self {
        Self {
            tickets: p.count("weak_tickets").clamp(1, MAX_NAMES),
            window: p.nanos("window"),
            logins: p.count("unproved_logins").max(1),
            hosts: Keyed::new(MAX_HOSTS, |h| {
                h.weak.len() as u64 + h.accounts.len() as u64 + u64::from(h.changes)
            }),
            controllers: BTreeSet::new(),
        }
    }

    fn is_controller(&mut self, ip: Ip, found: &mut Findings) {
        if self.controllers.contains(&ip) || self.controllers.len() >= MAX_CONTROLLERS {
            return;
        }
        self.controllers.insert(ip);
        // What it asked of others was replication among controllers.
        let targets: Vec<Subject> = found
            .iter()
            .filter(|f| f.subject.src == Some(ip) && f.subject.about == DCSYNC)
            .map(|f| f.subject.clone())
            .collect();
        for subject in targets {
            found.withdraw(&kind::CREDENTIAL_ACCESS, &subject);
        }
    }

    fn kerberos(&mut self, r: &RecordFact, k: &KerberosRecord, found: &mut Findings) {
        if k.success.is_some() && k.exchange != Exchange::Ap {
            self.is_controller(r.tuple.dst, found);
        }
        if k.success != Some(true) {
            return;
        }
        match k.exchange {
            Exchange::Tgs => self.ticket(r, k, found),
            Exchange::As => self.login(r, k, found),
            _ => {}
        }
    }

    fn ticket(&mut self, r: &RecordFact, k: &KerberosRecord, found: &mut Findings) {
        let weak = k.ticket.etype.is_some_and(|e| WEAK.contains(&e));
        let service = k.ticket.service.as_deref().or(k.service.as_deref()).unwrap_or("");
        // Tickets for other domains and for machines say nothing: machines have long random passwords.
        if !weak || service.is_empty() || is_machine(service) {
            return;
        }
        let offers_aes = k.etypes.iter().any(|e| AES.contains(e));
        let downgraded = offers_aes && k.reply_etype.is_some_and(|e| AES.contains(&e));
        let only_weak = !k.etypes.is_empty() && k.etypes.iter().all(|e| !AES.contains(e));
        let host = self.hosts.at(&r.tuple.src, r.ts);
        host.weak.retain(|(ts, name)| r.ts.since(*ts) <= self.window && **name != *service);
        if host.weak.len() < MAX_NAMES {
            host.weak.push((r.ts, service.into()));
        }
        let n = host.weak.len();
        // In a network of RC4 alone, a ticket of RC4 is the rule: only numbers count there.
        if !downgraded && n < self.tickets {
            return;
        }
        let subject = Subject::pair(r.tuple.src, r.tuple.dst).about("kerberoasting");
        let f = found.open(&kind::CREDENTIAL_ACCESS, subject);
        f.seen(r.ts, r.flow_id);
        (f.technique, f.dst_port) = (Some("T1558.003"), Some(r.tuple.dst_port));
        let many = n >= self.tickets;
        f.reason("weak_tickets", n as f64, self.tickets as f64, if many { 0.7 } else { 0.3 });
        if downgraded {
            f.reason("weak_although_aes_is_in_use", 1.0, 0.0, 0.35);
        }
        if only_weak {
            f.reason("client_offers_only_weak", 1.0, 0.0, 0.3);
        }
        if many {
            f.forget("few_tickets");
            f.severity(Severity::High, "many_services");
        } else if f.confidence() < 0.8 {
            f.severity(Severity::Low, "few_tickets");
        }
        f.list("services", host.weak.iter().map(|(_, s)| s.to_string()));
        if let Some(client) = &k.client {
            f.detail("client", client.clone());
        }
        let what =
            if n == 1 { format!("a ticket for {service}") } else { format!("tickets for {n} services") };
        f.title =
            format!("{} takes {what} encrypted with RC4 from {} (Kerberoasting)", r.tuple.src, r.tuple.dst);
    }

    fn login(&mut self, r: &RecordFact, k: &KerberosRecord, found: &mut Findings) {
        let proved = k.pre_auth.iter().any(|p| PROOFS.contains(p));
        let weak = k.reply_etype.is_some_and(|e| WEAK.contains(&e));
        let client = k.client.as_deref().unwrap_or("");
        // The options tell that the request itself was seen.
        if proved || !weak || k.options.is_none() || client.is_empty() || client.ends_with('$') {
            return;
        }
        let host = self.hosts.at(&r.tuple.src, r.ts);
        if host.accounts.len() < MAX_NAMES {
            host.accounts.insert(client.into());
        }
        let n = host.accounts.len();
        let subject = Subject::pair(r.tuple.src, r.tuple.dst).about("as_rep_roasting");
        let f = found.open(&kind::CREDENTIAL_ACCESS, subject);
        f.seen(r.ts, r.flow_id);
        (f.technique, f.dst_port) = (Some("T1558.004"), Some(r.tuple.dst_port));
        f.reason("unproved_logins", n as f64, self.logins as f64, if n >= self.logins { 0.8 } else { 0.4 });
        if k.etypes.iter().all(|e| !AES.contains(e)) {
            f.reason("client_offers_only_weak", 1.0, 0.0, 0.4);
        }
        if n < self.logins {
            f.severity(Severity::Medium, "few_accounts");
        } else {
            f.forget("few_accounts");
            f.severity(Severity::High, "many_accounts");
        }
        f.list("accounts", host.accounts.iter().map(|a| a.to_string()));
        let who = if n == 1 { format!("of {client}") } else { format!("of {n} accounts") };
        f.title =
            format!("{} gets logins {who} from {} without proof (AS-REP roasting)", r.tuple.src, r.tuple.dst);
    }

    fn call(&mut self, r: &RecordFact, c: &DcerpcRecord, found: &mut Findings) {
        if c.kind != "call" {
            return;
        }
        let (Some(interface), Some(operation)) = (c.interface_name(), c.operation()) else { return };
        match interface {
            "netlogon" | "drsuapi" if c.rtt.is_some() => self.is_controller(r.tuple.dst, found),
            _ => {}
        }
        let (about, technique, weight, severity, what) = match (interface, operation) {
            ("drsuapi", _) => return self.replication(r, c, operation, found),
            ("winreg", "BaseRegSaveKey" | "BaseRegSaveKeyEx") if c.fault.is_none() => {
                ("hives", "T1003.002", 0.75, Severity::High, "saves hives of the registry")
            }
            ("lsarpc", "LsarRetrievePrivateData" | "LsarQuerySecret") if c.fault.is_none() => {
                ("lsa_secrets", "T1003.004", 0.6, Severity::Medium, "asks for LSA secrets")
            }
            (
                "samr",
                "SamrEnumerateUsersInDomain"
                | "SamrQueryDisplayInformation"
                | "SamrQueryDisplayInformation2"
                | "SamrQueryDisplayInformation3"
                | "SamrEnumerateGroupsInDomain",
            ) if c.fault.is_none() => ("accounts", "T1087.002", 0.55, Severity::Low, "lists accounts"),
            _ => return,
        };
        let f = found.open(&kind::CREDENTIAL_ACCESS, Subject::pair(r.tuple.src, r.tuple.dst).about(about));
        f.seen(r.ts, r.flow_id);
        (f.technique, f.dst_port) = (Some(technique), Some(r.tuple.dst_port));
        f.reason("calls", f.count() as f64, 1.0, weight);
        f.severity(severity, operation);
        f.detail("operation", operation);
        f.title = format!("{} {what} on {} by remote call", r.tuple.src, r.tuple.dst);
    }

    fn replication(
        &mut self,
        r: &RecordFact,
        c: &DcerpcRecord,
        operation: &'static str,
        found: &mut Findings,
    ) {
        let (src, dst) = (r.tuple.src, r.tuple.dst);
        match operation {
            // Only controllers tell each other of changes.
            "DRSReplicaSync" | "DRSUpdateRefs" => return self.is_controller(src, found),
            "DRSCrackNames" => {
                self.hosts.at(&src, r.ts).cracked_names = true;
                return;
            }
            "DRSGetNCChanges" if !self.controllers.contains(&src) && c.fault.is_none() => {}
            _ => return,
        }
        let host = self.hosts.at(&src, r.ts);
        host.changes = host.changes.saturating_add(1);
        let (calls, named) = (host.changes, host.cracked_names);
        let f = found.open(&kind::CREDENTIAL_ACCESS, Subject::pair(src, dst).about(DCSYNC));
        f.seen(r.ts, r.flow_id);
        (f.technique, f.dst_port) = (Some("T1003.006"), Some(r.tuple.dst_port));
        f.reason("replications", f64::from(calls), 1.0, 0.5);
        if named {
            // Tools look up the account whose secrets they want; controllers do not.
            f.reason("looked_up_names_before", 1.0, 0.0, 0.6);
        } else {
            f.severity(Severity::Medium, "may_be_a_controller_unseen");
        }
        f.title = format!("{src} replicates the domain from {dst} and is not known as a controller (DCSync)");
    }

    /// The domain's database, or a hive, over a share.
    fn file(&mut self, r: &RecordFact, s: &SmbRecord, found: &mut Findings) {
        let (Some(name), true) =
            (s.file_name.as_deref(), s.command == "close" && s.read_bytes.unwrap_or(0) > 0)
        else {
            return;
        };
        let path = name.to_ascii_lowercase();
        let base = path.rsplit('\\').next().unwrap_or(&path);
        let hive = matches!(base, "sam" | "security" | "system") && path.contains("config");
        let save = matches!(
            base,
            "sam.save" | "security.save" | "system.save" | "sam.hive" | "system.hive" | "security.hive"
        );
        let dump = base.ends_with(".dmp") && base.contains("lsass");
        if !(base == "ntds.dit" || hive || save || dump) {
            return;
        }
        let f = found.open(&kind::CREDENTIAL_ACCESS, Subject::pair(r.tuple.src, r.tuple.dst).about("files"));
        f.seen(r.ts, r.flow_id);
        (f.technique, f.dst_port) =
            (Some(if base == "ntds.dit" { "T1003.003" } else { "T1003.002" }), Some(r.tuple.dst_port));
        f.reason("files_with_secrets", f.count() as f64, 1.0, 0.8);
        f.detail("file", name);
        f.title = format!("{} reads {base} from {} over SMB", r.tuple.src, r.tuple.dst);
    }
}

/// A search of the directory for accounts whose tickets can be guessed: those that log in without proof (MS-ADTS section 2.2.16, bit 0x400000 of
/// userAccountControl), and people's accounts that services run under. Such filters are those of tools; a directory's own programs ask for one
/// account, or for services of machines as well.
fn directory(r: &RecordFact, l: &LdapRecord, found: &mut Findings) {
    if l.operation != "search" || l.result.is_some_and(|code| code != 0) {
        return;
    }
    let Some(filter) = l.filter.as_deref().map(str::to_ascii_lowercase) else { return };
    const UNPROVED: &str = "(useraccountcontrol:1.2.840.113556.1.4.803:=4194304)";
    let unproved = filter.contains(UNPROVED) && !filter.contains(&format!("(!{UNPROVED}"));
    let of_people = [
        "samaccounttype=805306368",
        "1.2.840.113556.1.4.803:=512)",
        "(!(objectcategory=computer))",
        "(!(samaccountname=krbtgt))",
    ];
    let services =
        filter.contains("(serviceprincipalname=*)") && of_people.iter().any(|p| filter.contains(p));
    let (about, technique, what) = match (unproved, services) {
        (true, _) => ("search_unproved", "T1558.004", "log in without proof (AS-REP roasting)"),
        (_, true) => ("search_services", "T1558.003", "services run under (Kerberoasting)"),
        _ => return,
    };
    let (src, dst) = (r.tuple.src, r.tuple.dst);
    let f = found.open(&kind::CREDENTIAL_ACCESS, Subject::pair(src, dst).about(about));
    f.seen(r.ts, r.flow_id);
    (f.technique, f.dst_port) = (Some(technique), Some(r.tuple.dst_port));
    f.reason("filter_of_tools", f.count() as f64, 1.0, 0.6);
    f.severity(Severity::Medium, "asks_whom_to_attack");
    f.detail("filter", filter);
    f.detail("entries", l.entries);
    f.title = format!("{src} searches the directory {dst} for accounts that {what}");
}

/// Tells findings of replication from others.
const DCSYNC: &str = "dcsync";

impl Detector for Access {
    fn record(&mut self, r: &RecordFact, found: &mut Findings) {
        if let Some(c) = r.of::<DcerpcRecord>() {
            self.call(r, c, found);
        } else if let Some(k) = r.of::<KerberosRecord>() {
            self.kerberos(r, k, found);
        } else if let Some(s) = r.of::<SmbRecord>() {
            self.file(r, s, found);
        } else if let Some(l) = r.of::<LdapRecord>() {
            directory(r, l, found);
        }
    }

    fn evicted(&self) -> u64 {
        self.hosts.evicted()
    }
}

#[cfg(test)]
mod tests;
