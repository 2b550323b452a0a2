"""A file that people write is understood to the last word, or refused with what was probably meant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from peer.tomlfile import expected, fitting, parse, read_text, refuse_twins, refuse_unknown
from protocol.errors import BadConfig

HINTS: dict[str, Any] = {
    "count": Annotated[int, Meta(ge=1, le=9)],
    "perhaps": Annotated[int, Meta(ge=1, le=9)] | None,
    "truth": Annotated[bool, Meta()],
    "choice": Annotated[Literal["one", "two"], Meta()],
    "name": Annotated[str, Meta(pattern="^[a-z]+$", title="a name of a-z")],
}


@pytest.mark.parametrize("content", [b"\xff", b"#" * 11])
def test_what_is_no_text_or_too_long_is_refused(tmp_path: Path, content: bytes) -> None:
    """Some other file was named: no more of it is read than one byte beyond the bound."""
    path = tmp_path / "a.toml"
    path.write_bytes(content)
    with pytest.raises(BadConfig, match=r"The file .*a\.toml cannot be read"):
        read_text(path, "The file", bytes_max=10)
    path.write_bytes(b"#" * 10)
    assert read_text(path, "The file", bytes_max=10) == "#" * 10


def test_a_file_that_is_not_there_is_left_to_the_caller(tmp_path: Path) -> None:
    """Settings may be missing, the peers of a host may not."""
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "a.toml", "The file", bytes_max=10)


@pytest.mark.parametrize("text", ["a = ", "a = " + "[" * 5_000])
def test_what_is_no_toml_is_refused(text: str) -> None:
    """However deep it is nested."""
    with pytest.raises(BadConfig, match=r"a\.toml is not TOML"):
        parse(text, "a.toml")


@pytest.mark.parametrize(("name", "do"), [("cuont", "Did you mean count?"), ("zz", "Known are: count, name.")])
def test_an_unknown_word_is_told_with_the_nearest(name: str, do: str) -> None:
    """Where none is near, all are named."""
    with pytest.raises(BadConfig) as refused:
        refuse_unknown({"name": 1, name: 2}, ["count", "name"], "a.toml", why="It says nothing.")
    assert (refused.value.why, refused.value.do) == ("It says nothing.", do)


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("count", "a whole number from 1 to 9"),
        ("perhaps", "a whole number from 1 to 9"),
        ("truth", "true or false"),
        ("choice", "one of one, two"),
        ("name", "a name of a-z"),
    ],
)
def test_a_value_that_does_not_fit_says_what_would(name: str, fits: str) -> None:
    """What fits is told by the type itself, where it has no title."""
    assert expected(HINTS[name]) == fits
    with pytest.raises(BadConfig, match=rf"a\.toml: {name} = 3\.5 does not fit") as refused:
        fitting({name: 3.5}, HINTS, "a.toml")
    assert f"Expected {fits} (" in refused.value.why


def test_two_of_one_name_are_refused_and_counted() -> None:
    """The error says which two."""
    refuse_twins(["a", "b"], "a.toml", each="rules", called="id", why="One is meant.")
    with pytest.raises(BadConfig, match=r"a\.toml: rules 1 and 3 have one id, a\."):
        refuse_twins(["a", "b", "a"], "a.toml", each="rules", called="id", why="One is meant.")
