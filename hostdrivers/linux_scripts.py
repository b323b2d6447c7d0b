"""The bodies of the Linux driver's scripts. Variables are set by `linux_steps`; functions come from `linux_shell`."""

from hostdrivers.script import OURS_THERE

USERS = (
    r"""
users_of() { # KERNEL_NAME: the names of what is stacked on a disk or its partitions; multipath maps are looked through
  for h in "/sys/block/$1/holders/"* "/sys/block/$1/$1"*"/holders/"*; do
    [ -e "$h" ] || continue
    case `cat "$h/dm/uuid" 2>/dev/null` in
      mpath-*) users_of "`basename "$h"`";;
      *) cat "$h/dm/name" 2>/dev/null || basename "$h";;
    esac
  done
}
unused() { # SERIAL...: refuse when anything is stacked on one of them
  for s in "$@"; do for k in `disks_of "$s"`; do
    u=`users_of "$k" | tr '\n' ' '`
    [ -z "$u" ] || refuse "the device with serial $s (/dev/$k) is in use by: $u"
  done; done
}
asleep() { # deactivate the copy where udev activated it under its old name by itself; never on the source's own host
  [ "$same_host" = no ] || return 0
  stacked=''; for s in $serials; do for k in `disks_of "$s"`; do stacked=$stacked`users_of "$k"`; done; done
  [ -z "$stacked" ] || $S lvm vgchange --config "$NB" -an --nohints --devices "$DEVS" "$old"
}
leaves() { # KERNEL_NAME: the disks below a device-mapper device
  if [ -r "/sys/class/block/$1/partition" ]; then basename "`readlink -f "/sys/class/block/$1/.."`"; return; fi
  if [ -z "`ls "/sys/class/block/$1/slaves" 2>/dev/null`" ]; then echo "$1"; return; fi
  for x in "/sys/class/block/$1/slaves/"*; do leaves "`basename "$x"`"; done
}
take_down() { # WHAT: deactivate the volumes that `left` names, in as many rounds as they lie upon each other; what is in use stays
  rounds=0
  while [ -n "`left`" ]; do
    rounds=`expr $rounds + 1`
    [ $rounds -le 9 ] || fail "these volumes of $1 are in use: `left | tr '\n' ' '`"
    left | while read -r node; do $S dmsetup remove --retry "$node" 2>/dev/null || :; done
    udevadm settle --timeout=60
  done
}
ours() { # NODE: refuse unless the kernel's own identity of the volume begins with that of the group that this run imported
  u=`cat "$keep/uuid" 2>/dev/null | tr -d -`
  n=`readlink -f "$1"`
  case `cat "/sys/block/${n##*/}/dm/uuid" 2>/dev/null` in
    "LVM-${u:-nothing}"?*) ;;
    *) refuse "$1 is not of the group that this run imported: a name is a label, and this one is another's";;
  esac
}
"""
    + OURS_THERE
    + r"""look() { # FIELDS: fields of all physical volumes of the group, seen through the private device list, into $rows
  rows=`$S lvm pvs --config "$NB" --nohints --devices "$DEVS" --noheadings --separator '|' -o "pv_name,$1" $ALL | tr -d ' '`
}
row() { # DEVICE: its fields in what was looked at
  echo "$rows" | sed -n "s,^$1|,,p"
}
"""
)

ATTACH = r"""
mkdir -p "$RUN/keep" || fail "no directory $RUN/keep"
look_at_disks
unused $serials
for s in $serials; do disks_of "$s" > "$RUN/keep/visible-$s" || fail "cannot write to $RUN/keep"; done
for h in /sys/class/scsi_host/host*; do echo '- - -' | $S tee "$h/scan" > /dev/null; done
udevadm settle --timeout=30
began=`date +%s`
for s in $serials; do
  while :; do
    look_at_disks
    p=`path_of "$s"` || exit 90
    if [ -n "$p" ] && $S timeout -s KILL 10 dd if="$p" of=/dev/null bs=4096 count=1 iflag=direct 2>/dev/null; then break; fi
    [ $((`date +%s` - began)) -lt $patience ] || fail "the device with serial $s did not become readable: ${p:-it is not there}"
    sleep 0.5
  done
  $S blockdev --flushbufs "$p" || fail "$p: cached blocks could not be dropped"
  $S blockdev --rereadpt "$p" 2>/dev/null
  echo "@bind path.$s $p"
done
udevadm settle --timeout=30
"""

