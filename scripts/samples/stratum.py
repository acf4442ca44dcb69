#!/usr/bin/env python3
"""A mining pool and a miner that speak the real messages about invented work, and a JSON-RPC service that is no pool.

usage: stratum.py server DIALECT PORT
       stratum.py client DIALECT HOST PORT [--rounds N]      one share (or reading) a second, then the end
Dialects: v1 (Stratum V1), xmr (CryptoNote login/job/submit), eth (getWork), v2 (Stratum V2: lengths only), rpc (no mining).
Every fourth share is rejected. Hashes come from a counter, so they are the same at each recording.
"""
import argparse, hashlib, itertools, json, os, socket, socketserver, time

WALLET = '4' + hashlib.sha512(b'nobody').hexdigest()[:94]
counter = itertools.count(1)


def digest(bytes_=32):
    return hashlib.sha512(str(next(counter)).encode()).hexdigest()[:bytes_ * 2]


class Peer:
    """One JSON object per line, both ways"""

    def __init__(self, sock):
        self.sock, self.file, self.id = sock, sock.makefile('rb'), 0

    def say(self, **message):
        self.sock.sendall(json.dumps(message, separators=(',', ':')).encode() + b'\n')

    def hear(self):
        line = self.file.readline()
        return json.loads(line) if line else None

    def call(self, method, params, **more):
        """Asks, and waits for the answer with this number; notifications before it are passed over."""
        self.id += 1
        self.say(id=self.id, method=method, params=params, **more)
        while (heard := self.hear()) is not None:
            if heard.get('id') == self.id:
                return heard


# --- pools --------------------------------------------------------------------------------------------------

def v1_job(fresh):
    branches = [digest() for _ in range(3)]
    coinbase = '01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff'
    return [digest(4), digest(), coinbase + digest(20), digest(40), branches, '20000000', '1703a30c', '6745c1a2', fresh]


def pool_v1(peer):
    shares = 0
    while (heard := peer.hear()) is not None:
        answer = {'id': heard['id'], 'error': None}
        if heard['method'] == 'mining.configure':
            answer['result'] = {'version-rolling': True, 'version-rolling.mask': '1fffe000'}
        elif heard['method'] == 'mining.subscribe':
            answer['result'] = [[['mining.set_difficulty', digest(4)], ['mining.notify', digest(4)]], '08000002', 4]
        elif heard['method'] == 'mining.submit':
            shares += 1
            answer['result'] = shares % 4 != 0
            if not answer['result']:
                answer = {'id': heard['id'], 'result': None, 'error': [23, 'Low difficulty share', None] if shares % 8 else [21, 'Job not found', None]}
        else:
            answer['result'] = True
        peer.say(**answer)
        if heard['method'] == 'mining.authorize':
            peer.say(id=None, method='mining.set_difficulty', params=[16384])
            peer.say(id=None, method='mining.notify', params=v1_job(True))
        elif heard['method'] == 'mining.submit' and shares % 5 == 0:
            peer.say(id=None, method='mining.notify', params=v1_job(False))


def xmr_job():
    return {'blob': '1010' + digest(36) + digest(36), 'job_id': digest(8), 'target': 'b88d0600', 'algo': 'rx/0', 'height': 3_290_000, 'seed_hash': digest()}


def pool_xmr(peer):
    shares = 0
    while (heard := peer.hear()) is not None:
        answer = {'id': heard['id'], 'jsonrpc': '2.0', 'error': None, 'result': {'status': 'OK'}}
        if heard['method'] == 'login':
            answer['result'] = {'id': digest(16), 'job': xmr_job(), 'extensions': ['algo', 'keepalive'], 'status': 'OK'}
        elif heard['method'] == 'keepalived':
            answer['result'] = {'status': 'KEEPALIVED'}
        elif heard['method'] == 'submit':
            shares += 1
            if shares % 4 == 0:
                answer = {'id': heard['id'], 'jsonrpc': '2.0', 'error': {'code': -1, 'message': 'Low difficulty share'}}
        peer.say(**answer)
        if heard['method'] == 'submit' and shares % 5 == 0:
            peer.say(jsonrpc='2.0', method='job', params=xmr_job())


def pool_eth(peer):
    shares = 0
    while (heard := peer.hear()) is not None:
        result = True
        if heard['method'] == 'eth_getWork':
            result = ['0x' + digest(), '0x' + digest(), '0x0000000112e0be826d694b2e62d01511f12a6061fbaec8bc02357593e70e52ba']
        elif heard['method'] == 'eth_submitWork':
            shares += 1
            result = shares % 4 != 0
        peer.say(id=heard['id'], jsonrpc='2.0', result=result)


def service_rpc(peer):
    while (heard := peer.hear()) is not None:
        peer.say(jsonrpc='2.0', id=heard['id'], result={'status': 'stored' if heard['method'] == 'submit' else 'ok'})
        if heard['method'] == 'submit' and heard['id'] % 4 == 0:
            peer.say(jsonrpc='2.0', method='job.done', params={'name': 'hourly mean', 'rows': 3600})


# --- Stratum V2: what an observer sees of it -------------------------------------------------------------------

