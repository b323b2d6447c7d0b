# How steps are sent, and what is kept of them. POSIX shell; needs ssh, sed, mkfifo.
set -u
umask 077
SSH=${SSH:-ssh}
YES=no FROM=1 KEY= UNDO=no
usage() {
  echo "usage: $0 [--yes] [--key KEY [--from N]] | --undo --key KEY" >&2
  echo "  --yes     do not ask before a step that has a command; steps by hand still ask" >&2
  echo "  --from N  go on at step N of the run that has this key" >&2
  echo "  --undo    take back, in reverse, what the run with this key did" >&2
  exit 2
}
while [ $# -gt 0 ]; do
  case $1 in
    --yes) YES=yes; shift;;
    --undo) UNDO=yes; shift;;
    --key) [ $# -ge 2 ] || usage; KEY=$2; shift 2;;
    --from) [ $# -ge 2 ] || usage; FROM=$2; shift 2;;
    *) usage;;
  esac
done
case $KEY in *[!A-Za-z0-9-]*) usage;; esac
case $FROM in ''|0*|*[!0-9]*) usage;; esac
if [ -z "$KEY" ]; then
  if [ $UNDO = yes ] || [ "$FROM" != 1 ]; then usage; fi
  KEY=byhand-`date -u +%Y%m%dT%H%M%S`-$$; NEW=yes
else NEW=no; fi
HERE=`pwd`/splitmount-$KEY
if [ $NEW = yes ]; then mkdir "$HERE" "$HERE/done" || exit 2; : > "$HERE/values"; fi
[ -f "$HERE/values" ] || { echo "there is no $HERE of a run with the key $KEY here" >&2; exit 2; }

bind_value() { # NAME VALUE: keep a late value; only plain ones, as they go into scripts
  case $1$2 in *[!A-Za-z0-9_.:/+=@,-]*) stop "not a plain value: $1 = $2";; esac
  echo "$1 $2" >> "$HERE/values"
}
value() { # NAME: its newest value
  found=
  while read -r n v; do if [ "$n" = "$1" ]; then found=$v; fi; done < "$HERE/values"
  [ -n "$found" ] || { echo "not known yet: $1" >&2; return 1; }
  echo "$found"
}
stop() {
  echo "STOPPED at step $N: $1" >&2
  echo "  look first. Then go on: $0 --key $KEY --from N    or take back: $0 --undo --key $KEY" >&2
  exit 5
}
ask() { # the operator agrees, or we stop before the step
  printf '%s ' "$1"; read -r word || word=
  case $word in yes) ;; *) echo "not done: step $N. Go on later: $0 --key $KEY --from $N" >&2; exit 3;; esac
}
begin_step() { # NUMBER TITLE: false for a step that is left out
  N=$1
  [ "$N" -ge "$FROM" ] || return 1
  echo; echo "--- $1. $2"
}
by_hand() { # WHAT HOW: a step that this script cannot do
  echo "BY HAND: $1"; echo "  how: $2"
  ask 'done, and seen to be so? type yes:'
}
job() { # HOST DIRECTORY STEP PLACE SED-ARGUMENTS...: the script on standard input, as a job in a directory of its own that is made once
  h=$1 r=$2/runs/$KEY s=$3 k=$4; shift 4
  end=END-OF-SCRIPT-$KEY
  { echo 'job() {'
    echo "umask 077; cd /; trap '' 1; RUN='$r'; JOB='$r/$s'; export RUN JOB"
    echo 'mkdir -p "$RUN" || exit 121'
    echo 'mkdir "$JOB" || { echo "refused: $JOB is there: this was started before; its end is in $JOB/rc" >&2; exit 121; }'
    echo 'cat > "$JOB/script" <<'"'$end'"
    sed "$@"
    echo "$end"
    echo '/bin/sh "$JOB/script" > "$JOB/out" 2> "$JOB/err" < /dev/null; rc=$?'
    echo 'echo $rc > "$JOB/rc"; cat "$JOB/out"; cat "$JOB/err" >&2; exit $rc'
    echo '}'; echo 'job'
  } > "$HERE/$s.sent"
  : > "$HERE/done/$k"
  at "$h" '/bin/sh -s' < "$HERE/$s.sent" > "$HERE/$s.out" 2> "$HERE/$s.err"; rc=$?
  cat "$HERE/$s.out"; cat "$HERE/$s.err" >&2
  case $rc in
    0) ;;
    90|121) rm -f "$HERE/done/$k"; stop "refused, nothing was changed";;
    255) stop "the connection was lost: its end is UNKNOWN. Read $r/$s/rc on $h before anything else";;
    *) stop "exit status $rc";;
  esac
  while read -r tag n v; do if [ "$tag" = @bind ]; then bind_value "$n" "$v"; fi; done < "$HERE/$s.out"
}
heard() { # FILE WORDS SECONDS: wait for a line that begins with one of the words
  t=0
  until grep -E "^($2)" "$1"; do
    t=`expr $t + 1`; [ $t -le "$3" ] || return 1
    kill -0 $HOLDER 2>/dev/null || return 1
    sleep 1
  done
}
hold() { # HOST SCRIPT: freeze, in a shell that is held open. It thaws when we let go, and by a timer of its own
  rm -f "$HERE/hold"; mkfifo "$HERE/hold"; : > "$HERE/hold.out"
  at "$1" "/bin/sh -c $2" < "$HERE/hold" > "$HERE/hold.out" 2>&1 & HOLDER=$!
  exec 3> "$HERE/hold"
  heard "$HERE/hold.out" ready 60 || stop 'the shell for the freeze did not open'
  echo freeze >&3
  heard "$HERE/hold.out" 'frozen|failed' 60 || stop 'no answer to the freeze; it thaws by its timer'
  if grep '^failed' "$HERE/hold.out" > /dev/null; then stop 'nothing was frozen'; fi
}
release() {
  [ -n "$HOLDER" ] || stop 'nothing is frozen: the freeze was of another call of this script. Begin anew'
  echo thaw >&3
  heard "$HERE/hold.out" 'thawed|expired' 60 || stop 'no answer to the thaw; it thaws by its timer. Do not use this split'
  exec 3>&-; wait $HOLDER; HOLDER=
  if grep '^expired' "$HERE/hold.out" > /dev/null; then stop 'the timer thawed before the split was done: do not use this split'; fi
}
HOLDER= N=0
trap 'exec 3>&-' 0
trap 'exit 130' 1 2 15
if [ $NEW = yes ]; then
  bind_value run_key "$KEY"; bind_value operator "`id -un`"; bind_value console "`uname -n`"
  n=`date +%s`000 d=
  while [ "$n" -gt 0 ]; do
    i=`expr $n % 36 + 1`; n=`expr $n / 36`
    d=`echo 0123456789abcdefghijklmnopqrstuvwxyz | cut -c$i`$d
  done
  bind_value split_id "$d-`printf %04x $(($$ % 65536))`"
fi
echo "the key of this run is $KEY; what it keeps is in $HERE"
