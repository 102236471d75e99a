"""The page of ``pthway inspect --html`` in a real browser: what is drawn, what a click does, and that nothing else happens."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

import pthway

SIZES = {
    "stem.weight": (16, 3, 3, 3),
    "stem.bias": (16,),
    "body.first.weight": (64, 48),
    "body.first.bias": (64,),
    "body.second.deep.weight": (32, 64),
    "body.second.deep.bias": (32,),
    "head": (40, 20),
}
MARKUP = "<img src=x onerror=\"document.title='ran'\"></script></svg></template><b id=planted>&amp;'\u2028\u202e\x00\x1b\ud800"


def page(folder: Path, saved: object) -> Path:
    torch.save(saved, folder / "model.pth")
    child = [sys.executable, "-m", "pthway", "inspect", "model.pth", "--html", "page.html"]
    done = subprocess.run(child, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 3), done.stderr
    return folder / "page.html"


def show(chromium: Chrome, path: Path, *, width: int = 1280, height: int = 1000, scheme: str = "light") -> None:
    chromium.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    )
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    for log in ("browser", "performance"):
        chromium.get_log(log)
    chromium.get(path.as_uri())


def asked_for(chromium: Chrome) -> list[str]:
    """Addresses of everything that was requested since the page was opened."""
    events = [json.loads(entry["message"])["message"] for entry in chromium.get_log("performance")]
    return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]


def drawn(chromium: Chrome, what: str) -> dict[str, tuple[float, float]]:
    """The visible boxes of a map: path → width and height in pixels."""
    script = """return Array.from(document.querySelectorAll(arguments[0]), one => [one.dataset.path, one.getBoundingClientRect()])
        .map(([path, box]) => [path, box.width, box.height])"""
    return {path: (width, height) for path, width, height in chromium.execute_script(script, f"{what}:not([hidden])")}


def names(chromium: Chrome) -> list[str]:
    return [str(one) for one in chromium.execute_script("return Array.from(document.querySelectorAll('tbody th'), th => th.textContent)")]


def click_into(chromium: Chrome, path: str) -> None:
    cell = chromium.find_element(By.CSS_SELECTOR, f'.cell[data-path="{path}"]')
    chromium.execute_script("arguments[0].scrollIntoView({block: 'center'})", cell)
    ActionChains(chromium).move_to_element(cell).click().perform()


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    return page(tmp_path, {name: torch.randn(shape) for name, shape in SIZES.items()})


def test_the_areas_of_the_map_are_the_bytes(chromium: Chrome, plain: Path) -> None:
    show(chromium, plain)
    boxes = drawn(chromium, ".cell")
    whole = chromium.execute_script("const box = document.querySelector('.map').getBoundingClientRect(); return box.width * box.height")
    total = sum(int(np.prod(shape)) for shape in SIZES.values())
    assert set(boxes) == set(SIZES)
    for name, shape in SIZES.items():
        width, height = boxes[name]
        assert width * height / whole == pytest.approx(np.prod(shape) / total, rel=2e-3)


def test_a_click_shows_a_module_in_full_and_the_way_leads_back(chromium: Chrome, plain: Path) -> None:
    show(chromium, plain)
    before = drawn(chromium, ".cell")
    click_into(chromium, "body.first.weight")
    inside = drawn(chromium, ".cell")
    assert set(inside) == {name for name in SIZES if name.startswith("body.")}
    areas = {name: width * height for name, (width, height) in inside.items()}
    weight, deep = np.prod(SIZES["body.first.weight"]), np.prod(SIZES["body.second.deep.weight"])
    assert areas["body.first.weight"] / areas["body.second.deep.weight"] == pytest.approx(weight / deep, rel=2e-3)
    assert set(drawn(chromium, ".module")) == {"body.first", "body.second.deep"}
    crumbs = chromium.find_elements(By.CSS_SELECTOR, ".crumbs button")
    assert [crumb.text for crumb in crumbs] == ["all modules", "body"]
    click_into(chromium, "body.second.deep.weight")
    assert set(drawn(chromium, ".cell")) == {"body.second.deep.weight", "body.second.deep.bias"}
    chromium.find_elements(By.CSS_SELECTOR, ".crumbs button")[0].click()
    assert drawn(chromium, ".cell") == before


def test_the_keyboard_leads_into_a_module_and_out_of_it(chromium: Chrome, plain: Path) -> None:
    show(chromium, plain)
    module = chromium.find_element(By.CSS_SELECTOR, '.module[data-path="body"]')
    chromium.execute_script("arguments[0].focus()", module)
    assert "body · 4 tensors" in chromium.find_element(By.CSS_SELECTOR, ".pointed").text
    ActionChains(chromium).send_keys(Keys.ENTER).perform()
    assert set(drawn(chromium, ".module")) == {"body.first", "body.second.deep"}
    assert chromium.execute_script("return document.activeElement.dataset.path") == "body.first"
    ActionChains(chromium).send_keys(Keys.ESCAPE).perform()
    assert set(drawn(chromium, ".cell")) == set(SIZES)
    assert chromium.execute_script("return document.activeElement.dataset.path") == "body"


def test_hovering_says_what_a_tensor_is_and_a_click_on_it_finds_its_row(chromium: Chrome, plain: Path) -> None:
    show(chromium, plain)
    ActionChains(chromium).move_to_element(chromium.find_element(By.CSS_SELECTOR, '.cell[data-path="head"]')).perform()
    assert "head · float32 [40, 20] · 800 numbers · 3,200 bytes" in chromium.find_element(By.CSS_SELECTOR, ".pointed").text
    click_into(chromium, "head")
    assert names(chromium) == ["head"]


def test_the_table_is_filtered_by_typing_and_sorted_by_a_click(chromium: Chrome, plain: Path) -> None:
    show(chromium, plain)
    assert names(chromium) == list(SIZES)
    search = chromium.find_element(By.CSS_SELECTOR, ".filter")
    search.send_keys("BIAS")
    assert names(chromium) == [name for name in SIZES if name.endswith("bias")]
    assert chromium.find_element(By.CSS_SELECTOR, ".count").text == "3 of 3 tensors that match, 7 in all"
    search.send_keys(Keys.CONTROL, "a")
    search.send_keys(Keys.DELETE)
    numbers = next(head for head in chromium.find_elements(By.CSS_SELECTOR, "thead button") if head.text == "numbers")
    numbers.click()
    ordered = sorted(SIZES, key=lambda name: -int(np.prod(SIZES[name])))
    assert names(chromium) == ordered
    numbers.click()
    assert sorted(names(chromium), key=lambda name: np.prod(SIZES[name])) == names(chromium)
    numbers.click()
    assert names(chromium) == list(SIZES)


def test_colours_follow_the_choice(chromium: Chrome, tmp_path: Path) -> None:
    show(chromium, page(tmp_path, {"a.w": torch.zeros(4, 4), "b.w": torch.zeros(4, 4, dtype=torch.float16)}))

    def fills() -> list[str]:
        script = "return Array.from(document.querySelectorAll('.cell rect'), one => getComputedStyle(one).fill)"
        return [str(fill) for fill in chromium.execute_script(script)]

    assert len(set(fills())) == 1
    chromium.find_element(By.CSS_SELECTOR, ".by-type").click()
    assert len(set(fills())) == 2
    legend = [one.text for one in chromium.find_elements(By.CSS_SELECTOR, ".legend li") if one.is_displayed()]
    assert legend == ["float32 66.7%", "16-bit float 33.3%"]


def test_nothing_is_asked_of_the_network_and_nothing_is_complained_of(chromium: Chrome, plain: Path) -> None:
    show(chromium, plain)
    assert asked_for(chromium) == [plain.as_uri()]
    assert chromium.get_log("browser") == []
    assert chromium.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_the_policy_stops_what_an_escape_that_failed_would_let_in(chromium: Chrome, plain: Path) -> None:
    planted = "<script>document.title = 'ran'</script><img src='http://127.0.0.1:9/x.png' onerror='document.title = \"ran\"'>"
    plain.write_text(plain.read_text("utf-8").replace("<main>", f"<main>{planted}"), "utf-8")
    show(chromium, plain)
    assert chromium.title != "ran"
    assert sum("Content Security Policy" in entry["message"] for entry in chromium.get_log("browser")) >= 2


def test_what_a_hostile_file_says_stays_text(chromium: Chrome, tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> Any:
            return os.getenv, (MARKUP,)

    weights = {f"{MARKUP}.weight": torch.zeros(3, 3), f"{MARKUP}.{MARKUP}": torch.ones(2)}
    saved = {"state_dict": weights, MARKUP: {MARKUP: [MARKUP, MARKUP + "\n" + MARKUP]}, "call": Payload()}
    show(chromium, page(tmp_path, saved))
    assert chromium.title == "model.pth · pthway"
    assert chromium.get_log("browser") == []
    assert asked_for(chromium) == [(tmp_path / "page.html").as_uri()]
    script = "return document.querySelectorAll('img, b, #planted, body > :not(header, main, footer, script)').length"
    assert chromium.execute_script(script) == 0
    shown = MARKUP.replace("\u2028", "\\u2028").replace("\u202e", "\\u202e").replace("\x00", "\\x00").replace("\x1b", "\\x1b")
    shown = shown.replace("\ud800", "\\ud800")
    assert names(chromium) == [f"{shown}.weight", f"{shown}.{shown}"]
    assert "os.getenv" in chromium.find_element(By.CSS_SELECTOR, ".safety.runs").text
    keys = chromium.execute_script("return Array.from(document.querySelectorAll('.extras .key'), one => one.textContent)")
    assert keys[0] == f"{shown}.{shown}"


def test_five_thousand_tensors_are_drawn_in_part_and_all_found(chromium: Chrome, tmp_path: Path) -> None:
    show(chromium, page(tmp_path, {f"blocks.{i // 10}.{i % 10}.weight": torch.full((1 + i % 7,), float(i)) for i in range(5000)}))
    assert len(names(chromium)) == 200
    assert "3,500 smallest of 5,000 tensors are drawn together" in chromium.find_element(By.CSS_SELECTOR, ".treemap").text
    chromium.find_element(By.CSS_SELECTOR, ".filter").send_keys("blocks.499.9")
    assert names(chromium) == ["blocks.499.9.weight"]
    chromium.find_element(By.CSS_SELECTOR, ".filter").clear()
    more = chromium.find_element(By.CSS_SELECTOR, ".more")
    chromium.execute_script("arguments[0].click()", more)
    assert len(names(chromium)) == 400


@pytest.mark.parametrize("width", [1280, 420])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_by_day_by_night_and_on_a_telephone(chromium: Chrome, plain: Path, width: int, scheme: str) -> None:
    show(chromium, plain, width=width, scheme=scheme)
    assert chromium.execute_script("return document.documentElement.scrollWidth") <= width
    picture = np.asarray(Image.open(io.BytesIO(chromium.get_screenshot_as_png())).convert("L"), float)
    assert picture.shape[1] == width
    page_is_light = np.median(picture) > 128
    assert page_is_light == (scheme == "light")
    assert picture.std() > 10
    script = """const parse = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
        return Array.from(document.querySelectorAll('.cell'), (cell) => [
            parse(getComputedStyle(cell.querySelector('text')).fill), parse(getComputedStyle(cell.querySelector('rect')).fill)])"""
    for text, fill in chromium.execute_script(script):
        assert contrast(text, fill) >= 4.5


def contrast(one: list[float], other: list[float]) -> float:
    """The ratio of luminances as WCAG 2 defines it; 4.5 is what small text needs."""

    def luminance(colour: list[float]) -> float:
        linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in np.asarray(colour) / 255]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_a_notebook_shows_the_short_form_without_a_script(chromium: Chrome, tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> Any:
            return os.getenv, (MARKUP,)

    torch.save({"model": {f"{MARKUP}.w": torch.zeros(2)}, MARKUP: MARKUP, "call": Payload()}, tmp_path / "model.pth")
    output = pthway.open(tmp_path / "model.pth")._repr_html_()
    (tmp_path / "cell.html").write_text(f"<!DOCTYPE html><meta charset=utf-8><title>notebook</title><body>{output}", "utf-8")
    show(chromium, tmp_path / "cell.html")
    assert chromium.title == "notebook" and chromium.get_log("browser") == []
    tags = set(chromium.execute_script("return Array.from(document.querySelectorAll('body *'), one => one.localName)"))
    assert tags == {"div", "table", "thead", "tbody", "tr", "th", "td", "details", "summary"}
    assert "would run code" in chromium.find_element(By.TAG_NAME, "body").text
