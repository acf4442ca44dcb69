#!/usr/bin/env python3
"""Make a capture that attacks the detectors themselves: more sources, or more targets and ports, than any table can hold.

usage: attackload.py spoof OUT.pcap [--packets 5000000]      SYNs to one server, each from another invented address
       attackload.py scan  OUT.pcap [--hosts 100]            one source tries all 65,535 ports of so many hosts (1,000 hosts: 5 GB)

Frames are made here and never sent. The same call makes the same file.
"""
import argparse
import random
import struct

SERVER = bytes([203, 0, 113, 80])
SCANNER = bytes([198, 51, 100, 66])
START = 1_700_000_000
RATE = 50_000  # packets a second: what one sender manages

RECORD = struct.Struct("<IIII")
FRAME = bytes.fromhex("020000000050020000000066" "0800")
IP = bytes.fromhex("4500002800004000" "4006" "0000")
TCP_TAIL = bytes.fromhex("000000010000000050020400" "00000000")


def frames(out, packets):
    out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    buffer = bytearray()
    for n, (src, dst, sport, dport) in enumerate(packets):
        body = FRAME + IP + src + dst + struct.pack(">HH", sport, dport) + TCP_TAIL
        buffer += RECORD.pack(START + n // RATE, n % RATE * 1_000_000 // RATE, len(body), len(body))
        buffer += body
        if len(buffer) > 1 << 20:
            out.write(buffer)
            buffer.clear()
    out.write(buffer)


def spoof(count):
    chance = random.Random(1)
    for _ in range(count):
        yield struct.pack(">I", chance.randrange(0x01000000, 0xDF000000)), SERVER, chance.randrange(1024, 65536), 80


def scan(hosts):
    for host in range(hosts):
        target = bytes([10, 9, host >> 8, host & 255])
        for port in range(1, 65536):
            yield SCANNER, target, 40000 + port % 20000, port


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("what", choices=["spoof", "scan"])
parser.add_argument("out")
parser.add_argument("--packets", type=int, default=5_000_000)
parser.add_argument("--hosts", type=int, default=100)
args = parser.parse_args()
with open(args.out, "wb") as out:
    frames(out, spoof(args.packets) if args.what == "spoof" else scan(args.hosts))
