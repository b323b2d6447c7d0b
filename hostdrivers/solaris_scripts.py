"""The bodies of the Solaris driver's scripts, for the Bourne shell of Solaris 7 to 11 with VxVM 3 to 7; see `solaris_steps`.

nawk, because awk of Solaris knows no -v; nothing that a Solaris of that age lacks (grep -q, tail -n, date +%s, test -e).
"""

from __future__ import annotations

PATH = "/usr/bin:/usr/sbin:/sbin:/usr/lib/vxvm/bin:/etc/vx/bin:/opt/VRTS/bin:/usr/local/bin:/opt/csw/bin"

# A serial is what iostat -En prints: it needs no package, and is of page 0x80 of the device as the driver read it at attach.
FUNCTIONS = r"""
look_at_disks() { # into $TABLE: a line for each path of each VxVM disk: the disk, the path, the serial that the device gives
  all=`$S vxdisk list | nawk 'NR > 1 && $1 != "-" {print $1}'`
  TABLE=`{ $S iostat -En; for d in $all; do $S vxdisk list "$d"; done; } | nawk '
    function short(p) { sub(/s[0-9]+$/, "", p); return p }
    function alone() { if (da != "" && n == 0) print da, da, serial[short(da)] }
    /Soft Errors:/ {name = $1}
    /Serial No:/ {s = $0; sub(/.*Serial No: */, "", s); sub(/ .*/, "", s); serial[name] = s}
    $1 == "Device:" {alone(); da = $2; n = 0; paths = 0}
    $1 == "numpaths:" {paths = 1; next}
    paths && / state=/ {n++; print da, short($1), serial[short($1)]}
    END {alone()}'`
}
# Words are compared as text ("" makes them so): 790E1000 and 790E2000 are one number to awk, infinity.
disks_of() { # SERIAL: every VxVM disk that is on this device
  echo "$TABLE" | nawk -v s="$1" '$3 "" == s "" {print $1}' | sort -u
}
need() { # SERIAL: its one VxVM disk, measured now, in this shell
  set -- $1 `disks_of "$1"`
  [ $# -ge 2 ] || refuse "VxVM knows no disk with serial $1 on this host"
  [ $# -le 2 ] || { s=$1; shift; refuse "more than one disk says that its serial is $s: $*"; }
  echo "$2"
}
word_of() { # DISK KEY: the rest of that line of vxdisk list DISK
  $S vxdisk list "$1" 2>/dev/null | sed -n "s/^$2: *//p" | sed -n 's/ *$//; 1p'
}
diskid_of() { word_of "$1" disk | sed -n 's/.*id=//p'; }
dgid_of() { word_of "$1" group | sed -n 's/.*id=//p'; }
flagged() { # DISK FLAG
  has "$2" "`word_of "$1" flags`"
}
user_of() { # DISK: the group of this host that it is in, empty for none
  $S vxdisk list | nawk -v d="$1" 'NR > 1 && $1 "" == d "" && $4 != "-" && $4 !~ /^\(/ {print $4}'
}
unused() { # SERIAL...: refuse when one of them is in a group of this host
  for s in "$@"; do for d in `disks_of "$s"`; do
    g=`user_of "$d"`
    [ -z "$g" ] || refuse "the device with serial $s ($d) is in group $g on this host"
  done; done
}
again() { # DISK: have VxVM read the private region now; it remembers the one of when the disk came online
  $S vxdisk offline "$1" && $S vxdisk online "$1"
}
ours() { # refuse unless the group is the one that this run imported, and the BCVs of the plan are in it
  is=`group_id "$new"`
  [ -n "$is" ] && [ "$is" = "`cat "$keep/uuid" 2>/dev/null`" ] || refuse "$new is not the group that this run imported"
  for d in $ALL; do
    u=`user_of "$d"`
    [ "$u" = "$new" ] || refuse "$d is in group ${u:-none}, not in $new: it is not ours any more"
  done
}
group_id() { # NAME: the identity of that group of this host, empty when there is none
  $S vxdg list | nawk -v g="$1" 'NR > 1 && $1 "" == g "" {print $NF}'
}
region() { # DISK: the raw slice, the first sector and the sectors of its private region, as VxVM tells them
  set -- "$1" `$S vxdisk list "$1" | sed -n 's/^private: *slice=\([0-9]*\) *offset=\([0-9]*\) *len=\([0-9]*\).*/\1 \2 \3/p'`
  [ $# -eq 4 ] || refuse "VxVM does not tell where the private region of $1 lies"
  p=`echo "$TABLE" | nawk -v d="$1" '$1 "" == d "" {print $2; exit}'`
  echo "/dev/rdsk/${p}s$2 $3 $4"
}
sum_of() { # RAW-SLICE FIRST SECTORS: checksum and length of a private region as it stands on the disk
  $S dd if="$1" bs=512 skip="$2" count="$3" 2>/dev/null | cksum
}
records() { # GROUP TYPE: those records of vxprint
  $S vxprint -ht -g "$1" | nawk -v t="$2" '$1 == t'
}
"""

