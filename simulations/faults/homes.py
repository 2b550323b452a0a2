"""What befalls a peer's home: its process, its journal, its key."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from simulations.faults.base import RATES, Fault, Lasting, OfOne, Passing
from simulations.faults.spans import heavy_us
from simulations.faults.weather import Weather
from simulations.world.disk import Snapshot
from simulations.world.process import Process


@dataclass(frozen=True, kw_only=True)
class Crash(OfOne):
    """A process is killed between two turns: it loses nothing that it committed."""

    name: ClassVar[str] = "crash"

    def befall(self, weather: Weather, process: Process, chance: random.Random) -> None:
        weather.world.crash(process)


@dataclass(frozen=True, kw_only=True)
class CrashInTurn(OfOne):
    """A process is killed within a turn: before the commit, or behind it, with only some of its frames gone out."""

    name: ClassVar[str] = "crash-in-turn"

    def befall(self, weather: Weather, process: Process, chance: random.Random) -> None:
        process.die_in_turn(before_record=chance.random() < 0.5, after_frames=chance.randrange(3))

    def end(self, weather: Weather, process: Process) -> None:
        """Where it had nothing to record until now, it dies now: the order to die is no more when it comes back."""
        weather.world.crash(process)
        weather.world.restart(process)


@dataclass(frozen=True, kw_only=True)
class PowerLoss(OfOne):
    """A machine loses power: a tail of what was committed and not synced is gone, and its connections die slowly."""

    name: ClassVar[str] = "power-loss"

    def befall(self, weather: Weather, process: Process, chance: random.Random) -> None:
        weather.world.crash(process, power=True)


@dataclass(frozen=True, kw_only=True)
class OldJournal(Passing):
    """An older copy of a journal is put back: the high water beside it tells, and a new feed begins."""

    name: ClassVar[str] = "old-journal"
    age_ms: int = 3_000

    @classmethod
    def drawn(cls, chance: random.Random) -> Fault:
        return cls(rate_per_hour=chance.choice(RATES[:4]), age_ms=chance.choice((200, 1_000, 5_000)))

    def strike(self, weather: Weather, chance: random.Random) -> None:
        if (process := weather.victim(chance)) is not None:
            copy = process.disk.snapshot()
            weather.until(self.age_ms, chance, partial(self._put_back, weather, process, copy))

    @staticmethod
    def _put_back(weather: Weather, process: Process, copy: Snapshot) -> None:
        weather.world.crash(process)
        process.disk.restore(copy)
        weather.world.restart(process)


@dataclass(frozen=True, kw_only=True)
class LostJournal(OfOne):
    """A process is killed and its journal is gone; its key is still there."""

    name: ClassVar[str] = "lost-journal"

    @classmethod
    def drawn(cls, chance: random.Random) -> Lasting:
        return cls(rate_per_hour=chance.choice(RATES[:4]), lasts_ms=chance.choice((100, 500, 2_000)))

    def befall(self, weather: Weather, process: Process, chance: random.Random) -> None:
        weather.world.crash(process)
        process.disk.lose_journal()


@dataclass(frozen=True, kw_only=True)
class CopiedKey(Passing):
    """Somebody else runs a peer's key, in a home of its own. It stays: nobody can heal that."""

    name: ClassVar[str] = "copied-key"
    rate_per_hour: int = 60

    @classmethod
    def drawn(cls, chance: random.Random) -> Fault:
        return cls(rate_per_hour=chance.choice((120, 300)))

    def strike(self, weather: Weather, chance: random.Random) -> None:
        _copy(weather, chance, home=False)


@dataclass(frozen=True, kw_only=True)
class CopiedHome(Passing):
    """A whole home is run twice, which is outside every promise: its key is convicted in the end, and nobody else's."""

    name: ClassVar[str] = "copied-home"
    rate_per_hour: int = 60

    @classmethod
    def drawn(cls, chance: random.Random) -> Fault:
        return cls(rate_per_hour=chance.choice((120, 300)))

    def strike(self, weather: Weather, chance: random.Random) -> None:
        _copy(weather, chance, home=True)


def _copy(weather: Weather, chance: random.Random, *, home: bool) -> None:
    world = weather.world
    alone = [process for process in weather.victims() if len(world.processes_of(process.peer)) == 1]
    if alone:
        process = chance.choice(alone)
        world.copy(f"{process.name}'s twin", process, home=home)


@dataclass(frozen=True, kw_only=True)
class FullDisk(OfOne):
    """A disk is full: a peer that cannot record stops by itself, and begins again when there is room."""

    name: ClassVar[str] = "full-disk"

    def befall(self, weather: Weather, process: Process, chance: random.Random) -> None:
        process.disk.full = True

    def end(self, weather: Weather, process: Process) -> None:
        process.disk.full = False
        weather.revive(process)


@dataclass(frozen=True, kw_only=True)
class SlowDisk(OfOne):
    """Commits of a peer take long."""

    name: ClassVar[str] = "slow-disk"
    commit_ms: int = 50

    def befall(self, weather: Weather, process: Process, chance: random.Random) -> None:
        process.disk.delay_us += self.commit_ms * 1000

    def end(self, weather: Weather, process: Process) -> None:
        process.disk.delay_us -= self.commit_ms * 1000


@dataclass(frozen=True, kw_only=True)
class Churn(Fault):
    """Peers come and go, some cleanly and some not: sessions and absences have a heavy tail."""

    name: ClassVar[str] = "churn"
    session_ms: int = 10_000
    absence_ms: int = 2_000
    share: float = 0.5

    @classmethod
    def drawn(cls, chance: random.Random) -> Fault:
        session_ms, absence_ms = chance.choice((2_000, 10_000)), chance.choice((200, 2_000))
        return cls(session_ms=session_ms, absence_ms=absence_ms, share=chance.choice((0.25, 0.5, 1.0)))

    def begin(self, weather: Weather, chance: random.Random) -> None:
        for process in weather.victims():
            if chance.random() < self.share:
                self._stay(weather, process, weather.world.chance(f"churn/{process.name}"))

    def _stay(self, weather: Weather, process: Process, chance: random.Random) -> None:
        if weather.bad:
            when_us = weather.world.now_us + heavy_us(self.session_ms, chance)
            weather.world.at(when_us, self._go, weather, process, chance)

    def _go(self, weather: Weather, process: Process, chance: random.Random) -> None:
        if not weather.bad:
            return
        if process.alive and chance.random() < 0.5:
            weather.world.close(process)
        else:
            weather.world.crash(process)
        weather.within(heavy_us(self.absence_ms, chance), partial(self._come, weather, process, chance))

    def _come(self, weather: Weather, process: Process, chance: random.Random) -> None:
        weather.revive(process)
        self._stay(weather, process, chance)
