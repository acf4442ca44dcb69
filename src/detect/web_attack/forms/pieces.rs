//! Which fixed pieces of a text speak of an attack?
//!
//! Lists only, with weights where a piece counts alone: SQL, files that attackers read first, ways to climb out of a folder, wrappers of PHP, commands of shells. Written from the
//! descriptions of OWASP. Refuses to look for them: [`super::inspect`] does, and knows where each may stand.

/// Pieces of SQL that an application's own clients do not send, with their weights.
pub(super) const SQL: &[(&str, f64)] = &[
    ("union select", 0.8),
    ("union all select", 0.85),
    ("union distinct select", 0.85),
    ("information_schema", 0.6),
    ("waitfor delay", 0.8),
    ("pg_sleep(", 0.8),
    ("benchmark(", 0.5),
    ("extractvalue(", 0.7),
    ("updatexml(", 0.7),
    ("load_file(", 0.6),
    ("into outfile", 0.6),
    ("into dumpfile", 0.7),
    ("xp_cmdshell", 0.8),
    ("group_concat(", 0.5),
    ("concat(0x", 0.6),
    ("select @@", 0.6),
    ("procedure analyse(", 0.7),
    ("utl_inaddr.", 0.7),
    ("; drop table", 0.7),
    ("';drop table", 0.8),
    ("' order by ", 0.6),
    ("' having ", 0.5),
    ("union(select", 0.8),
    ("union (select", 0.8),
    ("union all(select", 0.8),
    ("; exec master", 0.8),
    (";exec master", 0.8),
    (";drop ", 0.7),
    ("; drop ", 0.7),
    (";insert into ", 0.7),
    ("; insert into ", 0.7),
    (";delete from ", 0.7),
    ("; delete from ", 0.7),
    (";declare @", 0.7),
    ("; declare @", 0.7),
    ("ascii(substr", 0.6),
    ("substring((select", 0.7),
    ("substr((select", 0.7),
    ("ord(mid(", 0.7),
    ("utl_http.", 0.7),
    ("dbms_pipe.", 0.7),
    ("dbms_lock.sleep", 0.8),
    ("sqlite_master", 0.6),
    ("randomblob(", 0.6),
    ("convert(int", 0.55),
    ("@@version", 0.55),
    ("' and if(", 0.6),
    (" and if(", 0.4),
    ("database()", 0.45),
    ("(select ", 0.35),
    ("(select(", 0.45),
    ("sleep(", 0.35),
    (" rlike (", 0.5),
];

/// Files that attackers read first.
pub(super) const SECRETS: &[&str] = &[
    "etc/passwd",
    "etc/shadow",
    "/win.ini",
    "\\win.ini",
    "boot.ini",
    "proc/self/",
    "system32/",
    "web-inf/web.xml",
    ".ssh/id_",
    ".aws/credentials",
];

/// More of them, which mean something only behind dots that climb.
pub(super) const BEHIND_CLIMBS: &[&str] = &[
    "wp-config",
    "web.config",
    "config.php",
    "/.env",
    "var/log/",
    "etc/hosts",
    "etc/group",
    "etc/issue",
    "/.ht",
    "password",
    "usr/local/",
    "windows/",
    "windows\\",
    "global.asa",
    "lib/",
    ".properties",
];

/// Ways to write `../` that no client needs.
pub(super) const HIDDEN_CLIMBS: &[&str] = &[
    "%2e%2e", "..%2f", "..%5c", "%252e", "%c0%ae", "%c0%af", ".%2e", "%2e.", "..%255c", "..%252f", "/..;/",
    "%%32%65",
];

/// Wrappers of PHP and absolute files as values.
pub(super) const WRAPPERS: &[(&str, f64)] = &[
    ("php://filter", 0.8),
    ("php://input", 0.8),
    ("expect://", 0.7),
    ("=file:///etc", 0.8),
    ("=file:///c:", 0.7),
    ("phar://", 0.6),
    ("=data://text/plain", 0.6),
];

/// Commands that mean something alone, and those that need an argument.
pub(super) const ALONE: &[&str] =
    &["id", "whoami", "uname", "ifconfig", "ipconfig", "pwd", "netstat", "ls", "dir", "ps", "reboot"];
pub(super) const WITH_ARGUMENT: &[&str] = &[
    "cat",
    "wget",
    "curl",
    "ping",
    "nc",
    "ncat",
    "bash",
    "sh",
    "rm",
    "chmod",
    "nslookup",
    "powershell",
    "cmd",
    "sleep",
    "python",
    "python3",
    "perl",
    "php",
    "tftp",
    "busybox",
    "cd",
    "cp",
    "type",
    "certutil",
    "uname",
    "ls",
    "dir",
    "id",
    "echo",
    "telnetd",
    "ps",
    "tail",
    "head",
];

/// Those that are also names of fields: `fields=name|id` is a list.
pub(super) const IN_LISTS: &[&str] = &["id", "ls", "dir", "ps", "pwd"];

/// Commands of shells that say all by themselves, with their weights.
pub(super) const COMMANDS: &[(&str, f64)] = &[
    ("/dev/tcp/", 0.8),
    ("${ifs}", 0.8),
    ("cmd.exe /c", 0.6),
    ("cmd.exe?/c", 0.8),
    ("powershell -e", 0.6),
    ("mkfifo /tmp", 0.8),
    ("/bin/busybox ", 0.7),
    ("downloadstring(", 0.7),
    ("certutil -urlcache", 0.8),
    ("certutil.exe -urlcache", 0.8),
    ("bash -i", 0.7),
    ("nc -e ", 0.7),
    ("import socket,", 0.55),
    ("python -c", 0.55),
    ("python3 -c", 0.55),
    ("perl -e", 0.55),
    ("php -r", 0.55),
    ("bash -c", 0.55),
    ("chmod 777", 0.55),
    ("chmod +x", 0.55),
];
