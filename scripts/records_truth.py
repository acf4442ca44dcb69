"""Which rows should a capture have by tshark's fields, and which ones has the database?

For each protocol a function over tshark's messages and a query of the database; both yield the same tuples, the kind of row first. Where the
two see things differently for a good reason, it is evened out here, with the reason beside it. A real miss is never evened out.
"""
import hashlib
import ipaddress
import re

import records_tshark as tshark

# Longest text that is compared; the caps of the database lie above.
LONGEST = 240


def text(s):
    """Untrusted text with everything that the two escape in their own ways as one question mark"""
    s = re.sub(r"\\(x[0-9a-fA-F]{2}|u\{[0-9a-f]+\}|[0-7]{3}|[abfnrtv])", "?", s or "")
    return re.sub(r"\?+", "?", re.sub(r"[^ -~]", "?", s))[:LONGEST].strip()


def address(s):
    return str(ipaddress.ip_address(s)) if s else ""


def host(end):
    return f"{address(end[0])}:{end[1]}"


def number(s):
    return "" if s in ("", None) else str(int(s, 0))


# --- DNS and its kin

ENDS = "f.protocol AS l4, f.src_ip, f.src_port, f.dst_ip, f.dst_port"


def dns_name(s):
    return "" if s == "<Root>" else text(s).lower().rstrip(".")


def nbns_name(s):
    # tshark adds what the kind of name means, in words.
    kind = re.search(r"<[0-9a-f]{2}>(?: \([^<>]*\))?$", s)
    name = s[:kind.start()] if kind else s
    # Control bytes of a name are numbers in brackets, too.
    name = re.sub(r"<[0-9a-f]{2}>", "?", name)
    return text(name).lower() + (kind.group()[:4] if kind else "")


def owners(m):
    """Name and type of the records of an answer; OPT (41) has no owner"""
    name = ""
    for key, value in m.fields:
        if key in ("dns.resp.name", "dns.srv.service"):
            name = value
        elif key in ("dns.srv.proto", "dns.srv.name"):
            name += "." + value  # tshark takes the names of SRV apart
        elif key == "dns.resp.type":
            if value != "41":
                yield dns_name(name), number(value)
            name = ""


def dns(messages):
    """A row is a message. `answered` says whether tshark and the database both know the question."""
    seen = {}
    for m in messages:
        kind = m.layer
        if kind not in ("dns", "mdns", "llmnr", "nbns"):
            continue
        nbns = kind == "nbns"
        prefix = "nbns" if nbns else "dns"
        identifier = number(m.first(prefix + ".id"))
        if not identifier:
            continue
        types = m.all("nbns.type" if nbns else "dns.qry.type")
        names = [nbns_name(n) for n in m.all("nbns.name")] if nbns else [dns_name(n) for n in m.all("dns.qry.name")]
        questions = list(zip(names, map(number, types)))
        if m.first(prefix + ".flags.response") in ("0", "False"):
            count = int(m.first(prefix + ".count.queries", "0"))
            seen.setdefault((m.stream, m.l4, identifier), None)
            for name, kind_of in questions[:count]:
                yield m, ("question", kind, host(m.src), host(m.dst), identifier, name, kind_of)
            continue
        if int(m.first(prefix + ".count.queries", "0")) == 0 or nbns:
            # An announcement, and every answer of NetBIOS: the database names the owner of the first record.
            questions = (questions if nbns else list(owners(m)))[:1] or [("", "")]
        else:
            questions = questions[:int(m.first("dns.count.queries"))]
        extended = int(m.first("dns.resp.ext_rcode", "0"), 0) << 4
        code = str(int(m.first(prefix + ".flags.rcode", "0"), 0) | extended)
        # The same answer to a question twice (a frame captured twice, a server that repeats itself) is one.
        key = (m.stream, m.l4, identifier)
        if key in seen and kind != "mdns" and m.payload and seen[key] == (m.payload, questions):
            continue
        if key in seen:
            seen[key] = (m.payload, questions)
        for name, kind_of in questions:
            yield m, ("answer", kind, host(m.dst), host(m.src), identifier, name, kind_of, code)


DNS = f"""SELECT {ENDS}, r.ts, r.service, r.client_ip, r.server_ip, r.trans_id, r.query, r.qtype, r.rcode, r.attempts FROM dns r JOIN flows f USING (capture_id, flow_id)
WHERE r.capture_id = $capture ORDER BY r.ts"""


