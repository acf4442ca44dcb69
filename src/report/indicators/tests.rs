//! Are lists of every format read, and bad lines named?

use super::*;

fn entries(text: &str) -> Vec<(&'static str, String)> {
    let list = parse("list", text.as_bytes(), None).unwrap();
    assert_eq!(list.bad, Vec::<String>::new());
    list.entries.into_iter().map(|i| (i.kind.name(), i.value)).collect()
}

fn own(pairs: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    pairs.iter().map(|(k, v)| (*k, (*v).to_owned())).collect()
}

#[test]
fn plain_lines_by_their_form() {
    let hash = "ab".repeat(32);
    let text = format!(
        "# a list\n203.0.113.9\n2001:DB8::1 # c2\n198.51.100.0/24\nEvil.Example.\n*.bad.example\nhxxp://evil[.]example/Drop.php#x\n\
         0.0.0.0 hosts.example\ne7d705a3286e19ea42f587b344ee6865\nt13d1516h2_8daaf6152771_b186095e22b6\n{hash}\n{}\n203.0.113.9\n",
        &hash[..40]
    );
    assert_eq!(
        entries(&text),
        own(&[
            ("address", "2001:db8::1"),
            ("address", "203.0.113.9"),
            ("network", "198.51.100.0/24"),
            ("domain", "bad.example"),
            ("domain", "evil.example"),
            ("domain", "hosts.example"),
            ("url", "evil.example/Drop.php"),
            ("ja4", "t13d1516h2_8daaf6152771_b186095e22b6"),
            ("md5", "e7d705a3286e19ea42f587b344ee6865"),
            ("sha1", &hash[..40]),
            ("sha256", &hash),
        ])
    );
}

#[test]
fn networks_have_their_ends() {
    let list = parse("l", b"198.51.100.0/24\n2001:db8::/32\n", None).unwrap();
    let ends = list.entries[0].range.clone().unwrap();
    assert_eq!(ends.0, format!("{}ffffc6336400", "0".repeat(20)));
    assert_eq!(ends.1, format!("{}ffffc63364ff", "0".repeat(20)));
    assert!(list.entries[1].range.clone().unwrap().1.ends_with("ffffffff"));
}

#[test]
fn bad_lines_are_named_and_the_others_taken() {
    let list = parse("bad.txt", b"203.0.113.9\nwhat is this\n0.0.0.0/0\nuser@mail.example\n", None).unwrap();
    assert_eq!(list.entries.len(), 1);
    assert_eq!((list.bad_count, list.unseen), (2, 1));
    assert_eq!(list.bad[0], "bad.txt:2: is no address, network, name, URL or hash");
    assert!(list.bad[1].starts_with("bad.txt:3: is a network so wide"));
    assert!(parse("x", b"nothing here is one\n", None).is_err());
    assert!(parse("x", b"", None).unwrap().entries.is_empty());
}

#[test]
fn csv_with_headers_of_many_kinds() {
    let misp = "uuid,event_id,category,type,value,comment,to_ids,date\n\
                1,2,Network activity,ip-dst|port,203.0.113.9|443,\"C2, old\",1,20240131\n\
                1,2,Network activity,domain,evil.example,,0,20240131\n\
                1,2,Payload,md5,e7d705a3286e19ea42f587b344ee6865,,1,20240131\n\
                1,2,Payload,filename|sha256,a.exe|abababababababababababababababababababababababababababababababab,,1,20240131\n";
    let list = parse("misp.csv", misp.as_bytes(), None).unwrap();
    assert_eq!((list.format, list.entries.len(), list.unseen), ("misp", 3, 0));
    assert_eq!(list.entries[1].kind.name(), "file", "of either length");
    let first = &list.entries[0];
    assert_eq!(
        (first.value.as_str(), first.date.as_deref(), first.note.as_deref()),
        ("203.0.113.9", Some("20240131"), Some("C2, old"))
    );
    let hidden = "# first_seen_utc,dst_ip,dst_port,malware\n\"2024-01-31 10:00:00\",\"203.0.113.7\",\"443\",\"Thing\"\n";
    let list = parse("feed.csv", hidden.as_bytes(), None).unwrap();
    assert_eq!((list.format, list.entries[0].note.as_deref()), ("csv", Some("Thing")));
    assert_eq!(entries("203.0.113.1,evil,2024\n"), own(&[("address", "203.0.113.1")]));
}

