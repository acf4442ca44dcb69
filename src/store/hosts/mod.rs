//! What follows for hosts from the flows and clues of a capture?
//!
//! At the end of a capture, inside its transaction, the parts that the engine wrote of a host in `host_facts` and `traffic_hourly` are
//! joined, and `host_profiles` is filled: what clues amount to is concluded in `os`, `roles` and `oui`, host by host, in the order of
//! their addresses. The same rows give the same conclusions. Refuses to fill what nothing was said about: that stays NULL or empty,
//! and a host of which nothing is known has no row.

mod os;
mod oui;
mod roles;

use super::connect::{text, write_error};
use super::{StoreError, arrow, tables};
use crate::engine::tables as engine;
use crate::model::ids::CaptureId;
use arrow::array::{Array, AsArray, StringArray};
use duckdb::{Connection, params};

/// Most link addresses kept per host: more is a router or a fault.
const MAX_MACS: usize = 16;

/// Most names, services, users … kept per host: a web host or a scan must not fill the row.
const MAX_ITEMS: usize = 64;

/// Hosts whose parts are joined at once: some 40 MB of lists.
const MAX_JOINED: usize = if cfg!(test) { 2 } else { 32_768 };

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

/// Join the parts of the hosts of a capture, and write what is concluded about them.
pub(super) fn conclude(db: &Connection, id: CaptureId, sensor: &str) -> Result<(), StoreError> {
    join_parts(db, id.0)?;
    db.execute_batch(&evidence(id.0)).map_err(write_error)?;
    makers(db)?;
    conclusions(db, id.0)?;
    db.execute_batch(&profiles(id.0, &text(sensor))).map_err(write_error)
}

/// Put the parts of each host together: streams, and captures with more hosts than the engine keeps at once, have written several rows
/// a host. Only hosts that have several are touched, so many at a time: a flood of invented senders has hundreds of thousands, and
/// lists of so many groups do not fit into the memory of the database.
fn join_parts(db: &Connection, id: i64) -> Result<(), StoreError> {
    let (facts, hourly) = (engine::HOST_FACTS.name, engine::TRAFFIC_HOURLY.name);
    let merged = |list: &str, most: usize| {
        format!("list_sort(list_distinct(flatten(list({list}))))[:{most}] AS {list}")
    };
    let sums = format!(
        "any_value(sensor) AS sensor, bool_or(is_internal) AS is_internal, {macs}, {names},
       min(first_ts) AS first_ts, max(last_ts) AS last_ts, sum(peers) AS peers, sum(flows) AS flows,
       sum(bytes_out) AS bytes_out, sum(bytes_in) AS bytes_in, {offered}, {used}",
        macs = merged("macs", MAX_MACS),
        names = merged("names", MAX_ITEMS),
        offered = merged("services_offered", MAX_ITEMS),
        used = merged("services_used", MAX_ITEMS),
    );
    join_parts_of(db, id, facts, "ip", &sums)?;
    let sums = "bool_or(is_internal) AS is_internal, sum(flows) AS flows, sum(packets_out) AS packets_out,
       sum(packets_in) AS packets_in, sum(bytes_out) AS bytes_out, sum(bytes_in) AS bytes_in";
    join_parts_of(db, id, hourly, "hour, ip", sums)
}

/// The same for one table: rows of a capture with equal `key` become one with `sums`.
fn join_parts_of(db: &Connection, id: i64, table: &str, key: &str, sums: &str) -> Result<(), StoreError> {
    db.execute_batch(&format!(
        "CREATE OR REPLACE TEMP TABLE several AS
SELECT {key}, row_number() OVER (ORDER BY {key}) - 1 AS number FROM {table} WHERE capture_id = {id} GROUP BY {key} HAVING count(*) > 1"
    ))
    .map_err(write_error)?;
    let parted: usize =
        db.query_row("SELECT count(*)::UBIGINT FROM temp.several", [], |r| r.get(0)).map_err(write_error)?;
    if parted > 0 {
        // In the order of the keys, as the portions are and each is.
        db.execute_batch("DROP TABLE IF EXISTS temp.whole").map_err(write_error)?;
        for from in (0..parted).step_by(MAX_JOINED) {
            let start = if from == 0 { "CREATE TEMP TABLE whole AS" } else { "INSERT INTO temp.whole" };
            let to = from + MAX_JOINED - 1;
            db.execute_batch(&format!(
                "{start} SELECT capture_id, {key}, {sums} FROM {table}
WHERE capture_id = {id} AND ({key}) IN (SELECT ({key}) FROM temp.several WHERE number BETWEEN {from} AND {to})
GROUP BY capture_id, {key} ORDER BY {key}"
            ))
            .map_err(write_error)?;
        }
        db.execute_batch(&format!(
            "DELETE FROM {table} WHERE capture_id = {id} AND ({key}) IN (SELECT ({key}) FROM temp.several);
INSERT INTO {table} BY NAME FROM temp.whole; DROP TABLE temp.whole"
        ))
        .map_err(write_error)?;
    }
    db.execute_batch("DROP TABLE temp.several").map_err(write_error)
}

