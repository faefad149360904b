#!/bin/bash
# A Slurm of its own on this machine's loopback: munged, slurmctld and three slurmd with nodes n1 to n3. As root;
# it starts nothing of the system's and ends only processes that it started. Jobs in the partition `high` preempt those
# in `low`, at once, and in `grace`, which are told 20 seconds ahead; nobody preempts those in the default partition.
#
#   cluster.sh FOLDER PORT start      is over when all nodes are up
#   cluster.sh FOLDER PORT stop       ends everything, jobs too
#   cluster.sh FOLDER PORT kill NAME  as a power cut would: a node with all that runs there, or slurmctld
#   cluster.sh FOLDER PORT begin NAME starts it again
#
# FOLDER/slurm.conf is for SLURM_CONF. FOLDER/pids/NAME has the number of each daemon.
set -u
folder=$1 port=$2 verb=$3 name=${4:-}
export SLURM_CONF=$folder/slurm.conf
nodes="n1 n2 n3"

configure() {
  mkdir -p "$folder"/{pids,log,save,spool,munge,gpu}
  chmod 755 "$folder"; chmod 711 "$folder/munge"
  (umask 077; head -c 1024 /dev/urandom >"$folder/munge/key")
  # Slurm wants devices for GPUs; these are /dev/null.
  for gpu in 0 1; do mknod "$folder/gpu/$gpu" c 1 3; done
  local host; host=$(hostname -s)
  cat >"$SLURM_CONF" <<CONF
ClusterName=loopback
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CredType=cred/munge
StateSaveLocation=$folder/save
SlurmdSpoolDir=$folder/spool/%n
SlurmctldPidFile=$folder/pids/slurmctld.slurm
SlurmdPidFile=$folder/pids/%n.slurm
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0,sched_min_interval=0
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=6
SlurmctldTimeout=10
InactiveLimit=0
KillWait=5
MinJobAge=60
MaxArraySize=2001
MaxJobCount=20000
RebootProgram=/bin/true
GresTypes=gpu
AccountingStorageType=accounting_storage/none
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
CONF
  local n=1 node
  for node in $nodes; do
    echo "NodeName=$node NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + n)) CPUs=4 RealMemory=4000 Gres=gpu:null:2 State=UNKNOWN" >>"$SLURM_CONF"
    n=$((n + 1))
  done
  cat >>"$SLURM_CONF" <<CONF
PartitionName=main Nodes=ALL Default=YES MaxTime=1-0 DefMemPerCPU=100 State=UP PreemptMode=OFF
PartitionName=short Nodes=ALL MaxTime=1 DefMemPerCPU=100 State=UP PreemptMode=OFF
PartitionName=low Nodes=ALL MaxTime=1-0 DefMemPerCPU=100 State=UP PriorityTier=1 PreemptMode=REQUEUE
PartitionName=grace Nodes=ALL MaxTime=1-0 DefMemPerCPU=100 State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=20
PartitionName=high Nodes=ALL MaxTime=1-0 DefMemPerCPU=100 State=UP PriorityTier=100 PreemptMode=OFF
CONF
  echo "NodeName=n[1-3] Name=gpu Type=null File=$folder/gpu/[0-1]" >"$folder/gres.conf"
}

# A process with all of its descendants.
tree() {
  local child
  echo "$1"
  for child in $(cat /proc/"$1"/task/*/children 2>/dev/null); do tree "$child"; done
}

# What carries the mark of a daemon: itself and what it left behind, such as the keepers of its jobs.
marked() {
  local file
  for file in /proc/[0-9]*/environ; do
    { tr '\0' '\n' <"$file" | grep -qxF -- "IGPT_FLOW_LOOPBACK=$folder:$1"; } 2>/dev/null || continue
    file=${file%/environ}; echo "${file#/proc/}"
  done
}

end() {
  local pid all=()
  for pid in $(marked "$1"); do all+=($(tree "$pid")); done
  [ ${#all[@]} = 0 ] || kill -KILL "${all[@]}" 2>/dev/null
  true
}

daemon() {
  local mark=IGPT_FLOW_LOOPBACK=$folder:$1 log=$folder/log/$1.out; shift
  env "$mark" setsid "$@" >>"$log" 2>&1 </dev/null &
}

begin() {
  case $1 in
    munged) daemon munged munged --foreground --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
      --pid-file="$folder/munge/pid" --log-file="$folder/munge/log" --seed-file="$folder/munge/seed" --num-threads=2 ;;
    slurmctld) daemon slurmctld slurmctld -D ;;
    *) mkdir -p "$folder/spool/$1"; daemon "$1" slurmd -D -N "$1" ;;
  esac
}

until_true() {
  local n
  for n in $(seq 300); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done
  echo "waited in vain for: $*" >&2; exit 1
}
all_up() { [ "$(sinfo -h -N -o %T -p main | grep -cE 'idle|mixed|allocated')" -ge 3 ]; }

case $verb in
  start)
    configure
    begin munged; until_true munge -n -S "$folder/munge/socket"
    begin slurmctld; until_true scontrol ping
    for node in $nodes; do begin "$node"; done
    until_true all_up ;;
  stop) for name in $nodes slurmctld munged; do end "$name"; done ;;
  kill) end "$name" ;;
  begin) begin "$name" ;;
esac
