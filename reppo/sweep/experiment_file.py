"""Loading the experiment that a Python file declares."""

import importlib.util
import sys
import traceback
from pathlib import Path

from reppo.ablation import ablation
from reppo.component import Component
from reppo.errors import ConfigurationError, close_arguments, require
from reppo.results.files import check_python_file
from reppo.sweep.experiment import Experiment


def load_experiment(file: Path) -> Experiment:
    """Imports a Python file and returns its `Experiment`.

    The folder of the file and the current one are importable while it runs, as under `python FILE`.

    Raises:
        ConfigurationError: if there is no such file, it fails (names the line), or it declares none or several.
    """
    check_python_file(file)
    name = f"reppo_experiment_{file.stem}"
    module_spec = importlib.util.spec_from_file_location(name, file)
    assert module_spec is not None and module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    sys.path[:0] = [str(file.parent.resolve()), str(Path.cwd())]
    try:
        module_spec.loader.exec_module(module)
    except SystemExit as error:
        raise ConfigurationError(
            f"{file}{_line(error, file)}: the file ends the program while it is read. Put what shall happen only under "
            'python FILE, such as experiment.main(), below: if __name__ == "__main__":'
        ) from None
    except Exception as error:
        raise ConfigurationError(f"{file}{_line(error, file)}: {_describe(error)}") from None
    finally:
        del sys.path[:2]
    found = {id(value): value for value in vars(module).values() if isinstance(value, Experiment)}
    require(
        len(found) == 1,
        f"{file} declares {len(found) or 'no'} experiments; declare one: experiment = Experiment(name=..., ...).",
    )
    return next(iter(found.values()))


def _line(error: BaseException, file: Path) -> str:
    if isinstance(error, SyntaxError) and error.lineno:
        return f", line {error.lineno}"
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).resolve() == file.resolve()
    ]
    if not frames:
        return ""
    first, last = frames[-1].lineno, getattr(frames[-1], "end_lineno", None)
    return f", lines {first} to {last}" if first and last and last > first else f", line {first}"


def _describe(error: Exception) -> str:
    if isinstance(error, ConfigurationError):
        return str(error)
    catalog = sys.modules.get("ablations")
    missing = isinstance(error, ImportError) and (error.name or "").partition(".")[0] == "ablations"
    if missing or (isinstance(error, AttributeError) and catalog is not None and error.obj is catalog):
        hiding = getattr(catalog, "__file__", None)
        found = f"here {hiding!r} has that name" if hiding else "that name leads nowhere here"
        return f"{error}. If the catalog is meant, {found}: write `from reppo.ablations import ...`."
    known = Component.registry | {"Experiment": Experiment, "ablation": ablation}
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {message}{close_arguments(error, known)}"
