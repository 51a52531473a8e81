# ruff: noqa: PT012 - what is to fail here is the end of a whole transaction
import os
import threading

import pytest
from tinydb import JSONStorage, TinyDB, where
from tinydb.operations import increment
from tinydb.table import Document

from core.state import Database, ForbiddenCommitError, TransactionError, UnstorableValueError
from core.state.encoding import fields_of


def another_instance(database: Database) -> Database:
    """The same file as another process would open it."""
    return Database(database.path)


def test_plain_tinydb_reads_the_file(database):
    database.table("versions").insert({"model": "spread", "gates": ["a"]})
    with TinyDB(database.path, storage=JSONStorage) as plain:
        assert plain.table("versions").all() == [{"model": "spread", "gates": ["a"]}]


def test_a_file_written_by_plain_tinydb_is_read(workspace):
    path = workspace.state_file("foreign")
    with TinyDB(path) as plain:
        plain.insert({"model": "spread"})
    database = workspace.database("foreign")
    database.insert({"model": "downgrade"})
    assert database.all() == [{"model": "spread"}, {"model": "downgrade"}]


def test_the_methods_of_tinydb_work_unchanged(database):
    table = database.table("t")
    assert table.insert_multiple([{"n": 1}, {"n": 2}, {"n": 3}]) == [1, 2, 3]
    assert table.insert(Document({"n": 10}, doc_id=7)) == 7
    assert table.update(increment("n"), where("n") > 2) == [3, 7]
    assert table.update_multiple([({"big": True}, where("n") > 5)]) == [7]
    assert table.upsert({"n": 99}, where("n") == 1) == [1]
    assert table.upsert({"n": 5}, where("n") == 5) == [8]
    assert table.remove(where("n") == 2) == [2]
    assert {document.doc_id: dict(document) for document in table} == {
        1: {"n": 99},
        3: {"n": 4},
        7: {"n": 11, "big": True},
        8: {"n": 5},
    }
    table.truncate()
    assert len(table) == 0
    database.drop_table("t")
    assert database.tables() == set()
    database.table("u").insert({})
    database.drop_tables()
    assert database.tables() == set()


def test_ids_are_taken_from_the_file_and_not_from_memory(database):
    database.table("t").insert({"by": "one"})
    another_instance(database).table("t").insert({"by": "another"})
    assert database.table("t").insert({"by": "one"}) == 3


def test_results_are_copies_that_may_be_changed(database):
    table = database.table("t")
    table.insert({"tags": ["a"]})
    for found in (table.all()[0], table.get(doc_id=1), table.search(where("tags").any(["a"]))[0], next(iter(table))):
        found["tags"].append("mine alone")
    assert table.all() == [{"tags": ["a"]}]


def test_a_query_is_never_answered_from_memory(database):
    table = database.table("t", cache_size=10)
    assert table.search(where("n") == 1) == []
    another_instance(database).table("t").insert({"n": 1})
    assert table.search(where("n") == 1) == [{"n": 1}]


def test_a_transaction_spans_tables_and_is_one_generation(database):
    before = database.signature()
    with database.transaction():
        database.table("a").insert({})
        assert database.signature() == before
        database.table("b").insert({})
    one_later = database.signature()
    assert one_later != before
    assert database.tables() == {"a", "b"}


def test_a_transaction_that_changes_nothing_writes_nothing(database):
    database.table("a").insert({"n": 1})
    before = database.signature()
    with database.transaction():
        assert len(database.table("a")) == 1
    assert database.signature() == before


def test_a_failed_transaction_leaves_nothing(database):
    database.table("a").insert({"n": 1})
    with pytest.raises(ZeroDivisionError), database.transaction():
        database.table("a").update({"n": 2})
        database.table("b").insert({})
        raise ZeroDivisionError
    assert database.table("a").all() == [{"n": 1}]
    assert database.tables() == {"a"}


def test_inside_its_transaction_a_thread_sees_its_changes_and_others_do_not(database):
    with database.transaction():
        database.table("a").insert({"n": 1})
        assert len(database.table("a")) == 1
        seen = []
        reader = threading.Thread(target=lambda: seen.append(len(database.table("a"))))
        reader.start()
        reader.join()
        assert seen == [0]
        assert len(another_instance(database).table("a")) == 0
    assert len(another_instance(database).table("a")) == 1


def test_a_transaction_inside_a_transaction_commits_with_the_outer_one(database):
    before = database.signature()
    with database.transaction():
        with database.transaction():
            database.table("a").insert({})
        assert database.signature() == before
        assert database.in_transaction
    assert not database.in_transaction
    assert len(database.table("a")) == 1


def test_an_inner_failure_that_was_caught_forbids_the_outer_commit(database):
    with pytest.raises(ForbiddenCommitError, match="ZeroDivisionError"), database.transaction():
        database.table("a").insert({})
        with pytest.raises(ZeroDivisionError), database.transaction():
            raise ZeroDivisionError
    assert database.tables() == set()


