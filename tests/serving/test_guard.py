"""Who may ask: hosts, origins and keys."""

import pytest

from pthway.errors import UsageError
from pthway.serving import Settings, create_app
from pthway.serving.guard import Guard
from pthway.serving.http import HttpError


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000", "model.example", "model.example:80"])
def test_the_names_of_loopback_and_those_that_were_allowed_are_the_server_s(host: str) -> None:
    Guard(Settings(hosts=("Model.example",))).check_origin({"host": host})


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "[", "localhost@evil.example", "[::1"])
def test_any_other_name_is_refused_since_a_page_could_rebind_it(host: str) -> None:
    with pytest.raises(HttpError, match="421"):
        Guard(Settings()).check_origin({"host": host})


@pytest.mark.parametrize("settings", [Settings(hosts=("*",)), Settings(host="0.0.0.0")])
def test_any_name_will_do_where_that_was_said_or_the_server_listens_everywhere(settings: Settings) -> None:
    Guard(settings).check_origin({"host": "anything.example"})


def test_a_server_that_listens_everywhere_under_a_name_has_no_other() -> None:
    guard = Guard(Settings(host="0.0.0.0", hosts=("model.example",)))
    guard.check_origin({"host": "model.example"})
    with pytest.raises(HttpError, match="421"):
        guard.check_origin({"host": "evil.example"})


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://[", "http://127.0.0.1:9000", ""])
def test_a_page_of_another_origin_is_refused(origin: str) -> None:
    with pytest.raises(HttpError, match="403"):
        Guard(Settings(origins=("https://good.example",))).check_origin({"host": "127.0.0.1:8000", "origin": origin})


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8000", "https://good.example"])
def test_the_server_s_own_page_and_allowed_ones_may_ask(origin: str) -> None:
    Guard(Settings(origins=("https://good.example",))).check_origin({"host": "127.0.0.1:8000", "origin": origin})


def test_only_an_allowed_page_is_let_read_the_answer() -> None:
    guard = Guard(Settings(origins=("https://good.example",)))
    assert guard.allowed({"origin": "https://good.example"})["access-control-allow-origin"] == "https://good.example"
    assert guard.allowed({"origin": "https://evil.example"}) == {}
    assert guard.allowed({}) == {}


@pytest.mark.parametrize("headers", [{"authorization": "Bearer two"}, {"authorization": "bearer  one "}, {"x-api-key": "one"}])
def test_each_of_the_keys_opens_in_either_header(headers: dict[str, str]) -> None:
    Guard(Settings(keys=("one", "two"))).check_key(headers)


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer three"}, {"authorization": "Basic one"}, {"x-api-key": ""}, {"authorization": "Bearer \xff"}]
)
def test_nothing_else_opens(headers: dict[str, str]) -> None:
    with pytest.raises(HttpError, match="401") as refused:
        Guard(Settings(keys=("one", "two"))).check_key(headers)
    assert refused.value.headers == {"www-authenticate": "Bearer"}


def test_without_keys_everybody_is_let_in() -> None:
    Guard(Settings()).check_key({})


@pytest.mark.parametrize("key", ["", " ", "one ", "schlüssel"])
def test_a_key_that_would_let_everybody_in_or_nobody_is_refused(key: str) -> None:
    with pytest.raises(UsageError, match="API key"):
        create_app("model.bundle", settings=Settings(keys=("one", key)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"queue": 0},
        {"workers": 0},
        {"timeout": 0.0},
        {"timeout": float("nan")},
        {"max_body": 0},
        {"window": -1.0},
        {"largest_batch": 0},
        {"threads": 0},
    ],
    ids=str,
)
def test_a_setting_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(UsageError, match=f"{name} is"):
        create_app("model.bundle", settings=Settings(**wrong))


def test_there_is_no_server_of_nothing() -> None:
    with pytest.raises(UsageError, match="No bundle"):
        create_app()
