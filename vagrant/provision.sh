#!/usr/bin/env bash
# Installs the system packages that orbitmesh needs: on a bare machine, in CI and in the Vagrant box.
#
#   vagrant/provision.sh          what a run needs
#   vagrant/provision.sh --test   also what only the tests need, a guest kernel and vagrant among it
#   vagrant/provision.sh --guest  also User-mode Linux, for `orbitmesh guest`
#   vagrant/provision.sh --box    also sets up the machine it runs in: kernel modules, limits, and the project
#                                 itself, ending with what `orbitmesh doctor` says.  For machines that serve
#                                 nothing else: the Vagrant box does this.
#   vagrant/provision.sh --vm     also what `./mesh test --vm` needs (Debian 12 only)
#   vagrant/provision.sh --list   only prints the packages' names
#
# For Debian 12 and Ubuntu 24.04.  Changes nothing where all is installed; uses sudo where not root.
set -euo pipefail

say() { printf 'provision: %s\n' "$*" >&2; }

fail() {
    say "$@"
    exit 1
}

packages=(
    python3 python3-venv            # the language; venv is a package of its own here
    gcc libc6-dev                   # the link engine is compiled on the spot
    mininet net-tools               # mnexec, and ifconfig, which Mininet insists on
    iproute2 iputils-ping traceroute procps
    iperf3 ethtool tcpdump          # to look at a mesh from inside
)

for argument in "$@"; do
    case $argument in
    --test) with_tests=1 with_test_machines=1 ;;
    --guest) with_guest=1 ;;
    --box) in_box=1 ;;
    --vm) with_vm=1 ;;
    --list) only_list=1 ;;
    *) fail "unknown argument $argument; there are --test, --guest, --box, --vm and --list" ;;
    esac
done

# Where a system's files are: elsewhere than / only to make a list for another system, and in tests.
system=${PROVISION_SYSTEM:-}
[[ -r $system/etc/os-release ]] || fail "no /etc/os-release: this installer knows Debian 12 and Ubuntu 24.04"
# shellcheck source=/dev/null
. "$system/etc/os-release"
case "${ID:-}${VERSION_ID:-}" in
debian12) clang_version=14 ;;
ubuntu24.04) clang_version=18 ;;
*)
    command -v apt-get >/dev/null ||
        fail "this installer knows Debian 12 and Ubuntu 24.04, not ${PRETTY_NAME:-this system}; install what these packages hold: ${packages[*]}"
    say "made for Debian 12 and Ubuntu 24.04; trying on ${PRETTY_NAME:-this system}"
    clang_version=
    ;;
esac

if [[ -n ${with_tests:-} ]]; then
    # AddressSanitizer, UBSan and libFuzzer for the engine; shellcheck for the scripts; mtr to look at a mesh,
    # tshark at a capture
    packages+=(clang shellcheck mtr-tiny tshark openssl ${clang_version:+"libclang-rt-$clang_version-dev"})
fi

# Not every system has these; tests that need them say that they were skipped.
wanted=()
# Node, for a client of the control API in another language; some systems' own brings npm with it.
if [[ -n ${with_tests:-} ]] && ! command -v npm >/dev/null; then wanted+=(nodejs npm); fi
# It is started by tests, with a folder and a port of theirs; its package would start one for the machine.
if [[ -n ${with_tests:-} ]]; then wanted+=(prometheus); fi
# A browser without a screen, for the live page; Ubuntu's package of that name only points at another store.
if [[ -n ${with_tests:-} && ${ID:-} == debian ]]; then wanted+=(chromium); fi
if [[ -n ${with_test_machines:-} ]]; then wanted+=(user-mode-linux vagrant); fi

if [[ -n ${with_vm:-} ]]; then
    packages+=(
        vagrant vagrant-libvirt libvirt-daemon-system libvirt-clients dnsmasq-base iptables
        qemu-system-x86 qemu-utils
        mmdebstrap fdisk e2fsprogs rsync # to build a box
    )
fi

if [[ -n ${with_guest:-} ]]; then
    packages+=(user-mode-linux)
fi

if [[ -n ${only_list:-} ]]; then
    printf '%s\n' "${packages[@]}" "${wanted[@]}"
    exit
fi

is_installed() {
    [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null || true) == installed ]]
}

missing=() missing_wanted=()
for package in "${packages[@]}"; do is_installed "$package" || missing+=("$package"); done
for package in "${wanted[@]}"; do is_installed "$package" || missing_wanted+=("$package"); done