def dns_rows(rows):
    seen = set()
    for r in rows:
        ends = (r["client_ip"], r["server_ip"])
        ports = {r["src_ip"]: r["src_port"], r["dst_ip"]: r["dst_port"]}
        if r["src_ip"] == r["dst_ip"]:
            client, server = (r["src_ip"], r["src_port"]), (r["dst_ip"], r["dst_port"])
        else:
            client, server = ((ip, ports.get(ip, "")) for ip in ends)
        name = text(r["query"]).lower() if r["service"] == "nbns" else dns_name(r["query"] or "")
        key = ("question", r["service"], host(client), host(server), r["trans_id"], name, r["qtype"])
        # Two different answers to one question are two rows that say the same of the question.
        once = (r["ts"], *key)
        if once not in seen:
            seen.add(once)
            for _ in range(int(r["attempts"])):
                yield r, key
        if r["rcode"] != "":
            yield r, ("answer", *key[1:], r["rcode"])


# --- HTTP

def target(s):
    # What a request says behind a space that its target must not have: a part of it for servers, not for tshark.
    return text(s.split(" ")[0])


def http(messages):
    requests, waiting, streams = {}, {}, {}
    for m in messages:
        if m.layer == "http":
            method, status = m.first("http.request.method"), m.first("http.response.code")
            if method:
                row = (host(m.src), host(m.dst), text(method), target(m.first("http.request.uri")), text(m.first("http.host")).lower())
                requests[(m.stream, m.frame)] = row
                waiting.setdefault(m.stream, []).append(row)
                yield m, ("request", *row, text(m.first("http.user_agent")))
            elif status and (not status.startswith("1") or status == "101"):  # interim answers have no row of their own
                asked = requests.get((m.stream, int(m.first("http.request_in", "0"))))
                queue = waiting.get(m.stream, [])
                if asked is None:
                    asked = queue[0] if queue else ("",) * 5  # tshark does not always say; answers come in order
                if asked in queue:
                    queue.remove(asked)
                yield m, ("response", host(m.dst), host(m.src), number(status), *asked[2:4])
        elif m.layer == "http2":
            # A layer may hold several frames.
            for frame in m.parts("http2.type"):
                fields = dict(frame)
                heads = dict(zip([v for k, v in frame if k == "http2.header.name"], [v for k, v in frame if k == "http2.header.value"]))
                stream = next((v for k, v in m.fields if k == "http2.streamid"), "") if "http2.streamid" not in fields else fields["http2.streamid"]
                key = (m.stream, stream)
                if ":method" in heads:
                    row = (host(m.src), host(m.dst), text(heads[":method"]), text(heads.get(":path", "")), text(heads.get(":authority", "")).lower())
                    streams[key] = row
                    yield m, ("request", *row, text(heads.get("user-agent", "")))
                elif ":status" in heads and not heads[":status"].startswith("1"):
                    yield m, ("response", host(m.dst), host(m.src), heads[":status"], *streams.get(key, ("",) * 5)[2:4])


HTTP = f"""SELECT {ENDS}, r.method, r.uri, r.host, r.user_agent, r.status_code FROM http r JOIN flows f USING (capture_id, flow_id)
WHERE r.capture_id = $capture ORDER BY r.ts"""


def http_rows(rows):
    for r in rows:
        client, server = host((r["src_ip"], r["src_port"])), host((r["dst_ip"], r["dst_port"]))
        if r["method"]:
            yield r, ("request", client, server, text(r["method"]), target(r["uri"]), text(r["host"]).lower(), text(r["user_agent"]))
        if r["status_code"]:
            yield r, ("response", client, server, r["status_code"], text(r["method"]), target(r["uri"]))


# --- TLS

def grease(n):
    return n & 0x0f0f == 0x0a0a and n >> 8 == n & 0xff


def twelve(parts):
    return hashlib.sha256(parts.encode()).hexdigest()[:12] if parts else "0" * 12


