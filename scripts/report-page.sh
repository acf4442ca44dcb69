#!/usr/bin/env bash
# Does a report's page work in a real browser, and does nothing in it run that is not the page's own?
#
# usage: scripts/report-page.sh PAGE.html [FOLDER]
# Opens the page in headless Chromium without a network. Fails on any message on the console (a refused script is one), when the page's own script
# did not run, and when the browser sees elements or attributes that a report never has. With FOLDER it also leaves pictures in three widths and a PDF there, to be
# looked at. Needs chromium and python3.
set -euo pipefail

page=$(realpath "$1")
folder=${2:-}
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT

run() {
    timeout 90 "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
        --disable-component-update --disable-sync --disable-dev-shm-usage --user-data-dir="$home/profile" \
        --host-resolver-rules='MAP * ~NOTFOUND' --enable-logging=stderr "$@" "file://$page"
}

run --dump-dom >"$home/dom" 2>"$home/log"
if grep -E 'CONSOLE' "$home/log"; then
    echo "the console has messages" >&2
    exit 1
fi
# What the browser made of the page, element by element: a text that became an element would be seen here.
python3 - "$home/dom" <<'CHECK'
import sys
from html.parser import HTMLParser

KNOWN = set("""html head meta title style body a header div p h1 h2 h3 h4 button nav ul ol li main section span b svg g rect circle
    figure figcaption dl dt dd input table caption thead tbody tr th td details summary article code footer script""".split())
problems = []
seen = {"script": 0, "data": 0, "sorts": 0}

class Walk(HTMLParser):
    def handle_starttag(self, tag, attributes):
        names = dict(attributes)
        if tag not in KNOWN:
            problems.append(f"an element <{tag}>")
        for name, value in attributes:
            if name.startswith("on") or name in ("src", "style", "srcdoc", "formaction", "ping"):
                problems.append(f"an attribute {name} of <{tag}>")
            if name == "href" and not value.startswith("#"):
                problems.append(f"a link to {value[:40]}")
        seen["script"] += tag == "script"
        seen["data"] += tag == "table" and names.get("class") == "data"
        seen["sorts"] += "aria-sort" in names

Walk().feed(open(sys.argv[1], encoding="utf-8").read())
if seen["script"] != 1:
    problems.append(f"{seen['script']} scripts")
# Headings sort once the page's own script ran, which it does only when the policy in its head names its digest.
if seen["data"] > 3 and not seen["sorts"]:
    problems.append("its own script did not run")
if problems:
    sys.exit("the page has " + "; ".join(sorted(set(problems))))
CHECK

if [ -n "$folder" ]; then
    mkdir -p "$folder"
    for width in 360 1280 1920; do
        run --hide-scrollbars --window-size="$width,2400" --screenshot="$folder/report-$width.png" >/dev/null 2>&1
    done
    run --print-to-pdf="$folder/report.pdf" --no-pdf-header-footer >/dev/null 2>&1
fi
echo "the page works: $(wc -c <"$page") bytes"