as_root() {
    if ((EUID == 0)); then
        "$@"
    else
        command -v sudo >/dev/null || fail "needs root, and there is no sudo here: call $0 as root"
        sudo "$@"
    fi
}

# Another apt may be at work (a fresh machine updates itself): wait for it up to five minutes.
# The lock on the package lists has no option of apt's for that.
update_lists() {
    local attempt output
    for attempt in {1..30}; do
        if output=$(as_root apt-get --quiet update 2>&1); then
            printf '%s\n' "$output"
            return
        fi
        printf '%s\n' "$output"
        [[ $output == *"Could not get lock"* ]] || return 1
        say "another apt is at work ($attempt of 30); waiting 10 s"
        sleep 10
    done
    return 1
}

if ((${#missing[@]} + ${#missing_wanted[@]})); then
    say "installing ${missing[*]} ${missing_wanted[*]}"
    update_lists || fail "apt-get update failed: see above; is this machine on a network?"
    for package in "${missing_wanted[@]}"; do
        if [[ -n $(apt-cache search --names-only "^$package\$") ]]; then
            missing+=("$package")
        else
            say "this system has no package $package: the tests that need it are skipped"
        fi
    done
    if [[ " ${missing[*]} " == *" prometheus "* && ! -e $system/etc/systemd/system/prometheus.service ]]; then
        say "prometheus is not started as a service (to have it: systemctl unmask prometheus)"
        as_root mkdir -p -- "$system/etc/systemd/system"
        as_root ln -s /dev/null "$system/etc/systemd/system/prometheus.service"
    fi
    # Without the recommended ones: mininet would bring Open vSwitch and start it.
    as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l \
        apt-get --quiet --yes --no-install-recommends \
        -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install "${missing[@]}"
fi

if [[ ! -e /dev/net/tun ]] && command -v modprobe >/dev/null; then
    as_root modprobe tun || say "the kernel has no TUN module: orbitmesh doctor says what that means"
fi

[[ -n ${in_box:-} ]] || exit 0

# put FILE: writes what it reads, where that is not in FILE already
put() {
    local file=$system$1 text
    text=$(cat)
    if [[ -r $file && $(<"$file") == "$text" ]]; then return; fi
    say "writing $1"
    as_root mkdir -p -- "$(dirname -- "$file")"
    printf '%s\n' "$text" | as_root tee -- "$file" >/dev/null
}

# Each of them now and at each start.  One that this kernel lacks is left out: it would fail at each start.
modules=()
for module in tun veth sch_netem; do
    if as_root modprobe "$module"; then
        modules+=("$module")
    else
        case $module in
        sch_netem) say "this kernel ($(uname -r)) has no sch_netem, so --links netem cannot work: install its other modules (Debian: linux-image-$(dpkg --print-architecture), Ubuntu: linux-modules-extra-$(uname -r)) and restart; --links engine works without" ;;
        *) say "this kernel ($(uname -r)) has no $module: orbitmesh doctor says what that means" ;;
        esac
    fi
done
((${#modules[@]} == 0)) || printf '%s\n' "${modules[@]}" | put /etc/modules-load.d/orbitmesh.conf

# Each node costs some descriptors; root is not among "*".  They hold from the next login on.
put /etc/security/limits.d/60-orbitmesh.conf <<'END'
*    hard nofile 1048576
root hard nofile 1048576
END

# A login may have a third of the machine's processes otherwise; a mesh has one per node and more.
put /etc/systemd/system/user-.slice.d/60-orbitmesh.conf <<'END'
[Slice]
TasksMax=infinity
END

# The kernel counts neighbours and namespaces of all nodes together.
put /etc/sysctl.d/60-orbitmesh.conf <<'END'
net.ipv4.neigh.default.gc_thresh1 = 8192
net.ipv4.neigh.default.gc_thresh2 = 32768
net.ipv4.neigh.default.gc_thresh3 = 65536
user.max_net_namespaces = 65536
END
as_root sysctl --quiet --load="$system/etc/sysctl.d/60-orbitmesh.conf"
if [[ -d /run/systemd/system ]]; then as_root systemctl daemon-reload; fi

# Vagrant runs a copy of this script, from elsewhere.
project=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
[[ -x $project/mesh ]] || project=/vagrant
[[ -x $project/mesh ]] || fail "no orbitmesh in /vagrant: is the synced folder missing? (vagrant rsync)"
"$project/mesh" --version
# The full answer takes root.
as_root "$project/mesh" doctor
