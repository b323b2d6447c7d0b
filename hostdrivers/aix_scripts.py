"""The bodies of the AIX driver's scripts, in the shell of AIX 4.3 to 7.3; variables are set by `aix_steps`."""

from __future__ import annotations

PATH = "/usr/bin:/usr/sbin:/sbin:/usr/local/bin:/opt/freeware/bin"

FUNCTIONS = r"""
disks() { # the names of all disks that are configured
  lsdev -Cc disk -F name:status | sed -n 's/:Available.*//p'
}
serial_of() { # HDISK: the serial that the device itself gives
  $S lscfg -vpl "$1" 2>/dev/null | sed -n 's/^ *Serial Number\.\.*//p' | sed -n 1p | tr -d ' '
}
disks_of() { # SERIAL: every disk that says it is this device
  for d in `disks`; do if [ "`serial_of "$d"`" = "$1" ]; then echo "$d"; fi; done
}
need() { # SERIAL: its one disk, measured now, in this shell
  set -- $1 `disks_of "$1"`
  [ $# -ge 2 ] || refuse "there is no disk with serial $1 on this host"
  [ $# -le 2 ] || { s=$1; shift; refuse "more than one disk says that its serial is $s: $*"; }
  echo "$2"
}
pvid_of() { # HDISK: the identity that stands on the disk itself (the ODM may remember another one)
  $S lquerypv -h "/dev/$1" 80 10 2>/dev/null | awk 'NR == 1 {print $2 $3}' | tr ABCDEF abcdef
}
vgid_of() { # HDISK: the group that the disk's own descriptor area names
  $S lqueryvg -p "$1" -v 2>/dev/null | tr -d ' '
}
user_of() { # HDISK: the group of this host that it is in, "None" for none
  lspv | awk -v d="$1" '$1 == d {print $3}'
}
unused() { # SERIAL...: refuse when one of them is in a group of this host
  for s in "$@"; do for d in `disks_of "$s"`; do
    g=`user_of "$d"`
    case $g in None|'') ;; *) refuse "the device with serial $s ($d) is in group $g on this host";; esac
  done; done
}
ours() { # refuse unless this run imported the group, and the BCVs of the plan are in it
  [ -s "$keep/uuid" ] || refuse "this run did not import $new"
  for d in $ALL; do
    u=`user_of "$d"`
    [ "$u" = "$new" ] || refuse "$d is in group ${u:-none}, not in $new: it is not ours any more"
  done
}
group_here() { # NAME: whether this host knows a group of that name
  for g in `lsvg`; do if [ "$g" = "$1" ]; then return 0; fi; done
  return 1
}
"""

ATTACH = r"""
mkdir -p "$RUN/keep" || fail "no directory $RUN/keep"
unused $serials
for s in $serials; do disks_of "$s" > "$RUN/keep/visible-$s"; done
$S cfgmgr || fail "cfgmgr ended with $?"
for s in $serials; do
  d=`need "$s"` || exit 90
  p=`pvid_of "$d"`
  [ -n "$p" ] || fail "$d (serial $s) cannot be read: it is not ready in the array, or reserved (devrsrv -c query -l $d)"
  r=`lsattr -E -l "$d" -a reserve_policy -F value 2>/dev/null`
  case $r in no_reserve|'') ;; *) echo "$d has reserve_policy $r: another host may be locked out of it";; esac
  echo "@bind path.$s /dev/$d"
done
"""

ATTACH_UNDO = r"""
unused $serials
for s in $serials; do
  [ -f "$RUN/keep/visible-$s" ] || continue # nothing was scanned for it, so nothing came
  for d in `disks_of "$s"`; do
    if grep "^$d\$" "$RUN/keep/visible-$s" > /dev/null 2>&1; then continue; fi
    $S rmdev -d -l "$d" || fail "$d could not be removed"
  done
done
"""

