"""Without the checks of types at every call, which the tests have and users do not."""

import contextlib

import jaxtyping


@contextlib.contextmanager
def as_users_run_it():
    """Types are not checked at calls within."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
