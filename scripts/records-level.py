#!/usr/bin/env python3
"""Are the records equal to what tshark sees?

usage: records-level.py BINARY CORPUS [--folder NAME]… [--only PROTO]… [--capture WORD] [--least PROTO=PERCENT,…] [--show ROWS]

Every capture of the corpus is read by tshark and by the binary; rows are compared as multisets of their key fields, capture by capture. Prints
the rows that differ (- tshark's, + the database's) and a table. What is in flows where tshark does not look for the protocol (another port,
behind STARTTLS) has no truth to be compared with: it is counted as `beyond`, and no percentage speaks of it. With --least the exit code is 1
when a protocol is below its percentage, or when a capture could not be read. tshark's view is kept in ~/.cache/secnetmon/records.
"""
import argparse
import csv
import io
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import records_tshark as tshark
import records_truth as truth
import records_windows as windows

FOLDERS = ["protocols", "zeek", "threats", "benign", "formats"]
PROTOCOLS = {  # name: (layers of tshark, rows of its messages, query, rows of the database)
    "dns": (("dns", "mdns", "llmnr", "nbns"), truth.dns, truth.DNS, truth.dns_rows),
    "http": (("http", "http2"), truth.http, truth.HTTP, truth.http_rows),
    "tls": (("tls", "dtls"), truth.tls, truth.TLS, truth.tls_rows),
    "ssh": (("ssh",), truth.ssh, truth.SSH, truth.ssh_rows),
    "smb": (("smb", "smb2"), windows.smb, windows.SMB, windows.smb_rows),
    "ftp": (("ftp",), truth.ftp, truth.FTP, truth.ftp_rows),
    "smtp": (("smtp",), truth.smtp, truth.SMTP, truth.smtp_rows),
    "dhcp": (("dhcp",), windows.dhcp, windows.DHCP, windows.dhcp_rows),
    "kerberos": (("kerberos",), windows.kerberos, windows.KERBEROS, windows.kerberos_rows),
}
FILES = "files"
FILES_QUERY = "SELECT sha256 FROM files WHERE capture_id = $capture AND source = 'http'"


