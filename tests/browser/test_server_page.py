"""The page of a server in a real browser: each way to give an input, the answer, the same request as code, and nothing else."""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait
from torch import nn

import pthway
from pthway.demo.digitnet import DigitNet
from tests.serving.servers import Server

DEMO = Path(pthway.__file__).parent / "demo"
MARKUP = "<img src=x onerror=\"document.title='ran'\"><b>\u202e"
DIGITS = (MARKUP, *"123456789")
PATIENCE = 30


class Pair(nn.Module):
    """Two inputs, one of ids."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.out = nn.Embedding(20, 3), nn.Linear(7, 1)

    def forward(self, ids, numbers):
        return self.out(__import__("torch").cat([self.words(ids).mean(1), numbers], 1))


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("served")
    digits = pthway.load(DEMO / "digits.pth", DigitNet, labels=DIGITS)
    pair = pthway.wrap(Pair(), example=(np.zeros((2, 5), int), np.zeros((2, 4), np.float32)))
    made = {"digits": digits, "vector": pthway.wrap(nn.Linear(3, 2)), "pair": pair}
    for name, model in made.items():
        pthway.pack(model, folder / name, programs=["onnxruntime"])
    return {name: folder / name for name in made}


@pytest.fixture(scope="module")
def digits(bundles: dict[str, Path]) -> Iterator[Server]:
    with Server(bundles["digits"]) as server:
        yield server


@pytest.fixture(scope="module")
def several(bundles: dict[str, Path]) -> Iterator[Server]:
    with Server(bundles["vector"], bundles["pair"]) as server:
        yield server


@pytest.fixture
def page(chromium: Chrome) -> Iterator[Chrome]:
    """The browser; afterwards nothing was asked of another address, and nothing complained."""
    show_as(chromium)
    for log in ("browser", "performance"):
        chromium.get_log(log)
    yield chromium
    events = [json.loads(entry["message"])["message"] for entry in chromium.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    own = chromium.current_url.rstrip("/")
    assert [url for url in asked if not url.startswith((own, "data:", "blob:"))] == []
    refused = "Failed to load resource"  # what the browser writes of an answer that is an error
    assert [entry["message"] for entry in chromium.get_log("browser") if refused not in entry["message"]] == []
    chromium.get("about:blank")


def show_as(chromium: Chrome, *, width: int = 1000, scheme: str = "light") -> None:
    chromium.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 1200, "deviceScaleFactor": 1, "mobile": False}
    )
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})


def visit(page: Chrome, server: Server) -> None:
    page.get(f"http://127.0.0.1:{server.port}/")
    WebDriverWait(page, PATIENCE).until(lambda _: page.find_element(By.ID, "predict").is_enabled())


def predict(page: Chrome) -> dict:
    """What the page shows as JSON after the button was pressed."""
    page.execute_script("lastAnswer = null; document.getElementById('answer').replaceChildren()")
    page.find_element(By.ID, "predict").click()
    WebDriverWait(page, PATIENCE).until(lambda _: page.find_elements(By.CSS_SELECTOR, "#answer .bad, #latency"))
    return page.execute_script("return lastAnswer")


def code(page: Chrome, language: str) -> str:
    page.execute_script("document.getElementById('code').open = true")
    tabs = page.find_elements(By.CSS_SELECTOR, "#languages [role=tab]")
    next(tab for tab in tabs if tab.text == language).click()
    return page.find_element(By.ID, "code-text").get_attribute("textContent")


def draw(page: Chrome) -> None:
    canvas = page.find_element(By.CSS_SELECTOR, "canvas.draw")
    stroke = ActionChains(page).move_to_element_with_offset(canvas, -40, -80).click_and_hold()
    stroke.move_by_offset(70, 0).move_by_offset(-40, 80).move_by_offset(-10, 70).release().perform()


def test_what_is_drawn_is_answered_and_its_code_gives_the_same(page: Chrome, digits: Server, bundles: dict[str, Path]) -> None:
    visit(page, digits)
    draw(page)
    answer = predict(page)
    sent = json.loads(code(page, "curl").partition("-d ")[2].strip().strip("'"))["inputs"]
    assert np.shape(sent) == (1, 1, 8, 8) and 0 < np.max(sent) <= 1
    expected = pthway.open_session(bundles["digits"]).predict(np.array(sent, np.float32))
    np.testing.assert_allclose(answer["outputs"]["output"], expected.array, rtol=1e-4, atol=1e-4)
    bars = page.find_elements(By.CSS_SELECTOR, "#answer .bars .name")
    assert [bar.get_attribute("textContent") for bar in bars] == [label for label, _ in expected.top(5)]

    curl = subprocess.run(shlex.split(code(page, "curl").replace("\\\n", "")), capture_output=True, check=True)
    assert json.loads(curl.stdout)["outputs"] == answer["outputs"]
    for language in ("Python", "tritonclient"):
        done = subprocess.run([sys.executable, "-c", code(page, language)], capture_output=True, text=True, check=True)
        assert f"{answer['outputs']['output'][0][0]:.3f}"[:4] in done.stdout


def test_a_chosen_image_is_sent_as_it_is(page: Chrome, digits: Server) -> None:
    visit(page, digits)
    page.find_element(By.CSS_SELECTOR, "#inputs input[type=file]").send_keys(str(DEMO / "images" / "0_three.png"))
    assert predict(page)["predictions"][0]["label"] == "3"
    assert code(page, "curl").endswith("-T '0_three.png'")


def test_a_label_of_markup_is_text(page: Chrome, digits: Server) -> None:
    visit(page, digits)
    page.find_element(By.CSS_SELECTOR, "#inputs input[type=file]").send_keys(str(DEMO / "images" / "2_zero.png"))
    predict(page)
    assert page.find_element(By.CSS_SELECTOR, "#answer .bars .name").get_attribute("textContent") == MARKUP
    assert page.title == "digits · pthway" and not page.find_elements(By.CSS_SELECTOR, "main b, main img[src=x]")


def test_the_keyboard_alone_is_enough(page: Chrome, digits: Server) -> None:
    visit(page, digits)
    seen: list[str] = []
    for _ in range(20):
        ActionChains(page).send_keys(Keys.TAB).perform()
        focused = page.switch_to.active_element
        seen.append(focused.get_attribute("id") or focused.get_attribute("class") or focused.get_attribute("aria-label") or focused.text)
        if seen[-1] == "draw":
            ActionChains(page).send_keys(Keys.SPACE, Keys.ARROW_DOWN, Keys.SPACE).perform()
        if seen[-1] == "predict":
            ActionChains(page).send_keys(Keys.ENTER).perform()
            break
    assert "draw" in seen and seen[-1] == "predict", seen
    WebDriverWait(page, PATIENCE).until(lambda _: page.find_elements(By.ID, "latency"))


def test_fields_take_a_row_that_is_pasted_and_say_what_is_no_number(page: Chrome, several: Server, bundles: dict[str, Path]) -> None:
    visit(page, several)
    page.find_element(By.CSS_SELECTOR, "#model option:nth-child(1)").click()
    fields = page.find_elements(By.CSS_SELECTOR, "#inputs input[type=number]")
    assert [field.get_attribute("aria-label") for field in fields] == ["input[0]", "input[1]", "input[2]"]
    script = """const data = new DataTransfer(); data.setData("text", "1.5, -2\\t3");
        arguments[0].dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}))"""
    page.execute_script(script, fields[0])
    expected = pthway.open_session(bundles["vector"]).predict([1.5, -2.0, 3.0]).array
    np.testing.assert_allclose(predict(page)["outputs"]["output"], expected, rtol=1e-5)
    fields[1].clear()
    predict(page)
    assert 'input[1] is "", no number.' in page.find_element(By.CSS_SELECTOR, "#answer .bad").text


def test_several_inputs_are_given_each_in_its_own_way(page: Chrome, several: Server, bundles: dict[str, Path]) -> None:
    visit(page, several)
    page.find_element(By.CSS_SELECTOR, "#model option:nth-child(2)").click()
    editor = page.find_element(By.CSS_SELECTOR, "#inputs textarea")
    editor.clear()
    editor.send_keys("[[1, 2, 3, 4, 19]]")
    expected = pthway.open_session(bundles["pair"]).predict({"ids": [[1, 2, 3, 4, 19]], "numbers": [[0.0] * 4]}).array
    np.testing.assert_allclose(predict(page)["outputs"]["output"], expected, rtol=1e-5)
    editor.clear()
    editor.send_keys("[[1, 2, 3, 4, 20]]")
    predict(page)
    assert "The network does not run with this input." in page.find_element(By.CSS_SELECTOR, "#answer [role=alert]").text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_cut_off_and_every_control_has_a_name(page: Chrome, digits: Server, pictures: Path, scheme: str) -> None:
    show_as(page, width=320, scheme=scheme)
    visit(page, digits)
    draw(page)
    predict(page)
    code(page, "curl")
    page.save_screenshot(str(pictures / f"server_{scheme}.png"))
    assert page.execute_script("return document.documentElement.scrollWidth") <= 320
    nameless = """return Array.from(document.querySelectorAll("button, input, select, textarea, canvas")).filter(one =>
        one.getClientRects().length && !(one.getAttribute("aria-label") || one.textContent.trim() || one.labels?.length)).length"""
    assert page.execute_script(nameless) == 0
    paper = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    dark = sum(int(part) for part in paper.strip("rgb()").split(",")) < 300
    assert dark == (scheme == "dark")


def test_a_key_is_asked_for_where_one_is_needed(page: Chrome, bundles: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("open sesame\n")
    with Server(bundles["vector"], api_key_file=tmp_path / "keys") as server:
        page.get(f"http://127.0.0.1:{server.port}/")
        field = page.find_element(By.ID, "key")
        WebDriverWait(page, PATIENCE).until(lambda _: field.is_displayed())
        field.send_keys("open sesame", Keys.ENTER)
        WebDriverWait(page, PATIENCE).until(lambda _: page.find_elements(By.CSS_SELECTOR, "#inputs fieldset"))
        assert len(predict(page)["outputs"]["output"][0]) == 2
        assert "sesame" not in code(page, "curl")
