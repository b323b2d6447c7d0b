"""The bodies of the HP-UX driver's scripts, for 11.11 to 11.31; variables are set by `hpux_steps`.

A device is a name below /dev/dsk (c3t8d2) or, on 11.31 with persistent names, below /dev/disk (disk30); the raw device is the
same name below /dev/rdsk or /dev/rdisk. Its identity is read from the disk: LVM 1.0 keeps the physical volume's id in the 8
bytes from 8200 on, and the group's id in the 8 after that.
"""

from __future__ import annotations

PATH = "/usr/sbin:/usr/bin:/sbin:/usr/local/bin:/usr/symcli/bin:/opt/emc/SYMCLI/bin"

FUNCTIONS = r"""
inquire() { # lines of "RAW-DEVICE SERIAL KB": what each device says of itself
  if type inq > /dev/null 2>&1; then
    $S inq -nodots 2>/dev/null | sed -n 's,^\(/dev/r[a-z]*/[^ :]*\) *:.*:\([0-9A-Za-z]*\) *: *\([0-9]*\) *$,\1 \2 \3,p'
  else
    $S syminq 2>/dev/null | awk '$1 ~ /^\/dev\/r/ {n = NF - 1; print $1, $n, $NF}'
  fi
}
look_at_disks() { SEEN=`inquire`; }
block() { # RAW-DEVICE: its block device
  echo "$1" | sed -e 's,/rdsk/,/dsk/,' -e 's,/rdisk/,/disk/,'
}
raw() { # BLOCK-DEVICE: its raw device
  echo "$1" | sed -e 's,/dsk/,/rdsk/,' -e 's,/disk/,/rdisk/,'
}
disks_of() { # SERIAL: the raw devices that say they are this one, persistent names alone where there are some
  all=`echo "$SEEN" | awk -v s="$1" '$2 "" == s "" {print $1}'`
  new=`echo "$all" | grep /rdisk/`
  echo "${new:-$all}"
}
need() { # SERIAL: its block device, from what this script has looked at
  set -- $1 `disks_of "$1"`
  [ $# -ge 2 ] || refuse "there is no device with serial $1 on this host"
  [ $# -le 2 ] || { s=$1; shift; refuse "more than one device says that its serial is $s: $*"; }
  block "$2"
}
identity() { # BLOCK-DEVICE: ids of the physical volume and of its group, as they stand on the disk
  r=`raw "$1"`
  $S dd if="$r" bs=1024 skip=8 count=1 2>/dev/null | od -An -v -tx1 -j 8 -N 16 |
    awk '{for (i = 1; i <= NF; i++) s = s $i} END {if (s != "") print substr(s, 1, 16), substr(s, 17, 16)}'
}
pvid_of() { identity "$1" | awk '{print $1}'; }
vgid_of() { identity "$1" | awk '{print $2}'; }
names_of() { # BLOCK-DEVICE: it, and every other block device that says it is the same one
  echo "$1"
  r=`raw "$1"`
  s=`echo "$SEEN" | awk -v r="$r" '$1 == r {print $2}' | sed 1q`
  [ -z "$s" ] || echo "$SEEN" | awk -v s="$s" '$2 "" == s "" {print $1}' | sed -e 's,/rdsk/,/dsk/,' -e 's,/rdisk/,/disk/,'
}
user_of() { # BLOCK-DEVICE: the group that this host's table has it in, by whichever of its names
  names=`names_of "$1" | tr '\n' ' '`
  strings /etc/lvmtab | awk -v names=" $names " '
    /^\/dev\/[^\/]*$/ {g = substr($0, 6)} index(names, " " $0 " ") && g != told {told = g; print g}'
}
unused() { # SERIAL...: refuse when one of them is in a group of this host
  for s in "$@"; do for r in `disks_of "$s"`; do
    b=`block "$r"`
    g=`user_of "$b"`
    [ -z "$g" ] || refuse "the device with serial $s ($r) is in group $g on this host"
  done; done
}
ours() { # refuse unless this run imported the group, and the BCVs of the plan are in it
  [ -s "$keep/uuid" ] || refuse "this run did not import $new"
  for d in $ALL; do
    u=`user_of "$d"`
    [ "$u" = "$new" ] || refuse "$d is in group ${u:-none}, not in $new: it is not ours any more"
  done
}
group_here() { # NAME: whether this host's table has a group of that name
  strings /etc/lvmtab | grep "^/dev/$1\$" > /dev/null
}
active() { # NAME: whether the group is active
  vgdisplay "/dev/$1" 2>/dev/null | grep 'VG Status  *available' > /dev/null
}
mounted_at() { # DIRECTORY: the device that is mounted there
  mount -v | awk -v p="$1" '$2 == "on" && $3 == p {print $1}'
}
free_minor() { # the first number of a group that no group file has, in hexadecimal; under the lock
  used=`ls -l /dev/*/group 2>/dev/null | awk '{printf "%s ", $6}'`
  for a in 0 1 2 3 4 5 6 7 8 9 a b c d e f; do for b in 0 1 2 3 4 5 6 7 8 9 a b c d e f; do
    [ "$a$b" = 00 ] && continue
    case " $used" in *" 0x$a${b}0000 "*) ;; *) echo "$a$b"; return 0;; esac
  done; done
  return 1
}
take_lock() { # one import at a time picks its number
  n=0
  while :; do
    if mkdir "$LOCK" 2>/dev/null; then return 0; fi
    n=`expr $n + 1`
    [ $n -le 30 ] || refuse "another import holds $LOCK; if none is running, remove that directory"
    sleep 1
  done
}
register() { # NAME MAP BLOCK-DEVICE...: the group file, and the group into this host's table
  g=$1; m=$2; shift 2
  nn=`free_minor` || fail "no free number for a group"
  $S mkdir "/dev/$g" || fail "/dev/$g could not be made"
  if $S mknod "/dev/$g/group" c 64 "0x${nn}0000" && $S vgimport -v -m "$m" "/dev/$g" "$@"; then return 0; fi
  $S rm -f "/dev/$g/group"; $S rmdir "/dev/$g"
  return 1
}
"""