NOISE_CLIENT, NOISE_SERVER, HEADER, MAC = 64, 234, 22, 16


def frame(payload):
    """A frame with an encrypted header and a payload with its authentication code"""
    return os.urandom(HEADER + payload + MAC)


def exactly(sock, size):
    got = b''
    while len(got) < size:
        part = sock.recv(size - len(got))
        if not part:
            return None
        got += part
    return got


def pool_v2(sock):
    exactly(sock, NOISE_CLIENT)
    sock.sendall(os.urandom(NOISE_SERVER))
    exactly(sock, HEADER + 118 + MAC)
    sock.sendall(frame(6))                             # SetupConnection.Success
    exactly(sock, HEADER + 62 + MAC)
    sock.sendall(frame(76))                            # OpenStandardMiningChannel.Success
    sock.sendall(frame(49) + frame(48))                # NewMiningJob, SetNewPrevHash
    shares = 0
    while exactly(sock, HEADER + 24 + MAC):            # SubmitSharesStandard
        shares += 1
        sock.sendall(frame(20))                        # SubmitShares.Success
        if shares % 5 == 0:
            sock.sendall(frame(49))


def miner_v2(sock, rounds):
    sock.sendall(os.urandom(NOISE_CLIENT))
    exactly(sock, NOISE_SERVER)
    sock.sendall(frame(118))                           # SetupConnection
    exactly(sock, HEADER + 6 + MAC)
    sock.sendall(frame(62))                            # OpenStandardMiningChannel
    for _ in range(rounds):
        time.sleep(1)
        sock.sendall(frame(24))


# --- miners -------------------------------------------------------------------------------------------------

def miner_v1(peer, rounds):
    peer.call('mining.configure', [['version-rolling'], {'version-rolling.mask': '1fffe000', 'version-rolling.min-bit-count': 2}])
    peer.call('mining.subscribe', ['cgminer/4.12.1'])
    peer.call('mining.authorize', ['alice.rig1', 'x'])
    for _ in range(rounds):
        time.sleep(1)
        peer.call('mining.submit', ['alice.rig1', digest(4), digest(4), '6745c1a2', digest(4), '00c00000'])


def miner_xmr(peer, rounds):
    algorithms = ['rx/0', 'cn/r', 'rx/wow', 'argon2/chukwa']
    peer.call('login', {'login': WALLET, 'pass': 'x', 'agent': 'XMRig/6.21.0 (Linux x86_64) libuv/1.44.2 gcc/12.2.0', 'rigid': 'rig1', 'algo': algorithms}, jsonrpc='2.0')
    session = digest(16)
    for n in range(rounds):
        time.sleep(1)
        peer.call('submit', {'id': session, 'job_id': digest(8), 'nonce': digest(4), 'result': digest()}, jsonrpc='2.0')
        if n % 8 == 7:
            peer.call('keepalived', {'id': session}, jsonrpc='2.0')


def miner_eth(peer, rounds):
    peer.call('eth_submitLogin', ['0x00000000000000000000000000000000000a11ce', 'x'], worker='rig1', jsonrpc='2.0')
    for n in range(rounds):
        if n % 4 == 0:
            peer.call('eth_getWork', [], worker='rig1', jsonrpc='2.0')
            peer.call('eth_submitHashrate', ['0x' + f'{31_000_000:064x}', '0x' + digest()], worker='rig1', jsonrpc='2.0')
        time.sleep(1)
        peer.call('eth_submitWork', ['0x' + digest(8), '0x' + digest(), '0x' + digest()], worker='rig1', jsonrpc='2.0')


def client_rpc(peer, rounds):
    peer.call('login', {'user': 'station-7', 'token': 'not-a-real-one'}, jsonrpc='2.0')
    peer.call('subscribe', ['job.done'], jsonrpc='2.0')
    for n in range(rounds):
        time.sleep(1)
        peer.call('submit', {'sensor': 'roof', 'celsius': 20 + n % 5, 'humidity': 41}, jsonrpc='2.0')


POOLS = {'v1': pool_v1, 'xmr': pool_xmr, 'eth': pool_eth, 'rpc': service_rpc}
MINERS = {'v1': miner_v1, 'xmr': miner_xmr, 'eth': miner_eth, 'rpc': client_rpc}


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads = True, True


def main():
    a = argparse.ArgumentParser()
    a.add_argument('role', choices=['server', 'client'])
    a.add_argument('dialect', choices=['v1', 'xmr', 'eth', 'v2', 'rpc'])
    a.add_argument('where', nargs='+')
    a.add_argument('--rounds', type=int, default=10)
    a = a.parse_args()
    if a.role == 'server':
        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                if a.dialect == 'v2':
                    return pool_v2(self.request)
                POOLS[a.dialect](Peer(self.request))

        Server(('', int(a.where[0])), Handler).serve_forever()
    with socket.create_connection((a.where[0], int(a.where[1])), timeout=20) as sock:
        if a.dialect == 'v2':
            miner_v2(sock, a.rounds)
        else:
            MINERS[a.dialect](Peer(sock), a.rounds)


main()
