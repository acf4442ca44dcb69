"""What does tshark see in a capture, message by message?

One run of tshark a capture. Of every layer that a comparison needs, the fields that it needs are kept, in their order; the result is
cached under the capture's SHA-256, so that a second run costs nothing. Refuses to compare: see records_truth.py.
"""
import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile

CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "secnetmon", "records")

# Raised when what is kept changes: what older versions cached is read no more.
FORMAT = 6

# layer: fields that are kept (a regular expression over the whole name)
LAYERS = {
    "dns": r"dns\.(id|flags\.(response|opcode|rcode)|qry\.(name|type)|(resp\.(name|type|ext_rcode)|srv\.(service|proto|name))|count\.queries|retransmission)",
    "nbns": r"nbns\.(id|flags\.(response|opcode|rcode)|name|type|count\.queries)",
    "http": r"http\.(request\.method|request\.uri|host|user_agent|response\.code|request_in)",
    "http2": r"http2\.(type|streamid|header\.(name|value)|headers\.(status|method|path|authority|user_agent))",
    "tls": r"tls\.handshake\.(type|version|ciphersuite|extensions_server_name|extension\.type|sig_hash_alg|extensions_alpn_str"
           r"|extensions\.supported_version|ja3|ja3s)|tls\.record\.(content_type|version)",
    "ssh": r"ssh\.(protocol|direction|kex\.hassh|kex\.hasshserver)",
    "smb": r"smb\.(server_component|cmd|flags\.response|path|file|nt_status|error_class|error\.class|error_code|error\.code|mid|pid|uid"
           r"|trans2\.cmd|trans_name|pipe\.function|search_pattern|file_name|dir_name|rename\.\w+|old_file_name)|pipe\.function",
    "smb2": r"smb2\.(header_len|cmd|flags\.response|filename|tree|nt_status|msg_id|sesid|ioctl\.function|find\.pattern|search)",
    "ftp": r"ftp\.(request\.command|request\.arg|response\.code|response\.arg)",
    "smtp": r"smtp\.(req\.command|req\.parameter|response\.code|data\.fragment|auth\.\w+|command_line)",
    "imf": r"imf\.(subject|from|to|date|message_id)",
    "dhcp": r"dhcp\.(type|id|ip\.(client|your|server|relay)|hw\.mac_addr|option\.(hostname|requested_ip_address|dhcp|dhcp_server_id))",
    "kerberos": r"kerberos\.(msg_type|kdc_options|tkt_vno|CNameString|SNameString|realm|crealm|error_code|nonce|rm\.length)",
}
# Layers with the fields of another.
LIKE = {"mdns": "dns", "llmnr": "dns", "dtls": "tls"}
WANTED = {name: re.compile(fields) for name, fields in LAYERS.items()}
WANTED.update({name: re.compile(LAYERS[like].replace("tls", "dtls") if name == "dtls" else LAYERS[like]) for name, like in LIKE.items()})

# tshark looks at a stream in one way at a time; each misses something that another sees. With segments put in order it waits for ever for
# one that was lost; without, it misreads those that came late. While it waits for the end of a body that was cut, its head is not shown.
VIEWS = [
    ["tcp.reassemble_out_of_order:TRUE"],
    ["tcp.reassemble_out_of_order:FALSE"],
    ["tcp.reassemble_out_of_order:TRUE", "http.desegment_body:FALSE"],
]


class Message:
    """One layer of one packet, with the ends of the flow that carried it"""

    __slots__ = ("layer", "frame", "stream", "l4", "src", "dst", "payload", "fields", "quoted")

    def __init__(self, *values):
        for name, value in zip(self.__slots__, values):
            setattr(self, name, value)
        self.src, self.dst = tuple(self.src), tuple(self.dst)

    @property
    def ends(self):
        """The flow, whichever way round"""
        return (self.l4, frozenset((self.src, self.dst)))

    def first(self, name, default=""):
        return next((value for key, value in self.fields if key == name), default)

    def all(self, name):
        return [value for key, value in self.fields if key == name]

    def parts(self, marker):
        """The fields in groups, each from one `marker` to the next"""
        out = []
        for key, value in self.fields:
            if key == marker:
                out.append([])
            if out:
                out[-1].append((key, value))
        return out


def flat(tree, wanted, out):
    """The wanted leaves of tshark's tree, in their order"""
    for key, value in tree:
        if isinstance(value, list):
            if value and isinstance(value[0], tuple):
                flat(value, wanted, out)
            else:
                out.extend((key, v) for v in value if isinstance(v, str) and wanted.fullmatch(key))
        elif isinstance(value, str) and wanted.fullmatch(key):
            out.append((key, value))
    return out


