"""The catalog of ablations: `from reppo.ablations import kl`.

Its files are in the folder `ablations` beside this package, which can be imported by that name too; but a module
`ablations` of one's own would hide it there, and cannot here.
"""

import importlib
import pkgutil
from pathlib import Path

__path__ = [str(Path(__file__).parent.parent / "ablations")]
__all__ = [module.name for module in pkgutil.iter_modules(__path__)]  # pyright: ignore[reportUnsupportedDunderAll]

for _name in __all__:
    importlib.import_module(f"{__name__}.{_name}")