/// What conclusions rest on, in temporary tables: link addresses of local hosts, and services that local hosts offer, as their content told.
fn evidence(id: i64) -> String {
    let facts = engine::HOST_FACTS.name;
    format!(
        "CREATE OR REPLACE TEMP TABLE links AS
WITH link AS (
  SELECT ip, unnest(macs) AS mac FROM {facts} WHERE capture_id = {id} AND is_internal
  UNION
  SELECT ip, value FROM host_clues WHERE capture_id = {id} AND clue = 'mac'),
router AS (
  SELECT DISTINCT unnest(macs) AS mac FROM {facts} WHERE capture_id = {id} AND NOT is_internal),
-- Outside addresses answer through a gateway, while who only invents senders gets no answers. Its one local address is its own.
gateway AS (
  SELECT dst_mac AS mac FROM flows
  WHERE capture_id = {id} AND src_internal AND NOT dst_internal AND dst_mac IS NOT NULL AND dst_packets > 0
  GROUP BY dst_mac HAVING min(dst_ip) <> max(dst_ip)),
alone AS (SELECT mac FROM link WHERE mac IN (FROM gateway) GROUP BY mac HAVING count(*) = 1)
SELECT ip, mac, mac IN (FROM alone) AS is_router
FROM link WHERE mac NOT IN (FROM router) OR mac IN (FROM alone);
CREATE OR REPLACE TEMP TABLE offers AS
SELECT ip, split_part(o, '/', 1) AS service, split_part(o, '/', 2) AS port
FROM (SELECT ip, unnest(services_offered) AS o FROM {facts} WHERE capture_id = {id} AND is_internal)
WHERE split_part(o, '/', 1) NOT IN ('tcp', 'udp', 'sctp');"
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
  SELECT ip, 'offer', service, port FROM offers
  UNION ALL
  SELECT DISTINCT ip, 'router', 'several outside addresses answer through its link address', '' FROM links WHERE is_router)
ORDER BY ip, clue = 'client', clue DESC, value, source"
    );
    let mut all: Vec<Conclusion> = Vec::new();
    let mut host = String::new();
    let mut told: Vec<Told> = Vec::new();
    strings(db, &sql, |[ip, clue, value, source]: [&str; 4]| {
        if ip != host {
            all.extend(concluded(&host, &told));
            told.clear();
            ip.clone_into(&mut host);
        }
        if told.len() < MAX_TOLD {
            told.push(Told { clue: clue.to_owned(), value: value.to_owned(), source: source.to_owned() });
        }
    })?;
    all.extend(concluded(&host, &told));
    let mut rows = db.appender_to_catalog_and_db("concluded", "temp", "main").map_err(write_error)?;
    for c in all {
        let (system, reason) = c.guess.map(|g| (g.system, g.reason)).unzip();
        rows.append_row(params![c.ip, system, reason, c.roles.join(SEPARATOR), c.reasons.join(SEPARATOR)])
            .map_err(write_error)?;
    }
    rows.flush().map_err(write_error)
}

fn concluded(ip: &str, told: &[Told]) -> Option<Conclusion> {
    let guess = os::guess(told);
    let (roles, reasons): (Vec<_>, Vec<_>) =
        roles::roles(told).into_iter().map(|(role, why)| (role.clone(), format!("{role}: {why}"))).unzip();
    let any = guess.is_some() || !roles.is_empty();
    any.then(|| Conclusion { ip: ip.to_owned(), guess, roles, reasons })
}

/// Put the lists and the conclusions together.
fn profiles(id: i64, sensor: &str) -> String {
    let (facts, table) = (engine::HOST_FACTS.name, tables::HOST_PROFILES.name);
    format!(
        "INSERT INTO {table} BY NAME
WITH mac AS (
  SELECT ip, list_sort(list(mac))[:{MAX_MACS}] AS macs,
         nullif(array_to_string(list_sort(list(DISTINCT maker) FILTER (maker IS NOT NULL)), ', '), '') AS vendor
  FROM links LEFT JOIN makers USING (mac) GROUP BY ip),
said AS (
  SELECT ip, list_sort(list(DISTINCT value) FILTER (clue = 'name'))[:{MAX_ITEMS}] AS names,
         list_sort(list(DISTINCT value) FILTER (clue = 'domain'))[:{MAX_ITEMS}] AS domains,
         list_sort(list(DISTINCT value) FILTER (clue = 'user'))[:{MAX_ITEMS}] AS users,
         list_sort(list(DISTINCT value) FILTER (clue = 'client'))[:{MAX_ITEMS}] AS software
  FROM host_clues WHERE capture_id = {id} AND clue IN ('name', 'domain', 'user', 'client') GROUP BY ip),
served AS (
  SELECT c.ip, coalesce(f.service, f.protocol) || '/' || f.dst_port AS service, min(c.value)[:{MAX_BANNER}] AS banner
  FROM host_clues c JOIN flows f ON f.flow_id = c.flow_id AND f.dst_ip = c.ip
  WHERE c.capture_id = {id} AND f.capture_id = {id} AND c.clue = 'server' GROUP BY ALL),
banner AS (
  SELECT ip, list_sort(list(service || ' ' || banner))[:{MAX_ITEMS}] AS banners FROM served GROUP BY ip),
host AS (
  SELECT ip, last_ts FROM {facts} WHERE capture_id = {id}
    AND ip IN (SELECT ip FROM mac UNION ALL SELECT ip FROM said UNION ALL SELECT ip FROM banner UNION ALL SELECT ip FROM concluded))
SELECT {id} AS capture_id, {sensor} AS sensor, ip, coalesce(macs, []) AS macs, vendor, coalesce(names, []) AS names,
       coalesce(domains, []) AS domains, coalesce(users, []) AS users, coalesce(software, []) AS software,
       os_guess, os_reason, coalesce(string_split(nullif(roles, ''), '{SEPARATOR}'), []) AS roles,
       coalesce(string_split(nullif(reasons, ''), '{SEPARATOR}'), []) AS role_reasons, coalesce(banners, []) AS banners, last_ts
FROM host LEFT JOIN mac USING (ip) LEFT JOIN said USING (ip) LEFT JOIN concluded USING (ip) LEFT JOIN banner USING (ip)
ORDER BY ip;
DROP TABLE links; DROP TABLE offers; DROP TABLE makers; DROP TABLE concluded"
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