ATTACH = r"""
mkdir -p "$RUN/keep" || fail "no directory $RUN/keep"
look_at_disks
unused $serials
for s in $serials; do disks_of "$s" > "$RUN/keep/visible-$s"; done
$S devfsadm || fail "devfsadm ended with $?"
$S vxdctl enable || fail "vxdctl enable ended with $?"
look_at_disks
for s in $serials; do
  d=`need "$s"` || exit 90
  p=`echo "$TABLE" | nawk -v d="$d" '$1 "" == d "" {print $2; exit}'`
  raw=/dev/rdsk/$p; [ ! -r "${raw}s2" ] || raw=${raw}s2
  $S dd if="$raw" of=/dev/null bs=512 count=1 2>/dev/null ||
    fail "$d (serial $s, $raw) cannot be read: it is not ready in the array, or reserved by another host"
  again "$d" || fail "$d (serial $s) did not come online"
  [ -n "`diskid_of "$d"`" ] || fail "$d (serial $s) has no private region of VxVM that can be read"
  echo "@bind path.$s `echo "$raw" | sed 's,/rdsk/,/dsk/,'`"
done
"""
ATTACH_UNDO = r"""
look_at_disks
unused $serials
for s in $serials; do
  [ -f "$RUN/keep/visible-$s" ] || continue # nothing was scanned for it, so nothing came
  for d in `disks_of "$s"`; do
    if grep "^$d\$" "$RUN/keep/visible-$s" > /dev/null 2>&1; then continue; fi
    $S vxdisk rm "$d" || fail "$d could not be removed from VxVM"
  done
done
"""

