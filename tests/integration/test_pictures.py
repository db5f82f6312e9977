#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs/pictures.py makes pictures that show what the README says of them, and those in the tree are such."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

TOP = os.environ.get('TOP_SRCDIR', os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..'))
BUILD = os.environ.get('TOP_BUILDDIR', '.')
SVG = '{http://www.w3.org/2000/svg}'
TOP_LINES = [r'processes: 4 +objects: 4 +order: cpu',
              'ID NAME +PID STATE +CPU% +MEM THR +TIME RESTARTS COMMAND',
             r' 3 shop +\d+ running +[1-9]\d*\.\d ', r' 1 baker +\d+ running .* baker\.py oven flour$',
             r' 2 miller +\d+ running .* miller\.py flour oven$', r' 4 backup +\d+ running .* sleep 3600$',
             'NAME +KIND +STATE +HOLDER +WAITERS$', r'flour +lock +held +\d+ \(#1\) +1$',
             r'oven +lock +held +\d+ \(#1\) +1$', 'tables bounded_semaphore 4 of 4 free +- +0$',
             'open +event +set +- +0$']
GREEN, YELLOW = '#4e9a06', '#c4a000'


def check(true, what):
    if not true:
        sys.exit('FAIL: ' + what)


def rows(picture):
    """Its lines of text: pieces that stand at the same height."""
    found = {}
    for text in picture.iter(SVG + 'text'):
        found.setdefault(float(text.get('y')), []).append((float(text.get('x')), text.text))
    return [''.join(piece for _, piece in sorted(found[y])) for y in sorted(found)]


def look_at_top(path):
    picture = xml.etree.ElementTree.parse(path).getroot()
    check(picture.tag == SVG + 'svg', path + ' is no SVG')
    shown = rows(picture)
    for wanted in TOP_LINES:
        check(any(re.match(wanted, line) for line in shown), '%s does not show %s:\n%s'
              % (path, wanted, '\n'.join(shown)))
    check(not re.search(r'[\x00-\x1f\x7f]', ''.join(shown)), path + ': control characters')
    colors = {(text.text, text.get('fill')) for text in picture.iter(SVG + 'text')}
    check({('running', GREEN), ('held', YELLOW)} <= colors, path + ': states have no colours')


def look_at_graph(path):
    """Two processes in a circle, all of it red, by the two locks."""
    picture = xml.etree.ElementTree.parse(path).getroot()
    check(picture.tag == SVG + 'svg', path + ' is no SVG')
    of = lambda kind: [group for group in picture.iter(SVG + 'g') if group.get('class') == kind]
    edges = [edge.find(SVG + 'title').text.split('->') for edge in of('edge')]
    check(len(of('node')) == 2 and len(edges) == 2 and edges[0] == edges[1][::-1], '%s: %s' % (path, edges))
    locks = sorted(edge.find(SVG + 'text').text for edge in of('edge'))
    check(locks == ['flour', 'oven'], '%s: %s' % (path, locks))
    for edge in of('edge'):
        check(edge.find(SVG + 'path').get('stroke') == 'red', path + ': an edge is not red')


def main():
    for tool in ('dot', 'tmux'):
        if not shutil.which(tool):
            print('left out: no %s (Debian: %s)' % (tool, {'dot': 'graphviz'}.get(tool, tool)))
            sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        for place in (os.path.join(TOP, 'docs'), folder):
            if place == folder:
                subprocess.run([sys.executable, os.path.join(TOP, 'docs', 'pictures.py'), BUILD, folder],
                               check=True, stdin=subprocess.DEVNULL)
            look_at_top(os.path.join(place, 'top.svg'))
            look_at_graph(os.path.join(place, 'graph.svg'))
            print('passed', 'the tree' if place != folder else 'a new run')
        check(sorted(os.listdir(folder)) == ['graph.svg', 'top.svg'], 'other files: %s' % os.listdir(folder))
    with open(os.path.join(TOP, 'README.md'), encoding='utf-8') as readme:
        check(set(re.findall(r'\]\((docs/\w+\.svg)\)', readme.read())) == {'docs/top.svg', 'docs/graph.svg'},
              'README.md shows other pictures')


main()
