"""The shell of the PostgreSQL driver: what goes before each script, and the scripts. For Linux, with its readlink and mountpoint."""

from __future__ import annotations

# Before each: $S to become privileged, $who runs the database, $bin holds its programs.
PRELUDE = r"""
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
cd / # the user of the database may not see where this account is
as() { # COMMAND: run it as the user of the database
  if [ "`id -un`" = "$who" ]; then "$@"; else $S runuser -u "$who" -- "$@"; fi
}
up() { # DIRECTORY: whether a server works on it; a lock that a copy brought may name a process that lives, even its source's server
  pid=`as head -n 1 "$1/postmaster.pid" 2> /dev/null`; pid=${pid#-}
  [ -n "$pid" ] && [ "`as readlink "/proc/$pid/cwd" 2> /dev/null`" = "`as readlink -f "$1"`" ]
}
ask() { # SOCKET PORT DATABASE SQL: rows without any decoration; no file of the user's is read, no password is asked
  as env PGAPPNAME=splitmount PGCONNECT_TIMEOUT=10 "$bin/psql" -XAtqw -v ON_ERROR_STOP=1 -h "$1" -p "$2" -d "$3" -c "$4" < /dev/null
}
"""

# $data $socket $port $base. Lines: version, identity, state, position, and `file WHAT LINK PATH`.
LOOK = r"""
cd /
as test -f "$data/PG_VERSION" || fail "there is no database in $data"
echo "version `as cat "$data/PG_VERSION"`"
as "$bin/pg_controldata" -D "$data" | sed -n 's/^Database system identifier: *\([0-9]*\)$/identity \1/p'
echo "file data - `as readlink -f "$data"`"
if as test -L "$data/pg_wal"; then echo "file log pg_wal `as readlink -f "$data/pg_wal"`"; fi
for l in `as ls "$data/pg_tblspc"`; do
  echo "file tablespace pg_tblspc/$l `as readlink -f "$data/pg_tblspc/$l"`"
done
if up "$data"; then
  echo "state running"
  at="case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_flush_lsn() end"
  ask "$socket" "$port" "$base" "select 'position ' || $at" || fail "it runs, and does not answer"
else echo "state stopped"; fi
echo "end"
"""

# $seconds, $begin and $end (SQL). One psql is the session of the whole backup: it lives as long as its standard input, a pipe
# that this shell alone holds open. The timer kills that psql, and the server itself ends a session that idles too long.
HOLD = r"""trap '' 1 13
for t in /run /dev/shm; do d=`mktemp -d "$t/splitmount-quiesce.XXXXXX" 2>/dev/null` && break; done
[ -d "$d" ] || { echo "failed no directory in /run or /dev/shm"; exit 1; }
cd /
tell() { # SQL: send it, and wait for its end; its answer is in $d/answer; 1 when it failed, or took too long, or psql is gone
  n=`expr ${n:-0} + 1`; looks=`expr $seconds \* 20`
  printf "%s\nselect '@done %s ' || :'ERROR';\n" "$1" $n >&3 2> /dev/null || return 1
  while :; do
    line=`sed -n "/^@done $n /p" "$d/out"`
    if [ -n "$line" ]; then break; fi
    kill -0 $session 2> /dev/null || return 1
    looks=`expr $looks - 1`; [ "$looks" -gt 0 ] || return 1
    sleep 0.05
  done
  sed "1,/^@done `expr $n - 1` /d" "$d/out" > "$d/answer"
  [ "$line" = "@done $n false" ]
}
said() { tail -n 3 "$d/out" 2> /dev/null | tr '\n' ' '; }
cut() { # end the session, however stuck it is: the server then leaves the backup mode
  if [ -s "$d/pid" ]; then as kill -9 "`cat "$d/pid"`"; fi
}
echo ready
read word; [ "$word" = quiesce ] || { rmdir "$d"; exit 0; }
mkfifo "$d/in" || { echo "failed no pipe"; exit 1; }
echo "@done 0 " > "$d/out"
as env PGAPPNAME=splitmount-hold PGCONNECT_TIMEOUT=10 "$bin/psql" -XAtqw -h "$socket" -p "$port" -d "$base" < "$d/in" >> "$d/out" 2>&1 &
session=$!
exec 3> "$d/in"
( exec 3>&- < /dev/null > /dev/null 2>&1; sleep "$seconds"; mkdir "$d/end" && cut ) &
timer=$!
finish() { exec 3>&-; kill -9 $timer 2> /dev/null; wait $session 2> /dev/null; rm -rf "$d"; }
if tell "$limits" && tell '\! echo pid $PPID' && sed -n 's/^pid //p' "$d/answer" > "$d/pid" && [ -s "$d/pid" ] && tell "$begin"; then
  at=`sed -n 's/^begin //p' "$d/answer"`
else
  why=`said`; mkdir "$d/end" 2> /dev/null; cut; finish; echo "failed $why"; exit 1
fi
[ -n "$at" ] || { cut; finish; echo "failed it gave no position"; exit 1; }
echo "quiet $at"
read word
if [ "$word" = release ] && mkdir "$d/end" 2> /dev/null; then
  if tell "$end"; then line=`sed -n 's/^end //p' "$d/answer"`; finish; echo "released $at $line"
  else why=`said`; cut; finish; echo "stuck $why"; fi
else
  cut; finish; echo expired
fi
"""

