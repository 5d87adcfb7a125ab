"""The notebook as a page: its texts, and its cells as code."""

import json
from pathlib import Path

from writers.markdown import blocks

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "first_hour.ipynb"


def write() -> str:
    """All cells but the title, which the page has."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    texts = [("".join(cell["source"]), cell["cell_type"] == "code") for cell in cells]
    return blocks(*(f"```python\n{text}\n```" if is_code else text for text, is_code in texts)).partition("\n")[2]
