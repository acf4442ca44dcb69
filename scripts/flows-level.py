#!/usr/bin/env python3
"""Holds the level that flows.py has reached: its figures may only go up.

usage: flows.py … | flows-level.py

flows.py itself also asks for 95% of Zeek's service names. Here the service is named as precisely as it is known: `mdns`, `llmnr`
and `nbns` where Zeek says `dns`, `ldap` where it says `ldap_tcp`; and `gtp` names all its versions, as protocols.py asks, where Zeek says
`gtpv1`. Those 26 of its 133 rows are right and not equal.
"""
import re
import sys

LEVELS = {  # percent; each a little under what was measured, so that one row more or less does not decide
    "packets equal": 99.8,
    "payload bytes equal": 99.7,
    "conn_state": 98.0,
    "history": 96.0,
    "orig_bytes": 98.0,
    "resp_bytes": 98.0,
    "orig_pkts": 97.0,
    "resp_pkts": 98.0,
    "service": 80.0,
}

text = sys.stdin.read()
print("\n".join(text.splitlines()[-2:]))
below = []
for name, level in LEVELS.items():
    found = re.search(re.escape(name) + r" ([\d.]+)%", text)
    if not found or float(found.group(1)) < level:
        below.append(f"{name}: {found.group(1) + '%' if found else 'no figure'}, must be at least {level}%")
if not re.search(r"\b0 captures failed", text):
    below.append("captures failed:\n" + "\n".join(line for line in text.splitlines() if line.startswith("FAILED")))
if below:
    sys.exit("below the level reached:\n  " + "\n  ".join(below))
