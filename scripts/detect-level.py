#!/usr/bin/env python3
"""Holds the level that detect.py has reached: it may only go up.

usage: detect.py BIN MANIFEST | detect-level.py

detect.py itself also asks that every label is found; here the labels found, the benign captures that stay quiet and the captures that
fail are held where they were when they were last measured.
"""
import re
import sys

FOUND = 200  # labels, at least
LOUD = 0  # benign captures with a finding of medium or above, at most

text = sys.stdin.read()
lines = text.splitlines()
print("\n".join(line for line in lines if line.startswith(("ALARM", "FAILED", "found "))))
last = re.search(r"found (\d+) of (\d+) labels .*quiet on (\d+) of (\d+) benign captures; (\d+) failed", text)
if not last:
    sys.exit("detect.py printed no figures")
found, labels, quiet, benign, failed = map(int, last.groups())
below = []
if found < FOUND:
    below.append(f"{found} of {labels} labels found, must be at least {FOUND}")
if benign - quiet > LOUD:
    below.append(f"{benign - quiet} of {benign} benign captures are loud, must be at most {LOUD}")
if failed:
    below.append(f"{failed} captures failed")
if below:
    sys.exit("below the level reached:\n  " + "\n  ".join(below))