ATTACH_UNDO = r"""
look_at_disks
came=' '
for s in $serials; do
  [ -f "$RUN/keep/visible-$s" ] || continue # nothing was scanned for it, so nothing came
  for k in `disks_of "$s"`; do grep -qx "$k" "$RUN/keep/visible-$s" || came="$came$k "; done
done
left() { # LVM's volumes of which every part lies on the disks that the scan brought: only udev can have activated them
  for b in /sys/block/dm-*; do
    case `cat "$b/dm/uuid" 2>/dev/null` in LVM-*) ;; *) continue;; esac
    for x in `leaves "${b##*/}"`; do case $came in *" $x "*) ;; *) continue 2;; esac; done
    cat "$b/dm/name"
  done
}
[ "$came" = ' ' ] || take_down "the copy"
unused $serials
for k in $came; do
  $S blockdev --flushbufs "/dev/$k" 2>/dev/null
  m=`map_of "$k"`
  if [ "$m" != "/dev/$k" ]; then $S multipath -f "$m" || fail "multipath map $m could not be removed"; fi
  echo 1 | $S tee "/sys/block/$k/device/delete" > /dev/null || fail "/dev/$k could not be removed"
done
udevadm settle --timeout=30
"""

IMPORT = r"""
rejects='' # the copy itself bears the source's name: what counts are the groups of all other devices
for d in $ALL; do rejects="$rejects,\"r|^$d$|\""; done
names=`$S lvm vgs --config "$NB devices{filter=[${rejects#,}]}" --nohints --noheadings -o vg_name` ||
  refuse "the groups of this host cannot be listed"
for n in $names; do
  if [ "$n" = "$new" ] || [ "$n" = "$final" ]; then refuse "there is a group $n on this host already"; fi
done
asleep || refuse "$old was activated here and is in use"
if [ -e "/dev/$new" ] || [ -e "/dev/$final" ]; then refuse "/dev/$final exists already"; fi
unused $serials
look pv_uuid,vg_uuid,vg_name,pv_mda_count,vg_exported,vg_partial
set -- $pvids
for d in $ALL; do
  was=`row "$d"`
  case $was in
    "$1|$vgid|$old|"[01]"||") ;;
    *) refuse "$d is not what the map says: found $was, expected physical volume $1 of group $vgid ($old)";;
  esac
  shift
done
for d in $ALL; do
  case `row "$d"` in *"|0||") continue;; esac
  text=`$S lvm pvck --config "$NB" --dump metadata "$d"` || refuse "the metadata of $d cannot be read"
  id=`echo "$text" | sed -n 's/^[[:space:]]*id = "\(.*\)".*/\1/p' | head -n 1`
  at=`echo "$text" | sed -n 's/^[[:space:]]*seqno = \([0-9][0-9]*\).*/\1/p' | head -n 1`
  [ "$id" = "$vgid" ] || refuse "$d carries group $id, not $vgid"
  [ "$at" = "$seqno" ] || refuse "$d carries the group at sequence number $at, the map says $seqno: another split, or an old map"
done
mkdir -p "$keep" || fail "no directory $keep"
i=0
for start in $starts; do
  eval "d=\$D$i n=\$N$i"
  why='' # what an operator without privileges reads when udev's rule is missing
  case "${S:-root} $n" in "sudo "*" /dev/disk/by-id/"*) ;; sudo*) why=": it has no name that ends in its serial, which sudo needs";; esac
  $S head -c "$start" "$n" > "$keep/$i.new" || fail "the first bytes of $d cannot be read$why"
  [ "`wc -c < "$keep/$i.new"`" -eq "$start" ] || fail "the first bytes of $d cannot be read whole"
  mv "$keep/$i.new" "$keep/$i.head"
  i=`expr $i + 1`
done
( cd "$keep" && sha256sum *.head > sums.new && sync && mv sums.new sums ) || fail "the first bytes of the BCVs could not be kept"
config=$NB
if [ -n "$foreign" ]; then config="$config local{extra_system_ids=[\"$foreign\"]}"; fi
$S timeout 120 vgimportclone --config "$config" --nohints --devices "$DEVS" -n "$new" $ALL || fail "vgimportclone ended with $?"
look vg_name,vg_uuid
first=`row "$D0"`
uuid=${first#*|}
for d in $ALL; do [ "`row "$d"`" = "$new|$uuid" ] || fail "$d is now in `row "$d"`, not in $new $uuid"; done
[ "$uuid" != "$vgid" ] || fail "the group kept its UUID $vgid"
now=`$S lvm lvs --config "$NB" --nohints --devices "$DEVS" --noheadings -o lv_uuid "$new" | tr -d ' ' | sort | tr '\n' ' '`
[ "$now" = "`for l in $lvids; do echo $l; done | sort | tr '\n' ' '`" ] || fail "the logical volumes of $new are not those of the map"
if [ "$final" != "$new" ]; then # a group never gets the name that is on the disks at once: LVM would hang
  $S lvm vgrename --config "$NB" --nohints --devices "$DEVS" "$uuid" "$final" || fail "$new could not be renamed to $final"
  new=$final
fi
echo "$uuid" > "$keep/uuid.new" && mv "$keep/uuid.new" "$keep/uuid" || fail "the new UUID could not be kept"
echo "@bind vg_uuid.$old $uuid"
echo "@bind vg_name.$old $new"
"""

