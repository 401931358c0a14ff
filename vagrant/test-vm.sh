#!/usr/bin/env bash
# Proves the Vagrant box for real, without downloading one:
#
#   ./mesh test --vm [ARGUMENT…]        arguments go to pytest in the box, in place of those below
#
# Builds a Debian 12 box from Debian's packages and the Python packages of this checkout's environment, starts it
# in software emulation, and runs inside: doctor, the demo, a client on a kept mesh, the tests of the network.
# Leaves nothing behind but its logs.
#
# For whoever works on it, as root:
#   ORBITMESH_VM_LINKS     what carries the links of the demo (netem)
#   ORBITMESH_VM_STEPS     only these, by commas: doctor,boot,demo,pocket,client,tests (all)
#   ORBITMESH_VM_BOX       a box that box/build.sh has made, with wheels (makes one)
#   ORBITMESH_VM_LOGS      folder for the logs (a new one)
set -euo pipefail
unset CDPATH

say() { printf 'test --vm: %s\n' "$*" >&2; }

fail() {
    say "$@"
    exit 1
}

here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname -- "$here")
venv=$root/.venv
name=orbitmesh-vm-test
links=${ORBITMESH_VM_LINKS:-netem}
steps=,${ORBITMESH_VM_STEPS:-doctor,boot,demo,pocket,client,tests},
port=28080

