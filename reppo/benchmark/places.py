"""An environment for each peer, in the user's cache. Imports no JAX."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from reppo.benchmark.peers import Peer
from reppo.results.files import make_folder

INSTALL_SECONDS = 3600.0
"""After so long an installation is given up."""


class NotInstalled(RuntimeError):
    """A peer's environment could not be made; the message says why, and what to do."""


def own_environment() -> dict[str, str]:
    """The variables of this process, without those by which one Python would use another's packages or programs."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "JAX_COMPILATION_CACHE_DIR")
    return {name: text for name, text in os.environ.items() if name not in hidden}


def place_of(peer: Peer, folder: Path) -> Path:
    """The folder of a peer's environment: another one for other requirements or another Python."""
    version = "{}.{}".format(*sys.version_info[:2])
    told = hashlib.sha256("\n".join((*sorted(peer.requirements), version)).encode()).hexdigest()[:8]
    return folder / f"{peer.name}-{told}"


def python_of(peer: Peer, folder: Path, offline: bool = False) -> Path:
    """The Python of a peer's environment, which is made where it is not there whole.

    Args:
        peer: whose.
        folder: of all environments.
        offline: whether to refuse to make one.

    Raises:
        NotInstalled: if it cannot be made.
        ConfigurationError: if the folder cannot be used.
    """
    place = place_of(peer, folder)
    python, whole = place / "bin" / "python", place / ".whole"
    if whole.exists() and python.exists():
        return python
    if offline:
        raise NotInstalled(f"{peer.name} is not installed in {str(place)!r}; run once without --offline.")
    make_folder(folder)
    log = folder / f"{place.name}.log"
    try:
        _run([sys.executable, "-m", "venv", "--clear", str(place)], log, peer, "w")
        _run([str(python), "-m", "pip", "install", "--no-input", *peer.requirements], log, peer, "a")
    except NotInstalled:
        shutil.rmtree(place, ignore_errors=True)
        raise
    whole.touch()
    return python


def _run(command: list[str], log: Path, peer: Peer, mode: str) -> None:
    with open(log, mode, encoding="utf-8") as stream:
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                timeout=INSTALL_SECONDS,
                env=own_environment(),
            )
        except subprocess.TimeoutExpired:
            raise NotInstalled(f"Installing {peer.name} took over {INSTALL_SECONDS:.0f} s; see {str(log)!r}.") from None
    if done.returncode:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        said = next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1] if lines else "nothing")
        raise NotInstalled(
            f"{peer.name} could not be installed: {said[:300]} (all of it: {str(log)!r}). It needs {_named(peer)} from "
            "the package index, once; leave it out with --peers, or give --environments where it is installed."
        )


def _named(peer: Peer) -> str:
    return ", ".join(peer.requirements)
