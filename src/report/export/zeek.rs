//! Which fields do Zeek's logs have, and which of our columns are they?
//!
//! Names and types are those of Zeek 8 and of its policy scripts (Community ID, MAC and VLAN logging, JA3, JA4, HASSH). `duration` and
//! bytes of a connection are unset, as in Zeek, when nothing lasted. Passwords stay out: they are not stored.

use super::Log;

/// All of them, the order in which they are written.
pub(super) static LOGS: &[Log] = &[
    Log {
        name: "conn",
        ts: "first_ts",
        fields: &[("ts", "time"), ("uid", "string"), ("id.orig_h", "addr"), ("id.orig_p", "port"), ("id.resp_h", "addr"), ("id.resp_p", "port"), ("proto", "enum"), ("service", "string"), ("duration", "interval"), ("orig_bytes", "count"), ("resp_bytes", "count"), ("conn_state", "string"), ("local_orig", "bool"), ("local_resp", "bool"), ("missed_bytes", "count"), ("history", "string"), ("orig_pkts", "count"), ("orig_ip_bytes", "count"), ("resp_pkts", "count"), ("resp_ip_bytes", "count"), ("tunnel_parents", "set[string]"), ("ip_proto", "count"), ("community_id", "string"), ("vlan", "int"), ("inner_vlan", "int"), ("orig_l2_addr", "string"), ("resp_l2_addr", "string")],
        sql: "SELECT r.capture_id, r.flow_id, r.first_ts, r.src_ip, r.src_port, r.dst_ip, r.dst_port,
                CASE WHEN r.protocol IN ('tcp','udp','icmp','sctp') THEN r.protocol WHEN r.protocol = 'icmp6' THEN 'icmp' ELSE 'unknown_transport' END,
                CASE WHEN r.service_source <> 'content' OR r.service IN ('icmp','icmp6') THEN NULL WHEN r.service IN ('tls','dtls') THEN 'ssl' WHEN r.service = 'kerberos' THEN CASE r.protocol WHEN 'tcp' THEN 'krb_tcp' ELSE 'krb' END WHEN r.service IN ('mdns','llmnr','nbns') THEN 'dns' WHEN r.service = 'ftp_data' THEN 'ftp-data' WHEN r.service = 'dcerpc' THEN 'dce_rpc' WHEN r.service = 'quic' THEN 'quic,ssl' ELSE r.service END,
                CASE WHEN r.duration_s > 0 THEN r.duration_s END, CASE WHEN r.duration_s > 0 THEN r.src_stream_bytes END,
                CASE WHEN r.duration_s > 0 THEN r.dst_stream_bytes END, r.conn_state, r.src_internal, r.dst_internal, r.missed_bytes,
                nullif(r.history, ''), r.src_packets, r.src_ip_bytes, r.dst_packets, r.dst_ip_bytes, NULL::VARCHAR,
                CASE r.protocol WHEN 'tcp' THEN 6 WHEN 'udp' THEN 17 WHEN 'icmp' THEN 1 WHEN 'icmp6' THEN 58 WHEN 'sctp' THEN 132 ELSE try_cast(r.protocol AS INTEGER) END,
                r.community_id, r.vlan, r.inner_vlan, r.src_mac, r.dst_mac
         FROM flows r
         WHERE {scope}",
    },
    Log {
        name: "dns",
        ts: "ts",
        fields: &[("ts", "time"), ("uid", "string"), ("id.orig_h", "addr"), ("id.orig_p", "port"), ("id.resp_h", "addr"), ("id.resp_p", "port"), ("proto", "enum"), ("trans_id", "count"), ("rtt", "interval"), ("query", "string"), ("qclass", "count"), ("qclass_name", "string"), ("qtype", "count"), ("qtype_name", "string"), ("rcode", "count"), ("rcode_name", "string"), ("AA", "bool"), ("TC", "bool"), ("RD", "bool"), ("RA", "bool"), ("Z", "count"), ("answers", "vector[string]"), ("TTLs", "vector[interval]"), ("rejected", "bool")],
        sql: "SELECT r.capture_id, r.flow_id, r.ts, f.src_ip, f.src_port, f.dst_ip, f.dst_port, r.proto, r.trans_id, r.rtt_s, r.query, r.qclass,
                CASE r.qclass WHEN 1 THEN 'C_INTERNET' WHEN 3 THEN 'C_CHAOS' WHEN 4 THEN 'C_HESIOD' WHEN 255 THEN 'C_ANY' ELSE 'qclass-' || r.qclass END,
                r.qtype, r.qtype_name, r.rcode, r.rcode_name, coalesce(r.aa, false), coalesce(r.tc, false), coalesce(r.rd, false),
                coalesce(r.ra, false), NULL::INTEGER, CASE WHEN len(r.answers) > 0 THEN r.answers END,
                CASE WHEN r.ttls <> '' THEN list_transform(string_split(r.ttls, ','), lambda x: try_cast(x AS DOUBLE)) END,
                coalesce(r.rejected, false)
         FROM dns r JOIN flows f ON f.capture_id = r.capture_id AND f.flow_id = r.flow_id
         WHERE {scope}",
    },
    Log {
        name: "http",
        ts: "ts",
        fields: &[("ts", "time"), ("uid", "string"), ("id.orig_h", "addr"), ("id.orig_p", "port"), ("id.resp_h", "addr"), ("id.resp_p", "port"), ("trans_depth", "count"), ("method", "string"), ("host", "string"), ("uri", "string"), ("referrer", "string"), ("version", "string"), ("user_agent", "string"), ("origin", "string"), ("request_body_len", "count"), ("response_body_len", "count"), ("status_code", "count"), ("status_msg", "string"), ("info_code", "count"), ("info_msg", "string"), ("tags", "set[enum]"), ("username", "string"), ("password", "string"), ("proxied", "set[string]"), ("orig_fuids", "vector[string]"), ("orig_filenames", "vector[string]"), ("orig_mime_types", "vector[string]"), ("resp_fuids", "vector[string]"), ("resp_filenames", "vector[string]"), ("resp_mime_types", "vector[string]")],
        sql: "SELECT r.capture_id, r.flow_id, r.ts, f.src_ip, f.src_port, f.dst_ip, f.dst_port, r.trans_depth, r.method, r.host, r.uri, r.referrer,
                r.version, r.user_agent, r.origin, r.request_body_len, r.response_body_len, r.status_code, r.status_msg, r.info_code,
                NULL::VARCHAR, []::VARCHAR[], r.username, NULL::VARCHAR,
                CASE WHEN r.x_forwarded_for IS NOT NULL OR r.via IS NOT NULL THEN list_filter(['X-FORWARDED-FOR -> ' || r.x_forwarded_for,
                'VIA -> ' || r.via], lambda x: x IS NOT NULL) END, NULL::VARCHAR,
                CASE WHEN r.request_file_name IS NOT NULL THEN [r.request_file_name] END,
                CASE WHEN r.request_mime IS NOT NULL THEN [r.request_mime] END, NULL::VARCHAR,
                CASE WHEN r.response_file_name IS NOT NULL THEN [r.response_file_name] END,
                CASE WHEN r.response_mime IS NOT NULL THEN [r.response_mime] END
         FROM http r JOIN flows f ON f.capture_id = r.capture_id AND f.flow_id = r.flow_id
         WHERE {scope}",
    },
    Log {
        name: "ssl",
        ts: "ts",
        fields: &[("ts", "time"), ("uid", "string"), ("id.orig_h", "addr"), ("id.orig_p", "port"), ("id.resp_h", "addr"), ("id.resp_p", "port"), ("version", "string"), ("cipher", "string"), ("curve", "string"), ("server_name", "string"), ("resumed", "bool"), ("last_alert", "string"), ("next_protocol", "string"), ("established", "bool"), ("ssl_history", "string"), ("cert_chain_fps", "vector[string]"), ("client_cert_chain_fps", "vector[string]"), ("sni_matches_cert", "bool"), ("ja3", "string"), ("ja3s", "string"), ("ja4", "string")],
        sql: "SELECT r.capture_id, r.flow_id, r.ts, f.src_ip, f.src_port, f.dst_ip, f.dst_port, replace(r.version, '.', ''), r.cipher, r.curve,
                r.server_name, coalesce(r.resumed, false), CASE WHEN r.alert IS NOT NULL THEN split_part(r.alert, ' ', 3) END, r.alpn,
                r.established, NULL::VARCHAR, c.server, c.client, NULL::BOOLEAN, r.ja3, r.ja3s, r.ja4
         FROM tls r JOIN flows f ON f.capture_id = r.capture_id AND f.flow_id = r.flow_id LEFT JOIN (SELECT capture_id, flow_id, list(sha256 ORDER BY position) FILTER (NOT from_client) AS server, list(sha256 ORDER BY position) FILTER (from_client) AS client FROM x509 GROUP BY capture_id, flow_id) c ON c.capture_id = r.capture_id AND c.flow_id = r.flow_id
         WHERE {scope}",
    },
    Log {
        name: "x509",
        ts: "ts",
        fields: &[("ts", "time"), ("fingerprint", "string"), ("certificate.version", "count"), ("certificate.serial", "string"), ("certificate.subject", "string"), ("certificate.issuer", "string"), ("certificate.not_valid_before", "time"), ("certificate.not_valid_after", "time"), ("certificate.key_alg", "string"), ("certificate.sig_alg", "string"), ("certificate.key_type", "string"), ("certificate.key_length", "count"), ("certificate.exponent", "string"), ("certificate.curve", "string"), ("san.dns", "vector[string]"), ("san.uri", "vector[string]"), ("san.email", "vector[string]"), ("san.ip", "vector[addr]"), ("basic_constraints.ca", "bool"), ("basic_constraints.path_len", "count"), ("host_cert", "bool"), ("client_cert", "bool")],
        sql: "SELECT r.capture_id, r.flow_id, r.ts, r.sha256, r.version, upper(r.serial),
                array_to_string(list_reverse(list_transform(string_split(regexp_replace(r.subject, ', ([A-Za-z]+|[0-9.]+)=', chr(1) || '\\1=', 'g'), chr(1)), lambda x: replace(x, ',', '\\,'))), ','),
                array_to_string(list_reverse(list_transform(string_split(regexp_replace(r.issuer, ', ([A-Za-z]+|[0-9.]+)=', chr(1) || '\\1=', 'g'), chr(1)), lambda x: replace(x, ',', '\\,'))), ','),
                r.not_before, r.not_after,
                CASE r.key_type WHEN 'rsa' THEN 'rsaEncryption' WHEN 'ec' THEN 'id-ecPublicKey' ELSE r.key_type END, r.signature_algorithm,
                CASE r.key_type WHEN 'ec' THEN 'ecdsa' ELSE r.key_type END, r.key_bits, NULL::VARCHAR, r.key_curve,
                CASE WHEN len(r.san_dns) > 0 THEN r.san_dns END, NULL::VARCHAR, NULL::VARCHAR, CASE WHEN len(r.san_ip) > 0 THEN r.san_ip END,
                r.is_ca, NULL::INTEGER, r.position = 0 AND NOT r.from_client, r.position = 0 AND r.from_client
         FROM x509 r
         WHERE {scope}",
    },
    Log {
        name: "files",
        ts: "ts",
        fields: &[("ts", "time"), ("fuid", "string"), ("uid", "string"), ("id.orig_h", "addr"), ("id.orig_p", "port"), ("id.resp_h", "addr"), ("id.resp_p", "port"), ("source", "string"), ("depth", "count"), ("analyzers", "set[string]"), ("mime_type", "string"), ("filename", "string"), ("duration", "interval"), ("local_orig", "bool"), ("is_orig", "bool"), ("seen_bytes", "count"), ("total_bytes", "count"), ("missing_bytes", "count"), ("overflow_bytes", "count"), ("timedout", "bool"), ("parent_fuid", "string"), ("md5", "string"), ("sha1", "string"), ("sha256", "string"), ("extracted", "string"), ("extracted_cutoff", "bool"), ("extracted_size", "count")],
        sql: "SELECT r.capture_id, r.flow_id, r.ts, (hash(epoch_ns(r.ts), r.sender, r.name, r.seen_bytes) >> 2)::BIGINT, f.src_ip, f.src_port,
                f.dst_ip, f.dst_port, upper(r.source), 0, list_filter([CASE WHEN r.md5 IS NOT NULL THEN 'MD5' END, CASE WHEN r.sha1 IS NOT NULL THEN 'SHA1' END, CASE WHEN r.sha256 IS NOT NULL THEN 'SHA256' END], lambda a: a IS NOT NULL), r.mime, r.name,
                r.duration_s, CASE r.sender WHEN 'src' THEN f.src_internal ELSE f.dst_internal END, r.sender = 'src', r.seen_bytes,
                r.declared_bytes, r.missing_bytes, 0, false, NULL::VARCHAR, r.md5, r.sha1, r.sha256, NULL::VARCHAR,
                NULL::BOOLEAN, NULL::INTEGER
         FROM files r JOIN flows f ON f.capture_id = r.capture_id AND f.flow_id = r.flow_id
         WHERE {scope}",
    },
    Log {
        name: "ssh",
        ts: "ts",
        fields: &[("ts", "time"), ("uid", "string"), ("id.orig_h", "addr"), ("id.orig_p", "port"), ("id.resp_h", "addr"), ("id.resp_p", "port"), ("version", "count"), ("auth_success", "bool"), ("auth_attempts", "count"), ("direction", "enum"), ("client", "string"), ("server", "string"), ("cipher_alg", "string"), ("mac_alg", "string"), ("compression_alg", "string"), ("kex_alg", "string"), ("host_key_alg", "string"), ("host_key", "string"), ("hassh", "string"), ("hasshServer", "string")],
        sql: "SELECT r.capture_id, r.flow_id, r.ts, f.src_ip, f.src_port, f.dst_ip, f.dst_port, r.version, r.auth_success,
                coalesce(r.auth_attempts, 0), NULL::VARCHAR, r.client, r.server, r.cipher_client, r.mac_client, r.compression_client,
                r.kex_algorithm, r.host_key_algorithm, NULL::VARCHAR, r.hassh, r.hassh_server
         FROM ssh r JOIN flows f ON f.capture_id = r.capture_id AND f.flow_id = r.flow_id
         WHERE {scope}",
    },
    Log {
        name: "smb_mapping",
        ts: "ts",
        fields: &[("ts", "time"), ("uid", "string"), ("id.orig_h", "addr"), ("id.orig_p", "port"), ("id.resp_h", "addr"), ("id.resp_p", "port"), ("path", "string"), ("service", "string"), ("native_file_system", "string"), ("share_type", "string")],
        sql: "SELECT r.capture_id, r.flow_id, r.ts, f.src_ip, f.src_port, f.dst_ip, f.dst_port, r.share, NULL::VARCHAR, NULL::VARCHAR,
                upper(r.share_type)
         FROM smb r JOIN flows f ON f.capture_id = r.capture_id AND f.flow_id = r.flow_id
         WHERE {scope} AND (r.command = 'tree_connect')",
    },
    Log {
        name: "smb_files",
        ts: "ts",
        fields: &[("ts", "time"), ("uid", "string"), ("id.orig_h", "addr"), ("id.orig_p", "port"), ("id.resp_h", "addr"), ("id.resp_p", "port"), ("fuid", "string"), ("action", "enum"), ("path", "string"), ("name", "string"), ("size", "count"), ("prev_name", "string"), ("times.modified", "time"), ("times.accessed", "time"), ("times.created", "time"), ("times.changed", "time")],
        sql: "SELECT r.capture_id, r.flow_id, r.ts, f.src_ip, f.src_port, f.dst_ip, f.dst_port, NULL::BIGINT, CASE WHEN r.action IN ('open',
                'create', 'overwrite',
                'supersede') THEN CASE r.share_type WHEN 'pipe' THEN 'SMB::PIPE_OPEN' ELSE 'SMB::FILE_OPEN' END WHEN r.action = 'read' THEN 'SMB::FILE_READ' WHEN r.action IN ('write',
                'read_write') THEN 'SMB::FILE_WRITE' WHEN r.action = 'delete' THEN 'SMB::FILE_DELETE' WHEN r.action = 'rename' THEN 'SMB::FILE_RENAME' END,
                r.share, CASE r.action WHEN 'rename' THEN r.new_name ELSE r.file_name END, coalesce(r.size_bytes, 0),
                CASE r.action WHEN 'rename' THEN r.file_name END, NULL::TIMESTAMP_NS, NULL::TIMESTAMP_NS, NULL::TIMESTAMP_NS,
                NULL::TIMESTAMP_NS
         FROM smb r JOIN flows f ON f.capture_id = r.capture_id AND f.flow_id = r.flow_id
         WHERE {scope} AND (r.file_name IS NOT NULL AND r.action IN ('open', 'create', 'overwrite', 'supersede', 'read', 'write', 'read_write', 'delete', 'rename'))",
    },
    Log {
        name: "ftp",
        ts: "ts",
        fields: &[("ts", "time"), ("uid", "string"), ("id.orig_h", "addr"), ("id.orig_p", "port"), ("id.resp_h", "addr"), ("id.resp_p", "port"), ("user", "string"), ("password", "string"), ("command", "string"), ("arg", "string"), ("mime_type", "string"), ("file_size", "count"), ("reply_code", "count"), ("reply_msg", "string"), ("data_channel.passive", "bool"), ("data_channel.orig_h", "addr"), ("data_channel.resp_h", "addr"), ("data_channel.resp_p", "port"), ("fuid", "string")],
        sql: "SELECT r.capture_id, r.flow_id, r.ts, f.src_ip, f.src_port, f.dst_ip, f.dst_port, r.\"user\", NULL::VARCHAR, r.command, r.argument,
                NULL::VARCHAR, r.file_size, r.reply_code, r.reply_text, r.data_passive,
                CASE WHEN r.data_host IS NOT NULL THEN CASE WHEN r.data_passive THEN f.src_ip ELSE f.dst_ip END END, r.data_host, r.data_port,
                NULL::BIGINT
         FROM ftp r JOIN flows f ON f.capture_id = r.capture_id AND f.flow_id = r.flow_id
         WHERE {scope}",
    },
    Log {
        name: "smtp",
        ts: "ts",
        fields: &[("ts", "time"), ("uid", "string"), ("id.orig_h", "addr"), ("id.orig_p", "port"), ("id.resp_h", "addr"), ("id.resp_p", "port"), ("trans_depth", "count"), ("helo", "string"), ("mailfrom", "string"), ("rcptto", "set[string]"), ("date", "string"), ("from", "string"), ("to", "set[string]"), ("cc", "set[string]"), ("reply_to", "string"), ("msg_id", "string"), ("in_reply_to", "string"), ("subject", "string"), ("x_originating_ip", "addr"), ("first_received", "string"), ("second_received", "string"), ("last_reply", "string"), ("path", "vector[addr]"), ("user_agent", "string"), ("tls", "bool"), ("fuids", "vector[string]"), ("is_webmail", "bool")],
        sql: "SELECT r.capture_id, r.flow_id, r.ts, f.src_ip, f.src_port, f.dst_ip, f.dst_port, r.trans_depth, r.helo, r.mailfrom,
                CASE WHEN len(r.rcptto) > 0 THEN r.rcptto END, r.date, r.header_from,
                CASE WHEN r.header_to IS NOT NULL THEN [r.header_to] END, CASE WHEN r.cc IS NOT NULL THEN [r.cc] END, r.reply_to,
                r.message_id, r.in_reply_to, r.subject, r.x_originating_ip, r.received, NULL::VARCHAR,
                CASE WHEN r.reply_code IS NOT NULL THEN r.reply_code || coalesce(' ' || r.reply_text, '') END, [f.dst_ip, f.src_ip],
                r.user_agent, coalesce(r.tls, false), NULL::VARCHAR, false
         FROM smtp r JOIN flows f ON f.capture_id = r.capture_id AND f.flow_id = r.flow_id
         WHERE {scope}",
    },
    Log {
        name: "kerberos",
        ts: "ts",
        fields: &[("ts", "time"), ("uid", "string"), ("id.orig_h", "addr"), ("id.orig_p", "port"), ("id.resp_h", "addr"), ("id.resp_p", "port"), ("request_type", "string"), ("client", "string"), ("service", "string"), ("success", "bool"), ("error_msg", "string"), ("from", "time"), ("till", "time"), ("cipher", "string"), ("forwardable", "bool"), ("renewable", "bool"), ("client_cert_subject", "string"), ("client_cert_fuid", "string"), ("server_cert_subject", "string"), ("server_cert_fuid", "string")],
        sql: "SELECT r.capture_id, r.flow_id, r.ts, f.src_ip, f.src_port, f.dst_ip, f.dst_port, r.request_type,
                CASE WHEN r.client IS NOT NULL THEN r.client || '/' || coalesce(r.client_realm, r.realm, '') END, r.service, r.success,
                r.error, r.valid_from, r.valid_till, r.ticket_etype, r.forwardable, r.renewable, NULL::VARCHAR, NULL::VARCHAR, NULL::VARCHAR,
                NULL::VARCHAR
         FROM kerberos r JOIN flows f ON f.capture_id = r.capture_id AND f.flow_id = r.flow_id
         WHERE {scope} AND (r.request_type IS NULL OR r.request_type <> 'AP')",
    },
    Log {
        name: "weird",
        ts: "ts",
        fields: &[("ts", "time"), ("uid", "string"), ("id.orig_h", "addr"), ("id.orig_p", "port"), ("id.resp_h", "addr"), ("id.resp_p", "port"), ("name", "string"), ("addl", "string"), ("notice", "bool"), ("peer", "string"), ("source", "string")],
        sql: "SELECT r.capture_id, r.flow_id, r.ts, f.src_ip, f.src_port, f.dst_ip, f.dst_port, r.kind, r.detail, false, 'secnetmon',
                upper(r.layer)
         FROM weirds r LEFT JOIN flows f ON f.capture_id = r.capture_id AND f.flow_id = r.flow_id
         WHERE {scope}",
    },
    Log {
        name: "notice",
        ts: "first_ts",
        fields: &[("ts", "time"), ("uid", "string"), ("id.orig_h", "addr"), ("id.orig_p", "port"), ("id.resp_h", "addr"), ("id.resp_p", "port"), ("fuid", "string"), ("file_mime_type", "string"), ("file_desc", "string"), ("proto", "enum"), ("note", "enum"), ("msg", "string"), ("sub", "string"), ("src", "addr"), ("dst", "addr"), ("p", "port"), ("n", "count"), ("peer_descr", "string"), ("actions", "set[enum]"), ("email_dest", "set[string]"), ("suppress_for", "interval")],
        sql: "SELECT r.capture_id, f.flow_id, r.first_ts, f.src_ip, f.src_port, f.dst_ip, f.dst_port, NULL::BIGINT, NULL::VARCHAR, NULL::VARCHAR,
                CASE WHEN r.protocol IN ('tcp', 'udp', 'icmp') THEN r.protocol WHEN r.protocol = 'icmp6' THEN 'icmp' END,
                'Secnetmon::' || r.kind, r.title, r.severity || ', confidence ' || round(r.confidence, 2) || coalesce(', ' || r.technique,
                ''), r.src_ip, r.dst_ip, r.dst_port, r.count, 'secnetmon', ['Notice::ACTION_LOG'], []::VARCHAR[], 0::DOUBLE
         FROM anomalies r LEFT JOIN flows f ON f.capture_id = r.capture_id AND f.flow_id = r.flow_ids[1]
         WHERE {scope}",
    },
    Log {
        name: "dhcp",
        ts: "ts",
        fields: &[("ts", "time"), ("uids", "set[string]"), ("client_addr", "addr"), ("server_addr", "addr"), ("mac", "string"), ("host_name", "string"), ("client_fqdn", "string"), ("domain", "string"), ("requested_addr", "addr"), ("assigned_addr", "addr"), ("lease_time", "interval"), ("client_message", "string"), ("server_message", "string"), ("msg_types", "vector[string]"), ("duration", "interval")],
        sql: "SELECT r.capture_id, list(DISTINCT r.flow_id ORDER BY r.flow_id), min(r.ts),
                coalesce(max(r.assigned_ip) FILTER (r.message_type = 'ack'), max(r.client_ip)), max(r.server_id), r.client_mac,
                max(r.host_name) FILTER (NOT r.from_server), max(r.fqdn) FILTER (NOT r.from_server), max(r.domain), max(r.requested_ip),
                max(r.assigned_ip), (max(r.lease_s) FILTER (r.from_server))::DOUBLE, max(r.message) FILTER (NOT r.from_server),
                max(r.message) FILTER (r.from_server), list(upper(r.message_type) ORDER BY r.ts) FILTER (r.message_type IS NOT NULL),
                (epoch_ns(max(r.ts)) - epoch_ns(min(r.ts))) / 1e9
         FROM dhcp r
         WHERE {scope}
         GROUP BY r.capture_id, r.xid, r.client_mac ORDER BY min(r.ts), r.xid, r.client_mac",
    },
];
