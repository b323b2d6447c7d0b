"""What an account may ask sudo for in vain: told to the rules here, and to the real sudo in the lab."""

from __future__ import annotations

POINT = "/mnt/splitmount/ordinary/srv/data"
COPY = "/dev/mapper/vgdata_bcv-lvdata"
TAR = "tar --create --format=posix --numeric-owner --acls --xattrs --sparse --one-file-system --warning=no-file-ignored"

# What each account asks sudo for, and does not get.
SHELLS = (
    "-s",
    "-i",
    "sh",
    "bash -c id",
    "su",
    "-e /etc/passwd",
    "env sh",
    "find /srv -exec sh {} +",
    "awk 1",
    "vi /etc/passwd",
)
CHANGES = (
    f"mount -t ext4 -o ro,nodev,nosuid {COPY} {POINT}", f"umount {POINT}", "umount /srv/data", f"mkdir -m 755 {POINT}",
    "lvm vgchange -ay vgdata", "lvm vgchange --config 'backup{backup=0 archive=0}' -ay --nohints vgdata", "lvm vgremove -f vgdata",
    "dd if=/dev/zero of=/dev/sda bs=4096 count=1", "dd of=/dev/sda bs=65536 conv=fsync,notrunc", "dd if=/dev/sda bs=4096 count=1",
    "head -c 512 /dev/sda", "fsfreeze -f /srv/data", "tee /sys/class/scsi_host/host0/scan", "tee /sys/block/sda/device/delete",
    "blockdev --flushbufs /dev/sda", f"{TAR} --file=- --directory={POINT} .", "restic --repo /var/tmp/restic-repo init",
    "sed -i -e '$a x' /etc/fstab", "cp /etc/hostname /etc/fstab", "fuser -k -m /srv/data", "multipath -F", "dmsetup remove_all",
)  # fmt: skip
OUTSIDE = (
    "dd of=/dev/vda bs=65536 conv=fsync,notrunc",
    "dd of=/dev/sda bs=65536 conv=fsync,notrunc",
    "dd of=/dev/disk/by-id/splitmount-{own} bs=65536 conv=fsync,notrunc",
    "dd of=/dev/disk/by-id/../sda-{bcv} bs=65536 conv=fsync,notrunc",
    "dd of=/dev/disk/by-id/splitmount-{bcv} bs=65536 conv=fsync,notrunc oflag=append",
    "head -c 512 /dev/vda",
    "cp /etc/hostname /etc/passwd",
    "cp /var/tmp/splitmount-smwork/runs/r/keep/fstab.new /etc/fstab",
    f"mount -t ext4 -o ro,nodev,nosuid /dev/vda {POINT}",
    f"mount -t ext4 -o rw {COPY} {POINT}",
    f"mount -t ext4 -o ro,nodev,nosuid,suid {COPY} {POINT}",
    f"mount -t ext4 -o ro,nodev,nosuid {COPY} /etc",
    f"mount -t ext4 -o ro,nodev,nosuid {COPY} /mnt/splitmount/ordinary/../../../etc",
    "mount -o remount,suid /",
    "umount /",
    "mkdir -m 755 /etc/x",
    "mkdir -m 4777 /mnt/splitmount/x",
    "rmdir /etc/x",
    "sed -i -e '$a smwork ALL=(ALL) NOPASSWD: ALL' /etc/sudoers",
    "sed -i -e '$a /dev/vda /etc ext4 defaults 0 2' /etc/fstab",
    "sed -i -e 's/x/id/e' /etc/fstab",
    "tee /etc/passwd",
    f"{TAR} --file=/etc/cron.d/x --directory={POINT} .",
    f"{TAR} --file=- --directory=/root .",
    f"{TAR} --checkpoint=1 --checkpoint-action=exec=sh --file=- --directory={POINT} .",
    "tar --extract --file=- --to-command=sh -C /",
    "tar --extract --file=- --numeric-owner -C /etc",
    "restic --repo /var/tmp/restic-repo --password-command id cat config --no-lock --no-cache",
    "restic --repo /var/tmp/other --password-command 'cat /root/.restic-password' init",
    "restic --repo /var/tmp/restic-repo --password-command 'cat /root/.restic-password' restore latest --target /",
    "lvm vgremove -f vgdata_bcv",
    "lvm vgchange --config 'global{{fsadm_executable=/tmp/x}}' -ay --nohints vgdata",
    f"fsck -y {COPY}",
    "fuser -k -m /srv/data",
)
