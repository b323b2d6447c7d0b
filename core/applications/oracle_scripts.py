"""The shell and the SQL of the Oracle driver. Plain Bourne shell: it runs on AIX, HP-UX, Solaris and Linux alike.

SQL*Plus ends with a status of its own only by `whenever sqlerror`, and not for startup, recover and shutdown: what it says is
read, and the state is asked for afterwards. SQL stands in variables, as it is full of dollar signs.
"""

from __future__ import annotations

# Before each: $S to become privileged, $who runs the database, $home holds its programs, $sid is the instance at hand.
PRELUDE = r"""
PATH=/usr/bin:/bin:/usr/sbin:/sbin; export PATH
cd /
nl='
'
me=`id | sed 's/^[^(]*(\([^)]*\)).*/\1/'`
if [ "$me" = "$who" ]; then run=/bin/sh; else run="$S su $who -c /bin/sh"; fi
as() { # SCRIPT: run it as the user of the database, in /bin/sh whatever his own shell is
  $run <<EOF
umask 027; cd /
ORACLE_SID=$sid; ORACLE_HOME=$home; NLS_LANG=AMERICAN_AMERICA.AL32UTF8; LC_ALL=C
LD_LIBRARY_PATH=$home/lib; SHLIB_PATH=$home/lib; LIBPATH=$home/lib
export ORACLE_SID ORACLE_HOME NLS_LANG LC_ALL LD_LIBRARY_PATH SHLIB_PATH LIBPATH
unset TWO_TASK ORACLE_PATH SQLPATH
$1
EOF
}
sql() { # STATEMENTS: $said is what SQL*Plus says; 1 when it ended badly, or says that anything went wrong
  text="$home/bin/sqlplus -S -L / as sysdba <<'SQL'
whenever oserror exit 9
whenever sqlerror exit 9
set heading off pagesize 0 feedback off linesize 4000 trimspool on tab off define off verify off echo off
$1
exit
SQL"
  said=`as "$text" 2>&1`; code=$?
  case $nl$said in *"${nl}ORA-"[0-9]*|*"${nl}SP2-"[0-9]*) return 1;; esac
  [ "$code" = 0 ]
}
why() { # what it complained of, in one line
  w=`echo "$said" | sed -n -e '/^ORA-[0-9]/p' -e '/^SP2-[0-9]/p' | tail -4`
  echo ${w:-sqlplus ended with $code}
}
value() { # KEY: what follows this word in what was said
  echo "$said" | sed -n "s/^$1 //p"
}
up() { # whether the instance has its first background process
  ps -ef | sed 's/ *$//' | grep "ora_pmon_$sid\$" > /dev/null
}
give_up() { sql 'shutdown abort'; fail "$*"; } # nothing is left half started
bring_up() { # STARTUP: mount it
  sql "$1"; w=`why`
  sql "$status" || give_up "it cannot be mounted: $w"
  [ "`value status`" = MOUNTED ] || give_up "it cannot be mounted: $w"
}
recover_and_open() { # by its redo: what was in backup mode leaves it, as the manual has it for a crash in backup mode
  sql "set autorecovery on
$recover"
  case $said in *'Media recovery complete'*|*ORA-00264*) ;; *) w=`why`; give_up "it cannot be recovered: $w";; esac
  sql 'alter database open;' || { w=`why`; give_up "it does not open: $w"; }
}
"""

STATUS_SQL = "select 'status '||status from v$instance;"

LOOK_SQL = """select 'version '||version from v$instance;
select 'identity '||dbid from v$database;
select 'position '||current_scn from v$database;
select 'parameter log_mode '||log_mode from v$database;
select 'parameter '||name||' '||value from v$parameter where name in ('db_name', 'compatible', 'db_block_size', 'db_files', \
'undo_tablespace', 'log_archive_format', 'cluster_database', 'enable_pluggable_database');
select 'tablespace '||ts#||' '||name from v$tablespace;
select 'file data '||ts#||' '||name from v$datafile;
select 'file temp '||ts#||' '||name from v$tempfile;
select 'file control - '||name from v$controlfile;
select 'file redo - '||member from v$logfile;
select 'file archive - '||destination from v$archive_dest where status = 'VALID' and destination like '/%';
select 'file recovery - '||name from v$recovery_file_dest where name is not null;
select 'file tracking - '||filename from v$block_change_tracking where filename is not null;"""

