#!/usr/bin/env bash
# A real Slurm cluster of one node, on this machine alone: munged, slurmctld and slurmd.
#
#   tests/engines/slurm.sh start FOLDER     # then: export SLURM_CONF=FOLDER/slurm.conf
#   tests/engines/slurm.sh status FOLDER
#   tests/engines/slurm.sh stop FOLDER
#
# Everything lies in FOLDER (key, socket, configuration, state, logs), nothing in /etc, so clusters in
# different folders do not touch one another. All ports are on 127.0.0.1. Needs root and Debian's
# packages slurmctld, slurmd, slurm-client and munge; no systemd, no cgroups, no accounting database.
# Starting what runs and stopping what does not are no errors.
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin"

usage() { sed -n '4,6s/^# *//p' "$0" >&2; exit 2; }
[ $# -eq 2 ] || usage
mkdir -p "$2"
folder="$(cd "$2" && pwd -P)"
export SLURM_CONF="$folder/slurm.conf"

alive() { # whether the daemon whose process id is in this file runs
  [ -s "$folder/$1.pid" ] && kill -0 "$(cat "$folder/$1.pid")" 2>/dev/null
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

configure() {
  local host node
  host="$(hostname -s)"
  node="$(slurmd -C | sed -n "s/^NodeName=[^ ]* //p")" # the machine's own cores and memory
  cat >"$SLURM_CONF" <<CONF
ClusterName=convchoice
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# A job that is sent again waits until its old credential has expired, two minutes unless told.
AuthInfo=socket=$folder/munge.socket,cred_expire=5
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobRequeue=1
KillWait=5
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 $node
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
}

start() {
  local program
  for program in munged slurmctld slurmd sbatch; do
    command -v "$program" >/dev/null || { echo "error: there is no $program: apt-get install slurmctld slurmd slurm-client munge" >&2; exit 2; }
  done
  [ "$(id -u)" -eq 0 ] || { echo "error: slurmd starts jobs and needs root" >&2; exit 2; }
  mkdir -p "$folder/state" "$folder/spool"
  chmod 755 "$folder" "$folder/state" "$folder/spool"
  if ! alive munged; then
    if [ ! -f "$folder/munge.key" ]; then
      (umask 077 && dd if=/dev/urandom of="$folder/munge.key" bs=128 count=1 status=none)
    fi
    rm -f "$folder/munge.socket"
    # --force: the folder may lie below one that others may write to, such as /tmp.
    munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" \
      --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" \
      --seed-file="$folder/munge.seed" 2>>"$folder/munged.start.log"
  fi
  [ -f "$SLURM_CONF" ] || configure
  alive slurmctld || slurmctld
  alive slurmd || slurmd
  for _ in $(seq 60); do
    if sinfo --noheader --format=%T 2>/dev/null | grep -qE '^(idle|mixed|allocated)$'; then
      echo "export SLURM_CONF=$SLURM_CONF"
      return
    fi
    sleep 0.5
  done
  echo "error: the node does not answer after 30 s; see $folder/slurmctld.log and slurmd.log" >&2
  exit 1
}

stop() {
  local daemon pid
  if alive slurmctld; then
    scancel --me --quiet 2>/dev/null || true
    for _ in $(seq 40); do # jobs die before the daemon that watches over them
      [ -z "$(squeue --noheader 2>/dev/null)" ] && break
      sleep 0.5
    done
  fi
  for daemon in slurmd slurmctld munged; do
    alive "$daemon" || continue
    pid="$(cat "$folder/$daemon.pid")"
    kill "$pid"
    for _ in $(seq 40); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.25
    done
    if kill -0 "$pid" 2>/dev/null; then kill -KILL "$pid"; fi
    rm -f "$folder/$daemon.pid"
  done
}

status() {
  local daemon failed=0
  for daemon in munged slurmctld slurmd; do
    if alive "$daemon"; then echo "$daemon runs ($(cat "$folder/$daemon.pid"))"; else echo "$daemon does not run"; failed=1; fi
  done
  if [ "$failed" -eq 0 ]; then
    sinfo
    squeue --array
  fi
  return "$failed"
}

case "$1" in
  start | stop | status) "$1" ;;
  *) usage ;;
esac
