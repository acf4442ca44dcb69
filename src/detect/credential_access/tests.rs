//! Which fetches of secrets are told, and which old or honest tickets are not?

use super::*;
use crate::detect::testing::{Bench, inside, record};
use crate::model::record::Record;
use crate::protocol::dcerpc::Uuid;
use crate::protocol::kerberos::Ticket;

const DRSUAPI: u128 = 0xe3514235_4b06_11d1_ab04_00c04fc2dcd2;
const SAMR: u128 = 0x12345778_1234_abcd_ef00_0123456789ac;

fn put(n: u64, src: u8, dst: u8, r: impl Record) -> RecordFact {
    record(n, n as f64, inside(src), inside(dst), 445, r)
}

fn call(n: u64, src: u8, dst: u8, interface: u128, opnum: u16) -> RecordFact {
    let interface = Some((Uuid(interface.to_be_bytes()), 4, 0));
    put(
        n,
        src,
        dst,
        DcerpcRecord { kind: "call", interface, opnum: Some(opnum), rtt: Some(1), ..DcerpcRecord::default() },
    )
}

fn ticket(n: u64, service: &str, etype: i64, reply: i64, offered: &[i64]) -> RecordFact {
    exchange(n, Exchange::Tgs, "anna", service, etype, reply, offered, &[1])
}

#[allow(clippy::too_many_arguments)]
fn exchange(
    n: u64,
    exchange: Exchange,
    client: &str,
    service: &str,
    etype: i64,
    reply: i64,
    offered: &[i64],
    proofs: &[i64],
) -> RecordFact {
    let k = KerberosRecord {
        exchange,
        client: Some(client.into()),
        client_realm: None,
        service: Some(service.into()),
        realm: None,
        success: Some(true),
        error: None,
        error_text: None,
        from: None,
        till: None,
        renew_till: None,
        options: Some(0),
        etypes: offered.to_vec(),
        ticket: Ticket { realm: None, service: Some(service.into()), etype: Some(etype) },
        reply_etype: Some(reply),
        pre_auth: proofs.to_vec(),
        rtt: Some(1),
    };
    put(n, 5, 1, k)
}

#[test]
fn replication_by_a_host_that_is_none() {
    let mut bench = Bench::new(&META);
    bench.records([
        call(1, 5, 1, DRSUAPI, 0),
        call(2, 5, 1, DRSUAPI, 12),
        call(3, 5, 1, DRSUAPI, 3),
        call(4, 5, 1, DRSUAPI, 3),
    ]);
    let found = bench.end();
    assert_eq!((found.len(), found[0].severity, found[0].count), (1, Severity::High, 2));
    assert!(found[0].title.starts_with("10.0.0.5 replicates the domain from 10.0.0.1"));
}

#[test]
fn controllers_among_themselves() {
    let mut bench = Bench::new(&META);
    // 2 is asked for tickets, 3 tells of changes, 4 shows only later that it is one.
    let k = exchange(1, Exchange::Tgs, "anna", "cifs/x", 18, 18, &[18], &[1]);
    bench.records([RecordFact { tuple: crate::model::flow::Tuple { dst: inside(2), ..k.tuple }, ..k }]);
    bench.records([
        call(2, 2, 1, DRSUAPI, 3),
        call(3, 3, 1, DRSUAPI, 2),
        call(4, 3, 1, DRSUAPI, 3),
        call(5, 4, 1, DRSUAPI, 3),
        call(6, 4, 1, DRSUAPI, 4),
    ]);
    assert!(bench.kinds().is_empty());
}

#[test]
fn tickets_of_the_old_kind_in_numbers() {
    let mut bench = Bench::new(&META);
    bench.records([ticket(1, "MSSQLSvc/db", 23, 18, &[18, 23])]);
    let found = bench.end();
    assert_eq!((found[0].severity, found[0].count), (Severity::Low, 1));
    bench.records((2..8).map(|n| ticket(n, &format!("HTTP/web{n}"), 23, 18, &[18, 23])));
    let found = bench.end();
    assert_eq!((found.len(), found[0].severity), (1, Severity::High));
    assert!(found[0].title.contains("tickets for 7 services"), "{}", found[0].title);
}

