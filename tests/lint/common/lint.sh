# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# What the lints share. A lint defines lint(), which runs at the top of a tree and prints FILE:LINE: what and
# why for each finding, and self_test(), which shows it bad and good samples; then it calls `main "$@"`.
#     LINT [DIRECTORY]      judges that tree, by default the one it belongs to
#     LINT --self-test      judges samples
set -u
lint_name=$(basename "$0")
lint_home=$(cd "$(dirname "$0")/../.." && pwd)
rooms="proto daemon client tests systemd docs"

# files PATTERN...: the files of the rooms whose name matches, in the same order on every machine
files() {
    for pattern; do
        for room in $rooms; do
            [ ! -d "$room" ] || find "$room" -name .libs -prune -o -type f -name "$pattern" -print
        done
    done | LC_ALL=C sort
}

# c_code: C files, sources and headers, as FILE:LINE:TEXT without comments and strings
c_code() {
    c_files=$(files '*.c' '*.h')
    # shellcheck disable=SC2086  # the names of sources have no blanks
    [ -z "$c_files" ] || LC_ALL=C awk -f "$lint_home/tests/lint/common/code.awk" $c_files
}

# scripts: files that start with #! and name the interpreter $1 (an awk pattern)
scripts() {
    for file in quickstart .ci/run debian/rules $(files '*'); do
        [ ! -f "$file" ] ||
            LC_ALL=C awk -v want="$1" '/^#!/ && $0 ~ want { print FILENAME } { exit }' "$file"
    done
}

# put FILE: standard input becomes a file of the sample
put() {
    mkdir -p "$sample/$(dirname "$1")"
    cat >"$sample/$1"
}

# bad TEXT: the sample must be reported with TEXT; then the sample is emptied
bad() {
    report=$(cd "$sample" && lint 2>&1)
    case $report in
        *"$1"*) ;;
        *) echo "$lint_name: self-test: not seen: $1"; self_test_failed=1 ;;
    esac
    rm -rf "$sample"; mkdir "$sample"
}

# good: the sample must pass; then it is emptied
good() {
    report=$(cd "$sample" && lint 2>&1)
    [ -z "$report" ] || { echo "$lint_name: self-test: wrongly seen: $report"; self_test_failed=1; }
    rm -rf "$sample"; mkdir "$sample"
}

main() {
    if [ "${1:-}" = --self-test ]; then
        scratch=$(mktemp -d)
        trap 'rm -rf "$scratch"' EXIT
        sample=$scratch/sample
        mkdir "$sample"
        self_test_failed=0
        self_test
        [ "$self_test_failed" = 0 ] && echo "$lint_name: self-test passed"
        exit "$self_test_failed"
    fi
    cd "${1:-$lint_home}" || exit 125
    report=$(lint 2>&1)
    if [ -n "$report" ]; then
        printf '%s\n' "$report"
        exit 1
    fi
    echo "$lint_name: clean"
}
