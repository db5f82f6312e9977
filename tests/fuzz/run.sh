#!/bin/sh
# SPDX-License-Identifier: MIT
# What `make fuzz` does: builds each TARGET by clang, then runs it for FUZZ_SECONDS from its corpus.
#     run.sh TARGET...     from the top of the build tree; MAKE, FUZZ_CC, FUZZ_SECONDS are in the environment
# What a target finds that is new is left below tests/fuzz/found; the corpus grows by
#     tests/fuzz/libfuzzer/fuzz_X -merge=1 TOP/tests/fuzz/corpus/X tests/fuzz/found/X
# What makes one fail is left in tests/fuzz/crashes, where `tests/fuzz/fuzz_X FILE` shows it again.
set -u
top=${TOP_SRCDIR:-$(dirname "$0")/../..}
here=tests/fuzz
seconds=${FUZZ_SECONDS:-300}
cc=${FUZZ_CC:-clang}

# have_fuzzer: the compiler and its run-time libraries are packages of their own
have_fuzzer() {
    probe=$(mktemp -d "${TMPDIR:-/tmp}/procd-fuzz.XXXXXX") || exit 125
    echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return d && n ? 0 : 0; }' >"$probe/p.c"
    "$cc" -fsanitize=fuzzer,address,undefined -o "$probe/p" "$probe/p.c" >"$probe/log" 2>&1
    status=$?
    rm -rf "$probe"
    return $status
}

# run TARGET: its own end, within twice the time
run() {
    name=$(basename "$1")
    name=${name#fuzz_}
    mkdir -p "$here/found/$name" "$here/crashes"
    echo "== $name, $seconds s"
    ASAN_OPTIONS=quarantine_size_mb=8 timeout -k 10 $((seconds * 2 + 60)) nice "$1" \
        -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$here/crashes/$name-" "$here/found/$name" "$top/tests/fuzz/corpus/$name" \
        >"$here/found/$name.log" 2>&1
    status=$?
    if [ $status = 0 ]; then
        grep 'number_of_executed_units' "$here/found/$name.log"
    else
        tail -n 60 "$here/found/$name.log"
        echo "== $name FAILED (status $status); see $here/crashes"
    fi
    return $status
}

if ! have_fuzzer; then
    echo "fuzz: left out: $cc has no fuzzer here (Debian: clang, libclang-rt-dev)"
    exit 0
fi
${MAKE:-make} --no-print-directory "$@" || exit
failed=0
for target; do
    run "$target" || failed=1
done
exit $failed
