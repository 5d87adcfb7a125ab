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
    "NonFinite": 10,
}

TASKS: dict[str, TaskEntry] = {
    name: TaskEntry(
        "probe",
        horizon,
        observation=5 if name == "TerminalStep" else 1,
        privileged=2 if name == "PrivilegedValue" else None,
        action=1,
    )
    for name, horizon in HORIZONS.items()
}
"""The probes by name. Their rewards depend on their arguments: specs know them."""