ATTACH = r"""
mkdir -p "$RUN/keep" || fail "no directory $RUN/keep"
look_at_disks
unused $serials
for s in $serials; do disks_of "$s" > "$RUN/keep/visible-$s"; done
$S ioscan -fnC disk > /dev/null || fail "ioscan ended with $?"
$S insf -e -C disk > /dev/null || fail "insf ended with $?"
look_at_disks
for s in $serials; do
  d=`need "$s"` || exit 90
  [ -n "`identity "$d"`" ] || fail "$d (serial $s) cannot be read: it is not ready in the array"
  echo "@bind path.$s $d"
done
"""

ATTACH_UNDO = r"""
look_at_disks
unused $serials
for s in $serials; do
  [ -f "$RUN/keep/visible-$s" ] || continue # nothing was scanned for it, so nothing came
  for r in `disks_of "$s"`; do
    if grep "^$r\$" "$RUN/keep/visible-$s" > /dev/null 2>&1; then continue; fi
    $S rmsf -a "`block "$r"`" || fail "the files of $r could not be removed"
  done
done
"""

IMPORT = r"""
if group_here "$new"; then refuse "there is a group $new on this host already"; fi
[ ! -d "/dev/$new" ] || refuse "/dev/$new exists already"
unused $serials
set -- $pvids
one=
for d in $ALL; do
  is=`pvid_of "$d"`
  [ "$is" = "$1" ] || refuse "$d carries physical volume ${is:-none}, the map says $1"
  is=`vgid_of "$d"`
  [ -z "$one" ] || [ "$one" = "$is" ] || refuse "$d carries group $is and another BCV of the set $one: they are not of one import"
  one=$is; shift
done
mkdir -p "$keep" || fail "no directory $keep"
echo "$map" > "$keep/map" || fail "the map could not be written"
RAWS=; for d in $ALL; do r=`raw "$d"`; RAWS="$RAWS $r"; done
take_lock
trap 'rmdir "$LOCK" 2>/dev/null' 0
echo begun > "$keep/begun"
$S vgchgid $RAWS || fail "vgchgid ended with $?"
register "$new" "$keep/map" $ALL || fail "vgimport did not take $new"
set -- $ALL
uuid=`vgid_of "$1"`
[ "$uuid" != "$vgid" ] || fail "the group kept its id $vgid"
for d in $ALL; do
  [ "`vgid_of "$d"`" = "$uuid" ] || fail "$d is not in $new with id $uuid"
  [ "`user_of "$d"`" = "$new" ] || fail "$d is in group `user_of "$d"`, not in $new"
done
echo "$uuid" > "$keep/uuid.new" && mv "$keep/uuid.new" "$keep/uuid" || fail "the new id could not be kept"
echo "@bind vg_uuid.$old $uuid"
echo "@bind vg_name.$old $new"
"""