# $prefix $data (links resolved) $points; then the links, and what the release bound.
PLACE = r"""
copy="$prefix$data"
own_copy() { # refuse unless the copy's filesystems are mounted, and its data lies on them
  for p in $points; do mountpoint -q "$p" || refuse "$p is not mounted"; done
  real=`as readlink -f "$copy"`
  [ "$real" = "$copy" ] || refuse "$copy is reached through a link, to ${real:-nowhere}"
  for p in $points; do case $copy/ in "$p"/*) return 0;; esac; done
  refuse "$copy is on no filesystem of the copy"
}
"""

PREPARE = r"""
own_copy
as test -f "$copy/PG_VERSION" || refuse "there is no database in $copy"
owner=`as stat -c %U "$copy/PG_VERSION"`
[ "$owner" = "$who" ] || refuse "$copy belongs to $owner here, not to $who: the numbers of users differ between the hosts"
for f in standby.signal recovery.signal backup_label; do
  if as test -e "$copy/$f"; then refuse "the copy has $f: it is of a standby, or of a recovery under way"; fi
done
up "$copy" && refuse "a server runs on $copy"
as rm -f "$copy/postmaster.pid" "$copy/postmaster.opts" || fail "the source's lock cannot be removed from the copy"
link() { # LINK PATH: point a link of the copy into the copy
  as test -d "$prefix$2" || refuse "$2 is not on the copy"
  as ln -sfn "$prefix$2" "$copy/$1" || fail "$copy/$1 cannot be pointed to $prefix$2"
}
"""

LINKS_CHECKED = r"""
inside() { # PATH: whether it lies on a filesystem of the copy
  for p in $points; do case $1/ in "$p"/*) return 0;; esac; done; return 1
}
if as test -L "$copy/pg_wal"; then
  t=`as readlink -f "$copy/pg_wal"`; inside "$t" || refuse "the write-ahead log of the copy would be $t, which is not on the copy"
fi
for l in `as ls "$copy/pg_tblspc"`; do
  t=`as readlink -f "$copy/pg_tblspc/$l"`
  inside "$t" || refuse "tablespace $l of the copy would be ${t:-nowhere}, which is not on the copy"
done
"""

LABELLED = r"""
[ "$label" != - ] || fail "the backup mode left no label"
printf %s "$label" | base64 -d | as tee "$copy/backup_label" > /dev/null || fail "backup_label cannot be written"
if [ "$map" != - ]; then
  printf %s "$map" | base64 -d | while read -r oid path; do
    if [ -n "$oid" ]; then echo "$oid `as readlink "$copy/pg_tblspc/$oid"`"; fi
  done | as tee "$copy/tablespace_map" > /dev/null || fail "tablespace_map cannot be written"
fi
: | as tee "$copy/recovery.signal" > /dev/null || fail "recovery.signal cannot be written"
"""