def test_a_table_call_that_failed_half_way_forbids_the_commit_as_well(database):
    database.table("a").insert_multiple([{"n": 1}, {"m": 1}])
    with pytest.raises(ForbiddenCommitError, match="KeyError"), database.transaction(), pytest.raises(KeyError):
        database.table("a").update(increment("n"))
    assert database.table("a").all() == [{"n": 1}, {"m": 1}]


def test_after_a_failure_the_next_transaction_starts_afresh(database):
    with pytest.raises(UnstorableValueError):
        database.table("a").insert({"n": float("nan")})
    database.table("a").insert({"n": 1})
    assert database.table("a").all() == [{"n": 1}]


def test_a_transaction_on_a_second_file_is_refused_since_both_cannot_commit_together(workspace, database):
    with pytest.raises(TransactionError, match=r"registry\.json before one on runs\.json"), database.transaction():
        workspace.database("runs").table("a").insert({})
    workspace.database("runs").table("a").insert({})


def test_a_commit_callback_runs_after_the_outermost_commit_without_the_lock(database):
    calls = []

    def call():
        calls.append((database.in_transaction, len(another_instance(database).table("a"))))
        another_instance(database).table("log").insert({})  # would wait for ever if the lock were held

    with database.transaction():
        with database.transaction():
            database.table("a").insert({})
            database.after_commit(call)
        assert calls == []
    assert calls == [(False, 1)]


def test_a_commit_callback_is_dropped_without_a_commit(database):
    calls = []
    with pytest.raises(ZeroDivisionError), database.transaction():
        database.after_commit(lambda: calls.append(1))
        raise ZeroDivisionError
    assert calls == []
    database.after_commit(lambda: calls.append(2))
    assert calls == [2]


def count_up(database: Database, times: int) -> None:
    for _ in range(times):
        database.table("t").update(increment("n"))


def test_two_counting_processes_lose_no_count(database, fork):
    database.table("t").insert({"n": 0})
    children = [fork(lambda: count_up(database, 50)) for _ in range(2)]
    for child in children:
        child.answer()
    assert database.table("t").all() == [{"n": 100}]


def test_two_counting_threads_lose_no_count(database):
    database.table("t").insert({"n": 0})
    threads = [threading.Thread(target=count_up, args=(database, 50)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert database.table("t").all() == [{"n": 100}]


def test_two_processes_never_give_out_the_same_id(database, fork):
    def insert_many():
        return [database.table("t").insert({}) for _ in range(30)]

    first, second = fork(insert_many), fork(insert_many)
    assert sorted(first.answer() + second.answer()) == list(range(1, 61))


def test_readers_beside_a_writer_always_see_a_whole_generation(database, fork):
    def write():
        for n in range(60):
            with database.transaction():
                for table in ("a", "b"):
                    database.table(table).upsert(Document({"n": n, "ballast": "x" * 10_000}, doc_id=1))
        return True

    database.table("a").insert({"n": -1})
    database.table("b").insert({"n": -1})
    writer = fork(write)
    seen = set()
    while 59 not in seen:
        tables = database.storage.read()
        n = fields_of(tables["a"]["1"])["n"]
        assert n == fields_of(tables["b"]["1"])["n"]
        seen.add(n)
    assert writer.answer()


def test_a_fork_inside_a_transaction_cannot_commit_the_parents_work(database, fork):
    def commit_as_child():
        with pytest.raises(TransactionError):
            database.storage.write({})
        return database.in_transaction

    with database.transaction():
        database.table("a").insert({"by": "parent"})
        assert fork(commit_as_child).answer() is False
    assert database.table("a").all() == [{"by": "parent"}]


def test_leaving_a_transaction_in_a_forked_child_is_an_error(database, fork):
    def leave_in_child():
        with database.transaction():
            database.table("a").insert({})
            pid = os.fork()
            if pid:
                return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os._exit(1)  # the child committed

    def attempt():
        parent = os.getpid()
        try:
            return leave_in_child()
        except TransactionError:
            os._exit(42 if os.getpid() != parent else 2)

    assert fork(attempt).answer() == 42
    assert len(database.table("a")) == 1


def test_a_lock_held_at_a_fork_dies_with_the_parent_and_not_with_the_child(database, fork):
    read_end, write_end = os.pipe()

    def die_inside_a_transaction():
        with database.transaction():
            if os.fork() == 0:
                os.read(read_end, 1)  # outlives its parent
            os._exit(0)

    child = fork(die_inside_a_transaction)
    child.wait()
    database.table("a").insert({})  # would wait for ever
    os.write(write_end, b".")
    os.close(read_end)
    os.close(write_end)


def test_one_file_has_one_database_in_a_process(workspace, database):
    assert type(workspace).open(workspace.root).database("registry") is database
    assert workspace.database("runs") is not database