#[test]
fn hashes_of_either_age_by_their_columns() {
    let (md5, sha1) = ("0123456789abcdef".repeat(2), "01234567".repeat(5));
    let one = |text: &str| entries(text).into_iter().next().unwrap();
    assert_eq!(one(&format!("md5_hash,signature\n{md5},Thing\n")), ("file", md5.clone()));
    assert_eq!(one(&format!("type,value\nfilename|md5,a.exe|{md5}\n")), ("file", md5.clone()));
    assert_eq!(one(&format!("ja3_md5,Firstseen,Lastseen,Listingreason\n{md5},,,x\n")), ("ja3", md5.clone()));
    // A list of certificates and one of files have the same name for it.
    assert_eq!(
        one(&format!("Listingdate,SHA1,Listingreason\n2024-01-31,{sha1},C&C\n")),
        ("sha1", sha1.clone())
    );
    let stix = format!(
        r#"{{"type":"bundle","objects":[{{"type":"indicator","pattern":"[file:hashes.MD5 = '{md5}' OR file:hashes.'SHA-1' = '{sha1}']"}}]}}"#
    );
    assert_eq!(entries(&stix), own(&[("file", &sha1), ("file", &md5)]));
    let given = parse("l", sha1.to_uppercase().as_bytes(), Some(IndicatorKind::File)).unwrap();
    assert_eq!(
        (given.entries[0].kind, given.entries[0].value.as_str()),
        (IndicatorKind::File, sha1.as_str())
    );
    let long = parse("l", "ab".repeat(64).as_bytes(), None).unwrap();
    assert_eq!((long.entries.len(), long.unseen), (0, 1), "SHA-512");
}

#[test]
fn stix_patterns() {
    let stix = r#"{"type":"bundle","id":"bundle--1","objects":[
      {"type":"identity","name":"x"},
      {"type":"indicator","name":"C2","pattern_type":"stix","valid_from":"2024-01-31T00:00:00Z",
       "pattern":"[ipv4-addr:value = '203.0.113.9' OR domain-name:value = 'Evil.example']"},
      {"type":"indicator","pattern":"[file:hashes.'SHA-256' = 'abababababababababababababababababababababababababababababababab']"},
      {"type":"indicator","pattern":"[ipv4-addr:value ISSUBSET '198.51.100.0/24']"},
      {"type":"indicator","pattern":"[file:name = 'a.exe' AND file:size = 5]"},
      {"type":"indicator","revoked":true,"pattern":"[url:value = 'http://x.example/']"}]}"#;
    let list = parse("b.json", stix.as_bytes(), None).unwrap();
    let kinds: Vec<_> = list.entries.iter().map(|i| i.kind.name()).collect();
    assert_eq!(
        (list.format, kinds.as_slice(), list.unseen),
        ("stix", &["address", "network", "domain", "file"][..], 1)
    );
    assert_eq!(list.entries[0].date.as_deref(), Some("2024-01-31T00:00:00Z"));
}

#[test]
fn misp_events() {
    let misp = r#"{"Event":{"info":"x","Attribute":[{"type":"ip-src","value":"203.0.113.9","to_ids":true,"comment":"scan"},
      {"type":"domain","value":"ok.example","to_ids":false}],
      "Object":[{"name":"file","Attribute":[{"type":"x509-fingerprint-sha1","value":"AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD","to_ids":true}]}]}}"#;
    assert_eq!(
        entries(misp),
        own(&[("address", "203.0.113.9"), ("certificate", "aabbccddeeff00112233445566778899aabbccdd")])
    );
    assert!(parse("x", b"{\"Event\": ", None).is_err());
}
