//! What follows for hosts from the flows and clues of a capture?
//!
//! Fills `host_facts` and `traffic_hourly` at the end of a capture, inside its transaction. Sums are SQL; what clues amount
//! to is concluded in `os`, `roles` and `oui`, host by host, in the order of their addresses. The same rows give the same
//! conclusions. Refuses to fill what nothing was said about: that stays NULL or empty.

mod os;
mod oui;
mod roles;

use super::connect::{text, write_error};
use super::{StoreError, arrow, tables};
use crate::model::ids::CaptureId;
use arrow::array::{Array, AsArray, StringArray};
use duckdb::{Connection, params};

/// Nanoseconds in an hour.
const HOUR_NS: i64 = 3_600_000_000_000;

/// Most link addresses kept per host: more is a router or a fault.
const MAX_MACS: usize = 16;

/// Most names, services, users … kept per host: a web host or a scan must not fill the row.
const MAX_ITEMS: usize = 64;

/// Clues weighed per host; what a host says beyond, such as a thousand invented user agents, changes no conclusion.
const MAX_TOLD: usize = 256;

/// Longest banner shown behind a service, characters.
const MAX_BANNER: usize = 80;

/// Between the items of a list on its way into SQL; `printable` lets no control character through.
const SEPARATOR: &str = "\u{1f}";

/// One thing told about a host: a row of `host_clues`; or `offer` with service and port; or `router` with the reason.
#[derive(Clone, Debug)]
struct Told {
    clue: String,
    value: String,
    source: String,
}

/// What is concluded about a host.
struct Conclusion {
    ip: String,
    guess: Option<os::Guess>,
    roles: Vec<String>,
    reasons: Vec<String>,
}

/// Fill `host_facts` and `traffic_hourly` from the flows and clues of a capture. `names` are what the capture file itself says.
pub(super) fn derive<'a>(
    db: &Connection,
    id: CaptureId,
    sensor: &str,
    names: impl Iterator<Item = &'a (std::net::IpAddr, String)>,
) -> Result<(), StoreError> {
    db.execute_batch(&sums(id.0)).map_err(write_error)?;
    makers(db)?;
    conclusions(db, id.0)?;
    let own_names: Vec<String> =
        names.map(|(ip, n)| format!("({}, {})", text(&ip.to_string()), text(n))).collect();
    db.execute_batch(&facts(id.0, &text(sensor), &own_names)).map_err(write_error)
}

