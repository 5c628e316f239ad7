# shellcheck shell=bash
# Prints the processes of these names and those below them: process id, state and command line, each two blanks deeper than
# its parent.
declare -A below line roots
for stat in /proc/[0-9]*/stat; do
    { read -r text < "$stat"; } 2> /dev/null || continue
    pid=${text%% *}
    rest=${text##*) }
    name=${text#*(}
    name=${name%)*}
    read -r state parent _ <<< "$rest"
    words=$({ tr '\0\n' '  ' < "/proc/$pid/cmdline"; } 2> /dev/null | head -c 400)
    line[$pid]="$pid $state ${words:-[$name]}"
    below[$parent]+="$pid "
    for wanted; do
        [[ $name != "$wanted" ]] || roots[$pid]=$parent
    done
done
show() { # PID INDENT
    printf '%s%s\n' "$2" "${line[$1]}"
    local pid
    for pid in ${below[$1]:-}; do
        show "$pid" "$2  "
    done
}
for pid in "${!roots[@]}"; do
    # One within another is shown there.
    [[ -n ${roots[${roots[$pid]}]:-} ]] || show "$pid" ""
done | head -n 60
