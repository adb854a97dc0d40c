#!/bin/sh
# with-slurm.sh COMMAND... - runs a command beside a Slurm of its own, two nodes on this machine, in namespaces that end
# with it: nothing listens outside, and no daemon stays.  Needs root, slurm-wlm, munge and iproute2.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "${INSIDE_SLURM:-}" ]; then
    INSIDE_SLURM=1 exec unshare --net --uts --pid --fork --kill-child --mount-proc sh "$here/with-slurm.sh" "$@"
fi
unset INSIDE_SLURM
hostname localhost
ip link set lo up
ip addr add 127.0.0.2/32 dev lo # with 127.0.0.1 alone the resolver takes the machine for one without IPv4
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/state" "$dir/spool.n1" "$dir/spool.n2"
chmod 755 "$dir"
sed "s|@DIR@|$dir|g" "$here/slurm.conf.in" >"$dir/slurm.conf"
export SLURM_CONF="$dir/slurm.conf" SLURM_TEST_DIR="$dir"

wait_for() { # SECONDS CONDITION...
    tries=$(($1 * 20)); shift
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        if [ $tries -eq 0 ]; then echo "with-slurm.sh: waited in vain for: $*" >&2; cat "$dir"/*.out >&2; exit 1; fi
        sleep 0.05
    done
}
idle() { [ "$(sinfo -h -N -o %t 2>/dev/null | sort -u)" = idle ]; }

(umask 077; dd if=/dev/urandom of="$dir/munge.key" bs=128 count=1 2>/dev/null)
setsid munged -F --key-file="$dir/munge.key" --socket="$dir/munge.sock" --pid-file="$dir/munged.pid" \
    --log-file="$dir/munged.log" --seed-file="$dir/munged.seed" >"$dir/munged.out" 2>&1 </dev/null &
wait_for 10 munge -S "$dir/munge.sock" -n
setsid slurmctld -D >"$dir/slurmctld.out" 2>&1 </dev/null &
for node in n1 n2; do
    setsid slurmd -D -N $node >"$dir/slurmd.$node.out" 2>&1 </dev/null &
    echo $! >"$dir/$node"
done
wait_for 20 idle
status=0
"$@" || status=$?
# shellcheck disable=SC2046
scancel $(squeue -h -o %A) 2>/dev/null || :
exit $status
