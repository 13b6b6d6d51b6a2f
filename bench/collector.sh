#!/bin/sh
# The report collector beside a Node process with ws, axios, express and winston loaded, in one run: how long from the start
# of the process to its first request, and the memory it takes idle. Takes about a minute.
#
#   cargo build --profile dist && bench/collector.sh [--json]
#
# Needs Node and npm (on Debian: apt-get install nodejs npm); puts the four packages into a temporary folder.
set -eu

callfeed=${CALLFEED:-target/dist/callfeed}

[ -x "$callfeed" ] || { echo "no $callfeed: run cargo build --profile dist first, or set CALLFEED" >&2; exit 1; }
command -v node >/dev/null && command -v npm >/dev/null || {
    echo "install Node and npm first (on Debian: apt-get install nodejs npm)" >&2; exit 1; }

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
npm install --silent --no-save --no-package-lock --no-audit --no-fund --prefix "$folder" \
    ws@8 axios@1 express@4 winston@3 >&2
"$callfeed" bench-collector --node "$folder" "$@"
