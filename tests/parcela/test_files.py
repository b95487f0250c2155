"""Files that appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from parcela.files import atomic_file, write_text


def test_given_text_when_written_then_the_old_file_is_replaced_and_permissions_follow_the_umask(
    tmp_path: Path,
) -> None:
    path, twin = tmp_path / "file.txt", tmp_path / "twin.txt"
    path.write_text("old")
    twin.touch()

    write_text(path, "Größe\n")

    assert path.read_bytes() == "Größe\n".encode()
    assert path.stat().st_mode == twin.stat().st_mode


def test_given_an_error_while_writing_then_the_old_file_stays_and_no_part_is_left(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail_halfway() -> None:
        with atomic_file(path) as stream:
            stream.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()

    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]
    assert path.read_text() == "old"