/// Pairs by the hour first, once: they are few, and all sums follow from them. Addresses become numbers in their order, so that
/// the rest compares and sorts numbers. `list(… ORDER BY …)` costs five times as much as sorting the list.
fn sums(id: i64) -> String {
    let hourly = tables::TRAFFIC_HOURLY.name;
    format!(
        "CREATE OR REPLACE TEMP TABLE by_text AS
SELECT epoch_ns(first_ts) // {HOUR_NS} AS h, src_ip, dst_ip, src_internal, dst_internal, direction = 'multicast' AS many,
       min(first_ts) AS a, max(last_ts) AS z, count(*) AS n,
       sum(src_packets::BIGINT)::BIGINT AS po, sum(dst_packets::BIGINT)::BIGINT AS pi,
       sum(src_ip_bytes::BIGINT)::BIGINT AS o, sum(dst_ip_bytes::BIGINT)::BIGINT AS i
FROM flows WHERE capture_id = {id} GROUP BY ALL;
CREATE OR REPLACE TEMP TABLE numbers AS
SELECT ip, (row_number() OVER (ORDER BY ip))::INTEGER AS host
FROM (SELECT src_ip AS ip FROM by_text UNION SELECT dst_ip FROM by_text);
CREATE OR REPLACE TEMP TABLE pairs AS
SELECT p.* EXCLUDE (src_ip, dst_ip), s.host AS src, d.host AS dst
FROM by_text p JOIN numbers s ON s.ip = p.src_ip JOIN numbers d ON d.ip = p.dst_ip;
CREATE OR REPLACE TEMP TABLE hours AS
WITH side AS (
  SELECT h, src AS host, src_internal AS own, false AS many, a, z, n, po, pi, o, i FROM pairs
  UNION ALL
  SELECT h, dst, dst_internal, many, a, z, n, pi, po, i, o FROM pairs WHERE src <> dst)
SELECT h, host, bool_and(many) AS many, bool_or(own) AS own, min(a) AS a, max(z) AS z, sum(n)::BIGINT AS n, sum(po)::BIGINT AS po,
       sum(pi)::BIGINT AS pi, sum(o)::BIGINT AS o, sum(i)::BIGINT AS i
FROM side GROUP BY h, host;
INSERT INTO {hourly} BY NAME
SELECT {id} AS capture_id, make_timestamp_ns((h * {HOUR_NS})::BIGINT) AS hour, ip, own AS is_internal, n AS flows,
       po AS packets_out, pi AS packets_in, o AS bytes_out, i AS bytes_in
FROM hours JOIN numbers USING (host) ORDER BY h, host;
CREATE OR REPLACE TEMP TABLE links AS
WITH link AS (
  SELECT src_ip AS ip, src_mac AS mac FROM flows WHERE capture_id = {id} AND src_internal AND src_mac IS NOT NULL
  UNION
  SELECT dst_ip, dst_mac FROM flows
  WHERE capture_id = {id} AND dst_internal AND dst_mac IS NOT NULL AND dst_packets > 0
  UNION
  SELECT ip, value FROM host_clues WHERE capture_id = {id} AND clue = 'mac'),
router AS (
  SELECT DISTINCT src_mac AS mac FROM flows WHERE capture_id = {id} AND NOT src_internal AND src_mac IS NOT NULL),
-- Outside addresses answer through a gateway, while who only invents senders gets no answers. Its one local address is its own.
gateway AS (
  SELECT dst_mac AS mac FROM flows
  WHERE capture_id = {id} AND src_internal AND NOT dst_internal AND dst_mac IS NOT NULL AND dst_packets > 0
  GROUP BY dst_mac HAVING min(dst_ip) <> max(dst_ip)),
alone AS (SELECT mac FROM link WHERE mac IN (FROM gateway) GROUP BY mac HAVING count(*) = 1)
SELECT ip, mac, mac IN (FROM alone) AS is_router
FROM link WHERE mac NOT IN (FROM router) OR mac IN (FROM alone);
CREATE OR REPLACE TEMP TABLE answered AS
SELECT src_ip, dst_ip, service, protocol, dst_port, bool_or(service_source = 'content') AS by_content
FROM flows
WHERE capture_id = {id} AND dst_packets > 0 AND dst_port > 0 AND protocol IN ('tcp', 'udp', 'sctp')
  AND (protocol <> 'tcp' OR conn_state IN ('S1', 'S2', 'S3', 'SF', 'RSTO', 'RSTR'))
GROUP BY src_ip, dst_ip, service, protocol, dst_port;
CREATE OR REPLACE TEMP TABLE offers AS
SELECT dst_ip AS ip, coalesce(service, protocol) AS service, dst_port AS port, bool_or(by_content) AS by_content
FROM answered GROUP BY ALL;"
    )
}

/// The maker of every link address that belongs to one host, in the temporary table `makers`.
fn makers(db: &Connection) -> Result<(), StoreError> {
    db.execute_batch("CREATE OR REPLACE TEMP TABLE makers(mac VARCHAR, maker VARCHAR)")
        .map_err(write_error)?;
    let mut found: Vec<(String, &str)> = Vec::new();
    strings(db, "SELECT DISTINCT mac FROM links", |mac: [&str; 1]| {
        let [mac] = mac;
        found.extend(oui::maker(mac).map(|maker| (mac.to_owned(), maker)));
    })?;
    let mut rows = db.appender_to_catalog_and_db("makers", "temp", "main").map_err(write_error)?;
    for (mac, maker) in found {
        rows.append_row(params![mac, maker]).map_err(write_error)?;
    }
    rows.flush().map_err(write_error)
}