IMPORT_UNDO = r"""
[ -f "$keep/sums" ] || { echo "nothing was imported"; exit 0; }
unused $serials
( cd "$keep" && sha256sum -c --quiet sums ) || refuse "the kept first bytes in $keep are damaged; nothing was written"
ours=`cat "$keep/uuid" 2>/dev/null`
look pv_uuid,vg_uuid 2>/dev/null
set -- $pvids
i=0
for d in $ALL; do
  is=`row "$d"`
  if [ "$is" != "$1|$vgid" ]; then
    case $is in *"|$ours") ;; *"|"?*) [ -z "$ours" ] || refuse "$d is in another group by now: $is";; esac
    eval "n=\$N$i"
    $S dd of="$n" bs=65536 conv=fsync,notrunc < "$keep/$i.head" 2>/dev/null || fail "$d could not be written"
    $S blockdev --flushbufs "$d"
  fi
  i=`expr $i + 1`; shift
done
look pv_uuid,vg_uuid,vg_name
set -- $pvids
for d in $ALL; do
  [ "`row "$d"`" = "$1|$vgid|$old" ] || fail "$d does not carry its old identity, but `row "$d"`"
  shift
done
rm -f "$keep/sums" "$keep"/*.head # they are on the devices again, and would fill this host in time
udevadm settle --timeout=60
asleep
"""

ACTIVATE = r"""
look vg_uuid,vg_name
[ "`row "$D0"`" = "$uuid|$new" ] || refuse "$D0 is not in $new with UUID $uuid any more"
$S lvm vgchange --config "$NB" -ay --nohints --devices "$DEVS" "$new" || fail "$new could not be activated"
udevadm settle --timeout=60
for n in $nodes; do
  [ -b "$n" ] || fail "$n did not appear"
  for k in `leaves "\`basename "\\\`readlink -f "$n"\\\`"\`"`; do
    s=`serial_of "$k"`
    case " $serials " in *" $s "*) ;; *) fail "$n lies on /dev/$k (serial $s), which is no BCV of this set";; esac
  done
done
"""