# How a copy gets into this host's hands. VxVM 5 and later know a copy by its UDID and give it ids of its own; before that, two
# disks with one identity must never be seen together. What the private regions were is kept, and put back by the undo: the
# mirrors then carry the source's identity again, for the next import, for a takeover by another host, and for a restore.
# The import lock came with the bytes: it is cleared on these very disks, and only when it names the host that the map was
# taken on. vxdg -C would clear it on whatever VxVM takes, so it is never used.
IMPORT = r"""
[ -z "`group_id "$new"`" ] || refuse "there is a group $new on this host already"
unused $serials
for d in $ALL; do again "$d" || refuse "the private region of $d cannot be read"; done
set -- $diskids
for d in $ALL; do
  is=`diskid_of "$d"`
  [ "$is" = "$1" ] || refuse "$d carries disk ${is:-none}, the map says $1: another device, or a copy" \
    "that was imported and given an identity of its own (establish it and split again)"
  is=`dgid_of "$d"`
  [ "$is" = "$dgid" ] || refuse "$d carries group ${is:-none}, the map says $dgid"
  shift
done
others=''
for d in `echo "$TABLE" | nawk '{print $1}' | sort -u`; do
  if has "$d" "$ALL"; then continue; fi
  if has "`diskid_of "$d"`" "$diskids"; then others="$others $d"; fi
done
if [ -n "`word_of "$D0" udid`" ]; then
  for d in $ALL; do
    flagged "$d" udid_mismatch || flagged "$d" clone_disk || refuse "VxVM does not see that $d is a copy (no udid_mismatch)"
  done
  for d in $others; do
    if flagged "$d" udid_mismatch || flagged "$d" clone_disk; then
      refuse "$d is another copy of the same disk, VxVM could take either: hide it from this host"
    fi
  done
  how='-o useclonedev=on -o updateid'
else
  [ -z "$others" ] || refuse "this VxVM is older than 5.0 and cannot tell a copy from its original:$others" \
    "carries the same disk id; hide it from this host"
  how=''
fi
here=`$S vxdctl list | sed -n 's/^hostid: *//p'`
[ -n "$here" ] || refuse "vxdctl list does not tell the name under which this host locks groups"
locks=''
for d in $ALL; do
  h=`word_of "$d" clusterid`
  [ -z "$h" ] || refuse "$d carries a group that the cluster $h shares"
  h=`word_of "$d" hostid`
  case $h in
    ''|"$here") ;;
    *) [ "$h" = "$owner" ] || [ "$clear" = yes ] || refuse "$d carries the import lock of $h, the map was taken on" \
         "${owner:-no host}: see that $h does not use it, then allow it (clear=yes)"
       locks="$locks $d";;
  esac
done
mkdir -p "$keep" || fail "no directory $keep"
i=0
for d in $ALL; do
  at=`region "$d"` || exit 90
  set -- $at
  sum=`sum_of $at`
  $S dd if="$1" bs=512 skip="$2" count="$3" 2>/dev/null | compress -f -c > "$keep/$i.Z" || fail "the private region of $d could not be kept"
  kept=`uncompress -c "$keep/$i.Z" | cksum`
  [ "$sum" = "$kept" ] || fail "the private region of $d was not kept as it is: $kept, and $sum on the disk"
  echo "$2 $3 $sum" > "$keep/$i.sum" || fail "cannot write to $keep"
  i=`expr $i + 1`
done
echo "locks:$locks" > "$keep/how" || fail "cannot write to $keep"
for d in $locks; do $S vxdisk clearimport "$d" || fail "the import lock on $d could not be cleared"; done
$S vxdg $temporary -n "$new" $how import "$dgid" || fail "vxdg import ended with $?"
if [ -n "$how" ] && [ -z "$temporary" ]; then # to stay: VxVM does not import copies by itself when the host starts
  for d in $ALL; do $S vxdisk set "$d" clone=off || fail "$d could not be made an ordinary disk"; done
fi
uuid=`group_id "$new"`
[ -n "$uuid" ] || fail "there is no group $new after the import"
if [ -n "$how" ]; then [ "$uuid" != "$dgid" ] || fail "$new kept the identity $dgid"; fi
for d in $ALL; do [ "`user_of "$d"`" = "$new" ] || fail "$d is not in $new, but in `user_of "$d"`"; done
for d in `records "$new" dm | nawk '{print $3}'`; do
  has "$d" "$ALL" || fail "$new has the disk $d, which is no BCV of this set"
done
echo "$uuid" > "$keep/uuid.new" && mv "$keep/uuid.new" "$keep/uuid" || fail "the identity could not be kept"
echo "@bind vg_uuid.$old $uuid"
echo "@bind vg_name.$old $new"
"""