((EUID == 0)) || fail "needs root, for the box's files and for libvirt: call ./mesh test --vm"
[[ -x $venv/bin/python ]] || fail "no environment in .venv: call ./mesh test --vm, which makes it"
version=$("$venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
[[ $version == 3.11 && $(uname -m) == x86_64 ]] ||
    fail "needs Python 3.11 on x86_64 in .venv, as in the box, to bring packages along; this is Python $version on $(uname -m)"

missing=()
for program in vagrant virsh libvirtd virtlogd qemu-system-x86_64 qemu-img dnsmasq iptables mmdebstrap sfdisk mke2fs rsync; do
    command -v "$program" >/dev/null || missing+=("$program")
done
if ((${#missing[@]})); then
    say "not installed: ${missing[*]}"
    "$here/provision.sh" --vm ||
        fail "cannot install them: see above; Debian 12 has them all"
fi

logs=${ORBITMESH_VM_LOGS:-$(mktemp -d "${TMPDIR:-/tmp}/orbitmesh-vm-logs-XXXXXX")}
mkdir -p -- "$logs"
# Not in /tmp, which may be memory: some gigabytes.
work=$(mktemp -d /var/tmp/orbitmesh-vm-XXXXXX)
chmod 711 "$work" # QEMU's user must get through
export VAGRANT_HOME=$work/home VAGRANT_DOTFILE_PATH=$work/dot VAGRANT_CHECKPOINT_DISABLE=1
export VAGRANT_CWD=$here VAGRANT_NO_COLOR=1 LIBVIRT_DEFAULT_URI=qemu:///system
export ORBITMESH_BOX=$name ORBITMESH_CPUS=2 ORBITMESH_MEMORY_MB=3072 ORBITMESH_PORTS=$port

clean_up() {
    local status=$?
    trap - EXIT
    trap '' INT TERM # once begun, to the end
    say "cleaning up"
    {
        if [[ -e $work/dot/machines ]]; then vagrant destroy --force; fi
        if [[ -e $work/libvirt ]]; then "$here/box/libvirt.sh" stop "$work/libvirt" "$name"; fi
    } >"$logs/clean-up.log" 2>&1 || {
        cat "$logs/clean-up.log" >&2
        say "cleaning up failed: see above"
        status=1
    }
    rm -rf --one-file-system -- "$work"
    ((${#took[@]} == 0)) || printf '%6s s  %s\n' "${took[@]}" >&2
    if ((status)); then say "FAILED; logs: $logs"; else say "passed; logs: $logs"; fi
    exit "$status"
}
took=()
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# step NAME COMMAND…: shows what it prints, and writes it down.  Functions given to it join what they do by &&:
# bash does not end at an error in there.
step() {
    local what=$1 began=$SECONDS status=0
    shift
    say "$what"
    "$@" </dev/null 2>&1 | tee -- "$logs/$what.log" || status=$?
    took+=("$((SECONDS - began))" "$what")
    ((status == 0)) || fail "$what failed: $logs/$what.log"
}

wanted() { [[ $steps == *,$1,* ]]; }
inside() { vagrant ssh --no-tty -c "cd /vagrant && $1"; }

# The very versions that the tests here run with.
collect_wheels() {
    "$venv/bin/python" -m pip freeze --all --exclude-editable --exclude pip >"$work/requirements.txt" &&
        "$venv/bin/python" -m pip wheel --quiet --no-input --disable-pip-version-check --no-deps \
            --wheel-dir "$work/wheels" --requirement "$work/requirements.txt"
}

start_libvirt() {
    mkdir -m 711 "$work/libvirt" &&
        "$here/box/libvirt.sh" start "$work/libvirt" "$name"
}

# What only this test needs, laid beneath vagrant/Vagrantfile: Vagrant reads this one first.
write_settings() {
    mkdir -p "$VAGRANT_HOME"
    cat >"$VAGRANT_HOME/Vagrantfile" <<SETTINGS
Vagrant.configure("2") do |config|
  config.ssh.insert_key = false # making one takes 25 s in software emulation
  config.vm.provider "libvirt" do |vm|
    vm.driver = "qemu" # software emulation: works without KVM
    vm.cpu_mode = "maximum"
    vm.storage_pool_name = "$name"
    vm.default_prefix = "${name}_"
    vm.management_network_name = "$name"
    vm.management_network_device = "virbr-orbitmesh"
    vm.management_network_address = "192.168.231.0/24"
  end
end
SETTINGS
}

add_box() { vagrant box add --no-tty --name "$name" "$box"; }
up() { vagrant up --no-tty --provider=libvirt; }

doctor() {
    inside "sudo ./mesh doctor -o json" | tee "$work/doctor.json"
    "$venv/bin/python" - "$work/doctor.json" <<'PYTHON'
import json, sys
with open(sys.argv[1], encoding="utf-8") as file:
    said = json.load(file)
checks = {check["name"]: check["ok"] for check in said["checks"]}
sys.exit(0 if said["can_run"] and checks["sch_netem"] else f"cannot run on netem there: {checks}")
PYTHON
}

# After a restart the module is there again, and the forwarded port is on loopback and nowhere else.
boot() {
    local addresses
    vagrant reload --no-tty --no-provision &&
        inside "grep -w ^sch_netem /proc/modules" &&
        inside "test \$(sudo sh -c 'ulimit -Hn') -ge 1048576" || return
    addresses=$(ss --no-header --listening --tcp --numeric "sport = :$port" | awk '{print $4}')
    echo "port $port of the box listens on: $addresses"
    [[ $addresses == "127.0.0.1:$port" ]]
}

# A mesh that is small enough for emulated processors.
pocket() { inside "./mesh run pocket --links $links"; }

# Shows that it starts, runs and ends on netem.  Its figures mean nothing here: 74 node processes swamp emulated
# processors, and most samples are lost.
demo() { inside "./mesh demo --links $links"; }

# As vagrant/README.md says, on a mesh that is small enough to answer here.
client() {
    local satellite
    satellite=$("$venv/bin/python" - "$root/tests/e2e/toy.toml" <<'PYTHON'
import sys
from orbitmesh.emulator import Scenario
from orbitmesh.emulator.geometry import Geometry
geometry = Geometry(Scenario.load(sys.argv[1]))
print(next(name for name, hosts in zip(geometry.nodes.names, geometry.hosting) if hosts))
PYTHON
    ) &&
        inside "./mesh run tests/e2e/toy.toml --keep --links $links" &&
        inside "./mesh exec gw-london -- python docs/examples/client.py $satellite --timeout 60" &&
        inside "./mesh down"
}

# Those of the network itself, on both backends: namespaces, links, the Mininet API, node processes, the record, the
# commands, and whole runs.  Not those marked native: in software emulation all takes ten times as long, arithmetic with
# fractions a thousand times (a matrix product of order 256: 3.4 s), and node processes that compute take both cores.
tests() {
    local quoted
    if (($# == 0)); then
        set -- -m "(netns or guest) and not native" tests/netem tests/engine tests/plane tests/nodes tests/record \
            tests/cli tests/calibration tests/e2e
    fi
    printf -v quoted '%q ' "$@"
    inside "./mesh test $quoted --timeout=1200"
}

if [[ -n ${ORBITMESH_VM_BOX:-} ]]; then
    box=$(readlink -f -- "$ORBITMESH_VM_BOX")
else
    box=$work/debian-12.box
    step wheels collect_wheels
    step build "$here/box/build.sh" "$box" "$work/wheels"
fi
step libvirt start_libvirt
write_settings
step box-add add_box
step up up
if wanted doctor; then step doctor doctor; fi
if wanted boot; then step boot boot; fi
if wanted demo; then step demo demo; fi
if wanted pocket; then step pocket pocket; fi
if wanted client; then step client client; fi
if wanted tests; then step tests tests "$@"; fi
