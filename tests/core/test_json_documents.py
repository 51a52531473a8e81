"""What reads structs does so from any thread; nothing in the house passes it by."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIRST_READS = """
import sys, threading
import msgspec
from core import json_documents

sys.setswitchinterval(1e-6)  # a thread gives way as often as it can
N_FIELDS = 20
FIELDS = "(msgspec.Struct):\\n    a: 'int' = 0\\n    b: 'str | None' = None\\n"
INNER = "".join(f"class B{k}{FIELDS}" for k in range(N_FIELDS))
OUTER = "class A(msgspec.Struct):\\n" + "".join(f"    f{k}: 'B{k} | None' = None\\n" for k in range(N_FIELDS))


def new_struct(number):
    module = type(sys)(f"module_{number}")
    sys.modules[module.__name__] = module
    exec("import msgspec\\n" + INNER + OUTER, module.__dict__)
    return module.A


for number in range(60):
    struct, barrier, read = new_struct(number), threading.Barrier(4), []

    def first_read():
        barrier.wait()
        read.append(%s)

    threads = [threading.Thread(target=first_read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.f19.a for each in read] == [1] * 4, read
"""
JSON, MSGPACK = b'{"f0":{"b":"x"},"f19":{"a":1}}', b"\x81\xa3f19\x81\xa1a\x01"


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(f"json_documents.decode_json({JSON!r}, struct)", id="JSON"),
        pytest.param(f"json_documents.decode_msgpack({MSGPACK!r}, struct)", id="MessagePack"),
        pytest.param("json_documents.converted({'f19': {'a': 1}}, struct)", id="plain values"),
        pytest.param(f"json_documents.json_decoder(struct).decode({JSON!r})", id="a decoder of JSON"),
        pytest.param(f"json_documents.msgpack_decoder(struct).decode({MSGPACK!r})", id="a decoder of MessagePack"),
        pytest.param(f"json_documents.json_decoder(list[struct]).decode({b'[' + JSON + b']'!r})[0]", id="a list"),
    ],
)
def test_a_struct_is_read_for_the_first_time_by_four_threads_at_once(read):
    done = subprocess.run([sys.executable, "-c", FIRST_READS % read], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def reads_by_itself(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    if name in {"msgspec.json.decode", "msgspec.msgpack.decode"}:
        return len(call.args) > 1 or bool(call.keywords)
    return name in {"msgspec.convert", "msgspec.json.Decoder", "msgspec.msgpack.Decoder"} and bool(call.args)


def test_structs_are_read_by_this_module_alone():
    """A read elsewhere would end the process once in a while, when two threads make it for the first time."""
    found = []
    for folder in ("bondx", "console", "core", "sample_configs", "themes", "widgets"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and reads_by_itself(node):
                    found.append(f"{file.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}")
                elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("msgspec"):
                    taken = {alias.name for alias in node.names} & {"convert", "json", "msgpack", "decode", "Decoder"}
                    found += [f"{file.relative_to(ROOT)}:{node.lineno}: imports {name}" for name in sorted(taken)]
    assert [place for place in found if not place.startswith("core/json_documents.py")] == []
