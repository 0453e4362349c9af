"""No verdict that was kept is lost: not by a crash, not by a line that was cut."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from curation.errors import UserError
from judge.verdict import Item, Verdict, content_key
from loop.spool import FileCache, clear_spool, open_spool
from loop.store import insert, transaction
from loop.verdicts import verdict_rows
from tests.judge.judges import verdict_frame
from tests.loop.processes import python

ROOT = Path(__file__).parents[2]


def verdict(item: str, score: float = 0.5) -> Verdict:
    return Verdict(item, "j", 0, "scored", score, {"c": score}, "why", "raw", "end", 3, 4, 0.1)


def test_what_was_put_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "spool.jsonl"
    cache = FileCache(path)
    assert cache.get("k") is None
    refused = Verdict("b", "j", 0, "refused", feedback="no")
    cache.put({"k": verdict("a")})
    cache.put({"l": refused})
    assert cache.get("k") == verdict("a")
    again = FileCache(path)
    assert (again.get("k"), again.get("l"), again.get("m")) == (verdict("a"), refused, None)


def test_the_last_word_on_a_key_counts(tmp_path: Path) -> None:
    cache = FileCache(tmp_path / "s")
    cache.put({"k": verdict("a", 0.1)})
    cache.put({"k": verdict("a", 0.9)})
    assert FileCache(tmp_path / "s").get("k") == verdict("a", 0.9)


@pytest.mark.parametrize("left", [1, 20])
def test_a_torn_last_line_is_cut_and_the_rest_kept(tmp_path: Path, left: int) -> None:
    path = tmp_path / "s"
    FileCache(path).put({"k": verdict("a")})
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:left])
    cache = FileCache(path)
    assert cache.get("k") == verdict("a")
    cache.put({"l": verdict("b")})
    again = FileCache(path)
    assert (again.get("k"), again.get("l")) == (verdict("a"), verdict("b"))
    assert path.read_bytes().startswith(whole)


@pytest.mark.parametrize("line", [b"\x00\x00", b"{}", b'{"key": "k", "verdict": {"state": "scored"}}'])
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "s"
    FileCache(path).put({"k": verdict("a")})
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(UserError, match="a kept verdict is damaged") as caught:
        FileCache(path)
    assert caught.value.where == f"{path}:2"


def test_no_room_keeps_whole_lines_only(tmp_path: Path) -> None:
    path = tmp_path / "s"
    FileCache(path).put({"k": verdict("a")})
    whole = path.read_bytes()
    code = """
import pathlib, resource, signal, sys
from curation.errors import UserError
from judge.verdict import Verdict
from loop.spool import FileCache
path = pathlib.Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20,) * 2)
try:
    FileCache(path).put({"l": Verdict("b", "j", 0, "refused", feedback="no")})
except (UserError, OSError) as error:
    print(error)
"""
    assert python(code, path).communicate()[0]
    assert path.read_bytes() == whole


def test_a_file_that_is_nothing_but_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_bytes(b'{"key": "k", "verd')
    cache = FileCache(path)
    assert cache.get("k") is None
    cache.put({"k": verdict("a")})
    assert FileCache(path).get("k") == verdict("a")


def test_a_verdict_survives_the_process_that_is_killed_after_putting_it(tmp_path: Path) -> None:
    code = """
import os, pathlib, signal, sys
from judge.verdict import Verdict
from loop.spool import FileCache
cache = FileCache(pathlib.Path(sys.argv[1]))
for n in range(3):
    cache.put({str(n): Verdict(str(n), "j", 0, "scored", 0.5)})
os.kill(os.getpid(), signal.SIGKILL)
"""
    path = tmp_path / "s"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code, str(path)], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    cache = FileCache(path)
    assert [cache.get(str(n)) for n in range(3)] == [Verdict(str(n), "j", 0, "scored", 0.5) for n in range(3)]


def test_verdicts_in_the_store_are_known_but_failed_ones_are_asked_again(tmp_path: Path) -> None:
    items = [Item(i, [{"role": "user", "content": "q"}], f"says {i}") for i in ("a", "b", "c")]
    given = [
        verdict("a"),
        Verdict("b", "j", 0, "failed", feedback="no reply"),
        Verdict("c", "j", 0, "unparsable"),
    ]
    store = tmp_path / "traces.duckdb"
    with transaction(store) as connection:
        insert(connection, "verdicts", verdict_rows(verdict_frame(given, items)))
    spool = open_spool(tmp_path / "spool", store, tmp_path / "none", ["j"])
    known = [spool.get(content_key(item, "j", 0)) for item in items]
    assert known == [given[0], None, given[2]]
    other = open_spool(tmp_path / "spool", store, tmp_path / "none", ["another judge"])
    assert other.get(content_key(items[0], "j", 0)) is None


def test_the_workspaces_spool_is_emptied_once_the_store_has_its_verdicts(tmp_path: Path) -> None:
    store = tmp_path / "traces.duckdb"
    open_spool(tmp_path / "spool", store, tmp_path / "none", ["j"]).put({"k": verdict("a")})
    assert open_spool(tmp_path / "spool", store, tmp_path / "none", ["j"]).get("k") == verdict("a")
    clear_spool(tmp_path / "spool")
    clear_spool(tmp_path / "spool")
    assert open_spool(tmp_path / "spool", store, tmp_path / "none", ["j"]).get("k") is None
