#!/usr/bin/env python3
"""How fast is ingest, beside other programs that turn the same file into flows?

usage: bench.py BINARY [--runs 5] [--load FILE] [--only]
Whole processes, one after the other, in turns, each RUNS times; the table shows medians. Time is wall clock from start to exit, CPU and
peak resident memory are what the kernel counted for the process (wait4). secnetmon writes a fresh DuckDB file each time and checkpoints it;
nfpcapd writes its flow files, argus its records. Without --load the load is made once in ~/.cache/secnetmon/bench: by mkload.py out of real
captures where ../shared/bench and ../shared/corpus are beside the project, else by repeating the shipped samples.
"""
import argparse, os, shutil, statistics, struct, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CACHE = os.path.join(os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'secnetmon', 'bench')
MIX_MIB = 1024      # the size that the budgets in ARCHITECTURE.md are about
SAMPLES_MIB = 256   # repeated samples repeat their behaviour, too; a quarter of the size says as much
SHARED = os.path.join(os.path.dirname(HERE), 'shared')


def say(text):
    print(text, file=sys.stderr, flush=True)


def load_from_corpus(path):
    """mkload.py's mix of real captures, or None where the corpus is not there"""
    tool, corpus = os.path.join(SHARED, 'bench', 'mkload.py'), os.path.join(SHARED, 'corpus')
    if not (os.path.exists(tool) and os.path.isdir(corpus)):
        return None
    captures = sorted(os.path.join(d, f) for d, _, fs in os.walk(corpus) for f in fs if f.endswith(('.pcap', '.pcapng', '.cap')))
    listing = path + '.list'
    with open(listing, 'w') as f:
        f.write('\n'.join(captures) + '\n')
    say(f'Making {MIX_MIB} MiB of load out of {len(captures)} captures, once: {path}')
    subprocess.run([sys.executable, tool, path + '.part', '--size-mib', str(MIX_MIB), '@' + listing], check=True, stdout=sys.stderr)
    os.rename(path + '.part', path)
    return path


def load_from_samples(path):
    """The shipped samples again and again, each time one second later and from other clients"""
    packets = []
    for d, _, files in sorted(os.walk(os.path.join(HERE, 'samples'))):
        for name in files:
            data = open(os.path.join(d, name), 'rb').read() if name.endswith('.pcap') else b''
            if data[:4] != b'\xd4\xc3\xb2\xa1':
                continue
            at = 24
            while at + 16 <= len(data):
                size = struct.unpack_from('<I', data, at + 8)[0]
                if at + 16 + size > len(data):
                    break
                packets.append((data[at:at + 16], bytearray(data[at + 16:at + 16 + size])))
                at += 16 + size
    say(f'Making {SAMPLES_MIB} MiB of load out of the samples, once: {path}')
    with open(path + '.part', 'wb') as out:
        out.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1))
        turn = 0
        while out.tell() < SAMPLES_MIB << 20:
            for head, body in packets:
                secs, micros, size, wire = struct.unpack('<IIII', head)
                if body[12:14] == b'\x08\x00':
                    for at in (26, 30):
                        if body[at] == 10:
                            body[at + 1:at + 3] = struct.pack('>H', turn & 0xffff)
                out.write(struct.pack('<IIII', secs % 1000 + 1_700_000_000 + turn // 20, micros, size, wire))
                out.write(body)
            turn += 1
    os.rename(path + '.part', path)
    return path


def count(path):
    """Packets in a little-endian pcap"""
    packets, at = 0, 24
    with open(path, 'rb') as f:
        f.seek(24)
        while len(head := f.read(16)) == 16:
            f.seek(struct.unpack_from('<I', head, 8)[0], 1)
            packets += 1
    return packets


def run(argv, env, log):
    """(wall seconds, CPU seconds, peak resident MiB) of one process; stops everything when it fails"""
    began = time.monotonic()
    with open(log, 'wb') as out:
        child = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in (0, 3):
        sys.exit(f'{" ".join(argv)} ended with {child.returncode}:\n{open(log, errors="replace").read()[-2000:]}')
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('binary')
    a.add_argument('--runs', type=int, default=5)
    a.add_argument('--load')
    a.add_argument('--only', action='store_true', help='secnetmon alone')
    a = a.parse_args()

    os.makedirs(CACHE, exist_ok=True)
    load = a.load
    for name, make in (('mix.pcap', load_from_corpus), ('samples.pcap', load_from_samples)):
        if not load:
            path = os.path.join(CACHE, name)
            load = path if os.path.exists(path) else make(path)
    size, packets = os.path.getsize(load), count(load)
    say(f'{load}: {packets:,} packets, {size / 1e6:,.0f} MB, {os.cpu_count()} cores; {a.runs} runs each, in turns')

    work = tempfile.mkdtemp(prefix='secnetmon-bench-', dir=CACHE)
    database, flows, records = (os.path.join(work, n) for n in ('bench.duckdb', 'nfcapd', 'argus.out'))
    env = dict(os.environ, SECNETMON_DB=database, XDG_CONFIG_HOME=work, XDG_DATA_HOME=work, NO_COLOR='1')
    programs = [('secnetmon ingest', [a.binary, 'ingest', load])]
    if not a.only:
        for name, argv in (('nfpcapd -r', ['nfpcapd', '-r', load, '-w' if nfpcapd_uses_w() else '-l', flows]), ('argus -r', ['argus', '-r', load, '-w', records])):
            if shutil.which(argv[0], path=os.environ.get('PATH', '') + ':/usr/sbin'):
                programs.append((name, argv))
            else:
                say(f'{name} is left out: not installed')
    os.environ['PATH'] = env['PATH'] = env.get('PATH', '') + ':/usr/sbin'
    results = {name: [] for name, _ in programs}
    stored = 0
    try:
        with open(load, 'rb') as f:  # once through the page cache, so that the first is not the one that waits for the disk
            while f.read(1 << 24):
                pass
        for _ in range(a.runs):
            for name, argv in programs:
                for leftover in os.listdir(work):
                    path = os.path.join(work, leftover)
                    shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
                os.mkdir(flows)
                results[name].append(run(argv, env, os.path.join(work, 'log')))
                if name == 'secnetmon ingest':
                    stored = os.path.getsize(database)
    finally:
        shutil.rmtree(work, ignore_errors=True)

    print(f'| {"program":18} | {"wall s":>7} | {"packets/s":>10} | {"MB/s":>6} | {"CPU s":>6} | {"peak MiB":>8} | {"min-max s":>11} |')
    print(f'| {"-" * 18} | {"-" * 6}: | {"-" * 9}: | {"-" * 5}: | {"-" * 5}: | {"-" * 7}: | {"-" * 10}: |')
    for name, rows in results.items():
        wall, cpu, peak = (statistics.median(r[i] for r in rows) for i in range(3))
        spread = f'{min(r[0] for r in rows):.2f}-{max(r[0] for r in rows):.2f}'
        print(f'| {name:18} | {wall:7.2f} | {packets / wall:10,.0f} | {size / 1e6 / wall:6,.0f} | {cpu:6.2f} | {peak:8.0f} | {spread:>11} |')
    print(f'\nDatabase after one run: {stored / 1e6:.0f} MB.')


def nfpcapd_uses_w():
    """nfdump 1.7 renamed the option for the output folder from -l to -w"""
    try:
        text = subprocess.run(['nfpcapd', '-h'], capture_output=True, text=True).stdout
    except FileNotFoundError:
        return False
    return any(line.lstrip().startswith('-w ') for line in text.splitlines())


if __name__ == '__main__':
    main()
