"""What programs may import: every promised name is there, cheap to come by, and documented."""

import subprocess
import sys

import pytest

import bondx
import bondx.ml
import bondx.mlops


@pytest.mark.parametrize("package", [bondx, bondx.ml, bondx.mlops], ids=["bondx", "bondx.ml", "bondx.mlops"])
def test_every_public_name_exists_and_is_documented(package):
    for name in package.__all__:
        assert getattr(package, name).__doc__, name


@pytest.mark.parametrize("package", [bondx, bondx.ml, bondx.mlops], ids=["bondx", "bondx.ml", "bondx.mlops"])
def test_a_name_that_is_not_public_is_refused_by_name(package):
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = package.Nothing


def test_importing_the_public_package_loads_nothing_heavy():
    code = (
        "import sys, bondx, bondx.ml, bondx.mlops;"
        "sys.exit(any(name in sys.modules for name in ('numpy', 'pandas', 'lightgbm', 'textual', 'tinydb')))"
    )

    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_familiar_names_are_imported_in_one_line():
    from bondx.mlops import (  # noqa: F401
        CanaryDeploymentManager,
        DriftMonitor,
        ExperimentTracker,
        MLOpsConfig,
        ModelRegistry,
        ModelStage,
        RetrainPipeline,
    )
