import subprocess
import sysconfig
from pathlib import Path

import pytest

from core import system_libraries
from core.system_libraries import LIBRARIES, SystemLibrary, cure_for, missing_libraries

# Of the C library and the compiler's runtime, without which there is no Python and no package manager.
OF_EVERY_SYSTEM = {
    *("linux-vdso.so.1", "libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1"),
    *("libgcc_s.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"),
}


def test_the_list_holds_every_library_that_an_installed_wheel_takes_from_the_system():
    site = Path(sysconfig.get_path("platlib"))
    files = [str(path) for pattern in ("*.so", "*.so.*") for path in site.rglob(pattern)]
    said = subprocess.run(["ldd", *files], capture_output=True, text=True).stdout
    taken = set()
    for line in said.splitlines():
        name, arrow, place = line.strip().partition(" => ")
        if arrow and str(site) not in str(Path(place.split(" (")[0]).resolve()):
            taken.add(name)
    # Found by whoever loads it, though not by itself; what torch brings, an extra, is there for torch alone.
    bundled = {Path(file).name for file in files if Path(file).relative_to(site).parts[0] != "torch"}

    assert "libgomp.so.1" in taken
    assert taken - bundled - OF_EVERY_SYSTEM == {library.soname for library in LIBRARIES}


def test_a_library_that_the_loader_does_not_find_is_missing_and_has_a_cure(monkeypatch):
    lacking = SystemLibrary("libnowhere.so.7", "libnowhere7", "nowhere", "a wheel", False)
    monkeypatch.setattr(system_libraries, "LIBRARIES", (*LIBRARIES, lacking))

    assert missing_libraries() == [lacking]
    assert cure_for(f"{lacking.soname}: cannot open shared object file") == lacking.cure
    assert "apt-get install libnowhere7" in lacking.cure
    assert "dnf install nowhere" in lacking.cure


def test_without_a_known_cure_the_doctor_is_named():
    assert cure_for("undefined symbol: nonsense") == "`bondx doctor --environment` names what is missing"


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.soname)
def test_this_machine_has_what_the_tests_need(library):
    assert library not in missing_libraries()