/// What clues and services amount to, in the temporary table `concluded`.
fn conclusions(db: &Connection, id: i64) -> Result<(), StoreError> {
    db.execute_batch(
        "CREATE OR REPLACE TEMP TABLE concluded(ip VARCHAR, os_guess VARCHAR, os_reason VARCHAR, roles VARCHAR, reasons VARCHAR)",
    )
    .map_err(write_error)?;
    // Clients name themselves in any number of ways: where MAX_TOLD cuts, they go first.
    let sql = format!(
        "SELECT ip, clue, value, source FROM (
  SELECT DISTINCT ip, clue, value, source FROM host_clues
  WHERE capture_id = {id} AND clue IN ('system', 'server', 'client', 'role', 'fingerprint')
  UNION ALL
  SELECT ip, 'offer', service, port::VARCHAR FROM offers WHERE by_content
  UNION ALL
  SELECT DISTINCT ip, 'router', 'several outside addresses answer through its link address', '' FROM links WHERE is_router)
ORDER BY ip, clue = 'client', clue DESC, value, source"
    );
    let mut all: Vec<Conclusion> = Vec::new();
    let mut host = String::new();
    let mut told: Vec<Told> = Vec::new();
    strings(db, &sql, |[ip, clue, value, source]: [&str; 4]| {
        if ip != host {
            all.extend(conclude(&host, &told));
            told.clear();
            ip.clone_into(&mut host);
        }
        if told.len() < MAX_TOLD {
            told.push(Told { clue: clue.to_owned(), value: value.to_owned(), source: source.to_owned() });
        }
    })?;
    all.extend(conclude(&host, &told));
    let mut rows = db.appender_to_catalog_and_db("concluded", "temp", "main").map_err(write_error)?;
    for c in all {
        let (system, reason) = c.guess.map(|g| (g.system, g.reason)).unzip();
        rows.append_row(params![c.ip, system, reason, c.roles.join(SEPARATOR), c.reasons.join(SEPARATOR)])
            .map_err(write_error)?;
    }
    rows.flush().map_err(write_error)
}

fn conclude(ip: &str, told: &[Told]) -> Option<Conclusion> {
    let guess = os::guess(told);
    let (roles, reasons): (Vec<_>, Vec<_>) =
        roles::roles(told).into_iter().map(|(role, why)| (role.clone(), format!("{role}: {why}"))).unzip();
    let any = guess.is_some() || !roles.is_empty();
    any.then(|| Conclusion { ip: ip.to_owned(), guess, roles, reasons })
}