def ja4(fields, transport):
    """JA4 out of tshark's fields (this tshark has none of its own), after FoxIO's description of it"""
    get = lambda name: [int(v, 0) for k, v in fields if k.endswith(name)]  # noqa: E731
    ciphers = [c for c in get("handshake.ciphersuite") if not grease(c)]
    extensions = [e for e in get("handshake.extension.type") if not grease(e)]
    versions = [v for v in get("extensions.supported_version") if not grease(v)] or get("handshake.version")[:1]
    names = {0x304: "13", 0x303: "12", 0x302: "11", 0x301: "10", 0x300: "s3", 2: "s2", 0xfeff: "d1", 0xfefd: "d2", 0xfefc: "d3"}
    version = names.get(min(versions) if transport == "d" else max(versions), "00")
    alpn = next((v for k, v in fields if k.endswith("extensions_alpn_str")), "")
    mark = "00" if not alpn else alpn[0] + alpn[-1] if (alpn[0] + alpn[-1]).isalnum() else f"{ord(alpn[0]):02x}"[0] + f"{ord(alpn[-1]):02x}"[-1]
    hexed = lambda numbers: ",".join(f"{n:04x}" for n in numbers)  # noqa: E731
    inside, signed = "", []
    for key, value in fields:
        if key.endswith("handshake.extension.type"):
            inside = value
        elif key.endswith("sig_hash_alg") and inside == "13":  # that of delegated credentials (34) has the same name
            signed.append(int(value, 0))
    signatures = hexed(s for s in signed if not grease(s))
    third = hexed(sorted(e for e in extensions if e not in (0, 16))) + ("_" + signatures if signatures else "")
    head = f"{transport}{version}{'d' if 0 in extensions else 'i'}{min(len(ciphers), 99):02}{min(len(extensions), 99):02}{mark}"
    return f"{head}_{twelve(hexed(sorted(ciphers)))}_{twelve(third) if extensions else '0' * 12}"


VERSIONS = {2: "SSLv2", 0x300: "SSLv3", 0x301: "TLSv1.0", 0x302: "TLSv1.1", 0x303: "TLSv1.2", 0x304: "TLSv1.3",
            0x100: "DTLSv1.0", 0xfeff: "DTLSv1.0", 0xfefd: "DTLSv1.2", 0xfefc: "DTLSv1.3"}
CIPHERS = {}


def cipher(n):
    if not CIPHERS:
        CIPHERS.update(tshark.names("tls.handshake.ciphersuite"))
    return CIPHERS.get(n, f"0x{n:04x}")


def tls(messages):
    told = {}
    for m in messages:
        if m.layer not in ("tls", "dtls"):
            continue
        prefix = m.layer + ".handshake."
        for hello in m.parts(prefix + "type"):
            get = lambda name: next((v for k, v in hello if k == prefix + name), "")  # noqa: E731,B023
            kind = get("type")
            if kind == "1" and get("ja3"):
                row = ("client", *between(m.src, m.dst), text(get("extensions_server_name")).lower(), get("ja3"), ja4(hello, "d" if m.layer == "dtls" else "t"))
            elif kind == "2" and get("ciphersuite"):
                version = int(get("extensions.supported_version") or get("version"), 0)
                row = ("server", *between(m.src, m.dst), VERSIONS.get(version, f"0x{version:04x}"), cipher(int(get("ciphersuite"), 0)), get("ja3s"))
            else:
                continue
            # One row is one handshake. Of hellos before and after a HelloRetryRequest (or a cookie of DTLS) the client's first and the server's
            # last counts: the server's first is that request.
            rows = told.setdefault((m.l4, m.stream), {})
            if row[0] == "server" or row[0] not in rows:
                rows[row[0]] = (m, row)
    for rows in told.values():
        yield from rows.values()


TLS = f"""SELECT {ENDS}, r.server_name, r.ja3, r.ja4, r.ja3s, r.version, r.cipher FROM tls r JOIN flows f USING (capture_id, flow_id)
WHERE r.capture_id = $capture ORDER BY r.ts"""


def between(a, b):
    """Both ends in one order: a row of `tls` does not say which of them is the client, and over UDP either may speak first"""
    return sorted((host(a), host(b)))


def tls_rows(rows):
    for r in rows:
        ends = between((r["src_ip"], r["src_port"]), (r["dst_ip"], r["dst_port"]))
        if r["ja3"]:
            yield r, ("client", *ends, text(r["server_name"]), r["ja3"], r["ja4"])
        if r["ja3s"]:
            yield r, ("server", *ends, r["version"], r["cipher"], r["ja3s"])


# --- SSH

def ssh(messages):
    sessions = {}
    for m in messages:
        if m.layer != "ssh":
            continue
        row = sessions.setdefault(m.stream, [m, {}])[1]
        for name, value in m.fields:
            if name == "ssh.protocol":
                row.setdefault(("banner", m.src), text(value))
            elif name == "ssh.kex.hassh":
                row.setdefault(("hassh", m.src), value)
                row.setdefault("client", m.src)
            elif name == "ssh.kex.hasshserver":
                row.setdefault(("hassh", m.src), value)
                row.setdefault("client", m.dst)
    for m, row in sessions.values():
        client = row.get("client") or (m.dst if m.src[1] == 22 else m.src)
        server = m.dst if client == m.src else m.src
        if len(row):
            yield m, ("session", host(client), host(server), *(row.get((kind, end), "") for kind in ("banner", "hassh") for end in (client, server)))


