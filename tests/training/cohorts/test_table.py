from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cohort_files import scan
from parcela.errors import BadRequest
from parcela_training.cohorts.table import read_table, write_table


@pytest.fixture
def scans(tmp_path: Path) -> list[Path]:
    return [scan(tmp_path / "scans" / f"{name}.nii.gz") for name in "abc"]


def table(folder: Path, text: str, name: str = "list.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8-sig")
    return folder / name


def test_given_all_columns_when_read_then_all_are_honoured_and_others_kept(
    tmp_path: Path, scans: list[Path]
) -> None:
    mask = scan(tmp_path / "m.nii.gz")
    text = (
        "Path;Subject;Split;Mask;Label;Dataset;age\n"
        f"scans/a.nii.gz;p1;train;m.nii.gz;n/a;X;40\n{scans[1]};p1;train;;;X;40\n"
        "scans/c.nii.gz;p2;test;;m.nii.gz;Y;50\n"
    )
    cohort = read_table(table(tmp_path, text))
    assert [(i.id, i.subject, i.split, i.dataset) for i in cohort.images] == [
        ("a", "p1", "train", "X"),
        ("b", "p1", "train", "X"),
        ("c", "p2", "test", "Y"),
    ]
    assert [i.path for i in cohort.images] == scans
    assert [i.mask for i in cohort.images] == [mask, None, None]
    assert [i.label for i in cohort.images] == [None, None, mask]
    assert cohort.columns == {"p1": {"age": "40"}, "p2": {"age": "50"}}
    assert cohort.warnings == ()


@pytest.mark.parametrize("header", ["path\n", "T1w\n", ""])
def test_given_a_mere_list_of_paths_when_read_then_each_scan_is_a_subject_and_that_is_said(
    tmp_path: Path, scans: list[Path], header: str
) -> None:
    text = header + "".join(f"scans/{path.name}\n" for path in scans)
    cohort = read_table(table(tmp_path, text, "list.tsv"))
    assert [i.subject for i in cohort.images] == ["a", "b", "c"]
    assert cohort.warnings[0].startswith("the subject of 3 images is not known")


def test_given_a_written_table_when_read_then_the_images_are_the_same(
    tmp_path: Path, scans: list[Path]
) -> None:
    text = (
        "path,subject,split,dataset,session\nscans/a.nii.gz,p,val,X,1\nscans/b.nii.gz,q,val,X,n/a\n"
    )
    images = read_table(table(tmp_path, text)).images
    (tmp_path / "run").mkdir()
    write_table(tmp_path / "run" / "split.tsv", images)
    again = read_table(tmp_path / "run" / "split.tsv").images
    assert [replace(image, path=image.path.resolve()) for image in again] == list(images)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,age\nx,4\n", "in a column `path`; columns found: name, age$"),
        ("", "columns found: none"),
        ("path,subject\nscans/a.nii.gz,p\nscans/z.nii.gz,q\n", "1 of the 2 files it lists do not"),
        ("path\nscans/a.nii.gz\nscans/a.nii.gz\n", "listed twice in the column path: scans/a"),
        ("path,id\nscans/a.nii.gz,1\nscans/b.nii.gz,1\n", "listed twice in the column id: 1"),
        ("path,split\nscans/a.nii.gz,later\n", "scans/a.nii.gz: the split 'later' is unknown"),
        ("path,age\nscans/a.nii.gz\n", "has 1 cells, the header 2"),
    ],
)
def test_given_a_faulty_table_when_read_then_the_message_names_the_fault(
    tmp_path: Path, scans: list[Path], text: str, message: str
) -> None:
    with pytest.raises(BadRequest, match=message):
        read_table(table(tmp_path, text))


def test_given_a_table_that_is_no_text_when_read_then_the_message_says_so(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(b"path\n\xff\xfe\x00.nii\n")
    with pytest.raises(BadRequest, match="cannot be read as a table"):
        read_table(tmp_path / "list.csv")
