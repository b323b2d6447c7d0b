"""The shell of the PostgreSQL driver for a restore: what of today goes aside, and the recovery on a line of history of its own.

Facts are from the manual of PostgreSQL 15: 26.3.4 and 26.3.5 (recovery, timelines), 20.5.5 (recovery targets), 73.1 (layout of files).
"""

from __future__ import annotations

from core.applications.postgresql_scripts import START

# A restore of files removes nothing. What it did not bring is of today, and must not meet a database of then: a visibility map that
# the table did not have shows rows that were deleted. $RUN is the directory of the run; $prefix and $data are where.
MARK = r"""
sleep 0.5 # what was written before is then older, and what comes is newer, although times of files are of a coarser clock
at=`date +%s.%N`; sleep 0.5
expr "$at" : '[0-9][0-9]*\.[0-9][0-9]*$' > /dev/null || refuse "date tells no fractions of seconds"
echo "$at" > "$RUN/restoring" || refuse "cannot write to $RUN"
"""

SWEEP = r"""
at=`cat "$RUN/restoring"` && [ -n "$at" ] || fail "the time before the restore was not kept"
top="$prefix$data"
for f in PG_VERSION global/pg_control; do
  [ -n "`as find "$top/$f" -newerct "@$at"`" ] || fail "$top/$f is older than the restore: nothing was set aside"
done
name="splitmount-aside-`date -u +%Y%m%dT%H%M%SZ`"
swept() { # DIRECTORY: what is older than the restore goes below $name in it
  as test -d "$1" || return 0
  as sh -c 'cd "$1" && list=`mktemp` || exit 1; trap "rm -f $list" 0; name=$2; n=0
    find . -xdev -path "./splitmount-aside-*" -prune -o ! -type d ! -newerct "@$3" -print > "$list" || exit 1
    while IFS= read -r f; do
      mkdir -p "$name/`dirname "$f"`" && mv "$f" "$name/$f" || exit 1; n=`expr $n + 1`
    done < "$list"
    [ "$n" = 0 ] || echo "$n files that the backup does not have are in $1/$name now"' sh "$1" "$name" "$at" ||
    fail "what the restore did not bring cannot be set aside in $1"
}
swept "$top"
for l in pg_wal `as ls "$top/pg_tblspc" | sed 's,^,pg_tblspc/,'`; do
  if as test -L "$top/$l"; then swept "$prefix`as readlink "$top/$l"`"; fi
done
"""

# $data $options $told; then the same start as of a copy, alone, without a network; and the stop.
_READY = r"""
as test -f "$data/PG_VERSION" || refuse "there is no database in $data"
copy=`as readlink -f "$data"`
up "$copy" && refuse "a server runs on $copy"
if as test -e "$copy/standby.signal"; then refuse "it is a standby: bring it to its point in time by hand"; fi
as test -e "$copy/backup_label" && refuse "there is a backup_label in $copy: it was restored by something else"
as rm -f "$copy/postmaster.pid" "$copy/postmaster.opts" || fail "the lock that the copy brought cannot be removed"
: | as tee "$copy/recovery.signal" > /dev/null || fail "recovery.signal cannot be written"
"""
_DONE = r"""
[ "`ask "$copy" "$port" "$base" 'select pg_is_in_recovery()'`" = f ] || fail "it is still in recovery"
line=`ask "$copy" "$port" "$base" 'select timeline_id from pg_control_checkpoint()'`
as "$bin/pg_ctl" stop -D "$copy" -m fast -w -t 120 -s || fail "the server on $copy does not stop"
as rm -f "$copy/splitmount.conf" "$copy/splitmount.hba" # its log stays, beside that of a start by us
echo "recovered $told, on timeline $line"
"""
RECOVER = _READY + START + _DONE
