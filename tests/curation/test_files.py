"""Files and folders that are whole or not there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from curation.errors import UserError
from curation.files import file_hash, new_file, new_folder, remove_leftovers, resource, write_text


def test_a_new_file_is_there_when_the_block_has_ended_well(tmp_path):
    target = tmp_path / "deep" / "er" / "a.txt"
    with new_file(target) as temporary:
        temporary.write_text("new")
        assert not target.exists()
        assert temporary.parent == target.parent
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with pytest.raises(ZeroDivisionError), new_file(target) as temporary:
        temporary.write_text(str(1 / 0 if temporary.write_text("half") else ""))
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_an_error_leaves_no_folder(tmp_path):
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "made") as temporary:
        (temporary / "inside").write_text(str(1 / 0 if (temporary / "half").write_text("half") else ""))
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_kept_as_it_is(tmp_path):
    target = tmp_path / "made"
    for text in ("first", "second"):
        with new_folder(target) as temporary:
            (temporary / "inside").write_text(text)
    assert (target / "inside").read_text() == "first"
    assert list(tmp_path.iterdir()) == [target]


def test_a_leftover_of_a_killed_process_with_the_same_number_is_no_obstacle(tmp_path):
    leftover = tmp_path / f".made.{os.getpid()}.tmp"
    leftover.mkdir()
    (leftover / "half").write_text("half")
    with new_folder(tmp_path / "made") as temporary:
        (temporary / "inside").write_text("whole")
    assert [p.name for p in (tmp_path / "made").iterdir()] == ["inside"]


def test_leftovers_are_removed_and_other_hidden_files_stay(tmp_path):
    (tmp_path / ".a.12.tmp").write_text("half")
    (tmp_path / ".b.12.tmp").mkdir()
    (tmp_path / ".b.12.tmp" / "inside").write_text("half")
    (tmp_path / ".keep").write_text("mine")
    remove_leftovers(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [".keep"]


@pytest.mark.parametrize(
    ("number", "says"),
    [(errno.ENOSPC, "no disk space"), (errno.EDQUOT, "no disk space"), (errno.EROFS, "cannot be written")],
)
@pytest.mark.parametrize("make", [new_file, new_folder])
def test_a_full_or_closed_disk_is_named_with_the_place(tmp_path, make, number, says):
    target = tmp_path / "a"
    with pytest.raises(UserError, match=says) as caught, make(target):
        raise OSError(number, os.strerror(number))
    assert caught.value.where == str(target)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("make", [new_file, new_folder])
def test_a_file_where_a_folder_is_needed_is_named(tmp_path, make):
    (tmp_path / "file").write_text("mine")
    target = tmp_path / "file" / "inside"
    with pytest.raises(UserError) as caught, make(target) as temporary:
        temporary.write_text("never")
    assert caught.value.where == str(target)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_where_the_file_should_go_is_named(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(UserError) as caught:
        write_text(tmp_path / "a", "text")
    assert caught.value.where == str(tmp_path / "a")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_the_hash_is_that_of_the_bytes(tmp_path):
    write_text(tmp_path / "a", "abc")
    assert file_hash(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_shipped_files_are_found():
    assert resource("safety", "policy.txt").is_file()


def test_what_is_no_file_is_not_replaced_and_a_link_is_followed(tmp_path):
    pipe, link, target = tmp_path / "pipe", tmp_path / "link", tmp_path / "target"
    os.mkfifo(pipe)
    target.write_text("old")
    link.symlink_to(target)
    for place in (pipe, Path("-"), Path()):
        with pytest.raises(UserError), new_file(place):
            raise AssertionError("refused before anything is written")
    with new_file(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert pipe.is_fifo()
