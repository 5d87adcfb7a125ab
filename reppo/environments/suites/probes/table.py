"""All probes, so that names can be checked without importing JAX. A test keeps the table equal to their classes."""

from reppo.environments.suites.suite import TaskEntry

HORIZONS = {
    "ConstantReward": 100,
    "TruncatedStep": 10,
    "TerminalStep": 5,
    "Discounting": 2,
    "ObservationValue": 1,
    "PrivilegedValue": 1,
    "BestAction": 1,
    "BestChoice": 1,
    "DelayedChoice": 2,
    "NonFinite": 10,
}

_OBSERVED = {"TerminalStep": 5, "BestChoice": 3, "DelayedChoice": 2}
_CHOICES = {"BestChoice": 3, "DelayedChoice": 2}

TASKS: dict[str, TaskEntry] = {
    name: TaskEntry(
        "probe",
        horizon,
        observation=_OBSERVED.get(name, 1),
        privileged=2 if name == "PrivilegedValue" else None,
        action=_CHOICES.get(name, 1),
        discrete=name in _CHOICES,
    )
    for name, horizon in HORIZONS.items()
}
"""The probes by name. Their rewards depend on their arguments: specs know them."""
