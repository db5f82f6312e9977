#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the measurements one after the other: the table as it comes, or one JSON document.

    run.py [--short] [--rounds N] [--json] [--output FILE] PROGRAM...

The document goes to --output: report.py makes the plot and the README's part of it. The daemon is $PROCD.
"""
import argparse
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time

START_SECONDS = 10  # of the daemon


def processor():
    with open('/proc/cpuinfo', encoding='utf-8') as info:
        for line in info:
            if line.startswith('model name'):
                return line.split(':', 1)[1].strip()
    return platform.machine()


def is_in_tree(procd):
    """Does a child have a cgroup of its own? Then it ends with all that it has begun."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'socket')
        request = {'jsonrpc': '2.0', 'id': 1, 'method': 'process.spawn',
                   'params': {'argv': ['sleep', '60']}}
        with subprocess.Popen([procd, '--log-level', 'warning', '--socket', path]) as daemon, \
                socket.socket(socket.AF_UNIX) as client:
            try:
                until = time.monotonic() + START_SECONDS
                while not os.path.exists(path) and daemon.poll() is None and time.monotonic() < until:
                    time.sleep(0.01)
                client.settimeout(START_SECONDS)
                client.connect(path)
                client.sendall(json.dumps(request).encode() + b'\n')
                child = json.loads(client.makefile().readline())['result']['pid']
                return cgroup(child) != cgroup(daemon.pid)
            finally:
                daemon.terminate()


def cgroup(pid):
    with open(f'/proc/{pid}/cgroup', encoding='utf-8') as file:
        return file.read().splitlines()[-1]


def machine():
    return {
        'date': time.strftime('%Y-%m-%d'),
        'processor': processor(),
        'processors': len(os.sched_getaffinity(0)),
        'memory': os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE'),
        'kernel': f'{platform.system()} {platform.release().split("-")[0]}',
        'load': os.getloadavg()[0],
        'trees': is_in_tree(os.environ['PROCD']),
        'procd': subprocess.check_output([os.environ['PROCD'], '--version'], text=True).strip(),
    }


def options():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--short', action='store_true', help='fewer rounds: some minutes less')
    parser.add_argument('--rounds', type=int, help='how often floor and subject are measured')
    parser.add_argument('--json', action='store_true', help='the document on stdout in place of the table')
    parser.add_argument('--output', help='where the document goes')
    parser.add_argument('programs', nargs='+', metavar='PROGRAM')
    return parser.parse_args()


def environment(asked, lines):
    env = dict(os.environ, BENCH_JSON=lines)
    env.update({'BENCH_SHORT': '1'} if asked.short else {})
    env.update({'BENCH_ROUNDS': str(asked.rounds)} if asked.rounds else {})
    return env


def parsed(line):
    """A program that fails may leave a part of one: that it has failed is told otherwise."""
    try:
        return json.loads(line)
    except ValueError:
        return None


def main():
    asked = options()
    begun = time.monotonic()
    document = machine()
    failed = []
    with tempfile.NamedTemporaryFile('r', suffix='.json', encoding='utf-8') as lines:
        env = environment(asked, lines.name)
        for program in asked.programs:
            out = subprocess.DEVNULL if asked.json else None
            if not asked.json:
                print(f'== {os.path.basename(program)}', flush=True)
            if subprocess.run([os.path.abspath(program)], env=env, stdout=out, check=False).returncode != 0:
                failed.append(os.path.basename(program))
        rows = [row for row in map(parsed, lines) if row]
    document['figures'] = sorted((row for row in rows if 'figure' in row), key=lambda row: row['place'])
    document['curves'] = [row for row in rows if 'curve' in row]
    document['failed'] = failed
    document['seconds'] = round(time.monotonic() - begun)
    if asked.output:
        with open(asked.output, 'w', encoding='utf-8') as file:
            json.dump(document, file, indent=1)
    if asked.json:
        print(json.dumps(document))
    if failed:
        sys.exit('cannot be measured: ' + ', '.join(failed))


if __name__ == '__main__':
    main()
