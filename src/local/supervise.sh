# Supervises as supervise.py does, where there is no Python.
# usage: sh -c SCRIPT supervise REMOVE COMMAND...
PATH=${PATH:+$PATH:}/usr/bin:/bin
remove=$1
shift
exec 3<&0 # a background job has no standard input of ours
"$@" </dev/null >&2 3<&- &
server=$!
echo "pid $server"
trap 'kill "$server" 2>/dev/null' INT TERM HUP
( # waits for the program; it works even if the shell above is killed
    trap '' INT TERM HUP
    read -r _ <&3
    kill "$server" 2>/dev/null
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    kill -9 "$server" 2>/dev/null
    [ -z "$remove" ] || rm -rf -- "$remove"
) &
guard=$!
wait "$server"
code=$?
while kill -0 "$server" 2>/dev/null; do # a signal ended the wait, not the server
    wait "$server"
    code=$?
done
echo "exit $code"
trap '' INT TERM HUP
wait "$guard"
