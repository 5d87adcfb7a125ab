"""What tests of the analysis share."""

import pytest

from tests.analysis.planting import draw_nothing
from tests.analysis.runs import report_on


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch):
    """Builds reports without drawing anything."""
    draw_nothing(monkeypatch)
    return report_on
