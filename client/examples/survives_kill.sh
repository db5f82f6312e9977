#!/bin/sh
# SPDX-License-Identifier: MIT
# A job holds a lock, has a child in the background, and is killed (kill -9). Who is next?
# A lock of flock(1) belongs to an open file, which the child has inherited: it stays locked as long as the
# child lives. A lock of procctl belongs to the process of the job alone: the next one has it at once.
set -eu
dir=$(mktemp -d)
lock=survives-kill.$$
child=
leave() {
    [ -z "$child" ] || kill "$child" 2>/dev/null || :
    procctl -q unlink "$lock" >/dev/null 2>&1 || :
    rm -rf "$dir"
}
trap leave EXIT
mkfifo "$dir/told"

# kill_the_job COMMAND...: COMMAND runs the job, which holds the lock; the job is killed, its child lives on.
# Where COMMAND fails there is no job that opens the pipe: then we do, or its reader would wait for ever.
kill_the_job() {
    { "$@" sh -c 'sleep 60 & echo "$$ $!" >"$0"; wait' "$dir/told" 2>"$dir/errors" || : <>"$dir/told"; } &
    read -r job child <"$dir/told" || { cat "$dir/errors" >&2; exit 1; }
    kill -9 "$job"
    wait "$!" 2>/dev/null || :
}

# next COMMAND...: does COMMAND get the lock within a second?
next() {
    if "$@" true; then
        echo "the job was killed, and its child lives on: the next one has the lock"
    else
        echo "the job was killed, and its child lives on: the next one waits in vain"
    fi
    kill "$child"
    child=
}

if command -v flock >/dev/null; then
    kill_the_job flock "$dir/lock"
    printf 'flock:        '
    next flock -w 1 "$dir/lock"
fi
kill_the_job procctl lock "$lock" --
printf 'procctl lock: '
next procctl -q lock -w 1 "$lock" --