IMPORT_UNDO = r"""
[ -f "$keep/begun" ] || { echo "nothing was imported"; exit 0; }
group_here "$new" || { echo "$new is not on this host"; exit 0; }
for d in $ALL; do [ "`user_of "$d"`" = "$new" ] || refuse "$d is in group `user_of "$d"`, not in $new: it is not ours any more"; done
$S vgexport "/dev/$new" || fail "$new could not be exported"
if group_here "$new"; then fail "$new is still on this host"; fi
"""

ACTIVATE = r"""
[ "`vgid_of "$D0"`" = "$uuid" ] && [ "`user_of "$D0"`" = "$new" ] || refuse "$D0 is not in $new with id $uuid any more"
if [ "$cluster" = yes ]; then $S vgchange -c n "/dev/$new" || fail "the cluster's mark could not be taken off $new"; fi
$S vgchange -a y "/dev/$new" || fail "$new could not be activated"
for l in $lvs; do
  for d in `lvdisplay -v "/dev/$new/$l" | awk 'NF == 3 && $1 ~ /^\/dev\// {print $1}'`; do
    has "$d" "$ALL" || fail "$l lies on $d, which is no BCV of this set"
  done
done
"""

ACTIVATE_UNDO = r"""
group_here "$new" || { echo "$new is not on this host"; exit 0; }
ours
if active "$new"; then $S vgchange -a n "/dev/$new" || fail "$new could not be deactivated"; fi
"""

MOUNT = r"""
[ "`vgid_of "$D0"`" = "$uuid" ] && [ "`user_of "$D0"`" = "$new" ] || refuse "$D0 is not in $new with id $uuid any more"
is=`mounted_at "$point"`
[ -z "$is" ] || refuse "$is is mounted at $point already"
free_point
$S fsck -F "$kind" -y "$rawnode" || fail "fsck of $rawnode ended with $?: the copy is not whole; check the filesystem on the source, then split anew"
make_path "$point" || fail "$point could not be made"
note_mount "$node" "$point"
$S mount -F "$kind" -o "$options" "$node" "$point" || fail "$point could not be mounted"
"""

MOUNT_UNDO = r"""
is=`mounted_at "$point"`
case $is in
  "$node")
    ours
    $S umount "$point" || fail "$point could not be unmounted: `$S fuser -cu "$point" 2>&1`";;
  '') ;;
  *) refuse "$is is mounted at $point, not our copy";;
esac
drop_paths "$point"
"""

