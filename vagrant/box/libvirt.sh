#!/usr/bin/env bash
# Starts libvirt for a test, where no init does it, and puts everything back afterwards:
#
#   vagrant/box/libvirt.sh start FOLDER NAME      a storage pool NAME in FOLDER/pool
#   vagrant/box/libvirt.sh stop FOLDER NAME       ends domains NAME_*, network NAME, pool NAME
#
# A libvirt that runs already is used and left running.  FOLDER holds what `stop` has to know.  Needs root.
set -euo pipefail

say() { printf 'libvirt: %s\n' "$*" >&2; }

fail() {
    say "$@"
    exit 1
}

[[ $# == 3 && ($1 == start || $1 == stop) ]] || fail "usage: $0 start|stop FOLDER NAME"
((EUID == 0)) || fail "needs root: sudo $0 $*"
folder=$(readlink -f -- "$2")
name=$3

system() { virsh --quiet --connect qemu:///system "$@"; }
answers() { system version >/dev/null 2>&1; }

start_daemons() {
    local attempt
    mkdir "$folder/ours" # from here on, `stop` puts back
    cat /proc/sys/net/ipv4/ip_forward >"$folder/ours/ip_forward"
    # libvirt distrusts its knowledge of QEMU while this device is closed to QEMU's user, and asks QEMU again for
    # each small thing: 48 s for what takes 0.02 s.  Usually udev gives it this owner and mode.
    if [[ -c /dev/kvm ]]; then
        stat -c '%u:%g %a' /dev/kvm >"$folder/ours/kvm"
        chgrp kvm /dev/kvm
        chmod 660 /dev/kvm
    fi
    virtlogd --daemon --pid-file "$folder/ours/virtlogd.pid"
    libvirtd --daemon --pid-file "$folder/ours/libvirtd.pid"
    for attempt in {1..100}; do
        if answers; then return; fi
        sleep 0.2
    done
    fail "libvirtd does not answer after $((attempt / 5)) s: see /var/log/libvirt/libvirtd.log"
}

stop_daemon() {
    local pid attempt
    [[ -s $1 ]] || return 0
    pid=$(<"$1")
    kill "$pid" 2>/dev/null || return 0
    for attempt in {1..50}; do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.2
    done
    say "process $pid does not end after $((attempt / 5)) s; killing it"
    kill -KILL "$pid"
}

# libvirt leaves its chains, empty, when it ends.
remove_chains() {
    local command table rule chain
    for command in iptables ip6tables; do
        command -v "$command" >/dev/null || continue
        for table in filter nat mangle; do
            while read -r -a rule; do
                "$command" -t "$table" -D "${rule[@]:1}"
            done < <("$command" -t "$table" -S 2>/dev/null | grep -E '^-A [A-Z]+ -j LIBVIRT_' || true)
            for chain in $("$command" -t "$table" -S 2>/dev/null | awk '/^-N LIBVIRT_/ {print $2}'); do
                "$command" -t "$table" -F "$chain"
                "$command" -t "$table" -X "$chain"
            done
        done
    done
}

stop_daemons() {
    local owner mode
    stop_daemon "$folder/ours/libvirtd.pid"
    stop_daemon "$folder/ours/virtlogd.pid"
    remove_chains
    cat "$folder/ours/ip_forward" >/proc/sys/net/ipv4/ip_forward
    if [[ -r $folder/ours/kvm ]]; then
        read -r owner mode <"$folder/ours/kvm"
        chown "$owner" /dev/kvm
        chmod "$mode" /dev/kvm
    fi
    rm -rf -- "$folder/ours"
}

case $1 in
start)
    [[ ! -e $folder/ours ]] || fail "$folder was used before: call stop first"
    if answers; then say "runs already; using it"; else start_daemons; fi
    ! system pool-info "$name" >/dev/null 2>&1 ||
        fail "a pool $name exists already, left by a test that was killed: virsh pool-destroy $name; virsh pool-undefine $name"
    mkdir -m 711 "$folder/pool" # QEMU runs as another user and must get through
    system pool-define-as "$name" dir --target "$folder/pool" >/dev/null
    system pool-start "$name" >/dev/null
    ;;
stop)
    if answers; then
        for domain in $(system list --all --name | grep "^${name}_" || true); do
            system destroy "$domain" >/dev/null 2>&1 || true # may not be running
            system undefine "$domain" --nvram >/dev/null
        done
        if system net-info "$name" >/dev/null 2>&1; then
            system net-destroy "$name" >/dev/null 2>&1 || true
            system net-undefine "$name" >/dev/null
        fi
        if system pool-info "$name" >/dev/null 2>&1; then
            system pool-destroy "$name" >/dev/null 2>&1 || true
            system pool-undefine "$name" >/dev/null
        fi
    fi
    if [[ -e $folder/ours ]]; then stop_daemons; fi
    ;;
esac
