#!/usr/bin/env python3
"""Draws docs/picture.svg: a terminal with two questions and their answers.

    docs/picture.py target/release/kuberules > docs/picture.svg
"""
import html
import re
import subprocess
import sys

LINES = [
    "kuberules trace shop.yaml --from pod/cart-0 --to svc/payments",
    "kuberules trace shop.yaml --from pod/cart-0 --to svc/web",
]
SHOP = "testdata/shop/before.yaml"
COLORS = {"1;32": "#3fb950", "1;31": "#f85149", "1;33": "#d29922", "36": "#39c5cf", "2": "#8b949e", "1": "#f0f6fc"}
CODE = re.compile("\x1b\\[([0-9;]*)m")
CHAR, LINE, LEFT, TOP = 8.43, 19, 18, 50


def answer(program, line):
    words = line.replace("shop.yaml", SHOP).split()[1:]
    run = subprocess.run([program, *words, "--brief", "-q", "--color", "always"], capture_output=True, text=True)
    return run.stdout.splitlines()


def spans(text):
    """Pieces of a line with their colours."""
    color, at = None, 0
    for code in CODE.finditer(text):
        if code.start() > at:
            yield color, text[at : code.start()]
        color, at = COLORS.get(code.group(1)), code.end()
    if text[at:]:
        yield color, text[at:]


def row(text, number):
    out, column = [], 0
    for color, piece in spans(text):
        fill = f' fill="{color}"' if color else ""
        x = LEFT + column * CHAR
        out.append(f'<tspan x="{x:.1f}"{fill}>{html.escape(piece)}</tspan>')
        column += len(piece)
    return f'<text y="{TOP + number * LINE}" xml:space="preserve">{"".join(out)}</text>'


def main(program):
    rows = []
    for line in LINES:
        rows += [f"\x1b[2m$\x1b[0m \x1b[1m{line}\x1b[0m", *answer(program, line), ""]
    height = TOP + len(rows) * LINE
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 {height}" width="720" height="{height}" role="img">')
    print("<title>Two questions to kuberules trace and their answers</title>")
    print(f'<rect width="720" height="{height}" rx="8" fill="#0d1117"/>')
    for i, color in enumerate(["#ff5f56", "#ffbd2e", "#27c93f"]):
        print(f'<circle cx="{22 + 20 * i}" cy="20" r="6" fill="{color}"/>')
    print('<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14" fill="#c9d1d9">')
    for number, text in enumerate(rows):
        print(row(text, number))
    print("</g>\n</svg>")


if __name__ == "__main__":
    main(sys.argv[1])
