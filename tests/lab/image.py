"""The root image of the lab's machines: a Debian tree, a kernel and a small initrd, built once and kept in a cache.

Machines boot from it with a throw-away overlay, so the image never changes after it was built. No key is in it: host
keys and authorized keys are handed to a machine at its boot.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

GUEST_FILES = Path(__file__).with_name("guest")
PACKAGES = (
    "linux-image-cloud-amd64",
    "lvm2",
    "thin-provisioning-tools",
    "openssh-server",
    "e2fsprogs",
    "xfsprogs",
    "btrfs-progs",
    "cryptsetup-bin",
    "iproute2",
    "udev",
    "kmod",
    "restic",
    "procps",
    "psmisc",
    "lsof",
    "acl",
    "attr",
    "sudo",
    "zstd",
    "dash",
    "busybox-static",
    "fdisk",
    "util-linux-extra",
    "postgresql-15",  # with pgbench and pg_amcheck
)
INITRD_MODULES = ("virtio_pci", "virtio_blk", "ext4")
IMAGE_SIZE = "1400M"
DROPPED_PATHS = (
    "/usr/share/man/*",
    "/usr/share/doc/*",
    "/usr/share/locale/*",
    "/usr/share/info/*",
    # PostgreSQL's compiler of queries, which it does without where it is not there: a quarter of the tree
    "/usr/lib/postgresql/*/lib/bitcode/*",
    "/usr/lib/postgresql/*/lib/llvmjit*",
    "/usr/lib/x86_64-linux-gnu/libLLVM*",
    "/usr/lib/x86_64-linux-gnu/libz3*",
)
# No database of Debian's own is made when its package is installed: the tests make theirs.
NO_CLUSTER = (
    'mkdir -p "$1/etc/postgresql-common" && echo "create_main_cluster = false" > "$1/etc/postgresql-common/createcluster.conf"'
)


@dataclass(frozen=True, slots=True)
class Image:
    """A finished image in the cache; its three files are only ever read."""

    directory: Path

    @property
    def kernel(self) -> Path:
        """The kernel, booted directly so that no boot loader is needed."""
        return self.directory / "kernel"

    @property
    def initrd(self) -> Path:
        """The initrd without any machine's own files; a machine appends its own archive."""
        return self.directory / "initrd"

    @property
    def root(self) -> Path:
        """The raw ext4 root filesystem, the backing file of every machine's overlay."""
        return self.directory / "root.img"


class ImageBuildError(Exception):
    """The image can't be built here; the message says which step failed and what it printed last."""


def build_image() -> Image:
    """Return the image of the present recipe, building it first when the cache lacks it."""
    home = _cache_home()
    home.mkdir(parents=True, exist_ok=True)
    suite = _debian_suite()
    image = Image(home / _recipe_hash(suite))
    with _locked(home / f"{image.directory.name}.lock"):
        if not image.directory.is_dir():
            _build_into(image.directory, suite)
    return image


def _build_into(directory: Path, suite: str) -> None:
    """Build in a neighbour of the final place and rename, so that a broken build is never taken for an image."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="building-", dir=directory.parent) as scratch_name:
        scratch = Path(scratch_name)
        tree, product = scratch / "tree", scratch / "image"
        product.mkdir()
        _bootstrap(tree, suite, scratch / "mmdebstrap.log")
        _customize(tree)
        kernel = _only(tree.glob("boot/vmlinuz-*"))
        shutil.copy2(kernel, product / "kernel")
        _make_initrd(tree, kernel.name.removeprefix("vmlinuz-"), scratch / "initrd-tree", product / "initrd")
        _run(["mke2fs", "-q", "-t", "ext4", "-L", "labroot", "-d", str(tree), str(product / "root.img"), IMAGE_SIZE])
        figures = {"seconds": round(time.monotonic() - started, 1), "kernel": kernel.name, "suite": suite}
        (product / "built.json").write_text(json.dumps(figures) + "\n")
        product.rename(directory)


def _bootstrap(tree: Path, suite: str, log: Path) -> None:
    """Unpack Debian with the machine's own apt sources and apt options, so that its mirror and proxies are used."""
    options = [f"--dpkgopt=path-exclude={path}" for path in DROPPED_PATHS]
    options += [f"--aptopt={line}" for line in _apt_options()]
    options += [f"--essential-hook={NO_CLUSTER}"]
    arguments = ["mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", *options, suite, str(tree)]
    with log.open("wb") as output:
        done = subprocess.run(  # the mirror is given as lines of a sources.list on standard input
            [*arguments, "-"], input="\n".join(_apt_sources()).encode(), stdout=output, stderr=output, check=False
        )
    if done.returncode != 0:
        raise ImageBuildError(f"mmdebstrap ended with {done.returncode}:\n{log.read_text(errors='replace')[-2000:]}")


