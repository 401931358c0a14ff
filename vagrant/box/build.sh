#!/usr/bin/env bash
# Builds a Debian 12 box for vagrant-libvirt from Debian's packages alone, in a minute:
#
#   vagrant/box/build.sh OUT.box [WHEELS]
#
# Has all that vagrant/provision.sh would install.  With WHEELS, a folder of Python wheels, they are installed in
# /vagrant/.venv, where ./mesh looks, and pip in the box never asks a network: where processors are emulated,
# installing them there would take many minutes.  Needs root; no loop device, no mount and no KVM.
# DISK_MB (10240) is the size of the box's disk; it takes up what is written to it.
set -euo pipefail
unset CDPATH

say() { printf 'build: %s\n' "$*" >&2; }

fail() {
    say "$@"
    exit 1
}

(($# == 1 || $# == 2)) || fail "usage: $0 OUT.box [WHEELS]"
((EUID == 0)) || fail "needs root, to make the files of another system: sudo $0 $*"
out=$(readlink -m -- "$1")
wheels=${2:+$(readlink -f -- "$2")}
disk_mb=${DISK_MB:-10240}
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

for program in mmdebstrap sfdisk mke2fs qemu-img; do
    command -v "$program" >/dev/null || fail "$program is missing: vagrant/provision.sh --vm"
done
# Known to everybody: with it `vagrant up` gets in for the first time, and then puts one of its own.
public_key=$(dpkg -L vagrant 2>/dev/null | grep '/keys/vagrant\.pub$') ||
    fail "Vagrant's public key is missing: vagrant/provision.sh --vm"

work=$(mktemp -d "${TMPDIR:-/var/tmp}/orbitmesh-box-XXXXXX")
trap 'rm -rf --one-file-system -- "$work"' EXIT
root=$work/root

# The list is the box's, which need not run the same system as this machine.
mkdir -p "$work/system/etc"
printf 'ID=debian\nVERSION_ID=12\n' >"$work/system/etc/os-release"
mapfile -t packages < <(PROVISION_SYSTEM=$work/system "$here/../provision.sh" --test --list)
packages+=(
    linux-image-cloud-amd64 initramfs-tools grub-pc-bin     # its kernel has sch_netem and virtio
    systemd-sysv systemd-resolved libpam-systemd dbus kmod  # libpam-systemd: logins have limits of their own
    openssh-server sudo rsync ca-certificates
)

# mmdebstrap calls it with the new system's folder.
cat >"$work/customize" <<'HOOK'
#!/bin/sh
set -eu
root=$1
chroot "$root" useradd --create-home --shell /bin/bash vagrant
echo 'vagrant ALL=(ALL) NOPASSWD:ALL' >"$root/etc/sudoers.d/vagrant"
chmod 440 "$root/etc/sudoers.d/vagrant"
home=$root$(chroot "$root" sh -c 'echo ~vagrant')
install -d -m 700 "$home/.ssh"
install -m 600 "$PUBLIC_KEY" "$home/.ssh/authorized_keys"
chroot "$root" sh -c 'chown -R vagrant:vagrant ~vagrant/.ssh'

printf '[Match]\nName=e*\n[Network]\nDHCP=yes\n' >"$root/etc/systemd/network/20.network"
chroot "$root" systemctl --quiet enable systemd-networkd ssh
# They take minutes of a software-emulated machine's start.
chroot "$root" systemctl --quiet mask systemd-networkd-wait-online.service e2scrub_reap.service \
    e2scrub_all.timer apt-daily.timer apt-daily-upgrade.timer
echo 'LABEL=root / ext4 defaults 0 1' >"$root/etc/fstab"
echo debian12 >"$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 debian12\n' >"$root/etc/hosts"
: >"$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id"

if [ -n "$WHEELS" ]; then
    mkdir -p "$root/opt/wheels"
    cp -- "$WHEELS"/*.whl "$root/opt/wheels/"
    chmod -R u=rwX,go=rX "$root/opt/wheels"
    printf '[global]\nno-index = true\nfind-links = /opt/wheels\n' >"$root/etc/pip.conf"
    chroot "$root" sh -c 'python3 -m venv /vagrant/.venv &&
        /vagrant/.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --root-user-action=ignore \
            /opt/wheels/*.whl &&
        chown -R vagrant:vagrant /vagrant'
fi

# grub-install would need a loop device and kernel support for partitions in it; its two parts do not.
mkdir -p "$root/boot/grub"
chroot "$root" grub-mkimage -O i386-pc -p '(hd0,msdos1)/boot/grub' -o /boot/grub/core.img \
    biosdisk part_msdos ext2 normal configfile linux serial terminal echo search search_label test minicmd
cat >"$root/boot/grub/grub.cfg" <<'GRUB'
set timeout=0
set default=0
menuentry Debian {
  search --no-floppy --label root --set=root
  linux /vmlinuz root=LABEL=root ro quiet net.ifnames=0 console=tty0 console=ttyS0,115200
  initrd /initrd.img
}
GRUB
HOOK
chmod +x "$work/customize"

say "installing Debian 12 into a folder"
include=$(printf '%s,' "${packages[@]}")
PUBLIC_KEY=$public_key WHEELS=$wheels mmdebstrap --quiet --variant=minbase --format=directory \
    --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/man/*' \
    --include="${include%,}" --customize-hook="$work/customize" bookworm "$root"

say "making its disk"
truncate -s "${disk_mb}M" "$work/disk.raw"
printf 'label: dos\nstart=2048, type=83, bootable\n' | sfdisk --quiet "$work/disk.raw"
mke2fs -q -t ext4 -L root -d "$root" -E offset=1048576,lazy_itable_init=0,lazy_journal_init=0 \
    "$work/disk.raw" $(((disk_mb - 1) * 1024))k
# the boot code, up to the partition table, and the rest of it in the gap before the first partition
dd if="$root/usr/lib/grub/i386-pc/boot.img" of="$work/disk.raw" bs=440 count=1 conv=notrunc status=none
dd if="$root/boot/grub/core.img" of="$work/disk.raw" bs=512 seek=1 conv=notrunc status=none
rm -rf --one-file-system -- "$root"

mkdir "$work/box"
qemu-img convert -O qcow2 "$work/disk.raw" "$work/box/box.img"
printf '{"provider": "libvirt", "format": "qcow2", "virtual_size": %d}\n' $(((disk_mb + 1023) / 1024)) \
    >"$work/box/metadata.json"
cat >"$work/box/Vagrantfile" <<'BOX'
Vagrant.configure("2") do |config|
  config.vm.provider("libvirt") { |vm| vm.disk_bus = "virtio" }
end
BOX
# not compressed: that takes half a minute and saves only disk
tar -C "$work/box" -cf "$out" metadata.json Vagrantfile box.img
say "$out: $(du -h -- "$out" | cut -f1)"
