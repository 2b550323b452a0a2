"""Rules as they are written: TOML becomes a `protocol.policy.Policy`.

    [[rule]]                         # asked in the order of the file; the first that fits decides
    id = "refund-limit"
    decision = "veto"                # permit, veto or refer (a person must look)
    skill = "refund"                 # * and ? stand for anything; what is not named fits everything
    [[rule.input]]
    path = "amount_cents"
    above = 50000

A text that is not understood to the last word is refused, for a rule that is passed over protects nobody. What a rule
means is not said here but in `protocol.policy`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any, Final, get_type_hints

import msgspec
from msgspec import Meta

from peer.telemetry import printable
from peer.tomlfile import expected, fitting, parse, read_text, refuse_twins, refuse_unknown
from protocol import limits
from protocol.errors import BadConfig
from protocol.governor import RECOMPUTE
from protocol.keys import Digest, parse_peer
from protocol.policy import DEFAULT_RULE, Bounds, Policy, Rule, Ruled, Stage
from protocol.statements import EffectClass, VetoScope

POLICY_BYTES_MAX: Final = 262_144
"""Rules are written by people; more than this is some other file."""
RULES_MAX: Final = 256
"""Every rule is asked about every award."""
LIST_MAX: Final = 256
"""Peers or values that one condition lists."""
RESERVED: Final = frozenset({DEFAULT_RULE, RECOMPUTE})
"""Rules that every governor has: nobody else may speak in their name."""
_UNGUARDED: Final = "A condition that is passed over protects nobody."

_Money = Annotated[int, Meta(ge=0, le=limits.MONEY_MAX, title=f"a whole number from 0 to {limits.MONEY_MAX}")]
_Bound = Annotated[
    int, Meta(ge=-limits.MONEY_MAX, le=limits.MONEY_MAX, title=f"a whole number, at most {limits.MONEY_MAX} from 0")
]
_Text = Annotated[str, Meta(max_length=limits.NOTE_MAX, title=f"a text of at most {limits.NOTE_MAX} characters")]
_Skill = Annotated[str, Meta(min_length=1, max_length=limits.NAME_MAX, title="a skill's name, in which * is anything")]
_Id = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}\Z", title="a name of a-z, 0-9, '.', '_' and '-'")]
_Path = Annotated[str, Meta(min_length=1, max_length=200, title="names joined by dots, such as order.amount_cents")]
_Choices = Annotated[
    tuple[bool | Annotated[int, Meta(ge=-limits.MONEY_MAX, le=limits.MONEY_MAX)] | _Text, ...],
    Meta(min_length=1, max_length=LIST_MAX, title="a list of texts, whole numbers, true and false"),
]
_Peers = Annotated[tuple[str, ...], Meta(min_length=1, max_length=LIST_MAX, title="a list of printed peer ids")]
_Tables = Annotated[tuple[dict[str, Any], ...], Meta(min_length=1, max_length=LIST_MAX, title="tables: [[rule.input]]")]


def _any_of(choices: type[Stage] | type[EffectClass]) -> Meta:
    return Meta(min_length=1, max_length=len(choices), title="a list of " + ", ".join(choices))


class _WrittenBounds(msgspec.Struct, frozen=True, kw_only=True):
    """What may stand in `[[rule.input]]`."""

    path: _Path
    above: _Bound | None = None
    below: _Bound | None = None
    one_of: _Choices | None = None


class _WrittenRule(msgspec.Struct, frozen=True, kw_only=True):
    """What may stand in `[[rule]]`: the fields of `protocol.policy.Rule`, peers as they are printed."""

    id: _Id
    decision: Annotated[Ruled, Meta(title="one of " + ", ".join(Ruled))]
    reason: _Text | None = None
    scope: Annotated[VetoScope, Meta(title="one of " + ", ".join(VetoScope))] | None = None
    stages: Annotated[tuple[Stage, ...], _any_of(Stage)] | None = None
    skill: _Skill | None = None
    effects: Annotated[tuple[EffectClass, ...], _any_of(EffectClass)] | None = None
    managers: _Peers | None = None
    contractors: _Peers | None = None
    budget_above: _Money | None = None
    price_above: _Money | None = None
    rate_above: _Money | None = None
    input: _Tables | None = None


def load_policy(path: Path | None) -> Policy:
    """Read the rules in `path`, or take no rules: then all is permitted that recomputes. Raises BadConfig."""
    if path is None:
        return parse_policy("", "the default policy")
    try:
        text = read_text(path, "The policy", bytes_max=POLICY_BYTES_MAX)
    except FileNotFoundError as error:
        raise BadConfig(f"The policy {path} cannot be read.", why=f"{error}.", do="Correct the path.") from None
    return parse_policy(text, str(path))


def parse_policy(text: str, source: str) -> Policy:
    """Read rules from TOML; `source` names the text in errors. Raises BadConfig.

    The version of the policy is the digest of the text.
    """
    table = parse(text, source)
    refuse_unknown(table, ("rule",), source, why=_UNGUARDED)
    written = table.get("rule", [])
    if not isinstance(written, list) or not all(isinstance(one, dict) for one in written) or len(written) > RULES_MAX:
        raise BadConfig(
            f"{source}: rule is not a list of tables.",
            why=f"Expected at most {RULES_MAX} tables.",
            do="Begin each with [[rule]].",
        )
    rules = tuple(_rule(one, f"{source}: rule {number}") for number, one in enumerate(written, start=1))
    refuse_twins((rule.id for rule in rules), source, each="rules", called="id", why="A vote names its rule by the id.")
    return Policy(version=Digest(hashlib.sha256(text.encode()).digest()), rules=rules)


def _rule(table: dict[str, Any], where: str) -> Rule:
    if isinstance(table.get("id"), str):
        where = f"{where} ({printable(table['id'], limits.NAME_MAX)})"
    said = _fields(table, _WrittenRule, where)
    if said["id"] in RESERVED:
        raise BadConfig(f"{where}: the id {said['id']} is taken.", why="Every governor has it.", do="Use another.")
    for name in ("managers", "contractors"):
        if name in said:
            said[name] = tuple(_peer(printed, f"{where}: {name}") for printed in said[name])
    if "input" in said:
        said["input"] = tuple(
            _input(one, f"{where}: input {number}") for number, one in enumerate(said["input"], start=1)
        )
    rule = Rule(**said)
    if never := _never(rule):
        raise BadConfig(f"{where} can never fit.", why=never, do="Correct its stages, or remove the condition.")
    return rule


def _input(table: dict[str, Any], where: str) -> Bounds:
    said = _fields(table, _WrittenBounds, where)
    ranged = "above" in said or "below" in said
    if ranged == ("one_of" in said):
        raise BadConfig(
            f"{where}: {said['path']} is not compared with one thing.",
            why="A condition has above or below or both, or else one_of.",
            do="Write one of them; two conditions are two tables.",
        )
    return Bounds(**said)


def _fields(table: dict[str, Any], kind: type[msgspec.Struct], where: str) -> dict[str, Any]:
    """Check every key of a table by itself, so that an error can name it."""
    hints = get_type_hints(kind, include_extras=True)
    refuse_unknown(table, hints, where, why=_UNGUARDED)
    for field in msgspec.structs.fields(kind):
        if field.required and field.name not in table:
            raise BadConfig(
                f"{where}: {field.name} is missing.",
                why="A rule without it says nothing.",
                do=f"Add it: {expected(hints[field.name])}.",
            )
    return fitting(table, hints, where)


def _peer(printed: str, where: str) -> bytes:
    try:
        return parse_peer(printed)
    except ValueError as error:
        raise BadConfig(
            f"{where}: {printable(printed, 80)!r} is no peer id.", why=f"{error}.", do="Copy it from: vendue peers"
        ) from None


def _never(rule: Rule) -> str | None:
    """Say why a rule can decide nothing, if so: its author thinks himself protected."""
    stages = set(rule.stages)
    if stages == {Stage.ANNOUNCEMENT} and (rule.price_above is not None or rule.contractors):
        return "An announcement has no price and no contractor yet."
    if Stage.ANNOUNCEMENT not in stages and rule.rate_above is not None:
        return "The rate is known at the announcement only."
    if stages == {Stage.ANNOUNCEMENT} and rule.decision is Ruled.REFER:
        return "An announcement is vetoed or left alone; a person looks at awards and settlements."
    return None
