#!/usr/bin/env python3
"""Take out of a pcapng what it says about the machine that recorded it, in place.

usage: anonymous-pcapng.py FILE

Section headers lose all their options (hardware, system, program), interfaces the name of their system (if_os). Packets, times and all
other blocks stay as they are. Little-endian files only, as dumpcap writes them here; others are refused.
"""
import struct
import sys

SECTION, INTERFACE, IF_OS, END = 0x0A0D0D0A, 1, 12, 0


def without(options, code):
    out, at = b"", 0
    while at + 4 <= len(options):
        kind, length = struct.unpack_from("<HH", options, at)
        size = 4 + (length + 3) // 4 * 4
        if kind == END:
            break
        if kind != code:
            out += options[at:at + size]
        at += size
    return out + (struct.pack("<HH", END, 0) if out else b"")


path = sys.argv[1]
data, at, out = open(path, "rb").read(), 0, b""
while at < len(data):
    kind, length = struct.unpack_from("<II", data, at)
    body = data[at + 8:at + length - 4]
    if kind == SECTION:
        if body[:4] != struct.pack("<I", 0x1A2B3C4D):
            sys.exit(f"anonymous-pcapng: {path}: not little-endian")
        body = body[:8] + b"\xff" * 8
    elif kind == INTERFACE:
        body = body[:8] + without(body[8:], IF_OS)
    out += struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)
    at += length
open(path, "wb").write(out)
