import importlib.util
import subprocess
import sys

from reppo import environments
from reppo.optimization import Adam
from reppo.spec.source import source_hashes
from tests.tiny import tiny_preset

OWN = """
from reppo.component import Component

class {name}Base(Component):
    def offset(self):
        return {offset}

class {name}({name}Base):
    def value(self, x):
        return x + self.offset()
"""


def own(folder, name, offset):
    """The hash of a component that inherits from another, both written to a file of their own."""
    file = folder / f"own_{offset}.py"
    file.write_text(OWN.format(name=name, offset=offset))
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return source_hashes(getattr(module, name)())[name]


def test_the_source_of_every_component_is_hashed():
    spec = tiny_preset(environments.probe("BestAction"))
    hashes = source_hashes(spec)
    assert {"Spec", "Reppo", "Actor", "TanhNormalHead", "ClippedKL", "Adam"} <= set(hashes)
    assert len(set(hashes.values())) == len(hashes)
    assert source_hashes(spec) == hashes


def test_a_changed_body_is_another_hash_also_that_of_a_base(tmp_path):
    assert own(tmp_path, "Shift", 1) != own(tmp_path, "Shift", 2)


def test_a_component_without_a_file_has_none():
    made = {}
    exec("from reppo.component import Component\nclass Typed(Component): pass", made)
    assert source_hashes(made["Typed"]()) == {}


def test_checks_of_annotations_change_no_hash():
    """These tests run with them, a user's command without."""
    told = "from reppo import optimization as o; from reppo.spec.source import source_hashes as of; print(of(o.Adam()))"
    alone = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout
    assert alone.strip() == str(source_hashes(Adam()))
