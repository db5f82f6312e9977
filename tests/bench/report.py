#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a run of the measurements has found, for readers: the plot, and the part of a README.

    report.py plot DOCUMENT SVG              ratios to the floor, and how cost grows; needs gnuplot
    report.py readme DOCUMENT README SVG     what stands between the two marks of README is made anew

DOCUMENT is what run.py writes. Names, floors and aims are in there.
"""
import json
import os
import shutil
import subprocess
import sys

APART = 0.05  # of the ratio: from there on what came of each round is told, too

BEGIN, END = '<!-- figures: begin -->', '<!-- figures: end -->'


# ---- numbers as people read them ----

def number(value):
    if value >= 1e6:
        return f'{value / 1e6:.1f} M'
    if value >= 10000:
        return f'{round(value):,}'
    return f'{value:.0f}' if value >= 100 else f'{value:.3g}'


def amount(spread, unit):
    return f'{number(spread["median"])} {unit}'.replace(' /s', '/s').strip()


def span(spread, unit):
    if spread['min'] == spread['max']:
        return amount(spread, unit)
    return f'{amount(spread, unit)} ({number(spread["min"])} to {number(spread["max"])})'


def ratio(value):
    return f'{value:.2g}' if value < 0.1 else f'{value:.2f}' if value < 10 else f'{value:.0f}'


def ratio_of(figure):
    """With the median of each round's own, where the machine was not the same all the while."""
    pairs = figure.get('pairs')
    own = ratio(figure['ratio'])
    if own in [f'{limit:.2f}' for limit in figure.get('aim', {}).values() if isinstance(limit, float)]:
        own = f'{figure["ratio"]:.3f}'  # is it met?
    if not pairs or abs(pairs['median'] / figure['ratio'] - 1) <= APART:
        return own
    return f'{own}, pairs {ratio(pairs["median"])}'


def aim_of(figure):
    aim = figure.get('aim')
    if not aim:
        return ''
    sign, limit = ('≤', aim['at_most']) if 'at_most' in aim else ('≥', aim['at_least'])
    unit = figure['unit'] if aim['of'] == 'value' else ''
    text = f'{sign} {number(limit)} {unit}'.replace(' /s', '/s').strip()
    return text if figure['met'] else f'{text}, missed'


# ---- the README ----

def row(figure):
    if 'skipped' in figure:
        return f'| {figure["name"]} | | not measured: {figure["skipped"]} | | | |'
    floor = figure.get('floor')
    cells = [
        figure['name'],
        f'{span(floor, figure["unit"])}: {figure["floor_is"]}' if floor else '',
        span(figure['subject'], figure['unit']),
        ratio_of(figure) if floor else '',
        aim_of(figure),
        '; '.join(f'{peer["name"]} {ratio(peer["ratio"])}' for peer in figure.get('peers', [])),
    ]
    return '| ' + ' | '.join(cells) + ' |'


def part(document, picture):
    memory = document['memory'] / (1 << 30)
    seconds = document['seconds']
    trees = 'in a cgroup of its own' if document['trees'] else 'in the cgroup of the daemon'
    yield f'{document["date"]}, {document["procd"]}, {document["processors"]} processors ' \
          f'({document["processor"]}), {memory:.0f} GiB, {document["kernel"]}; {seconds // 60} minutes, ' \
          f'from a load of {document["load"]:.2f} on; each child {trees}.'
    yield ''
    yield '| | floor: median (least to greatest) | procd | ratio | aim | others, as ratios |'
    yield '|---|---|---|---|---|---|'
    yield from (row(figure) for figure in document['figures'])
    yield ''
    yield f'![ratios to the floor, and how cost grows]({picture})'


def readme(document, path, picture):
    with open(path, encoding='utf-8') as file:
        text = file.read()
    if BEGIN not in text or END not in text:
        sys.exit(f'{path}: no lines "{BEGIN}" and "{END}"')
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    relative = os.path.relpath(picture, os.path.dirname(path) or '.')
    made = '\n'.join(part(document, relative))
    with open(path, 'w', encoding='utf-8') as file:
        file.write(f'{before}{BEGIN}\n{made}\n{END}{after}')


# ---- the plot ----

def cost(figure, value):
    """As a multiple of the floor's cost: of a rate the reciprocal."""
    return 1 / value if figure['unit'] == '/s' else value


