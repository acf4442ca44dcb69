#!/usr/bin/env python3
"""Up to which rate is nothing lost live, beside tcpdump and argus on the same machine?

usage: bench-live.py BINARY [--quick | --seconds 30 --steps 7] [--packets 300000] [--load FILE] [--only]
       bench-live.py BINARY --soak MINUTES [--rate 20000] [--rotate TIME] [--every 30]
Root. In a network namespace of its own, tcpreplay sends the beginning of the bench load (see bench.py) into one end of a veth pair; one program at
a time watches the other end with a kernel buffer of 64 MiB. The highest rate without a lost packet is found by bisection, each step with a fresh start of the
program. A step counts as loss-free when the program saw every packet that tcpreplay says it sent. Where even tcpreplay's top speed is carried, the
result is that speed, marked as the sender's limit: on few cores sender and program share them. secnetmon runs with all parsers and detectors into DuckDB.
--quick tries whether all of it works, in about three minutes; its figures are too coarse to be told.

--soak asks something else: does memory stay flat? secnetmon alone, at one rate, for so many minutes; every so many seconds a line with what it
holds, how fast packets came and what was dropped since the line before. At the end the medians of the second quarter and of the last one are compared: in the first one
tables fill up to their caps.
"""
import argparse, importlib.util, json, os, re, shutil, signal, statistics, struct, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location('bench', os.path.join(HERE, 'bench.py'))
bench = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bench)
say = bench.say
NS = f'secnetmon-bench-{os.getpid()}'
BUFFER_MIB = 64
# Seconds before tcpdump and argus are ended: the kernel hands a block that is not full to them only after a second, and what they have not read by then would
# count as lost. secnetmon empties its ring when it is told to end.
SETTLE = 3
LONGEST = 9_000  # bytes of a frame that the devices carry


def inside(*argv):
    return ['ip', 'netns', 'exec', NS, *map(str, argv)]


def beginning(path, out, packets):
    """The first packets of a little-endian pcap that fit through the devices"""
    taken = 0
    with open(path, 'rb') as f, open(out, 'wb') as o:
        o.write(f.read(24))
        while taken < packets and len(head := f.read(16)) == 16:
            size, wire = struct.unpack_from('<II', head, 8)
            body = f.read(size)
            if size == wire <= LONGEST and size >= 14:
                o.write(head + body)
                taken += 1
    return taken


def send(load, rate, seconds):
    """Packets sent and the rate reached; rate None: as fast as it goes"""
    speed = ['--topspeed'] if rate is None else [f'--pps={rate}']
    done = subprocess.run(inside('tcpreplay', '-q', '-K', '--loop=100000', f'--duration={seconds}', *speed, '-i', 'va', load),
                          capture_output=True, text=True, timeout=seconds * 4 + 60)
    text = done.stdout + done.stderr
    sent = re.search(r'Successful packets:\s+(\d+)', text)
    reached = re.search(r'Rated:.*?([\d.]+) pps', text)
    if not sent or not reached:
        sys.exit(f'tcpreplay failed:\n{text[-2000:]}')
    return int(sent.group(1)), float(reached.group(1))


class Secnetmon:
    name = 'secnetmon monitor'

    def __init__(self, binary, work):
        self.binary, self.work = os.path.abspath(binary), work
        self.env = dict(os.environ, SECNETMON_DB=f'{work}/live.duckdb', XDG_CONFIG_HOME=work, XDG_DATA_HOME=work, XDG_STATE_HOME=work, NO_COLOR='1')
        self.env.pop('SUDO_UID', None)

    def start(self, *more):
        argv = inside(self.binary, 'monitor', '-i', 'vb', '--json', '--local-net', '10.0.0.0/8,192.168.0.0/16,172.16.0.0/12', '--buffer-mib', BUFFER_MIB, *more)
        self.log = open(f'{self.work}/log', 'w+')
        self.child = subprocess.Popen(argv, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log)
        for _ in range(600):
            if self.status() is not None:
                return
            time.sleep(0.1)
        sys.exit('secnetmon did not start')

    def status(self):
        done = subprocess.run([self.binary, 'status', '--json'], env=self.env, capture_output=True, text=True)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        _, _, usage = os.wait4(self.child.pid, 0)
        self.child.returncode = 0
        done = subprocess.run([self.binary, 'query', '--format', 'csv', '-e', 'SELECT sum(packets)::BIGINT AS n FROM captures'], env=self.env, capture_output=True, text=True)
        return int(done.stdout.split()[1]), usage.ru_maxrss / 1024


