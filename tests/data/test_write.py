"""Answers written to files: whole or not at all, and read back to the same numbers."""

import csv
import json
import os
import stat

import numpy as np
import pytest

from pthway.data.present import Answer
from pthway.data.write import write_answers
from pthway.errors import UsageError

LOGITS = np.array([[0.1, 3.3, 1 / 3], [5, 0, 1e-30]], np.float32)
NAMES = ["a.png", "b, c.png"]


def listed(folder):
    return sorted(path.name for path in folder.iterdir())


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.reader(stream))


def test_npy_holds_the_array(tmp_path):
    write_answers(tmp_path / "o.npy", NAMES, Answer({"": LOGITS}))
    np.testing.assert_array_equal(np.load(tmp_path / "o.npy"), LOGITS)


def test_npz_holds_every_output(tmp_path):
    write_answers(tmp_path / "o.npz", NAMES, Answer({"file": LOGITS, "": LOGITS[:, 0]}))
    with np.load(tmp_path / "o.npz") as found:
        np.testing.assert_array_equal(found["file"], LOGITS)
        np.testing.assert_array_equal(found["output"], LOGITS[:, 0])


def test_csv_has_a_row_a_sample_with_label_score_and_numbers_that_read_back_exactly(tmp_path):
    answer = Answer({"": LOGITS}, labels=["cat", "dog", "owl"])
    write_answers(tmp_path / "o.csv", NAMES, answer)
    header, *body = rows(tmp_path / "o.csv")
    assert header == ["input", "label", "score", "output[0]", "output[1]", "output[2]"]
    assert [row[:2] for row in body] == [["a.png", "dog"], ["b, c.png", "cat"]]
    np.testing.assert_array_equal(np.array([row[3:] for row in body], np.float32), LOGITS)
    assert [float(row[2]) for row in body] == answer.scores
    assert body[0][3] == "0.1"


def test_csv_of_values_and_of_several_outputs(tmp_path):
    write_answers(tmp_path / "v.csv", NAMES, Answer({"": np.array([[1.5], [np.nan]])}))
    assert rows(tmp_path / "v.csv") == [["input", "output"], ["a.png", "1.5"], ["b, c.png", "nan"]]
    write_answers(tmp_path / "m.csv", NAMES, Answer({"p": LOGITS[:, :2], "q": np.arange(4).reshape(2, 1, 2)}))
    assert rows(tmp_path / "m.csv")[0] == ["input", "p[0]", "p[1]", "q[0,0]", "q[0,1]"]


def test_jsonl_has_a_line_a_sample(tmp_path):
    write_answers(tmp_path / "o.jsonl", NAMES, Answer({"": LOGITS}))
    lines = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert [(line["input"], line["label"]) for line in lines] == [("a.png", 1), ("b, c.png", 0)]
    np.testing.assert_array_equal(np.array([line["output"] for line in lines], np.float32), LOGITS)
    write_answers(tmp_path / "o.jsonl", NAMES, Answer({"p": LOGITS, "q": LOGITS}))
    assert list(json.loads((tmp_path / "o.jsonl").read_text().splitlines()[0])["outputs"]) == ["p", "q"]


@pytest.mark.parametrize("ending", ["npy", "npz", "csv", "jsonl"])
def test_an_empty_batch_writes_an_empty_file_of_its_kind(tmp_path, ending):
    write_answers(tmp_path / f"o.{ending}", [], Answer({"": LOGITS[:0]}))
    assert listed(tmp_path) == [f"o.{ending}"]


@pytest.mark.parametrize("name", ["o.txt", "o", ".csv"])
def test_unknown_endings_list_the_known_ones(tmp_path, name):
    with pytest.raises(UsageError, match=r"\.npy, \.npz, \.csv, \.jsonl"):
        write_answers(tmp_path / name, NAMES, Answer({"": LOGITS}))
    assert listed(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("o.npy", Answer({"p": LOGITS, "q": LOGITS})),
        ("o.jsonl", Answer({"": np.array([[np.nan], [1.0]])})),
        ("o.csv", Answer({"": np.array([[np.nan, 0], [1.0, 2]])})),
        ("o.csv", Answer({"": LOGITS}, labels=["one"])),
        ("o.csv", Answer({"": LOGITS[:1]})),
    ],
)
def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(tmp_path, name, answer):
    (tmp_path / name).write_text("old")
    with pytest.raises(UsageError):
        write_answers(tmp_path / name, NAMES, answer)
    assert listed(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "old"


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    (tmp_path / "o.npy").write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="No space left"):
        write_answers(tmp_path / "o.npy", NAMES, Answer({"": LOGITS}))
    assert listed(tmp_path) == ["o.npy"]
    assert (tmp_path / "o.npy").read_text() == "old"


def test_places_that_cannot_be_written_to_are_named(tmp_path):
    (tmp_path / "folder.npy").mkdir()
    (tmp_path / "plain").write_text("")
    for place in ("none/o.npy", "folder.npy", "plain/o.npy"):
        with pytest.raises(UsageError, match="cannot be written"):
            write_answers(tmp_path / place, NAMES, Answer({"": LOGITS}))
    assert listed(tmp_path) == ["folder.npy", "plain"]


def test_written_files_have_the_users_own_permissions(tmp_path):
    write_answers(tmp_path / "o.npy", NAMES, Answer({"": LOGITS}))
    (tmp_path / "plain").write_text("")
    assert stat.S_IMODE((tmp_path / "o.npy").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)
