#!/usr/bin/env bash
# Lighthouse's four scores for pages of the built book, desktop and mobile, served compressed. Needs node 18 and chromium.
#   tools/lighthouse.sh                      # every page in _toc.yml
#   tools/lighthouse.sh index book/glossary  # these
set -euo pipefail
cd "$(dirname "$0")/.."

PYTHON="${PYTHON:-.venv/bin/python}"
PORT="${PORT:-8765}"
LIGHTHOUSE="${LIGHTHOUSE:-npx --yes lighthouse@12.8.2}"
CHROME_PATH="${CHROME_PATH:-$(command -v chromium || command -v google-chrome)}"
export CHROME_PATH

pages=("$@")
if ((${#pages[@]} == 0)); then
    mapfile -t pages < <("$PYTHON" -c 'from tools.chapters import toc; print(*toc(), sep="\n")')
fi

reports="$(mktemp -d)"
"$PYTHON" tools/serve_gzip.py "$PORT" > "$reports/server" &
server=$!
trap 'kill "$server" 2>/dev/null || true; rm -rf "$reports"' EXIT
until grep -q http "$reports/server"; do sleep 0.1; done

printf '%-34s %-8s %5s %5s %5s %5s\n' page preset perf a11y best seo
for page in "${pages[@]}"; do
    for preset in desktop mobile; do
        report="$reports/report.json"
        options=()
        [ "$preset" = desktop ] && options=(--preset=desktop)
        $LIGHTHOUSE "http://127.0.0.1:$PORT/$page.html" --quiet --output=json --output-path="$report" "${options[@]}" \
            --only-categories=performance,accessibility,best-practices,seo \
            --chrome-flags="--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"
        PAGE="$page" PRESET="$preset" "$PYTHON" - "$report" <<'PY'
import json, os, sys
report = json.load(open(sys.argv[1]))
scores = [round(100 * (report["categories"][k]["score"] or 0)) for k in ("performance", "accessibility", "best-practices", "seo")]
print(f"{os.environ['PAGE']:34} {os.environ['PRESET']:8}", *(f"{s:5}" for s in scores))
if os.environ.get("DETAILS"):
    for category in report["categories"].values():
        for ref in category["auditRefs"]:
            audit = report["audits"][ref["id"]]
            if ref["weight"] and audit["score"] is not None and audit["score"] < 0.95:
                print(f"    {ref['id']}: {audit.get('displayValue') or audit['title']}")
PY
    done
done
