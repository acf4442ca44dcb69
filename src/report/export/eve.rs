//! Which fields do Suricata's events have, and which of our columns are they?
//!
//! Names and types are those of the index of EVE's fields in Suricata's user guide; `dns` is its version 2, which versions 7 and 8 read.
//! Findings are alerts of generator 1 with a signature id that follows from their kind; weirds are anomalies. Bytes of flows are those of IP
//! packets, without the link's headers that Suricata counts. What many events share is written once and put into their statements by
//! [`filled`]: `{event}` time and ends of the flow `f`, `{ends r}` the ends alone, `{same}` joins a record with its flow, `{proto x}` and
//! `{app x}` are names in Suricata's words, `{list x}` the parts of a text. Refuses to invent values.

use super::Log;

/// Who spoke to whom.
const ENDS: &str = "@.flow_id AS \"flow_id\", @.src_ip AS \"src_ip\", CASE WHEN @.protocol IN ('tcp', 'udp', 'sctp') THEN @.src_port END AS \"src_port\",
                @.dst_ip AS \"dest_ip\", CASE WHEN @.protocol IN ('tcp', 'udp', 'sctp') THEN @.dst_port END AS \"dest_port\",
                {proto @.protocol} AS \"proto\", CASE WHEN @.protocol IN ('icmp', 'icmp6') THEN @.src_port END AS \"icmp_type\",
                CASE WHEN @.protocol = 'icmp' AND @.src_port IN (3, 5, 11, 12) OR @.protocol = 'icmp6' AND @.src_port < 128 THEN @.dst_port END AS \"icmp_code\",
                @.community_id AS \"community_id\",
                CASE WHEN @.vlan IS NOT NULL THEN list_filter([@.vlan, @.inner_vlan], lambda x: x IS NOT NULL) END AS \"vlan\",";

/// The name of a transport.
const PROTO: &str = "CASE @ WHEN 'icmp6' THEN 'IPv6-ICMP' ELSE upper(@) END";

/// The name of an application protocol.
const APP: &str = "CASE @ WHEN 'kerberos' THEN 'krb5' WHEN 'ftp_data' THEN 'ftp-data' WHEN 'dtls' THEN 'tls' WHEN 'mdns' THEN 'dns'
                  WHEN 'llmnr' THEN 'dns' ELSE coalesce(@, 'failed') END";

/// A text of several parts with commas, as a list of them.
const LIST: &str = "CASE WHEN @ IS NOT NULL THEN list_transform(string_split(@, ','), lambda x: trim(x)) END";

/// A statement with what many share put in.
pub(super) fn filled(sql: &str) -> String {
    let mut sql = sql
        .replace("{event}", "r.capture_id, r.ts AS \"timestamp\", {ends f}")
        .replace("{same}", "f.capture_id = r.capture_id AND f.flow_id = r.flow_id");
    for of in ["f", "r"] {
        sql = sql.replace(&format!("{{ends {of}}}"), &ENDS.replace('@', of));
    }
    for of in ["f.protocol", "r.protocol"] {
        sql = sql.replace(&format!("{{proto {of}}}"), &PROTO.replace('@', of));
    }
    for of in ["r.header_to", "r.cc", "r.alpn_offered", "r.dns_servers", "r.routers"] {
        sql = sql.replace(&format!("{{list {of}}}"), &LIST.replace('@', of));
    }
    for of in ["f.service", "r.service", "r.source"] {
        sql = sql.replace(&format!("{{app {of}}}"), &APP.replace('@', of));
    }
    sql
}

