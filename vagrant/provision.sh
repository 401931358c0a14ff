#!/usr/bin/env bash
# Installs the system packages that orbitmesh needs: on a bare machine, in CI and in the Vagrant box.
#
#   vagrant/provision.sh          what a run needs
#   vagrant/provision.sh --test   also what only the tests need
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
    --test) with_tests=1 ;;
    *) fail "unknown argument $argument; the only one is --test" ;;
    esac
done

[[ -r /etc/os-release ]] || fail "no /etc/os-release: this installer knows Debian 12 and Ubuntu 24.04"
# shellcheck source=/dev/null
. /etc/os-release
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
    # AddressSanitizer, UBSan and libFuzzer for the engine; shellcheck for the scripts
    packages+=(clang shellcheck ${clang_version:+"libclang-rt-$clang_version-dev"})
fi

missing=()
for package in "${packages[@]}"; do
    state=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    [[ $state == installed ]] || missing+=("$package")
done

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

if ((${#missing[@]})); then
    say "installing ${missing[*]}"
    update_lists || fail "apt-get update failed: see above; is this machine on a network?"
    # Without the recommended ones: mininet would bring Open vSwitch and start it.
    as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l \
        apt-get --quiet --yes --no-install-recommends \
        -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install "${missing[@]}"
fi

if [[ ! -e /dev/net/tun ]] && command -v modprobe >/dev/null; then
    as_root modprobe tun || say "the kernel has no TUN module: orbitmesh doctor says what that means"
fi
