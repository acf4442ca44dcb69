//! Which of our columns are Zeek's logs of connections, names, the web, files and oddities?
//!
//! `duration` and bytes of a connection are unset, as in Zeek, when nothing lasted. A certificate is told once a capture and place, as Zeek tells it once a day.

use super::Log;

pub(super) static LOGS: &[Log] = &[
    Log {
        name: "conn",
        ts: "first_ts",
        fields: "* proto:enum service:string duration:interval orig_bytes:count resp_bytes:count conn_state:string local_orig:bool local_resp:bool
                 missed_bytes:count history:string orig_pkts:count orig_ip_bytes:count resp_pkts:count resp_ip_bytes:count tunnel_parents:set[string]
                 ip_proto:count community_id:string vlan:int inner_vlan:int orig_l2_addr:string resp_l2_addr:string",
        sql: "SELECT r.capture_id, r.flow_id, r.first_ts, r.src_ip, r.src_port, r.dst_ip, r.dst_port,
                CASE WHEN r.protocol IN ('tcp','udp','icmp','sctp') THEN r.protocol WHEN r.protocol = 'icmp6' THEN 'icmp' ELSE 'unknown_transport' END,
                CASE WHEN r.service_source <> 'content' OR r.service IN ('icmp','icmp6') THEN NULL WHEN r.service IN ('tls','dtls') THEN 'ssl'
                     WHEN r.service = 'kerberos' THEN CASE r.protocol WHEN 'tcp' THEN 'krb_tcp' ELSE 'krb' END
                     WHEN r.service IN ('mdns','llmnr','nbns') THEN 'dns' WHEN r.service = 'ftp_data' THEN 'ftp-data'
                     WHEN r.service = 'dcerpc' THEN 'dce_rpc' WHEN r.service = 'quic' THEN 'quic,ssl' ELSE r.service END,
                CASE WHEN r.duration_s > 0 THEN r.duration_s END, CASE WHEN r.duration_s > 0 THEN r.src_stream_bytes END,
                CASE WHEN r.duration_s > 0 THEN r.dst_stream_bytes END, r.conn_state, r.src_internal, r.dst_internal, r.missed_bytes,
                nullif(r.history, ''), r.src_packets, r.src_ip_bytes, r.dst_packets, r.dst_ip_bytes, NULL::VARCHAR,
                CASE r.protocol WHEN 'tcp' THEN 6 WHEN 'udp' THEN 17 WHEN 'icmp' THEN 1 WHEN 'icmp6' THEN 58 WHEN 'sctp' THEN 132
                     ELSE try_cast(r.protocol AS INTEGER) END,
                r.community_id, r.vlan, r.inner_vlan, r.src_mac, r.dst_mac
         FROM flows r
         WHERE {scope}",
    },
    Log {
        name: "dns",
        ts: "ts",
        fields: "* proto:enum trans_id:count rtt:interval query:string qclass:count qclass_name:string qtype:count qtype_name:string rcode:count
                 rcode_name:string AA:bool TC:bool RD:bool RA:bool Z:count answers:vector[string] TTLs:vector[interval] rejected:bool",
        sql: "SELECT {ends} r.proto, r.trans_id, r.rtt_s, r.query, r.qclass,
                CASE r.qclass WHEN 1 THEN 'C_INTERNET' WHEN 3 THEN 'C_CHAOS' WHEN 4 THEN 'C_HESIOD' WHEN 255 THEN 'C_ANY' ELSE 'qclass-' || r.qclass END,
                r.qtype, r.qtype_name, r.rcode, r.rcode_name, coalesce(r.aa, false), coalesce(r.tc, false), coalesce(r.rd, false),
                coalesce(r.ra, false), NULL::INTEGER, CASE WHEN len(r.answers) > 0 THEN r.answers END,
                CASE WHEN r.ttls <> '' THEN list_transform(string_split(r.ttls, ','), lambda x: try_cast(x AS DOUBLE)) END,
                coalesce(r.rejected, false)
         FROM dns r {flow}
         WHERE {scope}",
    },
    Log {
        name: "http",
        ts: "ts",
        fields: "* trans_depth:count method:string host:string uri:string referrer:string version:string user_agent:string origin:string
                 request_body_len:count response_body_len:count status_code:count status_msg:string info_code:count info_msg:string tags:set[enum]
                 username:string password:string proxied:set[string] orig_fuids:vector[string] orig_filenames:vector[string]
                 orig_mime_types:vector[string] resp_fuids:vector[string] resp_filenames:vector[string] resp_mime_types:vector[string]",
        sql: "SELECT {ends} r.trans_depth, r.method, r.host, r.uri, r.referrer,
                r.version, r.user_agent, r.origin, r.request_body_len, r.response_body_len, r.status_code, r.status_msg, r.info_code,
                NULL::VARCHAR, []::VARCHAR[], r.username, NULL::VARCHAR,
                CASE WHEN r.x_forwarded_for IS NOT NULL OR r.via IS NOT NULL THEN list_filter(['X-FORWARDED-FOR -> ' || r.x_forwarded_for,
                'VIA -> ' || r.via], lambda x: x IS NOT NULL) END, NULL::VARCHAR,
                CASE WHEN r.request_file_name IS NOT NULL THEN [r.request_file_name] END,
                CASE WHEN r.request_mime IS NOT NULL THEN [r.request_mime] END, NULL::VARCHAR,
                CASE WHEN r.response_file_name IS NOT NULL THEN [r.response_file_name] END,
                CASE WHEN r.response_mime IS NOT NULL THEN [r.response_mime] END
         FROM http r {flow}
         WHERE {scope}",
    },
    Log {
        name: "ssl",
        ts: "ts",
        fields: "* version:string cipher:string curve:string server_name:string resumed:bool last_alert:string next_protocol:string established:bool
                 ssl_history:string cert_chain_fps:vector[string] client_cert_chain_fps:vector[string] sni_matches_cert:bool ja3:string ja3s:string
                 ja4:string",
        sql: "SELECT {ends} replace(r.version, '.', ''), r.cipher, r.curve,
                r.server_name, coalesce(r.resumed, false), CASE WHEN r.alert IS NOT NULL THEN split_part(r.alert, ' ', 3) END, r.alpn,
                r.established, NULL::VARCHAR, c.server, c.client, NULL::BOOLEAN, r.ja3, r.ja3s, r.ja4
         FROM tls r {flow}
         LEFT JOIN (SELECT capture_id, flow_id, list(sha256 ORDER BY position) FILTER (NOT from_client) AS server,
                           list(sha256 ORDER BY position) FILTER (from_client) AS client
                    FROM x509 GROUP BY capture_id, flow_id) c ON c.capture_id = r.capture_id AND c.flow_id = r.flow_id
         WHERE {scope}",
    },
    Log {
        name: "x509",
        ts: "ts",
        fields: "ts:time fingerprint:string certificate.version:count certificate.serial:string certificate.subject:string certificate.issuer:string
                 certificate.not_valid_before:time certificate.not_valid_after:time certificate.key_alg:string certificate.sig_alg:string
                 certificate.key_type:string certificate.key_length:count certificate.exponent:string certificate.curve:string san.dns:vector[string]
                 san.uri:vector[string] san.email:vector[string] san.ip:vector[addr] basic_constraints.ca:bool basic_constraints.path_len:count
                 host_cert:bool client_cert:bool",
        sql: "SELECT r.capture_id, r.flow_id, r.ts, r.sha256, r.version, upper(r.serial), {dn r.subject}, {dn r.issuer}, r.not_before, r.not_after,
                CASE r.key_type WHEN 'rsa' THEN 'rsaEncryption' WHEN 'ec' THEN 'id-ecPublicKey' ELSE r.key_type END, r.signature_algorithm,
                CASE r.key_type WHEN 'ec' THEN 'ecdsa' ELSE r.key_type END, r.key_bits, NULL::VARCHAR,
                CASE r.key_curve WHEN 'secp256r1' THEN 'prime256v1' ELSE r.key_curve END,
                CASE WHEN len(r.san_dns) > 0 THEN r.san_dns END, NULL::VARCHAR, NULL::VARCHAR, CASE WHEN len(r.san_ip) > 0 THEN r.san_ip END,
                r.is_ca, NULL::INTEGER, r.position = 0 AND NOT r.from_client, r.position = 0 AND r.from_client
         FROM x509 r
         WHERE {scope}
         QUALIFY row_number() OVER (PARTITION BY r.capture_id, r.sha256, r.position = 0, r.from_client ORDER BY r.ts, r.flow_id) = 1
         ORDER BY r.ts, r.flow_id, r.from_client, r.position",
    },
    Log {
        name: "quic",
        ts: "ts",
        fields: "* version:string client_initial_dcid:string client_scid:string server_scid:string server_name:string client_protocol:string
                 history:string",
        sql: "SELECT {ends} CASE r.version WHEN 'v1' THEN '1' WHEN 'v2' THEN 'quicv2' ELSE r.version END, r.client_dcid, r.client_cid, r.server_cid,
                r.server_name, CASE WHEN r.alpn_offered IS NOT NULL THEN trim(split_part(r.alpn_offered, ',', 1)) END, NULL::VARCHAR
         FROM quic r {flow}
         WHERE {scope}",
    },
    Log {
        name: "files",
        ts: "ts",
        fields: "ts:time fuid:string uid:string id.orig_h:addr id.orig_p:port id.resp_h:addr id.resp_p:port source:string depth:count
                 analyzers:set[string] mime_type:string filename:string duration:interval local_orig:bool is_orig:bool seen_bytes:count
                 total_bytes:count missing_bytes:count overflow_bytes:count timedout:bool parent_fuid:string md5:string sha1:string sha256:string
                 extracted:string extracted_cutoff:bool extracted_size:count",
        sql: "SELECT r.capture_id, r.flow_id, r.ts, (hash(epoch_ns(r.ts), r.sender, r.name, r.seen_bytes) >> 2)::BIGINT, f.src_ip, f.src_port,
                f.dst_ip, f.dst_port, CASE r.source WHEN 'ftp' THEN 'FTP_DATA' WHEN 'irc' THEN 'IRC_DATA' ELSE upper(r.source) END, 0,
                list_filter([CASE WHEN r.md5 IS NOT NULL THEN 'MD5' END, CASE WHEN r.sha1 IS NOT NULL THEN 'SHA1' END, CASE WHEN r.sha256 IS NOT NULL THEN 'SHA256' END], lambda a: a IS NOT NULL), r.mime, r.name,
                r.duration_s, CASE r.sender WHEN 'src' THEN f.src_internal ELSE f.dst_internal END, r.sender = 'src', r.seen_bytes,
                r.declared_bytes, r.missing_bytes, 0, false, NULL::VARCHAR, r.md5, r.sha1, r.sha256, NULL::VARCHAR,
                NULL::BOOLEAN, NULL::INTEGER
         FROM files r {flow}
         WHERE {scope}",
    },
    Log {
        name: "weird",
        ts: "ts",
        fields: "* name:string addl:string notice:bool peer:string source:string",
        sql: "SELECT {ends} r.kind, r.detail, false, 'secnetmon', upper(r.layer)
         FROM weirds r LEFT {flow}
         WHERE {scope}",
    },
    Log {
        name: "notice",
        ts: "first_ts",
        fields: "* fuid:string file_mime_type:string file_desc:string proto:enum note:enum msg:string sub:string src:addr dst:addr p:port n:count
                 peer_descr:string actions:set[enum] email_dest:set[string] suppress_for:interval remote_location.country_code:string
                 remote_location.region:string remote_location.city:string remote_location.latitude:double remote_location.longitude:double",
        sql: "SELECT r.capture_id, f.flow_id, r.first_ts, f.src_ip, f.src_port, f.dst_ip, f.dst_port, NULL::BIGINT, NULL::VARCHAR, NULL::VARCHAR,
                CASE WHEN r.protocol IN ('tcp', 'udp', 'icmp') THEN r.protocol WHEN r.protocol = 'icmp6' THEN 'icmp' END,
                'Secnetmon::' || r.kind, r.title, r.severity || ', confidence ' || round(r.confidence, 2) || coalesce(', ' || r.technique,
                ''), r.src_ip, r.dst_ip, r.dst_port, r.count, 'secnetmon', ['Notice::ACTION_LOG'], []::VARCHAR[], 0::DOUBLE, NULL::VARCHAR,
                NULL::VARCHAR, NULL::VARCHAR, NULL::DOUBLE, NULL::DOUBLE
         FROM anomalies r LEFT JOIN flows f ON f.capture_id = r.capture_id AND f.flow_id = r.flow_ids[1]
         WHERE {scope} AND r.status NOT IN ('false_positive', 'expected')",
    },
];