class Database:
    """A throw-away database with all captures in it"""

    def __init__(self, binary, captures, kept):
        self.binary, self.folder = binary, tempfile.TemporaryDirectory(prefix="secnetmon-records-")
        home = self.folder.name
        path = kept or os.path.join(home, "records.duckdb")
        self.env = dict(os.environ, SECNETMON_DB=path, NO_COLOR="1", XDG_DATA_HOME=home, XDG_CONFIG_HOME=home)
        if os.path.exists(path):
            return
        done = subprocess.run([binary, "ingest", *captures], env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
        # 3: some captures are damaged, and kept up to there; 1: some are none. What tshark reads in those is missed then.
        if done.returncode not in (0, 1, 3):
            sys.exit(f"ingest ended with {done.returncode}:\n{done.stderr[-2000:]}")

    def rows(self, sql):
        done = subprocess.run([self.binary, "query", "--format", "csv", "-e", sql], env=self.env, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, errors="replace")
        if done.returncode:
            sys.exit(f"query ended with {done.returncode}: {sql}\n{done.stderr[-2000:]}")
        csv.field_size_limit(1 << 30)
        return list(csv.DictReader(io.StringIO(done.stdout)))

    def by_capture(self, sql):
        """Rows of a query by the path of their capture"""
        out = {}
        sql = sql.replace("r.capture_id = $capture", "true").replace("capture_id = $capture", "true")
        sql = sql.replace("SELECT ", "SELECT capture_id, ", 1)
        for row in self.rows(sql):
            out.setdefault(row["capture_id"], []).append(row)
        return out


def captures_in(corpus, folders, word):
    found = {}
    for folder in folders:
        for base, _, files in sorted(os.walk(os.path.join(corpus, folder))):
            for name in sorted(files):
                path = os.path.join(base, name)
                if word in path:
                    # The database takes the same content once.
                    found.setdefault(tshark.digest(path), path)
    return list(found.values())


def expected(capture):
    try:
        # What an ICMP error quotes was not said again.
        return [[m for m in view if not m.quoted] for view in tshark.views(capture)]
    except (RuntimeError, ValueError) as e:
        return str(e)


def richest(views, rows_of):
    """tshark's rows: of each flow those of the view that sees most of it"""
    best = {}
    for messages in views:
        flows = {}
        for m, row in rows_of(messages):
            flows.setdefault(m.ends, Counter())[row] += 1
        for ends, rows in flows.items():
            if sum(rows.values()) > sum(best.get(ends, {}).values()):
                best[ends] = rows
    return sum(best.values(), Counter())


def compare(name, capture, views, rows, table, show):
    layers, theirs_of, _, ours_of = PROTOCOLS[name]
    looked = {m.ends for messages in views for m in messages if m.layer in layers}
    theirs = richest(views, theirs_of)
    ours, beyond = Counter(), 0
    for r, row in ours_of(rows):
        ends = (r["l4"], frozenset(((truth.address(r["src_ip"]), int(r["src_port"])), (truth.address(r["dst_ip"]), int(r["dst_port"])))))
        if ends in looked:
            ours[row] += 1
        else:
            beyond += 1
    count(name, capture, theirs, ours, beyond, table, show)


def count(name, capture, theirs, ours, beyond, table, show):
    equal = sum((theirs & ours).values())
    line = table.setdefault(name, [0, 0, 0, 0])
    for i, n in enumerate((sum(theirs.values()), sum(ours.values()), equal, beyond)):
        line[i] += n
    missing, extra = theirs - ours, ours - theirs
    if missing or extra:
        print(f"{name} {capture}: {sum(theirs.values())} of tshark, {sum(ours.values())} of ours, {equal} equal")
        for sign, rows in (("-", missing), ("+", extra)):
            for row, n in sorted(rows.items())[:show]:
                print(f"  {sign} {n} {row}")


def compare_files(capture, objects, rows, cut, table, show):
    """SHA-256 of what HTTP carried. Nothing at all is no file."""
    ours = Counter(r["sha256"] for r in rows if r["sha256"])
    named, others = Counter(), Counter()
    for name, sha256 in objects:
        if not sha256.startswith("e3b0c44298fc1c14"):
            # Without a name: answers whose request was not seen, and single segments of bodies that tshark did not put together.
            (others if re.fullmatch(r"object\d+", name) else named)[sha256] += 1
    theirs = named + ((ours - named) & others)
    if cut:
        # tshark saves what a cut packet lacks as if it were whole; here it has no hash. What has one must be there, too.
        theirs &= ours
    count(FILES, capture, theirs, ours, 0, table, show)


def percent(line):
    judged = max(line[0], line[1])
    return 100 * line[2] / judged if judged else 100.0


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("binary")
    p.add_argument("corpus")
    p.add_argument("--folder", action="append", help=f"only this folder of the corpus (default: {' '.join(FOLDERS)})")
    p.add_argument("--only", action="append", choices=[*PROTOCOLS, FILES], help="only this protocol; files: SHA-256 of what HTTP carried")
    p.add_argument("--capture", default="", help="only captures with this word in their path")
    p.add_argument("--db", help="keep the database here, and take it as it is when it is there: for work on the comparison itself")
    p.add_argument("--least", default="", help="percentages that must be reached, such as dns=98,http=98")
    p.add_argument("--show", type=int, default=5, help="differing rows shown a capture and sign")
    args = p.parse_args()
    least = dict(item.split("=") for item in args.least.split(",") if item)
    names = args.only or list(dict.fromkeys([*PROTOCOLS, FILES]))
    captures = captures_in(args.corpus, args.folder or FOLDERS, args.capture)
    if not captures:
        sys.exit("no captures there")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        seen = dict(zip(captures, pool.map(expected, captures)))
        objects = dict(zip(captures, pool.map(tshark.objects, captures))) if FILES in names else {}
    database = Database(args.binary, captures, args.db)
    paths = {os.path.realpath(r["path"]): r["capture_id"] for r in database.rows("SELECT capture_id, path FROM capture_files")}
    by_id = {number: os.path.relpath(path, os.path.realpath(args.corpus)) for path, number in paths.items()}
    cut = {by_id.get(r["capture_id"]) for r in database.rows("SELECT capture_id FROM captures WHERE truncated_packets > 0")}
    table, failed = {}, []
    for name in names:
        rows = database.by_capture(FILES_QUERY if name == FILES else PROTOCOLS[name][2])
        for capture in captures:
            short = os.path.relpath(capture, args.corpus)
            mine = rows.get(paths.get(os.path.realpath(capture)), [])
            if isinstance(seen[capture], str):
                failed.append(f"{short}: {seen[capture]}")
            elif name == FILES:
                compare_files(short, objects[capture], mine, short in cut, table, args.show)
            else:
                compare(name, short, seen[capture], mine, table, args.show)
    print(f"\n{'protocol':10} {'tshark':>8} {'ours':>8} {'equal':>8} {'percent':>8} {'beyond':>7}")
    for name, line in table.items():
        print(f"{name:10} {line[0]:8} {line[1]:8} {line[2]:8} {percent(line):8.2f} {line[3]:7}")
    below = [f"{n}: {percent(table[n]):.2f}%, must be at least {v}%" for n, v in least.items() if n in table and percent(table[n]) < float(v)]
    for line in sorted(set(failed)):
        print("FAILED", line)
    if below:
        print("below the level:\n  " + "\n  ".join(below), file=sys.stderr)
    sys.exit(1 if below or failed else 0)


if __name__ == "__main__":
    main()