# How the copy gets into this host's hands: importvg keeps its identity; where another disk here has the same one, only
# recreatevg may be used, which gives the copy an identity of its own until it is established again.
IMPORT = r"""
if group_here "$new"; then refuse "there is a group $new on this host already"; fi
for l in $lvs; do if lslv "$l" > /dev/null 2>&1; then refuse "there is a logical volume $l on this host already"; fi; done
unused $serials
set -- $pvids
for d in $ALL; do
  is=`pvid_of "$d"`
  [ "$is" = "$1" ] || refuse "$d carries physical volume ${is:-none}, the map says $1: another device, or a copy" \
    "that was given an identity of its own (establish it and split again)"
  is=`vgid_of "$d"`
  [ "$is" = "$vgid" ] || refuse "$d carries group ${is:-none}, the map says $vgid"
  shift
done
how=importvg
for p in $pvids; do
  for d in `disks`; do
    if has "$d" "$ALL"; then continue; fi
    if [ "`pvid_of "$d"`" = "$p" ]; then how=recreatevg; fi
  done
done
mkdir -p "$keep" || fail "no directory $keep"
echo "$how" > "$keep/how" || fail "cannot write to $keep"
set -- $ALL
for d in $ALL; do
  case `lspv | awk -v d="$d" '$1 == d {print $2}'` in
    none|'') $S chdev -l "$d" -a pv=yes || fail "the identity of $d could not be taken into the ODM";;
  esac
done
if [ $how = importvg ]; then
  $S importvg -y "$new" -n "$1" || fail "importvg ended with $?"
else
  for d in $ALL; do $S chdev -l "$d" -a pv=clear && $S chdev -l "$d" -a pv=yes || fail "$d: no new identity"; done
  $S recreatevg -n -y "$new" -Y NA -L "${prefix:-/}" $ALL || fail "recreatevg ended with $?"
fi
group_here "$new" || fail "the group is not called $new"
uuid=`vgid_of "$1"`
[ -n "$uuid" ] || fail "the identity of $new cannot be read"
for d in $ALL; do
  [ "`vgid_of "$d"`" = "$uuid" ] || fail "$d is not in $new with identity $uuid"
  [ "`user_of "$d"`" = "$new" ] || fail "$d is in group `user_of "$d"`, not in $new"
done
echo "$uuid" > "$keep/uuid.new" && mv "$keep/uuid.new" "$keep/uuid" || fail "the identity could not be kept"
echo "imported by $how"
echo "@bind vg_uuid.$old $uuid"
echo "@bind vg_name.$old $new"
"""

IMPORT_UNDO = r"""
[ -f "$keep/how" ] || { echo "nothing was imported"; exit 0; }
group_here "$new" || { echo "$new is not on this host"; exit 0; }
for d in $ALL; do [ "`user_of "$d"`" = "$new" ] || refuse "$d is in group `user_of "$d"`, not in $new: it is not ours any more"; done
$S exportvg "$new" || fail "$new could not be exported"
if group_here "$new"; then fail "$new is still on this host"; fi
"""

ACTIVATE = r"""
[ "`vgid_of "$D0"`" = "$uuid" ] && [ "`user_of "$D0"`" = "$new" ] || refuse "$D0 is not in $new with identity $uuid any more"
$S varyonvg "$new" || fail "$new could not be varied on"
for l in $lvs; do
  for d in `lslv -l "$l" | awk 'NR > 2 {print $1}'`; do
    has "$d" "$ALL" || fail "$l lies on $d, which is no BCV of this set"
  done
done
"""

ACTIVATE_UNDO = r"""
group_here "$new" || { echo "$new is not on this host"; exit 0; }
ours
for g in `lsvg -o`; do
  if [ "$g" = "$new" ]; then $S varyoffvg "$new" || fail "$new could not be varied off"; fi
done
true
"""

MOUNTED = r"""
mounted_at() { # DIRECTORY: the device that is mounted there
  mount | awk -v p="$1" 'NR > 2 {if ($2 == p) print $1}'
}
"""