def table(name, rows):
    yield f'${name} << EOD'
    yield from (' '.join(str(cell) for cell in cells) for cells in rows)
    yield 'EOD'


def quoted(text):
    return '"' + text.replace('"', "'") + '"'


COLOURS = ['#4e79a7', '#f28e2b', '#76b7b2', '#59a14f', '#edc948', '#b07aa1', '#9c755f', '#bab0ac', '#ff9da7']


def ratios(figures):
    """Names from the top to the bottom, a place each."""
    figures = [figure for figure in figures if figure.get('floor')]
    places = {id(figure): len(figures) - index for index, figure in enumerate(figures)}
    peers = {}
    for figure in figures:
        for peer in figure['peers']:
            name = peer['name'] if peer['name'].startswith('multi') else peer['name'].split(',')[0]
            peers.setdefault(name, []).append((cost(figure, peer['ratio']), places[id(figure)]))
    own = [(cost(figure, figure['ratio']), places[id(figure)], quoted(figure['name'])) for figure in figures]
    aims = [(cost(figure, next(iter(set(figure['aim'].values()) - {'ratio'}))), places[id(figure)])
            for figure in figures if figure.get('aim', {}).get('of') == 'ratio']
    yield from table('own', own)
    yield from table('aims', aims)
    for index, (name, points) in enumerate(peers.items()):
        yield from table(f'peer{index}', points)
    yield 'set logscale x; set xtics format "%g"; set xlabel "cost, as a multiple of the floor\'s"'
    yield f'set yrange [0.4:{len(figures) + 0.6}]; set grid xtics; set key below maxcols 1 font ",10"'
    yield 'set title "against the floor"'
    plots = ['$own using 1:2:ytic(3) with points pt 7 ps 0.9 lc rgb "#c0392b" title "procd"',
             '$aims using 1:2 with points pt "|" lc rgb "black" title "aim"']
    plots += [f'$peer{index} using 1:2 with points pt {index % 6 + 4} ps 0.7 lc rgb "{COLOURS[index % 9]}" '
              f'title {quoted(name)}' for index, name in enumerate(peers)]
    yield 'set arrow 1 from 1,graph 0 to 1,graph 1 nohead lc rgb "#888888"'
    yield 'plot ' + ', '.join(plots)
    yield 'unset arrow 1; unset ytics; set ytics; set yrange [*:*]; unset xlabel'
    yield 'set key inside bottom right font ",10"'


def curves(lines):
    yield 'set logscale xy; set grid; set format "%g"'
    for index, curve in enumerate(lines):
        points = [(point['count'], point['subject']['median'], point['floor']['median'])
                  for point in curve['points']]
        yield from table(f'curve{index}', points)
        yield f'set origin 0.55,{1 - (index + 1) / len(lines)}; set size 0.45,{1 / len(lines)}'
        yield f'set title {quoted(curve["name"])}; set ylabel {quoted(curve["unit"])}'
        yield f'set xlabel {quoted(curve["of"])}; set yrange [1:*]'
        yield f'plot $curve{index} using 1:2 with linespoints pt 7 ps 0.6 lc rgb "#c0392b" title "procd", ' \
              f'$curve{index} using 1:3 with linespoints pt 6 ps 0.6 dt 2 lc rgb "#555555" ' \
              f'title {quoted(curve["floor_is"])}'


def plot(document, path):
    if not shutil.which('gnuplot'):
        print('no gnuplot: no plot')
        return
    height = 300 + 17 * len(document['figures'])
    script = [f'set terminal svg size 1240,{height} font "sans,11" background "white"',
              f'set output {quoted(path)}',
              'set multiplot', 'set origin 0,0; set size 0.55,1']
    script += ratios(document['figures'])
    script += curves(document['curves'])
    script += ['unset multiplot']
    subprocess.run(['gnuplot'], input='\n'.join(script) + '\n', text=True, check=True)
    print(path)


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    with open(sys.argv[2], encoding='utf-8') as file:
        document = json.load(file)
    if sys.argv[1] == 'plot':
        plot(document, sys.argv[3])
    elif sys.argv[1] == 'readme' and len(sys.argv) == 5:
        readme(document, sys.argv[3], sys.argv[4])
    else:
        sys.exit(__doc__)


if __name__ == '__main__':
    main()
