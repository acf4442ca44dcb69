#!/usr/bin/env python3
"""Small servers for the samples, where a real one would be large and its traffic the same.

usage: services.py web PORT       Basic authentication at /admin, a form at /login, 404 for anything else but /
       services.py rpc PORT       JSON-RPC over HTTP that answers every call
       services.py sink PORT      takes any upload
       services.py pop3 PORT      USER and PASS, one message
       services.py telnet PORT    a login prompt and a shell-like prompt that knows two commands
       services.py blob PORT      answers whatever comes with the same bytes turned over
       services.py modbus PORT    a Modbus device with holding registers (pymodbus)
Accounts: alice with the laboratory's password. Runs until it is ended.
"""
import http.server, json, socketserver, sys, urllib.parse

USER, PASSWORD = 'alice', 'summer2026'


class Web(http.server.BaseHTTPRequestHandler):
    protocol_version, server_version, sys_version = 'HTTP/1.1', 'Laboratory', ''

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), value)
        self.send_header('Content-Type', 'text/plain')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.command != 'HEAD' else b'')

    def do_GET(self):
        if self.path == '/':
            return self.answer(200, b'hello\n')
        if self.path.startswith('/admin'):
            return self.answer(401, b'who are you?\n', WWW_Authenticate='Basic realm="admin"')
        self.answer(200 if self.path == '/login' else 404, b'log in\n' if self.path == '/login' else b'not here\n')

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers.get('Content-Length', 0))).decode())
        if (form.get('user'), form.get('password')) == ([USER], [PASSWORD]):
            return self.answer(302, b'', Location='/', Set_Cookie='session=7f3a91; HttpOnly')
        self.answer(403, b'wrong user or password\n')

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


class Rpc(Web):
    def do_POST(self):
        call = json.loads(self.rfile.read(int(self.headers.get('Content-Length', 0))))
        self.answer(200, json.dumps({'jsonrpc': '2.0', 'id': call['id'], 'result': '0x1bc16d674ec80000'}).encode())


class Sink(Web):
    def do_PUT(self):
        left = int(self.headers.get('Content-Length', 0))
        while left > 0:
            left -= len(self.rfile.read(min(left, 1 << 20)))
        self.answer(201, b'')


class Lines(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode())

    def hear(self):
        return self.rfile.readline().decode('latin-1').strip()


class Pop3(Lines):
    def handle(self):
        user, known = None, False
        message = 'Subject: plan\r\n\r\nSee you.\r\n'
        self.say('+OK laboratory mail\r\n')
        while line := self.hear():
            word, _, rest = line.partition(' ')
            word = word.upper()
            if word == 'QUIT':
                return self.say('+OK bye\r\n')
            if word == 'CAPA':
                self.say('+OK\r\nUSER\r\nUIDL\r\n.\r\n')
            elif word == 'USER':
                user = rest
                self.say('+OK\r\n')
            elif word == 'PASS':
                known = (user, rest) == (USER, PASSWORD)
                self.say('+OK logged in\r\n' if known else '-ERR [AUTH] no\r\n')
            elif not known:
                self.say('-ERR log in first\r\n')
            elif word in ('LIST', 'STAT'):
                self.say(f'+OK 1 {len(message)}\r\n' + (f'1 {len(message)}\r\n.\r\n' if word == 'LIST' else ''))
            elif word == 'RETR':
                self.say(f'+OK {len(message)} octets\r\n{message}.\r\n')
            else:
                self.say('-ERR unknown\r\n')


class Telnet(Lines):
    def handle(self):
        # WILL ECHO, WILL SUPPRESS GO AHEAD, DO TERMINAL TYPE
        self.wfile.write(b'\xff\xfb\x01\xff\xfb\x03\xff\xfd\x18')
        self.say('\r\ndesk login: ')
        user = self.hear().encode('latin-1').split(b'\xff')[-1].decode('latin-1').lstrip('\xfb\xfc\xfd\xfe\x01\x03\x18')
        self.say(f'{user}\r\nPassword: ')
        if (user, self.hear()) != (USER, PASSWORD):
            return self.say('\r\nLogin incorrect\r\n')
        self.say('\r\n$ ')
        while (line := self.hear()) not in ('', 'exit'):
            self.say(f'{line}\r\n' + {'date': 'Thu Nov 26 12:00:00 UTC 2026', 'ls': 'plan.txt'}.get(line, f'{line}: not found') + '\r\n$ ')


class Blob(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(bytes(255 - b for b in self.request.recv(4096)))


def modbus(port):
    from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
    from pymodbus.server import StartTcpServer
    registers = ModbusSlaveContext(hr=ModbusSequentialDataBlock(0, list(range(100, 200))))
    StartTcpServer(context=ModbusServerContext(slaves=registers, single=True), address=('', port))


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads, request_queue_size = True, True, 64


if sys.argv[1] == 'modbus':
    sys.exit(modbus(int(sys.argv[2])))
handler = {'web': Web, 'rpc': Rpc, 'sink': Sink, 'pop3': Pop3, 'telnet': Telnet, 'blob': Blob}[sys.argv[1]]
Server(('', int(sys.argv[2])), handler).serve_forever()