#[test]
fn old_networks_and_machines_are_quiet() {
    let mut bench = Bench::new(&META);
    bench.records((1..5).map(|n| ticket(n, &format!("cifs/file{n}"), 23, 23, &[23])));
    bench.records([
        ticket(6, "krbtgt/D", 23, 18, &[18]),
        ticket(7, "PC7$", 23, 18, &[18]),
        ticket(8, "cifs/x", 18, 18, &[18, 23]),
    ]);
    // Many over hours are a working day.
    bench.records((1..40).map(|n| ticket(10 + n * 400, &format!("cifs/srv{n}"), 23, 23, &[23])));
    assert!(bench.kinds().is_empty());
}

#[test]
fn logins_without_proof() {
    let login = |n: u64, client: &str, proofs: &[i64]| {
        exchange(n, Exchange::As, client, "krbtgt/D", 18, 23, &[23], proofs)
    };
    let mut bench = Bench::new(&META);
    bench.records([login(1, "anna", &[2]), login(2, "PC7$", &[])]);
    assert!(bench.kinds().is_empty());
    bench.records([login(3, "svc1", &[128])]);
    assert_eq!(bench.end()[0].severity, Severity::Medium);
    bench.records([login(4, "svc2", &[]), login(5, "svc3", &[])]);
    let found = bench.end();
    assert_eq!((found.len(), found[0].severity), (1, Severity::High));
}

#[test]
fn the_database_and_lists_of_accounts() {
    let close = |n: u64, name: &str, read| {
        let smb = SmbRecord {
            command: "close",
            file_name: Some(name.into()),
            read_bytes: Some(read),
            ..SmbRecord::default()
        };
        put(n, 5, 1, smb)
    };
    let mut bench = Bench::new(&META);
    bench.records([
        close(1, "docs\\system", 10),
        close(2, "Windows\\NTDS\\ntds.dit", 0),
        call(3, 5, 1, SAMR, 17),
    ]);
    assert!(bench.kinds().is_empty());
    bench.records([close(4, "Windows\\NTDS\\ntds.dit", 90_000), call(5, 5, 1, SAMR, 13)]);
    let found: Vec<_> = bench.end().into_iter().map(|a| a.severity).collect();
    assert_eq!(found, [Severity::High, Severity::Low]);
}

#[test]
fn a_login_at_an_old_domain_takes_tickets_of_machines_only() {
    let machines = [
        "host/xp1.a.b",
        "cifs/dc1",
        "LDAP/dc1.a.b",
        "ldap/dc1.a.b/a.b",
        "cifs/dc1.a.b",
        "GC/dc1.a.b/a.b",
        "DNS/dc1.a.b",
        "krbtgt/A.B",
    ];
    let mut bench = Bench::new(&META);
    bench.records(
        machines.iter().enumerate().map(|(n, s)| ticket(n as u64 + 1, s, 23, 23, &[23, 24, -128, 3])),
    );
    assert!(bench.kinds().is_empty());
    // By account, as impacket asks, and by service.
    let accounts = ["sql", "web", "HTTP/intranet", "MSSQLSvc/db1.a.b:1433", "backup"];
    bench.records(accounts.iter().enumerate().map(|(n, s)| ticket(n as u64 + 20, s, 23, 23, &[23])));
    assert_eq!(bench.kinds(), ["credential_access"]);
}

#[test]
fn searches_for_accounts_to_attack() {
    let search = |filter: &str| {
        let l = LdapRecord {
            operation: "search",
            filter: Some(filter.into()),
            result: Some(0),
            ..LdapRecord::default()
        };
        Bench::new(&META).records([put(1, 5, 1, l)]).kinds().len()
    };
    for of_tools in [
        "(&(samAccountType=805306368)(servicePrincipalName=*)(!(samAccountName=krbtgt))(!(UserAccountControl:1.2.840.113556.1.4.803:=2)))",
        "(&(servicePrincipalName=*)(userAccountControl:1.2.840.113556.1.4.803:=512)(!(objectCategory=computer)))",
        "(&(samAccountType=805306368)(userAccountControl:1.2.840.113556.1.4.803:=4194304))",
    ] {
        assert_eq!(search(of_tools), 1, "{of_tools}");
    }
    for honest in [
        "(&(objectCategory=person)(sAMAccountName=anna))",
        "(servicePrincipalName=MSSQLSvc/db1.a.b:1433)",
        "(servicePrincipalName=*)",
        "(&(samAccountType=805306368)(!(userAccountControl:1.2.840.113556.1.4.803:=4194304)))",
    ] {
        assert_eq!(search(honest), 0, "{honest}");
    }
}
