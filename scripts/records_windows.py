"""The comparisons of records_truth.py for the protocols of a Windows network: DHCP, Kerberos, SMB."""
import records_tshark as tshark
from records_truth import ENDS, address, host, number, text

# --- DHCP

DHCP_TYPES = dict(enumerate("discover offer request decline ack nak release inform forcerenew leasequery leaseunassigned leaseunknown "
                            "leaseactive bulkleasequery leasequerydone".split(), 1))


def some(ip):
    return "" if ip in ("", "0.0.0.0") else address(ip)


def dhcp(messages):
    for m in messages:
        if m.layer != "dhcp" or not m.first("dhcp.id"):
            continue
        get = m.first
        kind = int(get("dhcp.option.dhcp", "0"))
        # BOOTP has no types, and neither has a message that was cut before its options.
        name = DHCP_TYPES.get(kind, "")
        yield m, ("message", name, number(get("dhcp.id")), get("dhcp.hw.mac_addr"), some(get("dhcp.ip.client")), some(get("dhcp.ip.your")),
                  some(get("dhcp.option.requested_ip_address")), some(get("dhcp.option.dhcp_server_id")), text(get("dhcp.option.hostname")))


DHCP = f"""SELECT {ENDS}, r.message_type, r.xid, r.client_mac, r.client_ip, r.assigned_ip, r.requested_ip, r.server_id, r.host_name
FROM dhcp r JOIN flows f USING (capture_id, flow_id) WHERE r.capture_id = $capture ORDER BY r.ts"""


def dhcp_rows(rows):
    for r in rows:
        yield r, ("message", r["message_type"], r["xid"], r["client_mac"], some(r["client_ip"]), some(r["assigned_ip"]), some(r["requested_ip"]), some(r["server_id"]),
                  text(r["host_name"]))


# --- Kerberos

ASKS = {"10": "AS", "12": "TGS"}
GRANTS = {"11": "AS", "13": "TGS"}


def principal(fields, name):
    return text("/".join(v for k, v in fields if k == "kerberos." + name))


def kerberos(messages):
    sessions = {}
    for m in messages:
        # Tickets inside SMB, LDAP and RPC belong to those; what stands alone has a layer of its own.
        kind = m.first("kerberos.msg_type") if m.layer == "kerberos" else ""
        if not kind:
            continue
        pending = sessions.setdefault((m.l4, m.stream), [])
        fields = m.fields
        if kind in ASKS:
            # The body is behind the proofs, which hold tickets of their own; tickets may follow it, too.
            start = max((i for i, (k, _) in enumerate(fields) if k == "kerberos.kdc_options"), default=0)
            body = fields[start:]
            end = next((i for i, (k, _) in enumerate(body) if k == "kerberos.tkt_vno"), len(body))
            body = body[:end]
            nonce = next((v for k, v in body if k == "kerberos.nonce"), "")
            # UDP repeats itself until it is answered: one row.
            if not any(p[1] == ASKS[kind] and p[5] == nonce for p in pending):
                realm = next((v for k, v in body if k == "kerberos.realm"), "")
                pending.append((m, ASKS[kind], principal(body, "CNameString"), principal(body, "SNameString"), text(realm), nonce))
        elif kind in GRANTS:
            at = next((i for i, p in enumerate(pending) if p[1] == GRANTS[kind]), None)
            asked = pending.pop(at) if at is not None else None
            row = asked or (m, GRANTS[kind], "", principal(fields, "SNameString"), text(m.first("kerberos.realm")))
            client = principal(fields, "CNameString") or row[2]
            ends = (host(m.dst), host(m.src))
            yield m, ("exchange", *ends, row[1], client, row[3], row[4], "true", "")
        elif kind == "30":
            row = pending.pop(0) if pending else (m, "", "", "", "", "")
            names = [principal(fields, "CNameString"), principal(fields, "SNameString"), text(m.first("kerberos.realm"))]
            yield m, ("exchange", host(m.dst), host(m.src), row[1], *(a or b for a, b in zip(row[2:5], names)), "false",
                      number(m.first("kerberos.error_code")))
        elif kind == "14":
            yield m, ("exchange", host(m.src), host(m.dst), "AP", "", principal(fields, "SNameString"), text(m.first("kerberos.realm")), "", "")
    for pending in sessions.values():
        for m, kind, client, service, realm, _ in pending:
            yield m, ("exchange", host(m.src), host(m.dst), kind, client, service, realm, "", "")


KERBEROS = f"""SELECT {ENDS}, r.request_type, r.client, r.service, r.realm, r.success, r.error_code FROM kerberos r
JOIN flows f USING (capture_id, flow_id) WHERE r.capture_id = $capture ORDER BY r.ts"""


def kerberos_rows(rows):
    for r in rows:
        yield r, ("exchange", host((r["src_ip"], r["src_port"])), host((r["dst_ip"], r["dst_port"])), r["request_type"], text(r["client"]),
                  text(r["service"]), text(r["realm"]), r["success"], r["error_code"])


# --- SMB

SMB2 = {0: "negotiate", 1: "session_setup", 2: "logoff", 3: "tree_connect", 4: "tree_disconnect", 5: "create", 6: "close", 11: "ioctl",
        14: "query_directory", 17: "set_info"}
SMB1 = {0x00: "create_directory", 0x01: "delete_directory", 0x04: "close", 0x06: "delete", 0x07: "rename", 0x25: "transaction", 0x2d: "create",
        0x32: "trans2", 0x71: "tree_disconnect", 0x72: "negotiate", 0x73: "session_setup", 0x74: "logoff", 0x75: "tree_connect",
        0xa0: "nt_transact", 0xa2: "create", 0xa5: "rename"}