MOUNT = r"""
[ "`vgid_of "$D0"`" = "$uuid" ] && [ "`user_of "$D0"`" = "$new" ] || refuse "$D0 is not in $new with identity $uuid any more"
is=`mounted_at "$point"`
[ -z "$is" ] || refuse "$is is mounted at $point already"
free_point
$S fsck -y -V "$kind" "$node" || fail "fsck of $node ended with $?: the copy is not whole; check the filesystem on the source, then split anew"
make_path "$point" || fail "$point could not be made"
note_mount "$node" "$point"
$S mount -v "$kind" -o "$options" "$node" "$point" || fail "$point could not be mounted"
"""

MOUNT_UNDO = r"""
is=`mounted_at "$point"`
case $is in
  "$node")
    ours
    $S umount "$point" || fail "$point could not be unmounted: `$S fuser -cux "$point" 2>&1`";;
  '') ;;
  *) refuse "$is is mounted at $point, not our copy";;
esac
drop_paths "$point"
"""

OWN = r"""
look_own() { # the group must be the one that was measured, on the devices that were measured
  group_here "$old" || refuse "there is no group $old on this host"
  for s in $serials; do
    d=`need "$s"` || exit 90
    [ "`user_of "$d"`" = "$old" ] || refuse "$d (serial $s) is in `user_of "$d"`, not in $old"
  done
}
active() { for g in `lsvg -o`; do if [ "$g" = "$old" ]; then return 0; fi; done; return 1; }
start_own() {
  if active; then :; else $S varyonvg "$old" || fail "$old could not be varied on"; fi
  while read node kind point; do
    [ -n "$node" ] || continue
    is=`mounted_at "$point"`
    if [ "$is" = "$node" ]; then continue; fi
    [ -z "$is" ] || fail "$is is mounted at $point, not $node"
    $S fsck -y -V "$kind" "$node" || fail "fsck of $node ended with $?"
    $S mount -v "$kind" "$node" "$point" || fail "$point could not be mounted"
  done
}
"""

STOP_OWN = r"""
look_own
mkdir -p "$RUN/keep" || fail "no directory $RUN/keep"
: > "$RUN/keep/stopped-$old"
stop_own() {
  while read node kind point; do
    [ -n "$node" ] || continue
    is=`mounted_at "$point"`
    case $is in
      "$node") $S umount "$point" || fail "$point could not be unmounted: `$S fuser -cux "$point" 2>&1`"
        echo "$node $kind $point" >> "$RUN/keep/stopped-$old";;
      '') ;;
      *) fail "$is is mounted at $point, not $node";;
    esac
  done
}
"""

DISCOVERY = r"""
stanzas() { cat /etc/filesystems; }
each_disk() {
  for d in `lsdev -Cc disk -F name:status | sed -n 's/:Available.*//p'`; do
    sect "lscfg.$d" $S lscfg -vpl "$d"
    sect "pvid.$d" $S lquerypv -h "/dev/$d" 80 10
    sect "size.$d" $S bootinfo -s "$d"
  done
}
each_group() {
  for g in `lsvg`; do sect "lsvg.$g" lsvg "$g"; done
  for g in `lsvg -o`; do
    sect "lsvg-p.$g" lsvg -p "$g"
    sect "lsvg-l.$g" lsvg -l "$g"
    for l in `lsvg -l "$g" | awk 'NR > 2 {print $1}'`; do
      sect "lslv.$l" lslv "$l"
      sect "lslv-l.$l" lslv -l "$l"
      sect "lvcb.$l" $S getlvcb -AT "$l"
    done
  done
}
sect uname uname -n
sect oslevel oslevel -s
sect lspv lspv
sect groups lsvg
sect active lsvg -o
sect mounts mount
sect table stanzas
sect df df -Pk
each_disk
each_group
"""