# Lines of LOOK_SQL, with `|` and the path without links after each file; `state` and `end`.
LOOK = r"""
as "test -x $home/bin/sqlplus" || fail "$who finds no sqlplus in $home/bin"
if up; then
  sql "$look" || fail "it runs, and does not answer: `why`"
  text="$resolve
resolve <<'NAMES'
$said
NAMES"
  as "$text" || fail "its files cannot be followed"
  echo "state running"
else echo "state stopped"; fi
echo "end"
"""

RESOLVE = r"""
resolve() {
  while read key what of name; do
    if [ "$key" != file ]; then echo "$key $what $of $name" | sed 's/ *$//'; continue; fi
    p=$name; n=0
    while [ -h "$p" ] && [ "$n" -lt 20 ]; do
      t=`ls -l "$p" | sed 's/.* -> //'`
      case $t in /*) p=$t;; *) p=`dirname "$p"`/$t;; esac
      n=`expr $n + 1`
    done
    above=`dirname "$p"`; last=`basename "$p"`
    real=`cd "$above" 2>/dev/null && /bin/pwd`
    case $real in '') p=$name;; /) p=/$last;; *) p=$real/$last;; esac
    echo "file $what $of $name|$p"
  done
}
"""

STATE_SQL = """select 'log '||log_mode from v$database;
select 'role '||database_role from v$database;
select 'active '||file# from v$backup where status = 'ACTIVE';"""
AT_SQL = "select 'at '||current_scn from v$database;"
ARCHIVE_SQL = "alter system archive log current;"
BEGIN_SQL = f"alter database begin backup;\n{AT_SQL}"
END_SQL = "alter database end backup;"
CHECKPOINT_SQL = f"alter system checkpoint;\n{AT_SQL}"

# For core.applications.held. $d/beginning is there while BEGIN BACKUP is under way: whoever lets go waits for it, since an END
# that overtakes it would end nothing. $d/ours says that the backup mode is ours to end.
QUIESCE = r"""
sql "$state" || { why; exit 1; }
[ -z "`value active`" ] || { echo "a data file is in backup mode already (ORA-01146), and that is not ours to end"; exit 1; }
[ "`value log`" = ARCHIVELOG ] || { echo "it does not archive its log, so there is no backup mode (ORA-01123)"; exit 1; }
[ "`value role`" = PRIMARY ] || { echo "it is a standby"; exit 1; }
sql "$archive" || { why; exit 1; }
mkdir "$d/beginning"
if [ -d "$d/end" ]; then rmdir "$d/beginning"; exit 1; fi
: > "$d/ours"
if sql "$begin"; then value at > "$d/began"; rmdir "$d/beginning"
else
  case $said in *ORA-01146*) rm -f "$d/ours";; esac
  rmdir "$d/beginning"; why; exit 1
fi
"""
RELEASE = r"""
while [ -d "$d/beginning" ]; do sleep 1; done
[ -f "$d/ours" ] || exit 0
tries=0
until sql "$end"; do
  case $said in *ORA-01142*) break;; esac
  tries=`expr $tries + 1`; [ "$tries" -lt 5 ] || { why; exit 1; }
  sleep 2
done
rm -f "$d/ours"
sql "$after" || { w=`why`; echo "the backup mode has ended, but: $w"; exit 1; }
echo "`cat "$d/began"` `value at` - -" > "$d/told"
"""
QUIESCE_PLAIN = r"""
sql "$begin" || { why; exit 1; }
value at > "$d/began"
"""
RELEASE_PLAIN = r"""
sql "$after" || { why; exit 1; }
echo "`cat "$d/began"` `value at` - -" > "$d/told"
"""

# $prefix, $points, $names (the copy's files, one a line), $dir (our own directory on the copy); $sid is the copy's.
PLACE = r"""
mounted() { # DIRECTORY: whether it is a mount point, in whatever column this system prints it
  for w in `mount`; do if [ "$w" = "$1" ]; then return 0; fi; done
  return 1
}
own_copy() { # refuse unless the filesystems are mounted, and each file is a file of theirs
  for p in $points; do mounted "$p" || refuse "$p is not mounted"; done
  text="$here
here <<'NAMES'
$names
NAMES"
  lost=`as "$text" 2>&1 | sed 1q`
  [ -z "$lost" ] || refuse "$lost"
}
"""