# Those that are about files; the others only ask for information and have no row. 0xffff: an answer that tshark does not pair.
TRANS2 = {0x00, 0x01, 0x06, 0x08, 0x0d, 0x0e, 0x10, 0xffff}
TRANSACT_PIPE, FSCTL_PIPE_TRANSCEIVE = 0x26, 0x11c017
PENDING, NO_MORE_FILES = 0x103, 0x80000006
# Rows whose name the database takes from the request itself; for others it is that of an open file.
NAMED = {"create", "tree_connect", "delete", "delete_directory", "create_directory", "rename"}
STATUS = {}


def status(n):
    if not STATUS:
        STATUS.update(tshark.names("smb2.nt_status"))
    return n if n == "" else STATUS.get(int(n, 0), n)


def smb_parts(m):
    """(version, command, number, is an answer, status, name) of every request and answer in a layer"""
    if m.layer == "smb2":
        for part in m.parts("smb2.header_len"):
            get = lambda name: next((v for k, v in part if k == "smb2." + name), "")  # noqa: E731,B023
            command = SMB2.get(int(get("cmd") or "99"))
            if command is None:
                continue
            name = get("filename") if command == "create" else get("tree") if command == "tree_connect" else ""
            if command == "ioctl" and number(get("ioctl.function")) == str(FSCTL_PIPE_TRANSCEIVE):
                continue  # said to a pipe: a row of dcerpc
            yield "2", command, get("msg_id"), get("flags.response") == "1", get("nt_status"), name
        return
    for part in m.parts("smb.server_component"):
        get = lambda name: next((v for k, v in part if k == "smb." + name), "")  # noqa: E731,B023
        code = get("nt_status")
        if not code and (get("error_class") or get("error_code")):
            error = int(get("error_class") or "0", 0), int(get("error_code") or "0", 0)
            code = "0x0" if error == (0, 0) else f"dos:{error[0]}:{error[1]}"
        for i, command in enumerate(int(v, 0) for k, v in part if k == "smb.cmd"):
            name = SMB1.get(command)
            if name is None:
                continue
            if name == "trans2" and get("trans2.cmd") and int(get("trans2.cmd"), 0) not in TRANS2:
                continue
            if name == "transaction" and number(next((v for k, v in part if k.endswith("pipe.function")), "")) == str(TRANSACT_PIPE):
                continue
            said = get("path") if name == "tree_connect" else get("file") if name in NAMED else ""
            yield "1", name, f"{get('pid')}:{get('mid')}:{i}:{command}", get("flags.response") == "1", code, said


def implanted(key):
    """Requests that an implant in the server answers with its mark added to their number: tshark does not pair them, the database does"""
    version, command, identifier = key
    pid, mid, rest = identifier.split(":", 2)
    return [(version, command, f"{pid}:{int(mid) - step}:{rest}") for step in (0x10, 0x20, 0x30)]


def smb(messages):
    sessions = {}
    for m in messages:
        # The datagrams of NetBIOS carry announcements to mailslots in SMB's form: no requests, and no rows.
        if m.layer not in ("smb", "smb2") or m.l4 != "tcp":
            continue
        for version, command, identifier, answer, code, name in smb_parts(m):
            pending = sessions.setdefault(m.stream, {})
            key = (version, command, identifier)
            if not answer:
                pending[key] = (m, name)
                continue
            if code.startswith("0x") and int(code, 16) == PENDING:
                continue  # the answer comes later
            if command == "negotiate" and version == "2" and key not in pending:
                # Asked in SMB1, answered in SMB2: one exchange (MS-SMB2 section 3.3.5.3).
                key = next((k for k in pending if k[1] == "negotiate"), key)
            asked = pending.pop(key, None)
            if asked is None and command == "trans2":
                asked = next((pending.pop(k) for k in implanted(key) if k in pending), None)
            if asked is None:
                continue  # an answer without its request says too little for a row
            if command == "query_directory" and int(code, 16) == NO_MORE_FILES:
                continue  # the end of a listing that has its row
            code = code if code.startswith("dos") else status(code)
            yield m, ("request", host(m.dst), host(m.src), version, command, smb_name(asked[1]), code)
    for pending in sessions.values():
        for (version, command, _), (m, name) in pending.items():
            yield m, ("request", host(m.src), host(m.dst), version, command, smb_name(name), "")


def smb_name(s):
    return text(s).lstrip("\\").lower() if not s.startswith("\\\\") else text(s).lower()


SMB = f"""SELECT {ENDS}, r.version, r.command, r.share, r.file_name, r.status FROM smb r JOIN flows f USING (capture_id, flow_id)
WHERE r.capture_id = $capture ORDER BY r.ts"""


def smb_rows(rows):
    for r in rows:
        command = r["command"]
        if command in ("encrypted", "compressed", "trans2_secondary"):
            continue  # a note of the database, not a message with an answer
        command = "ioctl" if command.startswith("ioctl") else "trans2" if command.startswith("trans2") else command
        name = r["share"] if command == "tree_connect" else r["file_name"] if command in NAMED else ""
        version = "1" if r["version"] == "1" else "2"
        code = status(r["status"]) if r["status"].startswith("0x") else r["status"]
        yield r, ("request", host((r["src_ip"], r["src_port"])), host((r["dst_ip"], r["dst_port"])), version, command, smb_name(name), code)
