#!/bin/sh
# Builds the images with which those of tests begin (see images.py), where they are missing. Both at once: each waits for
# downloads, then for one core. What a build says is shown if it fails.
set -eu

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
debian() {
    INCLUDE=${3:-} sh "$(dirname "$0")/../sandboxes/images/debian-python.sh" "$1" 2>"$2" || { cat "$2"; exit 1; }
}

debian codemonkeys/python:3.11 "$logs/python" &
python=$!
# Node.js, a C compiler, and a small package of each language.
debian codemonkeys/languages:12 "$logs/languages" nodejs,tcc,libc6-dev,make,node-ms,uthash-dev &
languages=$!
failed=0
wait "$python" || failed=1
wait "$languages" || failed=1
exit "$failed"