IMPORT_UNDO = r"""
[ -f "$keep/how" ] || { echo "nothing was imported"; exit 0; }
if [ -n "`group_id "$new"`" ]; then
  for d in $ALL; do
    u=`user_of "$d"`
    [ "$u" = "$new" ] || refuse "$d is in group ${u:-none}, not in $new: it is not ours any more"
  done
  $S vxdg deport "$new" || fail "$new could not be deported"
  [ -z "`group_id "$new"`" ] || fail "$new is still on this host"
fi
unused $serials
i=0
for d in $ALL; do
  read first length sum size < "$keep/$i.sum" || refuse "what was kept of $d is not there: $keep/$i.sum"
  kept=`uncompress -c "$keep/$i.Z" | cksum`
  [ "$kept" = "$sum $size" ] || refuse "the kept private region of $d is damaged; nothing was written"
  at=`region "$d"` || exit 90
  set -- $at
  [ "$2 $3" = "$first $length" ] || refuse "the private region of $d lies at $2, $3 sectors, and was kept from $first, $length"
  now=`sum_of $at`
  if [ "$now" != "$sum $size" ]; then
    $S vxdisk offline "$d" || fail "$d could not be taken offline"
    uncompress -c "$keep/$i.Z" | $S dd of="$1" bs=512 seek="$2" 2>/dev/null || fail "the private region of $d could not be put back"
    now=`sum_of $at`
    [ "$now" = "$sum $size" ] || fail "the private region of $d is not what was kept"
    $S vxdisk online "$d" || fail "$d did not come online"
  fi
  i=`expr $i + 1`
done
set -- $diskids
for d in $ALL; do
  is=`diskid_of "$d"`
  [ "$is" = "$1" ] || fail "$d does not carry its old identity $1, but ${is:-none}"
  shift
done
rm -f "$keep/how" "$keep"/*.Z # they are on the devices again, and would fill this host in time
"""

LOOK = r"""
[ "`group_id "$new"`" = "$uuid" ] || refuse "the group $new has not the identity $uuid any more"
[ "`user_of "$D0"`" = "$new" ] || refuse "$D0 is not in $new any more"
"""

ACTIVATE = (
    LOOK
    + r"""
for d in `records "$new" sd | nawk '{print $(NF - 1)}' | sort -u`; do
  has "$d" "$ALL" || fail "a volume of $new lies on $d, which is no BCV of this set"
done
$S vxvol -g "$new" startall || fail "the volumes of $new could not be started"
off=`records "$new" v | nawk '$4 != "ENABLED" {print $2}'`
[ -z "$off" ] || fail "these volumes of $new are not started:" $off
"""
)

ACTIVATE_UNDO = r"""
[ -n "`group_id "$new"`" ] || { echo "$new is not on this host"; exit 0; }
ours
$S vxvol -g "$new" stopall || fail "the volumes of $new could not be stopped"
"""

MOUNTED = r"""
mounted_at() { # DIRECTORY: the device that is mounted there
  nawk -F'\t' -v p="$1" '$2 == p {print $1}' /etc/mnttab
}
mount_one() { # KIND OPTIONS DEVICE DIRECTORY: check it, then mount it
  $S fsck -F "$1" -y "`echo "$3" | sed 's,/dsk/,/rdsk/,'`" < /dev/null || fail "fsck of $3: $?; it is not whole: check it on the source"
  $S mount -F "$1" -o "$2" "$3" "$4" || fail "$4 could not be mounted"
}
"""

MOUNT = (
    LOOK
    + r"""
is=`mounted_at "$point"`
[ -z "$is" ] || refuse "$is is mounted at $point already"
free_point
make_path "$point" || fail "$point could not be made"
note_mount "$node" "$point"
mount_one "$kind" "$options" "$node" "$point"
"""
)

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

