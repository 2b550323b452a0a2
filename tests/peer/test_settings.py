"""What each setting declares of itself."""

from __future__ import annotations

from peer.settings import Settings, as_variables, declared


def test_every_setting_is_declared_whole() -> None:
    """Documentation is made from the declarations: each has a meaning in one sentence and says what fits."""
    assert list(declared()) == list(Settings.__struct_fields__)
    for setting in declared().values():
        assert setting.meaning.endswith(".")
        assert setting.meaning.count(". ") == 0
        assert setting.expected
        assert (setting.flag, setting.variable) == (
            "--" + setting.name.replace("_", "-"),
            "VENDUE_" + setting.name.upper(),
        )


def test_a_setting_is_written_as_a_variable_in_the_words_that_are_read() -> None:
    """A process is told its settings so by the one that starts it."""
    said = {"mdns": False, "seeds": ("10.0.0.1:7000", "[::1]:7000"), "capacity": 3}
    assert as_variables(said) == {
        "VENDUE_MDNS": "false", "VENDUE_SEEDS": "10.0.0.1:7000,[::1]:7000", "VENDUE_CAPACITY": "3",
    }  # fmt: skip
