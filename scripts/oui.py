#!/usr/bin/env python3
"""Make src/store/hosts/oui.txt: which maker does the beginning of a hardware address name?

usage: scripts/oui.py FOLDER > src/store/hosts/oui.txt

FOLDER holds the IEEE Registration Authority's public listings as it publishes them: oui.csv (24 bits), mam.csv (28 bits),
oui36.csv and iab.csv (36 bits). Debian's package ieee-data brings them to /usr/share/ieee-data. Only facts of the
registry are taken over, prefix and name of the holder; legal forms and addresses are left out.

The table: one line a prefix, sorted as text: the prefix in lower-case hexadecimal (6, 7 or 9 digits), a tab, the name.
"""
import csv
import pathlib
import re
import sys

LEGAL = re.compile(
    r"[,.]?\s+(?:(?:co|corp|corporation|company|inc|incorporated|ltd|limited|llc|l\.l\.c|gmbh|mbh|ag|kg|s\.?a|s\.?r\.?l|s\.?p\.?a|"
    r"b\.?v|n\.?v|oy|ab|a/s|as|aps|plc|pty|pte|pvt|private|sas|sarl|bhd|sdn|k\.?k|s\.?r\.?o|sp\.? z ?o\.? ?o|& co|the)\b\.?,?\s*)+$",
    re.IGNORECASE,
)
# Long enough to know the holder; a name is a column of a table, not a letterhead.
LONGEST = 40


def short(name: str) -> str:
    """The holder without its legal form, in its own spelling."""
    name = re.sub(r"\s+", " ", name.replace("\t", " ")).strip()
    while True:
        less = re.sub(r"\s*\([^)]*\)$", "", LEGAL.sub("", name).strip(" ,"))
        if not less or less == name:
            break
        name = less
    if len(name) > LONGEST:
        name = name[:LONGEST].rsplit(" ", 1)[0].rstrip(" ,&-")
    return name


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    table: dict[str, str] = {}
    # Blocks that were handed on in parts are listed under the registry itself; their parts say more.
    for file in ("iab.csv", "oui36.csv", "mam.csv", "oui.csv"):
        with open(folder / file, encoding="utf-8", errors="replace", newline="") as rows:
            for row in csv.DictReader(rows):
                prefix, name = row["Assignment"].strip().lower(), short(row["Organization Name"])
                if name.lower() in ("private", "ieee registration authority", ""):
                    continue
                table.setdefault(prefix, name)
    # A part that belongs to the holder of the whole adds nothing.
    for prefix in [p for p in table if len(p) > 6 and table.get(p[:6]) == table[p]]:
        del table[prefix]
    for prefix in sorted(table):
        print(f"{prefix}\t{table[prefix]}")


main()
