//! Which of our columns are Zeek's logs of mail, files, calls, databases, devices and of the network's own services?
//!
//! Zeek logs what a person wants to read: commands of FTP and IRC that move something, SNMP by session. Rows that stand for many equal readings (Modbus,
//! DNP3) are written once; Zeek has a row a message.

use super::Log;

pub(super) static LOGS: &[Log] = &[
    Log {
        name: "ssh",
        ts: "ts",
        fields: "* version:count auth_success:bool auth_attempts:count direction:enum client:string server:string cipher_alg:string mac_alg:string
                 compression_alg:string kex_alg:string host_key_alg:string host_key:string hassh:string hasshServer:string",
        sql: "SELECT {ends} r.version, r.auth_success, coalesce(r.auth_attempts, 0),
                CASE WHEN f.src_internal AND NOT f.dst_internal THEN 'OUTBOUND' WHEN f.dst_internal AND NOT f.src_internal THEN 'INBOUND' END,
                r.client, r.server, CASE WHEN r.cipher_client <> r.cipher_server THEN 'To server: ' || r.cipher_client || ', to client: ' || r.cipher_server
                  ELSE r.cipher_client END,
                CASE WHEN r.mac_client <> r.mac_server THEN 'To server: ' || r.mac_client || ', to client: ' || r.mac_server ELSE r.mac_client END,
                CASE WHEN r.compression_client <> r.compression_server THEN 'To server: ' || r.compression_client || ', to client: ' || r.compression_server
                  ELSE r.compression_client END,
                r.kex_algorithm, r.host_key_algorithm, NULL::VARCHAR, r.hassh, r.hassh_server
         FROM ssh r {flow}
         WHERE {scope}",
    },
    Log {
        name: "ftp",
        ts: "ts",
        fields: "* user:string password:string command:string arg:string mime_type:string file_size:count reply_code:count reply_msg:string
                 data_channel.passive:bool data_channel.orig_h:addr data_channel.resp_h:addr data_channel.resp_p:port fuid:string",
        sql: "SELECT {ends} coalesce(r.\"user\", '<unknown>'), NULL::VARCHAR, r.command,
                CASE WHEN r.command IN ('APPE', 'DELE', 'RETR', 'STOR', 'STOU') AND coalesce(r.path, r.argument) IS NOT NULL
                     THEN 'ftp://' || CASE WHEN contains(f.dst_ip, ':') THEN '[' || f.dst_ip || ']' ELSE f.dst_ip END
                          || CASE WHEN starts_with(coalesce(r.path, r.argument), '/') THEN '' ELSE '/./' END || coalesce(r.path, r.argument)
                     ELSE r.argument END,
                NULL::VARCHAR, r.file_size, r.reply_code, r.reply_text, r.data_passive,
                CASE WHEN r.data_host IS NOT NULL THEN CASE WHEN r.data_passive THEN f.src_ip ELSE f.dst_ip END END, r.data_host, r.data_port,
                NULL::BIGINT
         FROM ftp r {flow}
         WHERE {scope} AND r.command IN ('APPE', 'DELE', 'RETR', 'STOR', 'STOU', 'ACCT', 'PORT', 'PASV', 'EPRT', 'EPSV')",
    },
    Log {
        name: "smtp",
        ts: "ts",
        // `first_received` is the header nearest to the writer, the last one of a mail; only the topmost is stored.
        fields: "* trans_depth:count helo:string mailfrom:string rcptto:set[string] date:string from:string to:set[string] cc:set[string]
                 reply_to:string msg_id:string in_reply_to:string subject:string x_originating_ip:addr first_received:string second_received:string
                 last_reply:string path:vector[addr] user_agent:string tls:bool fuids:vector[string] is_webmail:bool",
        sql: "SELECT {ends} greatest(r.trans_depth, 1), r.helo, nullif(r.mailfrom, ''),
                CASE WHEN len(r.rcptto) > 0 THEN r.rcptto END, r.date, r.header_from, {addresses r.header_to}, {addresses r.cc}, r.reply_to,
                r.message_id, r.in_reply_to, r.subject,
                nullif(regexp_extract(r.x_originating_ip, '^\\[?([0-9]{1,3}(?:[.][0-9]{1,3}){3}|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]+)\\]?$', 1), ''),
                CASE r.received_count WHEN 1 THEN r.received END, CASE r.received_count WHEN 2 THEN r.received END,
                CASE WHEN r.reply_code IS NOT NULL THEN r.reply_code || coalesce(' ' || r.reply_text, '') END, [f.dst_ip, f.src_ip],
                r.user_agent, coalesce(r.tls, false), NULL::VARCHAR, false
         FROM smtp r {flow}
         WHERE {scope}",
    },
    Log {
        name: "irc",
        ts: "ts",
        fields: "* nick:string user:string command:string value:string addl:string dcc_file_name:string dcc_file_size:count dcc_mime_type:string
                 fuid:string",
        sql: "SELECT {ends} r.nick, r.\"user\", r.command,
                CASE r.command WHEN 'JOIN' THEN r.target WHEN 'USER' THEN coalesce(r.\"user\", r.value) ELSE r.value END,
                CASE WHEN r.command = 'USER' AND r.\"user\" IS NOT NULL THEN r.value END, r.dcc_file_name, r.dcc_file_size, NULL::VARCHAR, NULL::BIGINT
         FROM irc r {flow}
         WHERE {scope} AND (r.command = 'DCC' OR r.sender = 'src' AND r.command IN ('NICK', 'USER', 'JOIN'))",
    },
    Log {
        name: "dhcp",
        ts: "ts",
        fields: "ts:time uids:set[string] client_addr:addr server_addr:addr mac:string host_name:string client_fqdn:string domain:string
                 requested_addr:addr assigned_addr:addr lease_time:interval client_message:string server_message:string msg_types:vector[string]
                 duration:interval",
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
    Log {
        name: "radius",
        ts: "ts",
        fields: "* username:string mac:string framed_addr:addr tunnel_client:string connect_info:string reply_msg:string result:string ttl:interval",
        sql: "SELECT {ends} r.\"user\", CASE WHEN regexp_matches(r.calling_station, '^([0-9A-Fa-f]{2}[-:.]?){5}[0-9A-Fa-f]{2}$')
                THEN rtrim(regexp_replace(lower(regexp_replace(r.calling_station, '[-:.]', '', 'g')), '(..)', '\\1:', 'g'), ':') ELSE r.calling_station END,
                r.framed_ip, r.tunnel_client, NULL::VARCHAR, r.reply_message,
                CASE r.result WHEN 'accept' THEN 'success' WHEN 'reject' THEN 'failed' ELSE 'unknown' END, r.rtt_s
         FROM radius r {flow}
         WHERE {scope} AND r.request = 'access'",
    },
    Log {
        name: "snmp",
        ts: "ts",
        fields: "* duration:interval version:string community:string get_requests:count get_bulk_requests:count get_responses:count
                 set_requests:count display_string:string up_since:time",
        sql: "SELECT {ends} r.duration_s, r.version, NULL::VARCHAR, r.get_requests + r.get_next_requests, r.get_bulk_requests, r.responses, r.set_requests,
                r.sys_descr, NULL::TIMESTAMP_NS
         FROM snmp r {flow}
         WHERE {scope}",
    },
    Log {
        name: "syslog",
        ts: "ts",
        fields: "* proto:enum facility:string severity:string message:string",
        sql: "SELECT {ends} f.protocol, upper(r.facility),
                CASE r.severity WHEN 'emergency' THEN 'EMERG' WHEN 'critical' THEN 'CRIT' WHEN 'error' THEN 'ERR' ELSE upper(r.severity) END, r.message
         FROM syslog r {flow}
         WHERE {scope}",
    },
    Log {
        name: "socks",
        ts: "ts",
        fields: "* version:count user:string password:string status:string request.host:addr request.name:string request_p:port bound.host:addr
                 bound.name:string bound_p:port",
        sql: "SELECT {ends} r.version, r.\"user\", NULL::VARCHAR, CASE r.status WHEN 'general_failure' THEN 'general SOCKS server failure'
                WHEN 'rejected' THEN 'general SOCKS server failure' WHEN 'not_allowed' THEN 'connection not allowed by ruleset'
                WHEN 'network_unreachable' THEN 'Network unreachable' WHEN 'host_unreachable' THEN 'Host unreachable'
                WHEN 'connection_refused' THEN 'Connection refused' WHEN 'ttl_expired' THEN 'TTL expired'
                WHEN 'command_not_supported' THEN 'Command not supported' WHEN 'address_type_not_supported' THEN 'Address type not supported'
                ELSE r.status END,
                CASE WHEN regexp_matches(r.request_host, '^[0-9.]+$|:') THEN r.request_host END,
                CASE WHEN NOT regexp_matches(r.request_host, '^[0-9.]+$|:') THEN r.request_host END, r.request_port,
                CASE WHEN regexp_matches(r.bound_host, '^[0-9.]+$|:') THEN r.bound_host END,
                CASE WHEN NOT regexp_matches(r.bound_host, '^[0-9.]+$|:') THEN r.bound_host END, r.bound_port
         FROM socks r {flow}
         WHERE {scope}",
    },
    Log {
        name: "sip",
        ts: "ts",
        fields: "* trans_depth:count method:string uri:string date:string request_from:string request_to:string response_from:string
                 response_to:string reply_to:string call_id:string seq:string subject:string request_path:vector[string] response_path:vector[string]
                 user_agent:string status_code:count status_msg:string warning:string request_body_len:count response_body_len:count
                 content_type:string",
        sql: "SELECT {ends} 0, r.method, r.uri, NULL::VARCHAR, r.sip_from, r.sip_to, NULL::VARCHAR, NULL::VARCHAR, NULL::VARCHAR, r.call_id,
                r.cseq || coalesce(' ' || r.method, ''), NULL::VARCHAR, NULL::VARCHAR, NULL::VARCHAR, r.user_agent, r.status, r.reason, NULL::VARCHAR,
                NULL::UBIGINT, NULL::UBIGINT, r.response_type
         FROM sip r {flow}
         WHERE {scope}",
    },
    Log {
        name: "mysql",
        ts: "ts",
        fields: "* cmd:string arg:string success:bool rows:count response:string",
        sql: "SELECT {ends} r.command, coalesce(r.argument, ''), r.success, r.affected_rows, r.error
         FROM mysql r {flow}
         WHERE {scope}",
    },
    Log {
        name: "modbus",
        ts: "ts",
        fields: "* tid:count unit:count func:string pdu_type:string exception:string",
        sql: "SELECT {ends} r.transaction_id, r.unit, {modbus_function}, 'REQ', NULL::VARCHAR
         FROM modbus r {flow}
         WHERE {scope}
         UNION ALL
         SELECT r.capture_id, r.flow_id, make_timestamp_ns(epoch_ns(r.ts) + (r.rtt_s * 1e9)::BIGINT), f.src_ip, f.src_port, f.dst_ip, f.dst_port,
                r.transaction_id, r.unit, {modbus_function}
                || CASE WHEN r.exception_code IS NULL THEN '' ELSE '_EXCEPTION' END, 'RESP',
                CASE WHEN r.exception_code IS NOT NULL THEN CASE r.exception_code WHEN 4 THEN 'SLAVE_DEVICE_FAILURE' WHEN 6 THEN 'SLAVE_DEVICE_BUSY'
                  WHEN 11 THEN 'GATEWAY_TARGET_DEVICE_FAILED_TO_RESPOND' ELSE coalesce(upper(r.exception), 'unknown-' || r.exception_code) END END
         FROM modbus r {flow}
         WHERE {scope} AND r.answered AND r.rtt_s IS NOT NULL
         ORDER BY 3, 2, 11",
    },
    Log {
        name: "dnp3",
        ts: "ts",
        fields: "* fc_request:string fc_reply:string iin:count",
        sql: "SELECT {ends} CASE WHEN r.function_code IS NOT NULL THEN coalesce(upper(r.function), 'unknown-' || r.function_code) END,
                CASE WHEN r.reply_code IS NOT NULL THEN coalesce(upper(r.reply), 'unknown-' || r.reply_code) END, r.iin
         FROM dnp3 r {flow}
         WHERE {scope}",
    },
];