/// All of them, the order in which they are written.
pub(super) static LOGS: &[Log] = &[
    Log {
        name: "flow",
        ts: "first_ts",
        fields: "",
        sql: "SELECT r.capture_id, r.first_ts AS \"timestamp\", {ends r}
                {app r.service} AS \"app_proto\", r.src_packets AS \"flow.pkts_toserver\", r.dst_packets AS \"flow.pkts_toclient\",
                r.src_ip_bytes AS \"flow.bytes_toserver\", r.dst_ip_bytes AS \"flow.bytes_toclient\", r.first_ts AS \"flow.start\",
                r.last_ts AS \"flow.end\", floor(r.duration_s)::BIGINT AS \"flow.age\", CASE WHEN r.protocol = 'tcp' AND r.conn_state IN ('SF',
                'RSTO', 'RSTR', 'REJ', 'RSTOS0',
                'RSTRH') THEN 'closed' WHEN r.dst_packets > 0 AND r.conn_state <> 'S0' THEN 'established' ELSE 'new' END AS \"flow.state\",
                CASE r.end_reason WHEN 'capture_end' THEN 'shutdown' WHEN 'evicted' THEN 'forced' ELSE 'timeout' END AS \"flow.reason\",
                EXISTS (SELECT 1 FROM (SELECT DISTINCT capture_id,
                unnest(flow_ids) AS flow_id FROM anomalies WHERE status NOT IN ('false_positive', 'expected')) a WHERE a.capture_id = r.capture_id AND a.flow_id = r.flow_id) AS \"flow.alerted\",
                CASE WHEN r.tcp_flags_src IS NOT NULL THEN lower(lpad(hex(r.tcp_flags_src | coalesce(r.tcp_flags_dst, 0::UTINYINT)), 2,
                '0')) END AS \"tcp.tcp_flags\", CASE WHEN r.tcp_flags_src IS NOT NULL THEN lower(lpad(hex(r.tcp_flags_src), 2,
                '0')) END AS \"tcp.tcp_flags_ts\", CASE WHEN r.tcp_flags_dst IS NOT NULL THEN lower(lpad(hex(r.tcp_flags_dst), 2,
                '0')) END AS \"tcp.tcp_flags_tc\"
         FROM flows r
         WHERE {scope}",
    },
    Log {
        name: "dns",
        ts: "ts",
        fields: "",
        sql: "SELECT {event}
                2 AS \"dns.version\", CASE WHEN r.rcode IS NULL THEN 'query' ELSE 'answer' END AS \"dns.type\", r.trans_id AS \"dns.id\", nullif(r.rcode IS NOT NULL, false) AS \"dns.qr\",
                r.query AS \"dns.rrname\", r.qtype_name AS \"dns.rrtype\", r.rcode_name AS \"dns.rcode\", nullif(r.aa, false) AS \"dns.aa\",
                nullif(r.tc, false) AS \"dns.tc\", nullif(r.rd, false) AS \"dns.rd\", nullif(r.ra, false) AS \"dns.ra\", r.opcode AS \"dns.opcode\",
                CASE WHEN len(r.answers) > 0 THEN list_transform(r.answers, lambda x: {'rrname': r.query, 'rdata': x}) END AS \"dns.answers\"
         FROM dns r JOIN flows f ON {same}
         WHERE {scope}",
    },
    Log {
        name: "http",
        ts: "ts",
        fields: "",
        sql: "SELECT {event}
                greatest(r.trans_depth::BIGINT - 1, 0) AS \"tx_id\", r.host AS \"http.hostname\", r.uri AS \"http.url\",
                r.user_agent AS \"http.http_user_agent\", r.referrer AS \"http.http_refer\", r.x_forwarded_for AS \"http.xff\",
                r.response_content_type AS \"http.http_content_type\", r.method AS \"http.http_method\", 'HTTP/' || r.version AS \"http.protocol\",
                r.status_code AS \"http.status\", r.location AS \"http.redirect\", r.response_body_len AS \"http.length\"
         FROM http r JOIN flows f ON {same}
         WHERE {scope}",
    },
    Log {
        name: "tls",
        ts: "ts",
        fields: "",
        sql: "SELECT {event}
                r.subject AS \"tls.subject\", r.issuer AS \"tls.issuerdn\", rtrim(regexp_replace(upper(c.serial), '(..)', '\\1:', 'g'), ':') AS \"tls.serial\",
                rtrim(regexp_replace(c.sha1, '(..)', '\\1:', 'g'), ':') AS \"tls.fingerprint\",
                r.server_name AS \"tls.sni\", CASE WHEN r.version LIKE 'TLSv%' THEN 'TLS ' || substr(r.version,
                5) ELSE r.version END AS \"tls.version\", left(replace(c.not_before::VARCHAR, ' ', 'T'), 19) AS \"tls.notbefore\",
                left(replace(c.not_after::VARCHAR, ' ', 'T'), 19) AS \"tls.notafter\", nullif(r.resumed, false) AS \"tls.session_resumed\",
                {list r.alpn_offered} AS \"tls.client_alpns\", r.ja4 AS \"tls.ja4\", r.ja3 AS \"tls.ja3.hash\", r.ja3s AS \"tls.ja3s.hash\"
         FROM tls r JOIN flows f ON {same} LEFT JOIN (SELECT capture_id, flow_id, first(serial ORDER BY ts) AS serial, first(sha1 ORDER BY ts) AS sha1, first(not_before ORDER BY ts) AS not_before, first(not_after ORDER BY ts) AS not_after FROM x509 WHERE position = 0 AND NOT from_client GROUP BY capture_id, flow_id) c ON c.capture_id = r.capture_id AND c.flow_id = r.flow_id
         WHERE {scope}",
    },
    Log {
        name: "ssh",
        ts: "ts",
        fields: "",
        sql: "SELECT {event}
                nullif(regexp_extract(r.client, '^SSH-([0-9.]+)-', 1), '') AS \"ssh.client.proto_version\", nullif(regexp_extract(r.client,
                '^SSH-[0-9.]+-(.*)$', 1), '') AS \"ssh.client.software_version\", r.hassh AS \"ssh.client.hassh.hash\",
                nullif(regexp_extract(r.server, '^SSH-([0-9.]+)-', 1), '') AS \"ssh.server.proto_version\", nullif(regexp_extract(r.server,
                '^SSH-[0-9.]+-(.*)$', 1), '') AS \"ssh.server.software_version\", r.hassh_server AS \"ssh.server.hassh.hash\"
         FROM ssh r JOIN flows f ON {same}
         WHERE {scope}",
    },
    Log {
        name: "smb",
        ts: "ts",
        fields: "",
        sql: "SELECT {event}
                CASE r.version WHEN '1' THEN 'NT LM 0.12' WHEN '2.0.2' THEN '2.02' WHEN '2.1' THEN '2.10' WHEN '3.0' THEN '3.00' WHEN '3.0.2' THEN '3.02'
                  WHEN '3.1.1' THEN '3.11' ELSE r.version END AS \"smb.dialect\",
                CASE WHEN r.version = '1' THEN 'SMB1_COMMAND_' ELSE 'SMB2_COMMAND_' END || CASE WHEN starts_with(r.command, 'ioctl') THEN 'IOCTL' ELSE upper(r.command) END AS \"smb.command\",
                r.status AS \"smb.status\", r.session_id AS \"smb.session_id\", r.tree_id AS \"smb.tree_id\", r.file_name AS \"smb.filename\",
                CASE WHEN r.command <> 'tree_connect' OR coalesce(r.share_type, '') <> 'pipe' THEN r.share END AS \"smb.share\",
                CASE WHEN r.command = 'tree_connect' AND r.share_type = 'pipe' THEN r.share END AS \"smb.named_pipe\",
                CASE WHEN r.command = 'tree_connect' AND r.version <> '1' THEN CASE r.share_type WHEN 'disk' THEN 'FILE' ELSE upper(r.share_type) END END AS \"smb.share_type\",
                CASE WHEN r.new_name IS NOT NULL THEN r.file_name END AS \"smb.rename.from\", r.new_name AS \"smb.rename.to\"
         FROM smb r JOIN flows f ON {same}
         WHERE {scope}",
    },
    Log {
        name: "smtp",
        ts: "ts",
        fields: "",
        sql: "SELECT {event}
                greatest(r.trans_depth::BIGINT - 1, 0) AS \"tx_id\", r.helo AS \"smtp.helo\", '<' || r.mailfrom || '>' AS \"smtp.mail_from\",
                CASE WHEN len(r.rcptto) > 0 THEN list_transform(r.rcptto, lambda x: '<' || x || '>') END AS \"smtp.rcpt_to\", r.header_from AS \"email.from\",
                {list r.header_to} AS \"email.to\", {list r.cc} AS \"email.cc\", r.date AS \"email.date\", r.subject AS \"email.subject\",
                r.message_id AS \"email.message_id\", CASE WHEN len(r.attachments) > 0 THEN r.attachments END AS \"email.attachment\"
         FROM smtp r JOIN flows f ON {same}
         WHERE {scope}",
    },
    Log {
        name: "ftp",
        ts: "ts",
        fields: "",
        sql: "SELECT {event}
                r.command AS \"ftp.command\", r.argument AS \"ftp.command_data\",
                CASE WHEN r.reply_code IS NOT NULL THEN [r.reply_code::VARCHAR] END AS \"ftp.completion_code\",
                CASE WHEN r.reply_text IS NOT NULL THEN [r.reply_text] END AS \"ftp.reply\", r.data_port AS \"ftp.dynamic_port\",
                CASE r.data_passive WHEN true THEN 'passive' WHEN false THEN 'active' END AS \"ftp.mode\"
         FROM ftp r JOIN flows f ON {same}
         WHERE {scope}",
    },
    Log {
        name: "dhcp",
        ts: "ts",
        fields: "",
        sql: "SELECT {event}
                CASE WHEN r.from_server THEN 'reply' ELSE 'request' END AS \"dhcp.type\", r.xid AS \"dhcp.id\", r.client_mac AS \"dhcp.client_mac\",
                r.assigned_ip AS \"dhcp.assigned_ip\", r.client_ip AS \"dhcp.client_ip\", r.message_type AS \"dhcp.dhcp_type\",
                r.requested_ip AS \"dhcp.requested_ip\", r.host_name AS \"dhcp.hostname\", r.lease_s AS \"dhcp.lease_time\",
                {list r.dns_servers} AS \"dhcp.dns_servers\", {list r.routers} AS \"dhcp.routers\"
         FROM dhcp r JOIN flows f ON {same}
         WHERE {scope}",
    },
    Log {
        name: "krb5",
        ts: "ts",
        fields: "",
        sql: "SELECT {event}
                CASE WHEN r.success THEN 'KRB_' || r.request_type || '_REP' WHEN r.error_code IS NOT NULL THEN 'KRB_ERROR'
                  ELSE 'KRB_' || r.request_type || '_REQ' END AS \"krb5.msg_type\",
                CASE WHEN r.error_code IS NOT NULL THEN 'KRB_' || r.request_type || '_REQ' END AS \"krb5.failed_request\", r.client AS \"krb5.cname\", r.realm AS \"krb5.realm\",
                r.service AS \"krb5.sname\", r.reply_etype AS \"krb5.encryption\", r.ticket_etype AS \"krb5.ticket_encryption\",
                CASE WHEN r.reply_etype IS NOT NULL THEN NOT regexp_matches(r.reply_etype, '^(aes|camellia)') END AS \"krb5.weak_encryption\", coalesce(r.error, r.error_code::VARCHAR) AS \"krb5.error_code\"
         FROM kerberos r JOIN flows f ON {same}
         WHERE {scope}",
    },
    Log {
        name: "fileinfo",
        ts: "ts",
        fields: "",
        sql: "SELECT {event}
                {app r.source} AS \"app_proto\", coalesce(r.name, '') AS \"fileinfo.filename\",
                coalesce(r.missing_bytes, 0) > 0 AS \"fileinfo.gaps\",
                CASE WHEN r.sha256 IS NULL THEN 'TRUNCATED' ELSE 'CLOSED' END AS \"fileinfo.state\", r.md5 AS \"fileinfo.md5\", r.sha1 AS \"fileinfo.sha1\", r.sha256 AS \"fileinfo.sha256\",
                false AS \"fileinfo.stored\", r.seen_bytes AS \"fileinfo.size\"
         FROM files r JOIN flows f ON {same}
         WHERE {scope}",
    },
    Log {
        name: "alert",
        ts: "first_ts",
        fields: "",
        sql: "SELECT r.capture_id, r.first_ts AS \"timestamp\", f.flow_id AS \"flow_id\", coalesce(r.src_ip, f.src_ip) AS \"src_ip\",
                CASE WHEN r.src_ip = f.src_ip AND r.dst_ip = f.dst_ip THEN f.src_port END AS \"src_port\", coalesce(r.dst_ip,
                f.dst_ip) AS \"dest_ip\", r.dst_port AS \"dest_port\",
                {proto r.protocol} AS \"proto\", f.community_id AS \"community_id\",
                'allowed' AS \"alert.action\", 1 AS \"alert.gid\", (9000000 + hash(r.kind) % 1000000)::BIGINT AS \"alert.signature_id\",
                1 AS \"alert.rev\", r.title AS \"alert.signature\", r.kind AS \"alert.category\",
                CASE WHEN r.severity_rank >= 4 THEN 1 WHEN r.severity_rank = 3 THEN 2 ELSE 3 END AS \"alert.severity\",
                [r.severity] AS \"alert.metadata.secnetmon_severity\", [round(r.confidence, 3)::VARCHAR] AS \"alert.metadata.confidence\",
                CASE WHEN r.technique IS NOT NULL THEN [r.technique] END AS \"alert.metadata.mitre_technique_id\",
                [r.anomaly_id::VARCHAR] AS \"alert.metadata.anomaly_id\", CASE WHEN f.flow_id IS NOT NULL THEN {app f.service} END AS \"app_proto\"
         FROM anomalies r LEFT JOIN flows f ON {same}s[1]
         WHERE {scope} AND r.status NOT IN ('false_positive', 'expected')",
    },
    Log {
        name: "anomaly",
        ts: "ts",
        fields: "",
        sql: "SELECT {event}
                r.packet AS \"pcap_cnt\",
                CASE r.layer WHEN 'application' THEN 'applayer' WHEN 'transport' THEN 'stream' ELSE 'decode' END AS \"anomaly.type\",
                r.kind AS \"anomaly.event\"
         FROM weirds r LEFT JOIN flows f ON {same}
         WHERE {scope}",
    },
];
