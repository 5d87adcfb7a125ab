"""Suites of tasks: what is asked of one, which there are, and a folder for each. Imports no JAX and no simulator."""

from reppo.environments.suites.registry import all_suites as all_suites
from reppo.environments.suites.registry import default_task as default_task
from reppo.environments.suites.registry import find_suite as find_suite
from reppo.environments.suites.registry import load_suites as load_suites
from reppo.environments.suites.registry import quick_suite as quick_suite
from reppo.environments.suites.registry import register as register
from reppo.environments.suites.registry import suite_of_component as suite_of_component
from reppo.environments.suites.registry import suite_of_task as suite_of_task
from reppo.environments.suites.registry import suite_packages as suite_packages
from reppo.environments.suites.suite import DeviceChecks as DeviceChecks
from reppo.environments.suites.suite import Look as Look
from reppo.environments.suites.suite import Suite as Suite
from reppo.environments.suites.suite import TaskEntry as TaskEntry
