"""The experiment that a file declares which is also a program."""

from typing import final

from reppo import sweep
from reppo.cli.study import run_declared


@final
class Experiment(sweep.Experiment):
    """Arms x environments x seeds x budget, and the command line of the file that declares it.

    Everything but `main` is that of `reppo.sweep.Experiment`.
    """

    def main(self) -> None:
        """Runs the experiment from the command line, as `reppo run FILE` does, and exits.

        Raises:
            SystemExit: always, with the exit code of `reppo run`.
        """
        raise SystemExit(run_declared(self))