class Tcpdump:
    name = 'tcpdump -w'

    def __init__(self, work):
        self.work = work

    def start(self):
        self.log = open(f'{self.work}/log', 'w+')
        argv = inside('tcpdump', '-i', 'vb', '-Z', 'root', '-B', BUFFER_MIB * 1024, '-w', f'{self.work}/tcpdump.pcap')
        self.child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log)
        time.sleep(1)

    def stop(self):
        time.sleep(SETTLE)
        self.child.send_signal(signal.SIGINT)
        _, _, usage = os.wait4(self.child.pid, 0)
        self.child.returncode = 0
        self.log.seek(0)
        return int(re.search(r'(\d+) packets captured', self.log.read()).group(1)), usage.ru_maxrss / 1024


class Argus:
    name = 'argus'

    def __init__(self, work, load, packets):
        self.work = work
        # Some frames are in no record of argus even when it reads a file: those are not lost live.
        subprocess.run(['argus', '-r', load, '-w', f'{work}/argus.out'], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.packets, self.uncounted = packets, packets - self.count()

    def count(self):
        done = subprocess.run(['racount', '-r', f'{self.work}/argus.out'], capture_output=True, text=True)
        sums = [line.split() for line in done.stdout.splitlines() if line.strip().startswith('sum')]
        return int(sums[0][2]) if sums else 0

    def start(self):
        argv = inside('argus', '-i', 'vb', '-w', f'{self.work}/argus.out')
        self.child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(2)

    def stop(self):
        time.sleep(SETTLE)
        self.child.send_signal(signal.SIGINT)
        _, _, usage = os.wait4(self.child.pid, 0)
        self.child.returncode = 0
        return self.count(), usage.ru_maxrss / 1024

    def may_miss(self, sent):
        return self.uncounted * -(-sent // self.packets)


def may_miss(program, sent):
    return program.may_miss(sent) if hasattr(program, 'may_miss') else 0


def step(program, load, rate, seconds):
    """(sent, rate reached, seen, resident MiB)"""
    for leftover in os.listdir(program.work):
        path = os.path.join(program.work, leftover)
        shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
    program.start()
    try:
        sent, reached = send(load, rate, seconds)
    finally:
        seen, resident = program.stop()
    say(f'  {program.name:18} {reached:>10,.0f} packets/s: {sent:,} sent, {seen:,} seen, {sent - seen:,} lost')
    return sent, reached, seen, resident


def highest(program, load, seconds, steps):
    """(rate, is it the sender's limit, resident MiB)"""
    sent, top, seen, resident = step(program, load, None, seconds)
    if seen + may_miss(program, sent) >= sent:
        return top, True, resident
    good, bad, memory = 0.0, top, resident
    for _ in range(steps):
        rate = int((good + bad) / 2)
        sent, reached, seen, resident = step(program, load, rate, seconds)
        memory = max(memory, resident)
        if seen + may_miss(program, sent) >= sent:
            good = max(good, reached)
        else:
            bad = min(bad, rate)
    return good, False, memory


def took(seconds):
    return f'{seconds // 60:.0f} min {seconds % 60:.0f} s'


def held(pid):
    """Resident MiB of a process now"""
    with open(f'/proc/{pid}/status') as f:
        return int(re.search(r'VmRSS:\s+(\d+)', f.read()).group(1)) / 1024


def soak(program, load, minutes, rate, every, rotate):
    """Lines while it runs; (sent, seen, medians of the second and the last quarter, peak), MiB"""
    program.start(*(['--rotate', rotate] if rotate else []))
    sender = subprocess.Popen(inside('tcpreplay', '-q', '-K', '--loop=100000000', f'--duration={round(minutes * 60)}', f'--pps={rate}', '-i', 'va', load),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print('| minute | resident, MiB | packets/s | dropped | database, MiB |\n| --- | --- | --- | --- | --- |')
    began, before, lines = time.monotonic(), None, []
    try:
        while sender.poll() is None:
            time.sleep(every)
            now, report = time.monotonic(), program.status()
            if report is None:
                sys.exit('secnetmon ended before its time')
            counts = (now, report['packets'], sum(report[f'dropped_{by}'] for by in ('kernel', 'interface', 'ours')))
            last = before or (began, 0, 0)
            size = os.path.getsize(f'{program.work}/live.duckdb') / (1 << 20)
            lines.append((now - began, held(program.child.pid)))
            print(f'| {lines[-1][0] / 60:.1f} | {lines[-1][1]:,.0f} | {(counts[1] - last[1]) / (now - last[0]):,.0f} | {counts[2] - last[2]:,} | {size:,.0f} |', flush=True)
            before = counts
    finally:
        if sender.poll() is None:
            sender.terminate()
        text = sender.communicate()[0]
        seen, peak = program.stop()
    sent = re.search(r'Successful packets:\s+(\d+)', text)
    if not sent:
        sys.exit(f'tcpreplay failed:\n{text[-2000:]}')
    sent = int(sent.group(1))
    part = lambda a, b: statistics.median(m for t, m in lines if a <= t / lines[-1][0] <= b)
    return sent, seen, part(0.25, 0.5), part(0.75, 1), peak


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('binary')
    a.add_argument('--seconds', type=int, default=30)
    a.add_argument('--steps', type=int, default=7)
    a.add_argument('--packets', type=int, default=300_000)
    a.add_argument('--load')
    a.add_argument('--only', action='store_true', help='secnetmon alone')
    a.add_argument('--quick', action='store_true', help='a trial: --seconds 4 --steps 2')
    a.add_argument('--soak', type=float, metavar='MINUTES', help='does memory stay flat?')
    a.add_argument('--rate', type=int, default=20_000, help='packets/s of --soak')
    a.add_argument('--every', type=int, default=30, help='seconds between two lines of --soak')
    a.add_argument('--rotate', help='as of secnetmon monitor, for --soak')
    a = a.parse_args()
    if a.quick:
        a.seconds, a.steps = 4, 2
    if os.geteuid() != 0:
        sys.exit('bench-live.py needs root: it makes a network namespace')
    os.environ['PATH'] += ':/usr/sbin:/sbin'
    os.makedirs(bench.CACHE, exist_ok=True)
    load = a.load
    for name, make in (('mix.pcap', bench.load_from_corpus), ('samples.pcap', bench.load_from_samples)):
        if not load:
            path = os.path.join(bench.CACHE, name)
            load = path if os.path.exists(path) else make(path)
    work = tempfile.mkdtemp(prefix='secnetmon-bench-live-', dir=bench.CACHE)
    part = os.path.join(work, 'load.pcap')
    fresh = os.path.join(work, 'work')
    os.mkdir(fresh)
    try:
        packets = beginning(load, part, a.packets)
        length = f'{a.soak:g} min at {a.rate:,} packets/s' if a.soak else f'{a.seconds} s a step'
        say(f'{packets:,} packets of {load}, again and again for {length}, {os.cpu_count()} cores shared by sender and program')
        subprocess.run(['ip', 'netns', 'add', NS], check=True)
        setup = f'echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6; ip link add va type veth peer name vb && ' \
                f'ip link set va mtu {LONGEST} up && ip link set vb mtu {LONGEST} up'
        subprocess.run(inside('sh', '-c', setup), check=True)
        programs = [Secnetmon(a.binary, fresh)]
        if a.soak:
            sent, seen, early, late, peak = soak(programs[0], part, a.soak, a.rate, a.every, a.rotate)
            print(f'{sent:,} packets sent, {seen:,} seen, {sent - seen:,} lost; second quarter {early:,.0f} MiB, last quarter {late:,.0f} MiB, peak {peak:,.0f} MiB')
            return
        if not a.only:
            if shutil.which('tcpdump'):
                programs.append(Tcpdump(fresh))
            if shutil.which('argus') and shutil.which('racount'):
                programs.append(Argus(fresh, part, packets))
            for needs in ('tcpdump', 'argus', 'racount'):
                if not shutil.which(needs):
                    say(f'{needs} is not installed; what needs it is left out')
        # A start, an end and what is waited for take some eight seconds a step.
        say(f'at most {took(len(programs) * (a.steps + 1) * (a.seconds + 8))}')
        began = time.monotonic()
        rows = [(p.name, *highest(p, part, a.seconds, a.steps)) for p in programs]
        print('| program | highest loss-free rate, packets/s | peak resident, MiB |\n| --- | --- | --- |')
        for name, rate, limit, memory in rows:
            print(f'| {name} | {rate:,.0f}{" (as fast as tcpreplay sends)" if limit else ""} | {memory:,.0f} |')
        say(f'took {took(time.monotonic() - began)}{": a trial, not a measurement" if a.quick else ""}')
    finally:
        subprocess.run(['ip', 'netns', 'del', NS], stderr=subprocess.DEVNULL)
        shutil.rmtree(work, ignore_errors=True)


if __name__ == '__main__':
    main()
