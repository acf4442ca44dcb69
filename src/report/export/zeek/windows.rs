//! Which of our columns are Zeek's logs of Windows networks: shares, remote procedures, logins, directories and desktops?
//!
//! `smb_mapping` has shares that were really connected, `smb_files` what Zeek calls an action, `kerberos` no tickets shown to services, as in Zeek.

use super::Log;

pub(super) static LOGS: &[Log] = &[
    Log {
        name: "smb_mapping",
        ts: "ts",
        fields: "* path:string service:string native_file_system:string share_type:string",
        sql: "SELECT {ends} r.share, NULL::VARCHAR, NULL::VARCHAR, coalesce(upper(r.share_type), 'DISK')
         FROM smb r {flow}
         WHERE {scope} AND r.command = 'tree_connect' AND coalesce(r.status, '') = 'STATUS_SUCCESS'",
    },
    Log {
        name: "smb_files",
        ts: "ts",
        fields: "* fuid:string action:enum path:string name:string size:count prev_name:string times.modified:time times.accessed:time
                 times.created:time times.changed:time",
        sql: "SELECT {ends} NULL::BIGINT, CASE WHEN r.action IN ('open', 'create', 'overwrite', 'supersede')
                    THEN CASE r.share_type WHEN 'pipe' THEN 'SMB::PIPE_OPEN' WHEN 'print' THEN 'SMB::PRINT_OPEN' ELSE 'SMB::FILE_OPEN' END
                  WHEN r.action = 'read' THEN 'SMB::FILE_READ' WHEN r.action IN ('write', 'read_write') THEN 'SMB::FILE_WRITE'
                  WHEN r.action = 'delete' THEN 'SMB::FILE_DELETE' WHEN r.action = 'rename' THEN 'SMB::FILE_RENAME' END,
                r.share, CASE r.action WHEN 'rename' THEN r.new_name ELSE r.file_name END, coalesce(r.size_bytes, 0),
                CASE r.action WHEN 'rename' THEN r.file_name END, NULL::TIMESTAMP_NS, NULL::TIMESTAMP_NS, NULL::TIMESTAMP_NS,
                NULL::TIMESTAMP_NS
         FROM smb r {flow}
         WHERE {scope} AND (r.file_name IS NOT NULL AND r.action IN ('open', 'create', 'overwrite', 'supersede', 'read', 'write', 'read_write', 'delete', 'rename'))",
    },
    Log {
        name: "dce_rpc",
        ts: "ts",
        fields: "* rtt:interval named_pipe:string endpoint:string operation:string",
        sql: "SELECT {ends} r.rtt_s, r.named_pipe, coalesce(r.interface, 'unknown-' || r.interface_uuid), coalesce(r.operation, 'unknown-' || r.opnum)
         FROM dcerpc r {flow}
         WHERE {scope} AND r.kind = 'call' AND r.interface_uuid IS NOT NULL",
    },
    Log {
        name: "ntlm",
        ts: "ts",
        fields: "* username:string hostname:string domainname:string server_nb_computer_name:string server_dns_computer_name:string
                 server_tree_name:string success:bool",
        sql: "SELECT {ends} r.username, r.hostname, r.domain, r.server_nb_computer_name, r.server_dns_computer_name, r.server_tree_name, r.success
         FROM ntlm r {flow}
         WHERE {scope}",
    },
    Log {
        name: "kerberos",
        ts: "ts",
        fields: "* request_type:string client:string service:string success:bool error_msg:string from:time till:time cipher:string forwardable:bool
                 renewable:bool client_cert_subject:string client_cert_fuid:string server_cert_subject:string server_cert_fuid:string",
        sql: "SELECT {ends} r.request_type,
                CASE WHEN r.client IS NOT NULL THEN r.client || '/' || coalesce(r.client_realm, r.realm, '') END, r.service, r.success,
                CASE WHEN r.error_code IS NOT NULL THEN coalesce(r.error_text, r.error, 'unknown-' || r.error_code) END,
                r.valid_from, r.valid_till, r.ticket_etype, r.forwardable, r.renewable, NULL::VARCHAR, NULL::VARCHAR, NULL::VARCHAR, NULL::VARCHAR
         FROM kerberos r {flow}
         WHERE {scope} AND (r.request_type IS NULL OR r.request_type <> 'AP')",
    },
    Log {
        name: "ldap",
        ts: "ts",
        fields: "* message_id:int version:int opcode:string result:string diagnostic_message:string object:string argument:string",
        sql: "SELECT {ends} r.message_id, r.version, CASE WHEN r.operation = 'bind' THEN CASE WHEN r.mechanism = 'simple' THEN 'bind simple' WHEN r.mechanism IS NULL THEN 'bind'
                  WHEN r.mechanism = 'sicily' THEN 'bind SICILY_NEGOTIATE' ELSE 'bind SASL' END
                  WHEN r.operation = 'modify_dn' THEN 'modify' WHEN r.operation IN ('starttls', 'notice') THEN 'extended' ELSE r.operation END,
                {ldap_result}, r.diagnostic, CASE r.operation WHEN 'starttls' THEN '1.3.6.1.4.1.1466.20037 (StartTLS)' ELSE r.object END,
                CASE WHEN r.operation = 'bind' AND r.mechanism NOT IN ('simple', 'sicily') THEN r.mechanism END
         FROM ldap r {flow}
         WHERE {scope} AND r.operation <> 'search'",
    },
    Log {
        name: "ldap_search",
        ts: "ts",
        fields: "* message_id:int scope:string deref_aliases:string base_object:string result_count:count result:string diagnostic_message:string
                 filter:string attributes:vector[string]",
        sql: "SELECT {ends} r.message_id, CASE r.scope WHEN 'one' THEN 'single' WHEN 'sub' THEN 'tree' ELSE r.scope END, NULL::VARCHAR, r.object, r.entries,
                {ldap_result}, r.diagnostic, r.filter, CASE WHEN r.attributes IS NOT NULL THEN list_transform(string_split(r.attributes, ','), lambda x: trim(x)) END
         FROM ldap r {flow}
         WHERE {scope} AND r.operation = 'search'",
    },
    Log {
        name: "rdp",
        ts: "ts",
        fields: "* cookie:string result:string security_protocol:string client_channels:vector[string] keyboard_layout:string client_build:string
                 client_name:string client_dig_product_id:string desktop_width:count desktop_height:count requested_color_depth:string
                 cert_type:string cert_count:count cert_permanent:bool encryption_level:string encryption_method:string",
        sql: "SELECT {ends} r.cookie, CASE WHEN r.failure IS NOT NULL THEN upper(r.failure) WHEN r.selected_protocol <> 'rdp' THEN 'encrypted' END,
                CASE r.selected_protocol WHEN 'tls' THEN 'SSL' WHEN 'credssp' THEN 'HYBRID' WHEN 'credssp_ex' THEN 'HYBRID_EX' WHEN 'rdp' THEN 'RDP'
                  WHEN 'rdstls' THEN 'security_protocol-4' WHEN 'rdsaad' THEN 'security_protocol-16' ELSE 'security_protocol-' || r.selected_protocol END,
                CASE WHEN r.channels IS NOT NULL THEN list_transform(string_split(r.channels, ','), lambda x: trim(x)) END,
                'keyboard-' || r.keyboard_layout, CASE WHEN r.client_build = 419 THEN 'RDP 4.0' WHEN r.client_build IN (2195, 2221) THEN 'RDP 5.0'
                  WHEN r.client_build = 2600 THEN 'RDP 5.1' WHEN r.client_build = 3790 THEN 'RDP 5.2' WHEN r.client_build = 6000 THEN 'RDP 6.0'
                  WHEN r.client_build = 6001 THEN 'RDP 6.1' WHEN r.client_build = 6002 THEN 'RDP 6.2' WHEN r.client_build = 7600 THEN 'RDP 7.0'
                  WHEN r.client_build = 7601 THEN 'RDP 7.1' WHEN r.client_build = 9200 THEN 'RDP 8.0' WHEN r.client_build = 9600 THEN 'RDP 8.1'
                  ELSE 'client_build-' || r.client_build END,
                r.client_name, r.client_product_id, r.desktop_width, r.desktop_height, NULL::VARCHAR, NULL::VARCHAR,
                CASE WHEN r.encryption_method IS NULL THEN 0 END, NULL::BOOLEAN,
                CASE r.encryption_level WHEN 0 THEN 'None' WHEN 1 THEN 'Low' WHEN 2 THEN 'Client compatible' WHEN 3 THEN 'High' WHEN 4 THEN 'FIPS'
                  ELSE 'encryption_level-' || r.encryption_level END,
                CASE r.encryption_method WHEN 0 THEN 'None' WHEN 1 THEN '40bit' WHEN 2 THEN '128bit' WHEN 8 THEN '56bit' WHEN 16 THEN 'FIPS'
                  ELSE 'encryption_method-' || r.encryption_method END
         FROM rdp r {flow}
         WHERE {scope}",
    },
];
