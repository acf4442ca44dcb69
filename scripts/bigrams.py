#!/usr/bin/env python3
"""How usual is each pair of letters in names that people made up?

usage: bigrams.py WORDS > model.txt
Makes the model inside queries/detections/dga.sql anew. WORDS is a list of words, one a line: Debian's package wamerican (SCOWL by Kevin
Atkinson and others, free to use, copy, modify and distribute with its output). Printed are 29 lines of 29 characters: a row is the
letter before, a column the letter after, in the order a-z, any digit, hyphen, edge of the name. A character is the surprise of the pair
in quarters of a bit, counted from '(': -4 * log2 P(after | before), with 1 added to every count."""
import math
import sys

ORDER = "abcdefghijklmnopqrstuvwxyz0-^"


def symbol(c):
    return 26 if c.isdigit() else ORDER.find(c)


def main():
    words = {w.strip().lower() for w in open(sys.argv[1], encoding="utf-8", errors="replace")}
    counts = [[1] * 29 for _ in range(29)]
    for word in sorted(words):
        if len(word) < 3 or not all(c in ORDER[:26] for c in word):
            continue
        path = [28, *map(symbol, word), 28]
        for before, after in zip(path, path[1:]):
            counts[before][after] += 1
    # Domain names join words and add digits, of which a word list knows nothing: as common after any letter as a rare letter is.
    for before in range(29):
        for after in (26, 27):
            counts[before][after] = max(counts[before][after], sum(counts[before]) // 200)
    for after in range(29):
        counts[26][after] = 10 if after != 26 else 60
        counts[27][after] = max(counts[28][after], 1)
    for row in counts:
        total = sum(row)
        print("".join(chr(40 + min(round(-4 * math.log2(n / total)), 55)) for n in row))


main()
