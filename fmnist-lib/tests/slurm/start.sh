#!/usr/bin/env bash
# Installs a real Slurm from Debian's packages and starts it on this machine, without systemd: munged, slurmctld and
# slurmd. Needs root. It is meant for a container: where a Slurm is configured already, it refuses.
#
# The one node says that it has eight processors, whatever it has, so that four tasks of two processors run at once.
set -euo pipefail
conf=/etc/slurm/slurm.conf mark="# Written by $(basename "$0"), for tests."
if [[ -e $conf ]] && ! grep -qxF "$mark" "$conf"; then
    echo "$conf is there already: the tests would replace the Slurm of this machine. Run them in a container (.ci/slurm-tests)" >&2
    exit 1
fi
command -v slurmctld slurmd munged >/dev/null || {
    apt-get update -q
    apt-get install -qy --no-install-recommends slurmctld slurmd slurm-client munge
}

mkdir -p /etc/slurm /var/spool/slurm/{controller,node} /run/munge
chown munge:munge /run/munge
# A job that is requeued waits until its credential has expired: two minutes, if nobody says otherwise.
cat >"$conf" <<END
$mark
ClusterName=test
SlurmctldHost=$(hostname)(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
StateSaveLocation=/var/spool/slurm/controller
SlurmdSpoolDir=/var/spool/slurm/node
SlurmdParameters=config_overrides
SlurmctldLogFile=/var/log/slurmctld.log
SlurmdLogFile=/var/log/slurmd.log
ReturnToService=2
JobFileAppend=1
NodeName=$(hostname) NodeAddr=127.0.0.1 CPUs=8 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
munge -n >/dev/null 2>&1 || setpriv --reuid munge --regid munge --init-groups munged
pidof slurmctld >/dev/null || slurmctld
pidof slurmd >/dev/null || slurmd
for _ in {1..60}; do
    sinfo --noheader --format %T 2>/dev/null | grep -qE 'idle|mixed' && exit 0
    sleep 0.5
done
echo "the node of the test's Slurm is not up after 30 s:" >&2
tail -n 20 /var/log/slurmctld.log /var/log/slurmd.log >&2
sinfo >&2
exit 1
