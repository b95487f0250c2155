"""Settings: one default each, changed by the environment, refused when they make no sense."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from parcela.errors import BadRequest
from parcela.settings import Settings, change_settings, settings


def test_given_a_bare_environment_then_thread_counts_do_not_depend_on_the_machine() -> None:
    found = Settings()
    assert (found.itk_threads, found.torch_threads) == (1, 2)


def test_given_a_bare_environment_then_the_limits_are_those_documented() -> None:
    found = Settings()
    assert found.max_voxels == 512**3
    assert found.max_bytes == 2 * 1024**3
    assert found.weights is None


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("itk_threads", "3", 3),
        ("torch_threads", "8", 8),
        ("torch_precision", "bfloat16", "bfloat16"),
        ("step_timeout_s", "0.5", 0.5),
        ("step_memory_mb", "100", 100),
        ("max_voxels", "1000", 1000),
        ("max_bytes", "5000", 5000),
        ("weights", "some/where", Path("some/where")),
    ],
)
def test_given_a_variable_of_the_environment_then_it_counts(
    name: str, text: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"PARCELA_{name.upper()}", text)
    assert getattr(Settings(), name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("itk_threads", "0"),
        ("torch_threads", "many"),
        ("torch_precision", "float8"),
        ("step_timeout_s", "-1"),
        ("step_memory_mb", "0"),
        ("max_voxels", "0"),
        ("max_bytes", "-5"),
    ],
)
def test_given_a_value_that_makes_no_sense_then_it_is_refused_by_name(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"PARCELA_{name.upper()}", text)
    with pytest.raises(ValidationError, match=name):
        Settings()


def test_given_a_password_in_a_file_then_it_stands_in_the_url_of_redis(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("a/b\n")
    found = Settings(redis="redis://host:6379/0", redis_password_file=tmp_path / "password")
    assert found.redis_url == "redis://:a%2Fb@host:6379/0"


def test_given_a_password_itself_then_its_file_is_not_read(tmp_path: Path) -> None:
    found = Settings(
        redis="redis://host/0", redis_password="own", redis_password_file=tmp_path / "none"
    )
    assert found.redis_url == "redis://:own@host/0"


def test_given_a_socket_or_a_url_with_a_password_then_it_is_taken_as_it_is() -> None:
    for url in ("unix:///run/redis.sock", "redis://:p@host/0"):
        assert Settings(redis=url, redis_password="other").redis_url == url


def test_given_a_changed_setting_then_it_holds_here_and_in_processes_started_from_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PARCELA_TORCH_THREADS", "2")
    assert change_settings(torch_threads=5).torch_threads == 5
    assert settings().torch_threads == 5
    read = "from parcela.settings import settings; print(settings().torch_threads)"
    child = subprocess.run([sys.executable, "-c", read], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "5"
    assert change_settings().torch_threads == 5
    settings.cache_clear()


def test_given_a_variable_that_makes_no_sense_when_settings_are_read_then_the_refusal_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PARCELA_TORCH_THREADS", "many")
    settings.cache_clear()
    with pytest.raises(BadRequest, match=r"PARCELA_TORCH_THREADS=many: .*: correct or unset it"):
        settings()