ACTIVATE_UNDO = r"""
[ -f "$keep/uuid" ] || { echo "nothing was activated"; exit 0; }
look vg_uuid,vg_name
[ "`row "$D0"`" = "`cat "$keep/uuid"`|$new" ] || { echo "$new is not there any more"; exit 0; }
$S lvm vgchange --config "$NB" -an --nohints --devices "$DEVS" "$new" || fail "$new could not be deactivated"
udevadm settle --timeout=60
unused $serials
"""

MOUNT = r"""
make_path() { # DIRECTORY: make what is missing, each noted before it is made
  [ -d "$1" ] && return
  make_path "`dirname "$1"`" || return 1
  printf '%s\n' "$1" >> "$RUN/keep/created" && $S mkdir -m 755 "$1"
}
look vg_uuid,vg_name
[ "`row "$D0"`" = "$uuid|$new" ] || refuse "$D0 is not in $new with UUID $uuid any more"
[ -b "$node" ] || refuse "$node is not there"
if mountpoint -q "$point"; then refuse "$point is a mount point already"; fi
if [ -d "$point" ]; then
  around=`findmnt -n -o SOURCE --target "$point" | tail -n 1`
  if ours_there "$around" "`findmnt -n -o TARGET --target "$point" | tail -n 1`"; then : # it is a directory of the copy itself
  else
    held=`$S ls -A "$point"` || refuse "$point cannot be looked into"
    [ -z "$held" ] || refuse "$point is not empty"
  fi
fi
make_path "$point" || fail "$point could not be made"
echo "$node|$point" >> "$RUN/keep/mounted" || fail "cannot write to $RUN/keep"
$S mount -t "$kind" -o "$options" "$node" "$point" || fail "$point could not be mounted; check the filesystem on the source, then split anew"
"""

MOUNT_UNDO = r"""
is=`findmnt -n -o SOURCE --mountpoint "$point" | tail -n 1`
case $is in
  "$node")
    ours "$node"
    $S umount "$point" || fail "$point could not be unmounted: `$S fuser -m "$point" 2>&1`";;
  '') ;;
  *) refuse "$is is mounted at $point, not our copy";;
esac
if [ -f "$RUN/keep/created" ]; then
  sort -r "$RUN/keep/created" | while IFS= read -r d; do
    case "$point/" in "$d"/*) $S rmdir "$d" 2>/dev/null;; esac
  done
fi
true
"""

OWN = r"""
look_own() { # the group must be the one that was measured, on the devices that were measured
  look_at_disks
  is=`$S lvm vgs --nohints --noheadings -o vg_uuid "$old" 2>/dev/null | tr -d ' '`
  [ "$is" = "$vgid" ] || refuse "the group $old is ${is:-not there}, the plan is for $vgid"
  for s in $serials; do need "$s" > /dev/null || exit 90; done
}
stop_own() { # lines of device, kind, mount point, innermost first
  while IFS='|' read -r own_node own_kind own_options own_point; do
    is=`findmnt -n -o SOURCE --mountpoint "$own_point" | tail -n 1`
    case $is in
      "$own_node") $S umount "$own_point" || fail "$own_point could not be unmounted: `$S fuser -m "$own_point" 2>&1`";;
      '') ;;
      *) fail "$is is mounted at $own_point, not $own_node";;
    esac
  done
}
start_own() { # the same lines, outermost first
  $S lvm vgchange --config "$NB" -ay --nohints "$old" || fail "$old could not be activated"
  udevadm settle --timeout=60
  while IFS='|' read -r own_node own_kind own_options own_point; do
    is=`findmnt -n -o SOURCE --mountpoint "$own_point" | tail -n 1`
    if [ "$is" = "$own_node" ]; then continue; fi
    [ -z "$is" ] || fail "$is is mounted at $own_point, not $own_node"
    case $own_kind in
      ext*) $S fsck -p -T "$own_node" < /dev/null; [ $? -le 1 ] || fail "fsck of $own_node found more than it may repair by itself";;
    esac
    $S mount -t "$own_kind" -o "$own_options" "$own_node" "$own_point" || fail "$own_point could not be mounted"
  done
}
"""

