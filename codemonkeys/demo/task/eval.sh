#!/bin/bash
set -uxo pipefail
export PATH=/opt/testbed/bin:$PATH
cd /testbed
git config --global --add safe.directory /testbed
git checkout HEAD -- tests/test_time.py
git apply -v - <<'END_OF_TEST_PATCH'
@TEST_PATCH@END_OF_TEST_PATCH
: '>>>>> Start Test Output'
python -m pytest -rA -p no:cacheprovider -o addopts= tests/test_time.py
: '>>>>> End Test Output'
git checkout HEAD -- tests/test_time.py