# On the group's own host. A standard that was restored from a copy that had been imported carries that copy's group id:
# then the group is exported and imported again with the same devices and names.
OWN = r"""
look_own() { # the group must be here, on the devices that were measured; or gone, where this run exported it and came no further
  look_at_disks
  ALL= where=$old
  if group_here "$old"; then :; else
    [ -f "$RUN/keep/map-$old" ] || refuse "there is no group $old on this host"
    where=
  fi
  for s in $serials; do
    d=`need "$s"` || exit 90
    [ "`user_of "$d"`" = "$where" ] || refuse "$d (serial $s) is in `user_of "$d"`, not in $old"
    ALL="$ALL $d"
  done
}
stop_mount() { # DEVICE DIRECTORY
  is=`mounted_at "$2"`
  case $is in
    "$1") $S umount "$2" || fail "$2 could not be unmounted: `$S fuser -cu "$2" 2>&1`";;
    '') ;;
    *) fail "$is is mounted at $2, not $1";;
  esac
}
start_own() {
  if active "$old"; then return 0; fi
  set -- $ALL
  if [ -z "$where" ] || [ "`vgid_of "$1"`" != "$vgid" ]; then
    take_lock # first: from the export on there is no way back but the import
    locked=yes
    trap '[ -z "$locked" ] || rmdir "$LOCK" 2>/dev/null' 0
    if [ -n "$where" ]; then
      mkdir -p "$RUN/keep" && echo "$map" > "$RUN/keep/map-$old" || fail "the map could not be written"
      $S vgexport "/dev/$old" || fail "$old could not be exported"
    elif [ -d "/dev/$old" ]; then $S rm -f "/dev/$old/group"; $S rmdir "/dev/$old"; fi
    register "$old" "$RUN/keep/map-$old" $ALL || fail "vgimport did not take $old"
    rmdir "$LOCK"; locked=
  fi
  $S vgchange -a y "/dev/$old" || fail "$old could not be activated"
}
start_mount() { # KIND DEVICE RAW-DEVICE DIRECTORY
  is=`mounted_at "$4"`
  if [ "$is" = "$2" ]; then return 0; fi
  [ -z "$is" ] || fail "$is is mounted at $4, not $2"
  $S fsck -F "$1" -y "$3" || fail "fsck of $3 ended with $?"
  $S mount -F "$1" "$2" "$4" || fail "$4 could not be mounted"
}
"""

TABLE = r"""
mkdir -p "$RUN/keep" || fail "no directory $RUN/keep"
for p in $points; do
  if awk -v p="$p" '$1 !~ /^#/ && $2 == p {found = 1} END {exit !found}' /etc/fstab; then
    refuse "there is an entry for $p in /etc/fstab already"
  fi
done
{ awk '{print}' /etc/fstab; echo "$mark begin"; echo "$lines"; echo "$mark end"; } > "$RUN/keep/fstab.new" || fail "no new table"
$S cp "$RUN/keep/fstab.new" /etc/fstab || fail "/etc/fstab cannot be written"
for l in begin end; do grep "^$mark $l\$" /etc/fstab > /dev/null || fail "/etc/fstab does not have the new entries"; done
"""

TABLE_UNDO = r"""
grep "^$mark begin" /etc/fstab > /dev/null || { echo "no entries of ours"; exit 0; }
mkdir -p "$RUN/keep"
sed "/^$mark begin/,/^$mark end/d" /etc/fstab > "$RUN/keep/fstab.back" || fail "the table cannot be read"
$S cp "$RUN/keep/fstab.back" /etc/fstab || fail "/etc/fstab cannot be written"
"""

DISCOVERY = r"""
each_disk() {
  for r in `inquire | awk '{print $1}'`; do
    d=`block "$r"`
    sect "identity.$d" identity "$d"
  done
}
preview() { # GROUP: the map that vgexport would write, and nothing is exported
  n=0 # a directory of our own: a name in /tmp that can be guessed could be a link of somebody else's
  t=/tmp/splitmount.$$
  until mkdir "$t" 2>/dev/null; do n=`expr $n + 1`; [ $n -lt 100 ] || return 1; t=/tmp/splitmount.$$.$n; done
  $S vgexport -p -s -m "$t/map" "$1" > /dev/null; rc=$?
  cat "$t/map" 2>/dev/null; rm -f "$t/map"; rmdir "$t"
  return $rc
}
each_group() {
  for g in `strings /etc/lvmtab | grep '^/dev/[^/]*$'`; do
    sect "vg.$g" vgdisplay -v "$g"
    sect "files.$g" ls -l "$g"
    sect "map.$g" preview "$g"
    for l in `vgdisplay -v "$g" 2>/dev/null | awk '$1 == "LV" && $2 == "Name" {print $3}'`; do
      sect "lv.$l" lvdisplay -v "$l"
      sect "fstyp.$l" $S fstyp "$l"
    done
  done
}
sect uname uname -n
sect release uname -r
sect inq inquire
sect lvmtab strings /etc/lvmtab
sect mounts mount -v
sect table cat /etc/fstab
sect bdf bdf
each_disk
each_group
"""
