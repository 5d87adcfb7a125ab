import hypothesis
import pytest


@pytest.fixture(autouse=True, scope="package")
def without_shrinking():
    """Failing inputs are not made small here, which takes most of the time."""
    default = hypothesis.settings.get_profile("reppo")
    phases = [phase for phase in hypothesis.Phase if phase not in (hypothesis.Phase.shrink, hypothesis.Phase.explain)]
    hypothesis.settings.register_profile("without shrinking", default, phases=phases)
    hypothesis.settings.load_profile("without shrinking")
    yield
    hypothesis.settings.load_profile("reppo")
