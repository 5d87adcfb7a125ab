"""A SLURM of one node, on this machine alone."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

STUDY = """
import time

from ablations import kl
from reppo import environments
from reppo.sweep import Experiment, pace
from reppo.training import BatchProgram
from tests.tiny import tiny_preset

experiment = Experiment(
    name="small",
    base=tiny_preset,
    environments=[environments.probe("BestAction")],
    arms=[kl.no_kl],
    seeds=[0, 1],
    steps={steps},
)

pace.SAVE_SECONDS = 1.0
iterate = BatchProgram.iterate
BatchProgram.iterate = lambda *arguments: time.sleep({pause}) or iterate(*arguments)
"""
"""Two batches of two programs, with a checkpoint every second, and a pause before each chunk of training."""

CONFIGURATION = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SlurmdParameters=config_overrides
GresTypes=gpu
KillWait=30
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 Gres=gpu:2 State=UNKNOWN
PartitionName=tests Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """The environment in which SLURM's commands reach a SLURM that runs while the tests do."""
    missing = [name for name in ("munged", "slurmctld", "slurmd", "sbatch", "srun") if not shutil.which(name)]
    if missing:
        pytest.skip(f"needs SLURM (Debian: apt-get install slurm-wlm munge): there is no {', '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("needs to be root, to start SLURM")
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o600)
    host = socket.gethostname().partition(".")[0]
    (folder / "slurm.conf").write_text(CONFIGURATION.format(host=host, folder=folder, ports=free_ports(2)))
    (folder / "gres.conf").write_text("Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n")  # any two devices
    environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf"), "PYTHONPATH": python_path()}
    munge = [f"--{what}={folder}/munge.{what.partition('-')[0]}" for what in ("key-file", "pid-file", "log-file")]
    munge += [f"--seed-file={folder}/munge.seed", f"--socket={folder}/munge.socket"]
    commands = [
        ["munged", "--foreground", "--force", *munge],
        ["slurmctld", "-D", "-f", f"{folder}/slurm.conf"],
        ["slurmd", "-D", "-f", f"{folder}/slurm.conf", "-N", host],
    ]
    with contextlib.ExitStack() as stack:
        for command in commands:
            said = stack.enter_context((folder / f"{command[0]}.out").open("w"))
            process = subprocess.Popen(command, stdout=said, stderr=said, env=environment)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            time.sleep(1)
        if not wait_for(lambda: "idle" in ask(environment, "sinfo", "--noheader", "--format=%t"), 60):
            said = "\n".join((folder / f"{command[0]}.out").read_text()[-500:] for command in commands)
            pytest.skip(f"SLURM does not run here:\n{said}")
        yield environment
        ask(environment, "scancel", "--user=root")
        wait_for(lambda: not ask(environment, "squeue", "--noheader"), 60)


def free_ports(number):
    """Ports of the loopback that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def python_path():
    return os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])


def ask(environment, *command):
    """What a command of SLURM prints."""
    return subprocess.run(command, env=environment, capture_output=True, text=True).stdout


def wait_for(condition, seconds):
    """Waits until a condition holds; whether it does."""
    end = time.monotonic() + seconds
    while not (holds := condition()) and time.monotonic() < end:
        time.sleep(0.5)
    return holds