/// Put the sums, the lists and the conclusions together.
fn facts(id: i64, sensor: &str, own_names: &[String]) -> String {
    let facts = tables::HOST_FACTS.name;
    let own_names = if own_names.is_empty() {
        String::new()
    } else {
        format!("UNION SELECT * FROM (VALUES {})", own_names.join(", "))
    };
    format!(
        "CREATE OR REPLACE TEMP TABLE hosts_only AS
WITH host AS (
  SELECT host, bool_or(own) AS is_internal, min(a) AS first_ts, max(z) AS last_ts, sum(n) AS flows, sum(o) AS bytes_out,
         sum(i) AS bytes_in
  FROM hours GROUP BY host HAVING NOT bool_and(many)),
peers AS (
  SELECT host, count(DISTINCT peer) AS peers FROM (
    SELECT src AS host, dst AS peer FROM pairs
    UNION ALL
    SELECT dst, src FROM pairs WHERE NOT many AND src <> dst)
  GROUP BY host)
SELECT * FROM host JOIN peers USING (host) JOIN numbers USING (host) ORDER BY host;
INSERT INTO {facts} BY NAME
WITH macs AS (
  SELECT ip, list_sort(list(mac))[:{MAX_MACS}] AS macs,
         nullif(array_to_string(list_sort(list(DISTINCT maker) FILTER (maker IS NOT NULL)), ', '), '') AS vendor
  FROM links LEFT JOIN makers USING (mac) GROUP BY ip),
name AS (
  SELECT DISTINCT dst_ip AS ip, hostname AS name FROM flows WHERE capture_id = {id} AND hostname IS NOT NULL
  UNION
  SELECT ip, value FROM host_clues WHERE capture_id = {id} AND clue = 'name' {own_names}),
names AS (SELECT ip, list_sort(list(name))[:{MAX_ITEMS}] AS names FROM name GROUP BY ip),
said AS (
  SELECT ip, list_sort(list(DISTINCT value) FILTER (clue = 'domain'))[:{MAX_ITEMS}] AS domains,
         list_sort(list(DISTINCT value) FILTER (clue = 'user'))[:{MAX_ITEMS}] AS users,
         list_sort(list(DISTINCT value) FILTER (clue = 'client'))[:{MAX_ITEMS}] AS software
  FROM host_clues WHERE capture_id = {id} AND clue IN ('domain', 'user', 'client') GROUP BY ip),
banner AS (
  SELECT c.ip, f.dst_port AS port, coalesce(f.service, f.protocol) AS service, min(c.value)[:{MAX_BANNER}] AS banner
  FROM host_clues c JOIN flows f ON f.flow_id = c.flow_id AND f.dst_ip = c.ip
  WHERE c.capture_id = {id} AND f.capture_id = {id} AND c.clue = 'server' GROUP BY ALL),
offered AS (
  SELECT ip, list_sort(list(concat_ws(' ', service || '/' || port, banner)))[:{MAX_ITEMS}] AS services_offered
  FROM offers LEFT JOIN banner USING (ip, port, service) GROUP BY ip),
need AS (SELECT DISTINCT src_ip AS ip, coalesce(service, protocol || '/' || dst_port) AS s FROM answered),
used AS (SELECT ip, list_sort(list(s))[:{MAX_ITEMS}] AS services_used FROM need GROUP BY ip)
SELECT {id} AS capture_id, {sensor} AS sensor, h.* EXCLUDE (host),
       coalesce(macs, []) AS macs, vendor, coalesce(names, []) AS names, coalesce(domains, []) AS domains,
       coalesce(users, []) AS users, coalesce(software, []) AS software, os_guess, os_reason,
       coalesce(string_split(nullif(roles, ''), '{SEPARATOR}'), []) AS roles,
       coalesce(string_split(nullif(reasons, ''), '{SEPARATOR}'), []) AS role_reasons,
       coalesce(services_offered, []) AS services_offered, coalesce(services_used, []) AS services_used
FROM hosts_only h LEFT JOIN macs USING (ip) LEFT JOIN names USING (ip)
LEFT JOIN said USING (ip) LEFT JOIN concluded USING (ip) LEFT JOIN offered USING (ip) LEFT JOIN used USING (ip);
DROP TABLE by_text; DROP TABLE numbers; DROP TABLE pairs; DROP TABLE hours; DROP TABLE links; DROP TABLE answered;
DROP TABLE offers; DROP TABLE makers; DROP TABLE concluded"
    )
}

/// Give each row of a query of `N` text columns to `each`; rows with a NULL are left out. Nothing is kept of the result: it may
/// be as large as the capture made it.
fn strings<const N: usize>(
    db: &Connection,
    sql: &str,
    mut each: impl FnMut([&str; N]),
) -> Result<(), StoreError> {
    let mut stmt = db.prepare(sql).map_err(write_error)?;
    for batch in stmt.stream_arrow([]).map_err(write_error)? {
        let columns: Vec<&StringArray> =
            batch.columns().iter().filter_map(|c| c.as_string_opt::<i32>()).collect();
        let Ok(columns) = <[&StringArray; N]>::try_from(columns) else {
            return Err(StoreError::Misuse("a query for text gave something else"));
        };
        for row in 0..batch.num_rows() {
            if columns.iter().all(|c| c.is_valid(row)) {
                each(columns.map(|c| c.value(row)));
            }
        }
    }
    Ok(())
}
