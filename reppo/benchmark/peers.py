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
    """An implementation of PPO.

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


PEERS = {
    peer.name: peer
    for peer in (
        Peer("rejax", SCRIPTS / "rejax_ppo.py", ("rejax==0.1.3", "gymnax==0.0.9", "jax==0.10.2")),
        Peer(
            "brax",
            SCRIPTS / "brax_ppo.py",
            ("brax==0.14.2", "gymnax==0.0.9", "jax==0.9.2", "mujoco==3.8.1", "mujoco-mjx==3.8.1", "six==1.17.0"),
        ),
        Peer(
            "stable-baselines3",
            SCRIPTS / "sb3_ppo.py",
            ("stable-baselines3==2.9.2", "gymnasium==1.4.0", "torch==2.14.1"),
            compiled=False,
            usual=False,
            note="its PyTorch takes several GB",
        ),
    )
}
"""By name, in the order of the table."""


def find_peers(names: Sequence[str]) -> list[Peer]:
    """The peers of these names; the usual ones where none is given.

    Raises:
        ConfigurationError: if there is no such peer, or one is named twice.
    """
    for name in names:
        if name not in PEERS:
            raise unknown_name("peer", name, PEERS)
        require(names.count(name) == 1, f"The peer {name!r} is named twice; name it once.")
    return [PEERS[name] for name in names] or [peer for peer in PEERS.values() if peer.usual]