def _customize(tree: Path) -> None:
    """Give the tree its init, its user and its sshd settings."""
    lab = tree / "etc" / "lab"
    lab.mkdir(parents=True)
    for name in ("boot", "halt", "customize"):
        shutil.copy2(GUEST_FILES / name, lab / name)
        (lab / name).chmod(0o755)
    shutil.copy2(GUEST_FILES / "inittab", tree / "etc" / "inittab")
    _run(["chroot", str(tree), "/etc/lab/customize"])


def _make_initrd(tree: Path, kernel_version: str, stage: Path, result: Path) -> None:
    """Pack busybox, the block drivers in loading order and our first program into an archive the kernel unpacks."""
    for name in ("bin", "modules", "proc", "sys", "dev", "root", "machine"):
        (stage / name).mkdir(parents=True)
    shutil.copy2(tree / "bin" / "busybox", stage / "bin" / "busybox")
    shutil.copy2(GUEST_FILES / "initrd-init", stage / "init")
    (stage / "init").chmod(0o755)
    order: list[str] = []
    for path in _module_paths(tree, kernel_version):
        shutil.copy2(tree / path.lstrip("/"), stage / "modules" / Path(path).name)
        order.append(Path(path).name)
    (stage / "modules" / "order").write_text("\n".join(order) + "\n")
    result.write_bytes(pack_cpio(stage))


def _module_paths(tree: Path, kernel_version: str) -> list[str]:
    """Ask the tree's own kmod which modules, in which order, the initrd has to load; built-in ones need none."""
    paths: list[str] = []
    for module in INITRD_MODULES:
        listing = _run(["chroot", str(tree), "modprobe", "-S", kernel_version, "--show-depends", module])
        for line in listing.splitlines():
            verb, _, path = line.strip().partition(" ")
            if verb == "insmod" and path not in paths:
                paths.append(path.strip())
    return paths


def pack_cpio(directory: Path) -> bytes:
    """Pack a directory as a `newc` archive owned by root, the form that the kernel takes as (part of) an initrd."""
    names = sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))
    done = subprocess.run(
        ["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"],
        cwd=directory,
        input="\n".join(names).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    return done.stdout + bytes(-len(done.stdout) % 4)


def _apt_sources() -> list[str]:
    """Derive sources.list lines of Debian itself (not of third parties) from this machine's apt configuration."""
    targets = _run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)", "Created-By: Packages"]
    )
    lines = [target.split("|") for target in targets.splitlines()]
    sources = sorted({f"deb {uri} {suite} {part}" for origin, uri, suite, part in lines if origin == "Debian"})
    if not sources:
        raise ImageBuildError("apt knows no Debian index here: run `apt-get update` first")
    return sources


def _apt_options() -> list[str]:
    """Repeat this machine's proxies and date checks, which a fresh tree's apt would otherwise not know."""
    wanted = ("Acquire::http", "Acquire::https", "Acquire::Check-")
    return [line for line in _run(["apt-config", "dump"]).splitlines() if line.startswith(wanted) and '""' not in line]


def _debian_suite() -> str:
    """Take the suite of this machine, since its configured mirror surely carries that one."""
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    raise ImageBuildError("this machine's /etc/os-release names no Debian suite")


def _recipe_hash(suite: str) -> str:
    """Name the image by everything that decides its content, so that a changed recipe builds a new one."""
    digest = hashlib.sha256(repr((suite, PACKAGES, INITRD_MODULES, IMAGE_SIZE, DROPPED_PATHS, NO_CLUSTER)).encode())
    for path in sorted(GUEST_FILES.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _cache_home() -> Path:
    """Follow SPLITMOUNT_LAB_CACHE, else the XDG cache directory."""
    named = os.environ.get("SPLITMOUNT_LAB_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "splitmount-lab"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a file lock, so that a second builder waits and then finds the finished image."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _run(arguments: list[str]) -> str:
    """Run one build command and return what it printed; a failure carries its last words."""
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ImageBuildError(f"{arguments[0]} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def _only(paths: Iterator[Path]) -> Path:
    """Return the one path there must be, because a tree with two kernels would be a broken recipe."""
    found = list(paths)
    if len(found) != 1:
        raise ImageBuildError(f"expected one kernel in the tree, found {found}")
    return found[0]


if __name__ == "__main__":
    print(build_image().directory)