# A group on its own host is deported while the array changes its disks: VxVM remembers its configuration otherwise.
OWN = r"""
look_own() { # the group must be the one that was measured, on the devices that were measured
  look_at_disks
  is=`group_id "$old"`
  [ -z "$is" ] || [ "$is" = "$dgid" ] || refuse "the group $old is $is, the plan is for $dgid"
  for s in $serials; do
    d=`need "$s"` || exit 90
    if [ -z "$is" ]; then again "$d" || refuse "the private region of $d cannot be read"; fi
    at=`dgid_of "$d"`
    [ "$at" = "$dgid" ] || refuse "$d (serial $s) carries group ${at:-none}, the plan is for $dgid: a copy that was" \
      "imported has an identity of its own until it is established again"
    [ "`user_of "$d"`" = "${is:+$old}" ] || refuse "$d (serial $s) is in group `user_of "$d"`"
  done
}
start_own() { # lines of device, kind and mount point, outermost first
  if [ -z "`group_id "$old"`" ]; then $S vxdg import "$dgid" || fail "$old could not be imported"; fi
  [ "`group_id "$old"`" = "$dgid" ] || fail "the group did not come back as $old"
  $S vxvol -g "$old" startall || fail "the volumes of $old could not be started"
  while read node kind point; do
    [ -n "$node" ] || continue
    is=`mounted_at "$point"`
    if [ "$is" = "$node" ]; then continue; fi
    [ -z "$is" ] || fail "$is is mounted at $point, not $node"
    mount_one "$kind" rw "$node" "$point"
  done
}
stop_own() { # the same lines, innermost first
  while read node kind point; do
    [ -n "$node" ] || continue
    is=`mounted_at "$point"`
    case $is in
      "$node") $S umount "$point" || fail "$point could not be unmounted: `$S fuser -cu "$point" 2>&1`";;
      '') ;;
      *) fail "$is is mounted at $point, not $node";;
    esac
  done
  [ -n "`group_id "$old"`" ] || return 0
  $S vxvol -g "$old" stopall || fail "the volumes of $old could not be stopped"
  $S vxdg deport "$old" || fail "$old could not be deported"
}
"""

TABLE = r"""
mkdir -p "$RUN/keep" || fail "no directory $RUN/keep"
[ -f "$RUN/keep/vfstab" ] || cp /etc/vfstab "$RUN/keep/vfstab" || fail "/etc/vfstab cannot be kept"
for p in $points; do
  if [ -n "`nawk -v p="$p" '$1 !~ /^#/ && $3 == p' /etc/vfstab`" ]; then
    refuse "there is an entry for $p in /etc/vfstab already"
  fi
done
{ nawk '{print}' /etc/vfstab; echo "$mark begin"; echo "$lines"; echo "$mark end"; } > "$RUN/keep/vfstab.new" ||
  fail "the new table cannot be written"
$S cp "$RUN/keep/vfstab.new" /etc/vfstab || fail "/etc/vfstab cannot be written"
for l in begin end; do grep "^$mark $l\$" /etc/vfstab > /dev/null || fail "/etc/vfstab does not have the new entries"; done
"""

TABLE_UNDO = r"""
grep "^$mark begin" /etc/vfstab > /dev/null || { echo "no entries of ours"; exit 0; }
sed "/^$mark begin/,/^$mark end/d" /etc/vfstab > "$RUN/keep/vfstab.back" || fail "the table cannot be read"
$S cp "$RUN/keep/vfstab.back" /etc/vfstab || fail "/etc/vfstab cannot be written"
"""

DISCOVERY = r"""
each_disk() {
  for d in `$S vxdisk list | nawk 'NR > 1 && $1 != "-" {print $1}'`; do sect "vxdisk.$d" $S vxdisk list "$d"; done
  for d in `$S iostat -En | nawk '/Soft Errors:/ {print $1}'`; do
    raw=/dev/rdsk/$d; [ ! -r "${raw}s2" ] || raw=${raw}s2
    sect "read.$d" $S dd if="$raw" of=/dev/null bs=512 count=1
  done
}
each_group() {
  for g in `$S vxdg list | nawk 'NR > 1 {print $1}'`; do
    sect "vxdg.$g" $S vxdg list "$g"
    sect "vxprint.$g" $S vxprint -ht -g "$g"
    for v in `$S vxprint -ht -g "$g" | nawk '$1 == "v" {print $2}'`; do
      sect "fstyp.$g/$v" $S fstyp "/dev/vx/rdsk/$g/$v"
    done
  done
}
sect uname uname -n
sect release uname -sr
sect package pkginfo -l VRTSvxvm
sect hostid $S vxdctl list
sect iostat $S iostat -En
sect disks $S vxdisk -o alldgs list
sect groups $S vxdg list
sect bootdg $S vxdg bootdg
sect mounts cat /etc/mnttab
sect table cat /etc/vfstab
sect df df -k
each_disk
each_group
"""
