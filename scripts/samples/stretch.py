#!/usr/bin/env python3
"""Makes the pauses of a capture longer, for samples whose subject takes hours.

usage: stretch.py IN.pcap OUT.pcap --factor F [--above SECONDS]
       stretch.py IN.pcap OUT.pcap --even SECONDS
Every gap between two packets of at least SECONDS (default 0.5) becomes F times as long; shorter gaps, and all bytes, stay. With --even
the packets are laid evenly over so many seconds instead.
ORIGIN.md of such a sample says so.
"""
import argparse, struct

a = argparse.ArgumentParser()
a.add_argument('source')
a.add_argument('target')
how = a.add_mutually_exclusive_group(required=True)
how.add_argument('--factor', type=float)
how.add_argument('--even', type=float)
a.add_argument('--above', type=float, default=0.5)
a = a.parse_args()

data = open(a.source, 'rb').read()
if data[:4] != b'\xd4\xc3\xb2\xa1':
    raise SystemExit('stretch.py: reads little-endian pcap with microseconds')
out, at, before, now = bytearray(data[:24]), 24, None, 0
step = None
if a.even:
    count, here = 0, 24
    while here < len(data):
        count, here = count + 1, here + 16 + struct.unpack_from('<I', data, here + 8)[0]
    step = int(a.even * 1e6 / count)
while at < len(data):
    s, us, kept, _ = struct.unpack_from('<IIII', data, at)
    here = s * 1_000_000 + us
    gap = 0 if before is None else here - before
    now = here if before is None else now + step if step else now + round(gap * (a.factor if gap >= a.above * 1e6 else 1))
    before = here
    out += struct.pack('<II', *divmod(now, 1_000_000)) + data[at + 8:at + 16 + kept]
    at += 16 + kept
open(a.target, 'wb').write(out)
