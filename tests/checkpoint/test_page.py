"""The page without a browser: what it holds, what is left out, where it may be written. `tests/browser` looks at it."""

import base64
import hashlib
import json
import os
import pty
import re
import subprocess
import sys
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import pthway
from pthway import errors
from pthway.checkpoint.page import document as of_document
from pthway.checkpoint.page import extras as of_extras
from pthway.checkpoint.page import table as of_table
from pthway.checkpoint.page.areas import Node, areas
from pthway.checkpoint.page.document import destination, document
from pthway.checkpoint.page.extras import extras
from pthway.checkpoint.page.markup import element
from pthway.checkpoint.page.squarified import Box, squarified
from pthway.checkpoint.statistics import statistics

ROOT = Path(__file__).parents[2]


class Elements(HTMLParser):
    """Every element of a page with its attributes and the text directly in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), []))

    def handle_data(self, data: str) -> None:
        if self.found:
            self.found[-1][2].append(data)

    def of(self, kind: str) -> list[tuple[str, dict[str, str | None], list[str]]]:
        return [one for one in self.found if kind in (one[1].get("class") or "").split()]


def page(path: Path) -> str:
    checkpoint = pthway.open(path)
    return document(checkpoint, [statistics(checkpoint.container, state.tensors, histograms=True) for state in checkpoint.state_dicts])


def saved(folder: Path, value: object) -> Path:
    torch.save(value, folder / "model.pth")
    return folder / "model.pth"


def inspect(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    child = [sys.executable, "-m", "pthway", "inspect", *arguments]
    return subprocess.run(child, cwd=folder, capture_output=True, text=True, check=False)


def test_the_policy_names_the_script_and_the_style_by_their_checksums_and_allows_nothing_else(tmp_path: Path) -> None:
    text = page(saved(tmp_path, {"w": torch.zeros(2)}))
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    for tag in ("script", "style"):
        (inline,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert rules.pop(f"{tag}-src") == f"'sha256-{base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()}'"
    assert rules == {"default-src": "'none'", "base-uri": "'none'", "form-action": "'none'"}
    assert not re.search(r"https?://|<link|\bsrc=|@import|url\(", text.replace("http-equiv", ""))


def test_the_same_file_gives_the_same_page(tmp_path: Path) -> None:
    path = saved(tmp_path, {"a.w": torch.ones(5), "b": torch.zeros(2, 2), "sparse": torch.eye(3).to_sparse()})
    assert page(path) == page(path)


def test_a_text_of_the_file_adds_no_element_and_no_attribute(tmp_path: Path) -> None:
    def kinds(text: str) -> list[tuple[str, list[str]]]:
        weights = {f"{text}.weight": torch.zeros(3), f"{text}.{text}.bias": torch.zeros(2)}
        found = Elements(page(saved(tmp_path, {"state_dict": weights, "x": {text: text}, "y": text}))).found
        return [(tag, sorted(attributes)) for tag, attributes, _ in found]

    for hostile in (
        "<img src=x onerror=alert(1)>",
        "</script><script>alert(1)</script>",
        "\" onload='alert(1)",
        "$title ${script}",
        "&lt;",
    ):
        assert kinds(hostile) == kinds("harmless")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<b>", "&lt;b&gt;"),
        ('"', "&quot;"),
        ("'", "&#x27;"),
        ("&", "&amp;"),
        ("\0", "\\x00"),
        ("\u2028\u202e\ud800", "\\u2028\\u202e\\ud800"),
    ],
)
def test_every_text_is_escaped_in_content_and_in_attributes(text: str, shown: str) -> None:
    assert element("p", text, title=text) == f'<p title="{shown}">{shown}</p>'


def test_the_page_says_what_the_summary_says_and_what_would_run(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "ran"),)

    saved(tmp_path, {"model": {"w": torch.zeros(2)}, "epoch": 7, "x": Payload()})
    done = inspect(tmp_path, "model.pth", "--html", "page.html")
    assert done.returncode == 3 and done.stderr == ""
    text = (tmp_path / "page.html").read_text("utf-8")
    assert f"page        page.html, {(tmp_path / 'page.html').stat().st_size:,} bytes" in done.stdout
    assert "Would run code" in text or "would run code" in text
    assert "posix.mkdir(&#x27;" in text and not (tmp_path / "ran").exists()
    assert '<span class="key">epoch</span> <span class="value">7</span>' in text


def test_raw_and_averaged_weights_have_a_section_each_and_a_module_its_class(tmp_path: Path) -> None:
    saved(tmp_path, {"model": torch.nn.Linear(2, 1), "model_ema": {"w": torch.zeros(2)}})
    sections = page(tmp_path / "model.pth").split('<section class="weights">')[1:]
    assert len(sections) == 2
    assert "<h2>model </h2>" in sections[0] and "torch.nn.modules.linear.Linear" in sections[0]
    assert '<h2>model_ema <span class="tag">averaged</span></h2>' in sections[1]


def test_a_pickled_module_shows_the_classes_and_settings_of_its_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, stride=2), torch.nn.ReLU(), torch.nn.Linear(4, 2)))
    text = page(path)
    titles = [title for tag, _, (title, *_) in (one for one in Elements(text).found if one[2]) if tag == "title"]
    assert any(title.startswith("0.weight · float32 [8, 3, 3, 3] · Conv2d(") and "stride=[2, 2]" in title for title in titles)
    assert "Modules (4)" in text and "torch.nn.modules.activation.ReLU" in text
    monkeypatch.setattr(of_document, "_MODULES", 4)
    assert "--modules lists all" not in page(path)
    monkeypatch.setattr(of_document, "_MODULES", 3)
    assert "1 more; pthway inspect --modules lists all" in page(path)


def test_areas_are_shares_of_the_bytes_and_cover_the_map(tmp_path: Path) -> None:
    tensors = {f"m{i % 3}.n{i % 4}.w{i}": torch.zeros(1 + i * i) for i in range(30)}
    cells = Elements(page(saved(tmp_path, tensors))).of("cell")
    total = sum(tensor.nbytes for tensor in tensors.values())
    assert {one["data-path"] for _, one, _ in cells} == set(tensors)
    for _, one, _ in cells:
        area = float((one["width"] or "").rstrip("%")) * float((one["height"] or "").rstrip("%")) / 1e4
        assert area == pytest.approx(tensors[one["data-path"] or ""].nbytes / total, rel=1e-4)


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=60), st.floats(1, 1000), st.floats(1, 1000))
def test_rectangles_have_their_sizes_and_do_not_overlap(sizes: list[int], width: float, height: float) -> None:
    sizes.sort(reverse=True)
    boxes = squarified(sizes, Box(0.0, 0.0, width, height))
    slack = 1e-6 * max(width, height)
    for size, box in zip(sizes, boxes, strict=True):
        assert box.width * box.height == pytest.approx(size / sum(sizes) * width * height, rel=1e-6)
        assert box.x >= 0 and box.y >= 0 and box.x + box.width <= width + slack and box.y + box.height <= height + slack
    for index, one in enumerate(boxes):
        for other in boxes[:index]:
            across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
            down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
            assert across <= slack or down <= slack


def leaves(node: Node) -> list[Node]:
    return [leaf for child in node.children for leaf in leaves(child)] if node.children else [node]


def test_the_smallest_tensors_are_drawn_together_module_by_module(tmp_path: Path) -> None:
    state = pthway.open(saved(tmp_path, {f"m{i % 2}.w{i}": torch.zeros(i + 1) for i in range(10)})).choose()
    assert [leaf.spec is None for leaf in leaves(areas(state.tensors, drawn=10))] == [False] * 10
    nine = leaves(areas(state.tensors, drawn=9))
    assert [leaf.label for leaf in nine if leaf.spec is None] == ["1 smaller tensors"]
    assert sum(leaf.nbytes for leaf in nine) == state.nbytes
    three = areas(state.tensors, drawn=3)
    assert sorted(leaf.tensors for leaf in leaves(three)) == [1, 1, 1, 3, 4] and three.nbytes == state.nbytes


def test_names_are_modules_to_a_depth_and_any_depth_is_drawn(tmp_path: Path) -> None:
    names = [".".join("a" * depth) for depth in range(1, 500)]
    state = pthway.open(saved(tmp_path, {name: torch.zeros(1) for name in names})).choose()
    drawn = leaves(areas(state.tensors))
    assert sorted(leaf.path for leaf in drawn) == sorted(names)
    assert max(leaf.label.count(".") for leaf in drawn) == 498 - 16


def test_tensors_without_bytes_have_no_area_and_the_page_says_so(tmp_path: Path) -> None:
    text = page(saved(tmp_path, {"w": torch.zeros(2), "empty": torch.zeros(0, 3)}))
    assert [one["data-path"] for _, one, _ in Elements(text).of("cell")] == ["w"]
    assert "1 tensors have no bytes and no area." in text
    assert "there is nothing to draw" in page(saved(tmp_path, {"empty": torch.zeros(0, 3)}))


def test_the_table_lists_the_largest_in_file_order_and_counts_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, {"b": torch.zeros(2), "a": torch.zeros(1), "c": torch.zeros(3)})
    monkeypatch.setattr(of_table, "LISTED", 3)
    assert [text for _, _, (text, *_) in Elements(page(path)).of("name")[1:]] == ["b", "a", "c"]
    assert "not in this table" not in page(path)
    monkeypatch.setattr(of_table, "LISTED", 2)
    assert [text for _, _, (text, *_) in Elements(page(path)).of("name")[1:]] == ["b", "c"]
    assert "The 1 smallest tensors are not in this table" in page(path)


def test_rows_beyond_the_first_wait_in_a_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, {"b": torch.zeros(2), "a": torch.zeros(1)})
    monkeypatch.setattr(of_table, "AT_ONCE", 2)
    assert "<template></template>" in page(path) and "2 of 2 tensors" in page(path)
    monkeypatch.setattr(of_table, "AT_ONCE", 1)
    (waiting,) = re.findall(r"<template>(.*)</template>", page(path))
    assert waiting.count("<tr>") == 1 and "1 of 2 tensors" in page(path)


def test_a_row_has_the_statistics_and_bars_of_its_numbers(tmp_path: Path) -> None:
    values = torch.tensor([[0.0, 1.0], [1.0, 31.0]])
    text = page(saved(tmp_path, {"w": values, "bad": torch.tensor([float("nan"), float("inf")])}))
    row = re.findall(r'<tr><th scope="row" class="name">w</th>.*?</tr>', text)[0]
    cells = [float(value) for value in re.findall(r'data-value="([^"]*)"', row)]
    assert cells == [4, 16, 0, 31, values.mean().item(), pytest.approx(values.std(correction=0).item()), 0, 0, 1]
    (bars,) = re.findall(r'<path d="M0 24([^"]*)V24Z"', row)
    heights = np.array([24 - int(height) for height in re.findall(r"V(\d+)H\d+", bars)])
    counts = np.histogram(values.numpy(), np.linspace(0, 31.5, 64))[0]
    assert heights.tolist() == [max(1, round(24 * count / 2)) if count else 0 for count in counts]
    assert "1 of these tensors hold NaN or infinity: bad" in text


def test_extras_are_a_tree_of_a_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"args": {"lr": 0.1, "steps": [1, 2]}, "note": "x" * 130}
    text = extras(values)
    words = " ".join(re.sub(r"<[^>]*>", " ", text).split())
    assert words == f"Also in the file args 2 entries lr 0.1 steps 2 entries 0 1 1 2 note 130 characters {'x' * 130}"
    monkeypatch.setattr(of_extras, "ENTRIES", 6)
    assert extras(values) == text
    monkeypatch.setattr(of_extras, "ENTRIES", 5)
    assert "1 entries are not shown" in extras(values) and "note" not in extras(values)
    monkeypatch.setattr(of_extras, "CHARACTERS", 130)
    assert "of them shown" not in extras({"note": "x" * 130})
    assert "131 characters, 130 of them shown" in extras({"note": "x" * 131})
    assert extras({}) == ""


def test_lines_of_a_long_text_stay_lines() -> None:
    assert "<pre>one\ntwo&lt;\n</pre>" in extras({"log": "one\ntwo<"})


def test_calls_beyond_a_number_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Payload:
        def __reduce__(self) -> Any:
            return os.getenv, ("A",)

    path = saved(tmp_path, {"w": torch.zeros(1), "x": [Payload(), Payload()]})
    assert page(path).count("os.getenv") >= 2 and "calls (2)" in page(path)
    monkeypatch.setattr(of_document, "_CALLS", 1)
    assert "<li>1 more</li>" in page(path)


def test_a_page_never_takes_the_place_of_weights(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(1)}, tmp_path / "weights.html")
    before = (tmp_path / "weights.html").read_bytes()
    (tmp_path / "link.html").symlink_to("weights.html")
    (tmp_path / "folder.html").mkdir()
    checkpoint = pthway.open(tmp_path / "weights.html")
    for name, why in (
        ("weights.html", "is the file that is read"),
        ("link.html", "is the file that is read"),
        ("other.pth", "does not end in .html or .htm"),
        ("folder.html", "is no regular file"),
        ("absent/page.html", "does not exist"),
    ):
        with pytest.raises(errors.UsageError, match=why):
            destination(checkpoint, tmp_path / name)
    assert inspect(tmp_path, "weights.html", "--html", "weights.html").returncode == 2
    assert (tmp_path / "weights.html").read_bytes() == before
    assert destination(checkpoint, tmp_path / "page.HTM") == (tmp_path / "page.HTM").resolve()


def test_a_shard_is_a_file_that_is_read(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(1)}, tmp_path / "shard.html")
    index = {"metadata": {"total_size": 4}, "weight_map": {"w": "shard.html"}}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    checkpoint = pthway.open(tmp_path / "pytorch_model.bin.index.json")
    with pytest.raises(errors.UsageError, match="is the file that is read"):
        destination(checkpoint, tmp_path / "shard.html")


def test_damaged_weights_give_an_error_and_no_page(tmp_path: Path) -> None:
    path = saved(tmp_path, {"w": torch.ones(100_000)})
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    done = inspect(tmp_path, "model.pth", "--html", "page.html")
    assert done.returncode == 3 and "checksum" in done.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["model.pth"]


def test_json_and_statistics_are_printed_as_without_a_page(tmp_path: Path) -> None:
    saved(tmp_path, {"w": torch.ones(3)})
    for options in (("--json",), ("--json", "--stats")):
        alone, beside = inspect(tmp_path, "model.pth", *options), inspect(tmp_path, "model.pth", *options, "--html", "page.html")
        assert json.loads(beside.stdout) == json.loads(alone.stdout)
    assert "smallest" in inspect(tmp_path, "model.pth", "--stats", "--html", "page.html").stdout
    assert "smallest" not in inspect(tmp_path, "model.pth", "--html", "page.html").stdout


def test_a_person_sees_a_bar_while_the_numbers_are_read(tmp_path: Path) -> None:
    saved(tmp_path, {"w": torch.ones(3_000_000)})
    main, child = pty.openpty()
    command = [sys.executable, "-m", "pthway", "inspect", "model.pth", "--html", "page.html"]
    done = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=child, check=False)
    os.close(child)
    assert done.returncode == 0
    assert b"reading model.pth" in os.read(main, 1 << 20)
    os.close(main)


def test_a_notebook_reads_no_weights_and_needs_no_numpy(tmp_path: Path) -> None:
    path = saved(tmp_path, {"fc.weight": torch.ones(100_000), "fc.bias": torch.ones(2), "out.weight": torch.ones(3)})
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    probe = "import sys, pthway; print(pthway.open('model.pth')._repr_html_()); assert not {'numpy', 'torch', 'rich'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "<script" not in done.stdout
    words = re.sub(r"<[^>]*>", " ", done.stdout).split()
    assert words[-11:] == ["fc", "2", "100,002", "float32", "[100000],", "[2]", "out", "1", "3", "float32", "[3]"]


def test_the_wheel_holds_the_template_the_style_and_the_script(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {f"pthway/checkpoint/page/page.{kind}" for kind in ("html", "css", "js")} <= held
