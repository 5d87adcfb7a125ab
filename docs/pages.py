"""What the pages show of the code when the documentation is built, and what its search prefers."""

import importlib
import inspect
import re
import textwrap
from typing import Any

SOURCE = re.compile(r"^<!-- source: ([\w.]+):([\w.]+) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Puts code in the place of its marks, and guides before the API in the results of a search."""
    page.meta.setdefault("search", {"boost": 0.3 if page.file.src_uri.startswith("api/") else 1.0})
    return SOURCE.sub(lambda mark: source(mark[1], mark[2]), markdown)


def source(module: str, name: str) -> str:
    """The source of a function as it is today, without its docstring, as a block of Markdown."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    text = textwrap.dedent(inspect.getsource(found))
    return "```python\n" + re.sub(r'\n +""".*?"""(?=\n)', "", text, count=1, flags=re.DOTALL) + "```"