# A group whose labels are gone: nothing else may live on its devices; its volumes are still in the kernel.
LOST = r"""
look_lost() {
  look_at_disks
  for s in $serials; do
    need "$s" > /dev/null || exit 90
    for k in `disks_of "$s"`; do
      other=`$S lvm pvs --nohints --noheadings -o vg_uuid "/dev/$k" 2>/dev/null | tr -d ' '`
      [ -z "$other" ] || [ "$other" = "$vgid" ] || refuse "the device $s carries another group ($other), not $vgid"
    done
  done
}
"""

DEACTIVATE_LOST = r"""
ours=LVM-`echo "$vgid" | tr -d -`
left() { $S dmsetup info -c --noheadings --separator '|' -o uuid,name 2>/dev/null | sed -n "s/^$ours[^|]*|//p"; }
take_down "$old"
for s in $serials; do for k in `disks_of "$s"`; do $S blockdev --flushbufs "/dev/$k" || fail "/dev/$k could not be flushed"; done; done
"""

DEACTIVATE_OWN = r"""
$S lvm vgchange --config "$NB" -an --nohints "$old" || fail "$old could not be deactivated"
udevadm settle --timeout=60
for s in $serials; do for k in `disks_of "$s"`; do $S blockdev --flushbufs "/dev/$k" || fail "/dev/$k could not be flushed"; done; done
"""

# Blocks that the kernel remembers are of the time before the restore.
FORGET_OWN = r"""
for s in $serials; do for k in `disks_of "$s"`; do $S blockdev --flushbufs "/dev/$k" || fail "/dev/$k could not be flushed"; done; done
"""

TABLE = r"""
mkdir -p "$RUN/keep" || fail "no directory $RUN/keep"
[ -f "$RUN/keep/fstab" ] || cp /etc/fstab "$RUN/keep/fstab" || fail "/etc/fstab cannot be kept"
set -- -e "\$a $mark begin" # lines as arguments, not as a file: a rule of sudo can see what is added
while IFS='|' read -r node kind options point; do
  where=`printf '%s' "$point" | sed 's/ /\\\\040/g'`
  set -- "$@" -e "\$a $node `printf '%s' "$where" | sed 's/\\\\/&&/g'` $kind $options 0 2"
  if awk -v p="$where" '$1 !~ /^#/ && $2 == p {found = 1} END {exit !found}' /etc/fstab; then
    refuse "there is an entry for $point in /etc/fstab already"
  fi
done <<MOUNTS
$lines
MOUNTS
set -- "$@" -e "\$a $mark end"
if [ -s /etc/fstab ]; then $S sed -i "$@" /etc/fstab || fail "/etc/fstab cannot be written"
else # sed adds after the last line, and there is none
  { echo "$mark begin"
    echo "$lines" | while IFS='|' read -r node kind options point; do
      printf '%s %s %s %s 0 2\n' "$node" "`printf '%s' "$point" | sed 's/ /\\\\040/g'`" "$kind" "$options"
    done
    echo "$mark end"
  } > "$RUN/keep/fstab.new" && $S cp "$RUN/keep/fstab.new" /etc/fstab || fail "/etc/fstab cannot be written"
fi
grep -q "^$mark end\$" /etc/fstab || fail "/etc/fstab does not have the new entries"
"""

TABLE_UNDO = r"""
grep -q "^$mark begin" /etc/fstab || { echo "no entries of ours"; exit 0; }
$S sed -i -e "/^$mark begin\$/,/^$mark end\$/d" /etc/fstab || fail "/etc/fstab cannot be written"
"""
