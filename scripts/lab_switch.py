#!/usr/bin/env python3
"""A two-port switch in user space for record-samples.sh: VLAN tags and loss where the kernel has no module for them.

usage: lab_switch.py ACCESS TRUNK [--tag TPID:VID]... [--lose N]
Frames from ACCESS leave on TRUNK with the tags pushed (first = outermost); frames from TRUNK that carry these tags leave
on ACCESS without them, all others are dropped. With --lose N every Nth frame from TRUNK with TCP payload is lost.
"""
import argparse, select, socket, struct

PACKET_AUXDATA, SOL_PACKET = 8, 263
TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID = 0x10, 0x40
PACKET_OUTGOING = 4
LARGEST_FRAME = 65_600  # a GSO super-frame and its header; offloads are switched off, so this is generous


def port(name):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    s.bind((name, 0))
    return s


def receive(s):
    """One frame as it was on the wire (the kernel hands the outermost tag over beside the frame), None for our own."""
    frame, extra, _, address = s.recvmsg(LARGEST_FRAME, 256)
    if address[2] == PACKET_OUTGOING:
        return None
    for level, kind, data in extra:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _, _, _, _, tci, tpid = struct.unpack_from('=IIIHHHH', data)
            if status & TP_STATUS_VLAN_VALID:
                tpid = tpid if status & TP_STATUS_VLAN_TPID_VALID else 0x8100
                frame = frame[:12] + struct.pack('!HH', tpid, tci) + frame[12:]
    return frame


def tcp_payload(frame):
    """Bytes of TCP payload in an untagged IPv4 frame"""
    if frame[12:14] != b'\x08\x00' or frame[23] != 6:
        return 0
    header = (frame[14] & 15) * 4
    total = struct.unpack_from('!H', frame, 16)[0]
    return total - header - (frame[14 + header + 12] >> 4) * 4


def main():
    a = argparse.ArgumentParser()
    a.add_argument('access')
    a.add_argument('trunk')
    a.add_argument('--tag', action='append', default=[])
    a.add_argument('--lose', type=int, default=0)
    a = a.parse_args()
    tags = b''.join(struct.pack('!HH', int(t.split(':')[0], 16), int(t.split(':')[1])) for t in a.tag)
    access, trunk = port(a.access), port(a.trunk)
    seen = 0
    while True:
        for s in select.select([access, trunk], [], [])[0]:
            frame = receive(s)
            if frame is None:
                continue
            if s is access:
                trunk.send(frame[:12] + tags + frame[12:])
            elif frame[12:12 + len(tags)] == tags:
                frame = frame[:12] + frame[12 + len(tags):]
                if a.lose and tcp_payload(frame) > 0:
                    seen += 1
                    if seen % a.lose == 0:
                        continue
                access.send(frame)


main()