SSH = f"""SELECT {ENDS}, r.client, r.server, r.hassh, r.hassh_server FROM ssh r JOIN flows f USING (capture_id, flow_id)
WHERE r.capture_id = $capture ORDER BY r.ts"""


def ssh_rows(rows):
    for r in rows:
        yield r, ("session", host((r["src_ip"], r["src_port"])), host((r["dst_ip"], r["dst_port"])), text(r["client"]), text(r["server"]),
                  r["hassh"], r["hassh_server"])


# --- FTP

# Commands that have a row: those that touch files or announce connections. Logins are in `credentials`.
FTP_COMMANDS = "ACCT PORT PASV EPRT EPSV RETR STOR STOU APPE DELE RNFR RNTO MKD XMKD RMD XRMD SITE".split()


def ftp(messages):
    sessions = {}
    for m in messages:
        if m.layer != "ftp":
            continue
        pending = sessions.setdefault(m.stream, [])
        commands, codes = m.all("ftp.request.command"), m.all("ftp.response.code")
        for command in commands[:1]:
            pending.append((m, command.upper(), text(m.first("ftp.request.arg"))))
        for code in codes[:1]:
            # 1yz announces the reply that ends the command.
            if code[0] == "1" or not pending:
                continue
            asked, command, argument = pending.pop(0)
            if command in FTP_COMMANDS:
                yield asked, ("command", host(asked.src), host(asked.dst), command, argument, code)
    for pending in sessions.values():
        for asked, command, argument in pending:
            if command in FTP_COMMANDS:
                yield asked, ("command", host(asked.src), host(asked.dst), command, argument, "")


FTP = f"""SELECT {ENDS}, r.command, r.argument, r.reply_code FROM ftp r JOIN flows f USING (capture_id, flow_id)
WHERE r.capture_id = $capture ORDER BY r.ts"""


def ftp_rows(rows):
    for r in rows:
        yield r, ("command", host((r["src_ip"], r["src_port"])), host((r["dst_ip"], r["dst_port"])), r["command"], text(r["argument"]), r["reply_code"])


# --- SMTP

def mailbox(parameter):
    found = re.search(r":\s*(?:<([^>]*)>?|(\S+))", parameter)
    return text((found.group(1) if found.group(1) is not None else found.group(2)) if found else "")


def smtp(messages):
    sessions, done = {}, []
    for m in messages:
        if m.layer == "smtp":
            for command, parameter in zip(m.all("smtp.req.command"), m.all("smtp.req.parameter") + [""] * 9):
                command = command.upper()
                if command == "MAIL":
                    done.append(sessions.get(m.stream))
                    sessions[m.stream] = {"m": m, "from": mailbox(parameter), "to": [], "subject": None}
                elif command == "RCPT" and sessions.get(m.stream):
                    sessions[m.stream]["to"].append(mailbox(parameter))
        elif m.layer == "imf" and sessions.get(m.stream):
            sessions[m.stream]["subject"] = text(m.first("imf.subject"))
    for mail in done + list(sessions.values()):
        if mail:
            ends = host(mail["m"].src), host(mail["m"].dst)
            yield mail["m"], ("mail", *ends, mail["from"], ",".join(sorted(mail["to"])[:100]))
            if mail["subject"] is not None:
                yield mail["m"], ("subject", *ends, mail["subject"])


SMTP = f"""SELECT {ENDS}, r.mailfrom, r.rcptto, r.subject, r.complete FROM smtp r JOIN flows f USING (capture_id, flow_id)
WHERE r.capture_id = $capture AND r.mailfrom IS NOT NULL ORDER BY r.ts"""


def listed(s):
    return [w.strip().strip("'\"") for w in (s or "").strip("[]").split(",") if w.strip()]


def smtp_rows(rows):
    for r in rows:
        ends = host((r["src_ip"], r["src_port"])), host((r["dst_ip"], r["dst_port"]))
        yield r, ("mail", *ends, text(r["mailfrom"]), ",".join(sorted(map(text, listed(r["rcptto"])))))
        if r["complete"] == "true":  # tshark shows the head of a mail when it has seen its end
            yield r, ("subject", *ends, text(r["subject"]))
