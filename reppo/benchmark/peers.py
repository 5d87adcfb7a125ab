"""Which implementations there are, and what must be installed for each. Imports no JAX."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import final

from reppo.errors import require, unknown_name

SCRIPTS = Path(__file__).with_name("scripts")

OWN = "reppo"
"""The name of this library among them."""


@final
@dataclasses.dataclass(frozen=True)
class Peer:
    """An implementation of an algorithm.

    Attributes:
        name: as on the package index.
        script: what trains with it; it imports the peer and what that depends on, nothing of this library.
        requirements: exact versions; what they need themselves is left to the installer.
        compiled: whether it compiles a program; one that does not has no compile time.
        usual: whether it runs without being asked for.
        note: what to know before it is installed.
    """

    name: str
    script: Path
    requirements: tuple[str, ...]
    compiled: bool = True
    usual: bool = True
    note: str = ""


def _stable_baselines3(script: str, usual: bool) -> Peer:
    """It has both algorithms; with the same requirements, so that they share an environment."""
    return Peer(
        "stable-baselines3",
        SCRIPTS / script,
        ("stable-baselines3==2.9.2", "gymnasium==1.4.0", "torch==2.14.1"),
        compiled=False,
        usual=usual,
        note="its PyTorch takes several GB",
    )


_PPO = (
    Peer("rejax", SCRIPTS / "rejax_ppo.py", ("rejax==0.1.3", "gymnax==0.0.9", "jax==0.10.2")),
    Peer(
        "brax",
        SCRIPTS / "brax_ppo.py",
        ("brax==0.14.2", "gymnax==0.0.9", "jax==0.9.2", "mujoco==3.8.1", "mujoco-mjx==3.8.1", "six==1.17.0"),
    ),
    _stable_baselines3("sb3_ppo.py", usual=False),
)
_SAC = (_stable_baselines3("sb3_sac.py", usual=True),)

PEERS = {algorithm: {peer.name: peer for peer in peers} for algorithm, peers in {"ppo": _PPO, "sac": _SAC}.items()}
"""By algorithm and name, in the order of the table."""


def find_peers(algorithm: str, names: Sequence[str]) -> list[Peer]:
    """The peers of these names; the usual ones where none is given.

    Args:
        algorithm: what they implement, one of `PEERS`.
        names: of peers.

    Raises:
        ConfigurationError: if there is no such peer, or one is named twice.
    """
    peers = PEERS[algorithm]
    for name in names:
        if name not in peers:
            raise unknown_name("peer", name, peers)
        require(names.count(name) == 1, f"The peer {name!r} is named twice; name it once.")
    return [peers[name] for name in names] or [peer for peer in peers.values() if peer.usual]