HERE = r"""
here() {
  while read f; do
    if [ ! -f "$f" ] || [ -h "$f" ]; then echo "$f is not on the copy"
    elif [ ! -w "$f" ]; then echo "$f may not be written: the numbers of users differ between the hosts, or it is read-only"
    else
      above=`dirname "$f"`; real=`cd "$above" && /bin/pwd`
      [ "$real" = "$above" ] || echo "$f is reached through a link, from $real"
    fi
  done
}
"""

EXTRAS_SQL = """select 'tracking '||status from v$block_change_tracking;
select 'flashback '||flashback_on from v$database;"""

LISTING_SQL = """select 'file '||name from v$datafile;
select 'file '||name from v$tempfile;
select 'file '||member from v$logfile;
select 'file '||name from v$controlfile;"""

START = r"""
own_copy
if up; then refuse "an instance $sid runs on this host"; fi
as "test -x $home/bin/sqlplus" || refuse "$who finds no sqlplus in $home/bin"
text="test -d $dir || mkdir $dir || exit 1
cat > $dir/init.ora <<'INIT'
$init
INIT"
as "$text" || fail "the parameters cannot be written to $dir"
bring_up "startup mount pfile='$dir/init.ora'"
sql "$rename" || { w=`why`; give_up "the files of the copy cannot be named: $w"; }
sql "$extras" || { w=`why`; give_up "$w"; }
tracking=`value tracking`; flashback=`value flashback`
if [ "$tracking" = ENABLED ]; then sql 'alter database disable block change tracking;' || { w=`why`; give_up "$w"; }; fi
if [ "${flashback:-NO}" != NO ]; then sql 'alter database flashback off;' || { w=`why`; give_up "$w"; }; fi
sql "$listing" || { w=`why`; give_up "$w"; }
[ -n "`value file`" ] || give_up "it names no file"
lost=`value file | while read f; do case $f in "$prefix"/*) ;; *) echo "$f";; esac; done`
[ -z "$lost" ] || give_up "it would work on files that are not the copy's:" $lost
recover_and_open
echo "recovered and open as $sid"
"""

VERIFY_SQL = """select 'identity '||dbid from v$database;
select 'mode '||open_mode from v$database;
select 'odd '||file# from v$backup where status = 'ACTIVE';
select 'odd '||file# from v$recover_file;"""

VERIFY = r"""
up || fail "no instance $sid runs"
sql "$verify" || fail "it does not answer: `why`"
[ "`value identity`" = "$identity" ] || fail "it is another database than the source's"
[ "`value mode`" = 'READ WRITE' ] || fail "it is not open for writing"
[ -z "`value odd`" ] || fail "files are in backup mode or need recovery:" `value odd`
sql 'alter system checkpoint;' || fail "its files cannot be written: `why`"
if [ -n "$query" ]; then
  sql "$query;" || fail "the query of the configuration failed: `why`"
  [ "$said" = t ] || fail "the query of the configuration gave ${said:-nothing}, not t"
  echo "the query of the configuration gave t"
fi
"""

CONTROL_SQL = "select 'control '||value from v$parameter where name = 'control_files';"

STOP = r"""
if up; then
  sql "$control" || fail "the instance $sid does not answer: `why`"
  case `value control` in "$prefix"/*) ;; *) refuse "the instance $sid is not that of the copy";; esac
  sql 'shutdown immediate'
  if up; then sql 'shutdown abort'; fi
  if up; then fail "the instance $sid does not stop: `why`"; fi
fi
as "rm -f $home/dbs/lk$sid $home/dbs/hc_$sid.dat"
"""

# For good, on the host that holds the data, with the parameters of that host's own.
GOOD_START = r"""
if up; then
  sql "$status" || fail "it does not answer: `why`"
  [ "`value status`" = OPEN ] || fail "it is up, and not open"
  echo "it runs already"
else
  bring_up 'startup mount'
  recover_and_open
fi
"""
GOOD_STOP = r"""
if up; then
  sql 'shutdown immediate'; w=`why`
  if up; then fail "it does not stop: $w"; fi
fi
"""
GOOD_CHECK = r"""
up || fail "it does not run"
sql "$verify" || fail "it does not answer: `why`"
[ "`value mode`" = 'READ WRITE' ] || fail "it is not open for writing"
[ -z "`value odd`" ] || fail "files are in backup mode or need recovery:" `value odd`
"""