START = r"""
printf 'local all all trust\n' | as tee "$copy/splitmount.hba" > /dev/null || fail "cannot write to the copy"
printf '# nothing of the source is read\n' | as tee "$copy/splitmount.conf" > /dev/null || fail "cannot write to the copy"
prepared=`as "$bin/pg_controldata" -D "$copy" | sed -n 's/^max_prepared_xacts setting: *\([0-9]*\)$/\1/p'`
[ -n "$prepared" ] || fail "pg_controldata does not understand the copy"
o="$options -c max_prepared_transactions=$prepared"
if as "$bin/pg_ctl" start -D "$copy" -w -t "$limit" -s -l "$copy/splitmount.log" -o "$o" < /dev/null > /dev/null 2>&1; then
  until ask "$copy" "$port" "$base" 'select 1' > /dev/null 2>&1; do # in a recovery pg_ctl does not wait for its end
    up "$copy" && [ "$limit" -gt 0 ] || { as tail -n 12 "$copy/splitmount.log" >&2; fail "its recovery does not end well"; }
    limit=`expr $limit - 1`; sleep 1
  done
  echo "started on $copy, port $port"
else
  as tail -n 12 "$copy/splitmount.log" >&2
  up "$copy" && as "$bin/pg_ctl" stop -D "$copy" -m immediate -w -s
  fail "the server on $copy does not start"
fi
"""

VERIFY = r"""
own_copy
up "$copy" || fail "no server runs on $copy"
is=`ask "$copy" "$port" "$base" 'select system_identifier from pg_control_system()'`
[ "$is" = "$identity" ] || fail "it is another database than the source's"
[ "`ask "$copy" "$port" "$base" 'select pg_is_in_recovery()'`" = f ] || fail "it is still in recovery"
[ -z "`ask "$copy" "$port" "$base" 'show listen_addresses'`" ] || fail "it listens on the network"
[ "`ask "$copy" "$port" "$base" 'show archive_mode'`" = off ] || fail "it would write to the archive"
ask "$copy" "$port" "$base" 'select txid_current()' > /dev/null || fail "it takes no transaction"
if as test -x "$bin/pg_amcheck"; then
  if found=`as "$bin/pg_amcheck" -w -h "$copy" -p "$port" --maintenance-db="$base" --all --install-missing < /dev/null 2>&1`; then :
  else echo "$found" | head -n 6 >&2; fail "pg_amcheck found something"; fi
  echo "pg_amcheck found nothing"
else echo "pg_amcheck is not here: not done"; fi
if [ -n "$query" ]; then
  is=`ask "$copy" "$port" "$base" "$query"` || fail "the query of the configuration failed"
  [ "$is" = t ] || fail "the query of the configuration gave ${is:-nothing}, not t"
  echo "the query of the configuration gave t"
fi
"""

STOP = r"""
if as test -d "$copy" 2> /dev/null && up "$copy"; then
  as "$bin/pg_ctl" stop -D "$copy" -m fast -w -t 120 -s || as "$bin/pg_ctl" stop -D "$copy" -m immediate -w -t 60 -s ||
    fail "the server on $copy does not stop"
fi
"""

CHECKSUMS = r"""
sums=`as "$bin/pg_controldata" -D "$copy" | sed -n 's/^Data page checksum version: *\([0-9]*\)$/\1/p'`
case $sums in
  0) echo "it has no checksums of pages: not done";;
  '') fail "pg_controldata does not understand the copy";;
  *) as "$bin/pg_checksums" --check -D "$copy" > /dev/null || fail "pg_checksums found damaged pages"
     echo "pg_checksums found nothing";;
esac
"""

# For good, on the host that holds the data: $data as configured.
STALE = r"""
as test -f "$data/PG_VERSION" || refuse "there is no database in $data"
if ! up "$data"; then
  as rm -f "$data/postmaster.pid" || fail "a lock that is left cannot be removed"
fi
"""
GOOD_START = r"""
if up "$data"; then echo "it runs already"
else as "$bin/pg_ctl" start -D "$data" -w -t "$limit" -s -l "$data/splitmount.log" < /dev/null > /dev/null 2>&1 ||
    { as tail -n 12 "$data/splitmount.log" >&2; fail "it does not start"; }
fi
"""
GOOD_STOP = r"""
if up "$data"; then
  as "$bin/pg_ctl" stop -D "$data" -m fast -w -t "$limit" -s || fail "it does not stop"
fi
"""
GOOD_CHECK = r"""
[ "`ask "$socket" "$port" "$base" 'select pg_is_in_recovery()'`" = f ] || fail "it does not answer, or is in recovery"
[ "`ask "$socket" "$port" "$base" 'show transaction_read_only'`" = off ] || fail "it is not open for writing"
"""