def messages_of(packet):
    """Messages of one packet, outermost first; addresses are those of the innermost tunnel at that place"""
    layers = dict(dict(packet)["_source"])["layers"]
    src = dst = l4 = stream = payload = None
    frame, quoted, out = 0, False, []
    for name, tree in layers:
        if not isinstance(tree, list):
            continue
        get = lambda key: next((v for k, v in tree if k == key), None)  # noqa: E731
        if name == "frame":
            frame = int(get("frame.number"))
        elif name in ("ip", "ipv6"):
            src, dst = get(name + ".src"), get(name + ".dst")
        elif name in ("tcp", "udp"):
            l4, stream = name, int(get(name + ".stream") or -1)
            ports = int(get(name + ".srcport") or 0), int(get(name + ".dstport") or 0)
            payload = hashlib.md5((get(name + ".payload") or "").encode()).hexdigest()
        elif name in ("icmp", "icmpv6"):
            quoted = True
        elif name in WANTED and l4 and src:
            fields = flat(tree, WANTED[name], [])
            out.append([name, frame, stream, l4, (src, ports[0]), (dst, ports[1]), payload, fields, quoted])
    return out


def packets(capture, options):
    """tshark's packets, one after the other: the output is never held as a whole"""
    names = list(WANTED)
    command = ["tshark", "-n", "-r", capture, "-Y", " or ".join(names), "-T", "json", "-J", " ".join(["frame ip ipv6 tcp udp icmp icmpv6", *names])]
    for option in options:
        command += ["-o", option]
    with tempfile.TemporaryFile() as errors:
        tshark = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, errors="replace")
        lines = []
        for line in tshark.stdout:
            if line.startswith("  {"):
                lines = [line]
            elif line.startswith("  }"):
                yield json.loads("".join(lines) + "}", object_pairs_hook=list)
            else:
                lines.append(line)
        # 2: the capture is cut; what came before it counts.
        if tshark.wait() not in (0, 1, 2):
            errors.seek(0)
            raise RuntimeError(f"tshark ended with {tshark.returncode} on {capture}: {errors.read()[-500:]!r}")


def version():
    text = subprocess.run(["tshark", "--version"], capture_output=True, text=True).stdout
    return (re.search(r"\d+\.\d+\.\d+", text) or [""])[0]


def digest(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else hashlib.sha256(f.read()).hexdigest()


def cached(capture, name, make):
    """What `make` returned for this content, now or earlier"""
    path = os.path.join(CACHE, f"{name}-{FORMAT}-{version_once()}-{digest(capture)}.json.gz")
    try:
        with gzip.open(path, "rt") as f:
            return json.load(f)
    except (OSError, EOFError, ValueError):
        pass
    made = make()
    os.makedirs(CACHE, mode=0o700, exist_ok=True)
    part = f"{path}.{os.getpid()}.part"
    with gzip.open(part, "wt", compresslevel=5) as f:
        json.dump(made, f)
    os.replace(part, path)
    return made


VERSION = []


def version_once():
    if not VERSION:
        VERSION.append(version())
    return VERSION[0]


def views(capture):
    """Every message of the capture that a comparison needs, in packet order, in each of the views"""
    out = []
    for i, options in enumerate(VIEWS):
        make = lambda: [m for p in packets(capture, options) for m in messages_of(p)]  # noqa: E731,B023
        rows = cached(capture, f"messages{i}", make)
        out.append([Message(*row) for row in rows])
        # All three see the same where there is neither a stream nor HTTP in it.
        if i == 0 and not any(m.l4 == "tcp" for m in out[0]):
            break
    return out


def objects(capture):
    """Name and SHA-256 of every file that tshark finds in HTTP"""

    def make():
        folder = tempfile.mkdtemp(prefix="secnetmon-objects-")
        try:
            subprocess.run(["tshark", "-n", "-r", capture, "-o", VIEWS[0][0], "-q", "--export-objects", f"http,{folder}"], capture_output=True)
            # Bytes of the wire, perhaps malware: hashed where they lie, never opened, deleted right away.
            return sorted((name, digest(os.path.join(folder, name))) for name in os.listdir(folder))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    return cached(capture, "named-objects", make)


def names(field):
    """The names that tshark gives to the values of a field"""
    text = subprocess.run(["tshark", "-G", "values"], capture_output=True, text=True).stdout
    rows = (line.split("\t") for line in text.splitlines() if line.startswith("V\t" + field + "\t"))
    return {int(row[2], 0): row[3] for row in rows}
