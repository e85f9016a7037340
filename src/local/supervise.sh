# Supervises as supervise.py does, where there is no Python. It locks nothing, and looks for other programs that have
# opened the database only once, at the start, and only on Linux.
# usage: sh -c SCRIPT supervise REMOVE DATA LOG COMMAND...
PATH=${PATH:+$PATH:}/usr/bin:/bin
remove=$1 data=$2 log=$3
shift 3
for file in /proc/[0-9]*/fd/*; do
    [ "$file" -ef "$data/chroma.sqlite3" ] || continue
    process=${file#/proc/} process=${process%%/*}
    [ "$process" != "$PPID" ] || continue
    grep -q '^flags:.*0$' "/proc/$process/fdinfo/${file##*/}" && continue # a backup only reads
    echo "busy $process"
    exit
done
exec 3<&0 # a background job has no standard input of ours
"$@" </dev/null >&2 3<&- &
server=$!
echo "pid $server"
trap 'kill "$server" 2>/dev/null' INT TERM HUP
( # waits for the program; it works even if the shell above is killed
    trap '' INT TERM HUP
    read -r _ <&3
    trap '' USR1
    kill "$server" 2>/dev/null
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    kill -9 "$server" 2>/dev/null
    [ -z "$remove" ] || rm -rf -- "$remove"
) &
guard=$!
( # keeps the log small
    exec >/dev/null 2>&1 3<&-
    while sleep 5 && kill -0 "$server"; do
        [ -h "$log" ] || [ "$(wc -c <"$log")" -le 8388608 ] || : >"$log"
    done
) &
limit=$!
wait "$server"
code=$?
while kill -0 "$server" 2>/dev/null; do # a signal ended the wait, not the server
    wait "$server"
    code=$?
done
# From here on, another process may get the server's number: the guard stops, unless it cleans up already.
kill -USR1 "$guard" 2>/dev/null
kill "$limit" 2>/dev/null
echo "exit $code"
trap '' INT TERM HUP
wait "$guard"
[ $? -gt 128 ] || exit
read -r _ <&3
[ -z "$remove" ] || rm -rf -- "$remove"
