"""Pictures of runs: of a sweep's rows, one panel for each question; and of one run, as it went.

They are drawn without a screen, as PNG or SVG by the name of the file; the same rows give the same SVG.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from protocol.errors import BadConfig, UsageError
from simulations.extras import need
from simulations.study.metrics import jain, quantile
from simulations.study.scenario import Scenario

SUFFIXES: Final = (".png", ".svg")
BLUE, ORANGE, GREEN, RED, PURPLE, GREY = "#3566a8", "#d9822b", "#3a8a5f", "#b8403a", "#7a5195", "#8a8f98"
SERIES: Final = (BLUE, ORANGE, GREEN, PURPLE, RED, "#4aa3a2", "#a3742c", GREY)
SERIES_MAX: Final = len(SERIES)
BINS: Final = 20
HEAD: Final = 0.95
"""Inches above the panels."""
BARS_MAX: Final = 24
"""Bidders that are shown by name; of more, the distribution."""

Row = Mapping[str, Any]


class Panel(NamedTuple):
    """One question about a sweep."""

    title: str
    unit: str
    key: str


PANELS: Final = (
    Panel("Convergence after the heal", "milliseconds", "converged_ms"),
    Panel("Messages per task", "frames sent, repeats included", "frames_per_task"),
    Panel("Allocation", "% of tasks placed", "placed_percent"),
    Panel("Price of the allocation", "paid / least possible", "price_over_optimum"),
    Panel("Time to award", "milliseconds, median", "award_ms_median"),
    Panel("Fairness between bidders", "Jain's index of tasks won", "fairness"),
)


def check_places(places: Sequence[Path]) -> None:
    """Raise UsageError for a file that is neither PNG nor SVG."""
    for place in places:
        if place.suffix.lower() not in SUFFIXES:
            raise UsageError(f"{place.name} is no picture.", do="End its name in .png or .svg.")


def save(figure: Any, place: Path) -> None:
    """Write a figure. Raises BadConfig where the file cannot be written."""
    matplotlib = need("matplotlib", "sim")
    try:
        with matplotlib.rc_context({"svg.hashsalt": "vendue", "svg.fonttype": "none"}):
            figure.savefig(place, dpi=150, metadata={"Date": None} if place.suffix.lower() == ".svg" else None)
    except OSError as error:
        raise BadConfig(
            f"The picture {place} cannot be written.", why=f"{error}.", do="Choose another place."
        ) from None


def _figure(title: str, about: str, rows: int, columns: int) -> tuple[Any, list[Any]]:
    """A sheet of panels below a title and a sentence."""
    figures = need("matplotlib.figure", "sim")
    width, height = 5.2 * columns, 3.8 * rows + HEAD
    figure = figures.Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(
        rect=(0.01, 0.01, 0.98, 1 - HEAD / height - 0.01), w_pad=0.12, h_pad=0.12, wspace=0.03, hspace=0.03
    )
    figure.text(0.015, 1 - 0.2 / height, title, fontsize=14, fontweight="bold", va="top")
    figure.text(0.015, 1 - 0.52 / height, about, fontsize=9.5, color="#444444", va="top", wrap=True)
    axes = [figure.add_subplot(rows, columns, place + 1) for place in range(rows * columns)]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="y", color="#e4e6ea", linewidth=0.8)
        ax.set_axisbelow(True)
        ax.yaxis.set_major_formatter(_thousands)
    return figure, axes


def _thousands(value: float, _place: int) -> str:
    return f"{value:,.10g}"


# A sweep


def draw_sweep(head: Row, rows: Sequence[Row]) -> Any:
    """The rows of a sweep: by its first two parameters that vary, or, where none does, over its seeds.

    Raises BadConfig where there is nothing to draw, MissingExtra without matplotlib.
    """
    measured = [row for row in rows if "placed_percent" in row]
    if not measured:
        raise BadConfig("No row of this sweep has a result.", do="See what went wrong: vendue sim sweep")
    names = [name for name in head["plan"][0][1] if len({repr(changes[name]) for _, changes in head["plan"]}) > 1]
    seeds = len({row["seed"] for row in measured})
    about = f"{len(measured)} runs, {seeds} seeds each" if names else f"{len(measured)} runs, one for each seed"
    if failed := len(rows) - len(measured):
        about += f"; {failed} without a result"
    about += "; dots are medians, bars reach from the 10th to the 90th percentile" if names else ""
    figure, axes = _figure(head["name"], about, 2, 3)
    for panel, ax in zip(PANELS, axes, strict=True):
        ax.set_title(panel.title, loc="left", fontsize=11)
        if names:
            _spread(ax, panel, names, measured)
        else:
            _histogram(ax, panel, measured)
    if len(names) > 1:
        axes[0].legend(title=names[1], fontsize=8, title_fontsize=8, frameon=False)
    return figure


def _spread(ax: Any, panel: Panel, names: Sequence[str], rows: Sequence[Row]) -> None:
    """Median and percentiles for each value of the first parameter; a series for each of the second."""
    values = list(dict.fromkeys(repr(row[names[0]]) for row in rows))
    series = list(dict.fromkeys(repr(row[names[1]]) for row in rows)) if len(names) > 1 else [""]
    for number, one in enumerate(series[:SERIES_MAX]):
        shift = (number - (len(series[:SERIES_MAX]) - 1) / 2) * 0.12
        places, middles, below, above = [], [], [], []
        for place, value in enumerate(values):
            found = [
                row[panel.key]
                for row in rows
                if repr(row[names[0]]) == value and (not one or repr(row[names[1]]) == one)
                if row[panel.key] is not None
            ]
            if found:
                middle = statistics.median(found)
                places.append(place + shift)
                middles.append(middle)
                below.append(middle - (quantile(found, 10) or 0))
                above.append((quantile(found, 90) or 0) - middle)
        colour = SERIES[number]
        ax.errorbar(places, middles, yerr=[below, above], fmt="o-", color=colour, capsize=3, label=one, markersize=5)
    ax.set_xticks(range(len(values)), values)
    ax.set_xlim(-0.5, len(values) - 0.5)
    ax.set_xlabel(names[0])
    ax.set_ylabel(panel.unit)
    _from_zero(ax, panel.key)


def _histogram(ax: Any, panel: Panel, rows: Sequence[Row]) -> None:
    found = [row[panel.key] for row in rows if row[panel.key] is not None]
    if not found:
        ax.text(0.5, 0.5, "nothing to measure", transform=ax.transAxes, ha="center", color=GREY)
        return
    low, high = min(found), max(found)
    wide = (low - 0.5, high + 0.5) if low == high else None
    ax.hist(found, bins=BINS if wide is None else 1, range=wide, color=BLUE, edgecolor="white")
    middle = statistics.median(found)
    ax.axvline(middle, color=ORANGE, linewidth=1.5, label=f"median {middle:,.4g}")
    ax.legend(fontsize=8, frameon=False)
    ax.set_xlabel(panel.unit)
    ax.set_ylabel("runs")
    ax.yaxis.get_major_locator().set_params(integer=True)


def _from_zero(ax: Any, key: str) -> None:
    """Shares and counts begin at nothing; a ratio to the optimum at one."""
    low, high = ax.get_ylim()
    if key == "price_over_optimum":
        ax.set_ylim(min(0.98, low), max(1.05, high))
        ax.axhline(1, color=GREY, linewidth=0.8, linestyle="--")
    elif key in ("placed_percent", "fairness"):
        ax.set_ylim(0, 105 if key == "placed_percent" else 1.05)
    else:
        ax.set_ylim(0, high * 1.05 if high > 0 else 1)


# One run


def draw_run(title: str, about: str, frames: Mapping[str, Sequence[Row]], scenario: Scenario) -> Any:
    """One run: what is open when, how long tasks take, what is said, and who gets the work."""
    figure, axes = _figure(title, about, 2, 2)
    tasks = frames["tasks"]
    _open_tasks(axes[0], tasks, scenario)
    _durations(axes[1], tasks)
    _kinds(axes[2], frames["statements"], len(tasks))
    _allocation(axes[3], [row for row in frames["peers"] if row["bids"] or row["won"]])
    return figure


def _open_tasks(ax: Any, tasks: Sequence[Row], scenario: Scenario) -> None:
    seconds = scenario.seconds
    ax.set_title("Convergence: tasks without an end", loc="left", fontsize=11)
    steps = [(row["announced_ms"] / 1000, 1) for row in tasks if row["announced_ms"] is not None]
    steps += [(row["ended_ms"] / 1000, -1) for row in tasks if row["ended_ms"] is not None]
    times, counts, count = [0.0], [0], 0
    for at_s, step in sorted(steps):
        count += step
        times.append(at_s)
        counts.append(count)
    ax.step(times, counts, where="post", color=BLUE, linewidth=1.4)
    ax.fill_between(times, counts, step="post", color=BLUE, alpha=0.15)
    for planned in scenario.planned:
        until_s = planned.at_s + planned.lasts_s
        ax.axvspan(planned.at_s, until_s, color=RED, alpha=0.09, label=f"{planned.what}: {planned.who}")
    ax.axvline(seconds, color=GREEN, linestyle="--", linewidth=1.2, label="the heal")
    ax.legend(fontsize=8, frameon=False, loc="upper left", ncols=2)
    ax.set_xlabel("seconds since the first task could come")
    ax.set_ylabel("tasks")
    ax.set_ylim(0, max(counts) * 1.25 + 1)
    ax.set_xlim(0, max(seconds * 1.05, times[-1] * 1.02))


def _durations(ax: Any, tasks: Sequence[Row]) -> None:
    ax.set_title("Time to award, and to the end", loc="left", fontsize=11)
    for key, label, colour in (("awarded_ms", "awarded", ORANGE), ("ended_ms", "ended", BLUE)):
        spans = sorted(row[key] - row["announced_ms"] for row in tasks if row[key] is not None)
        if spans:
            shares = [100 * (number + 1) / len(tasks) for number in range(len(spans))]
            ax.step([max(span, 0.01) for span in spans], shares, where="post", color=colour, label=label)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(_thousands)
    ax.set_ylim(0, 105)
    ax.set_xlabel("milliseconds since the announcement")
    ax.set_ylabel("% of all tasks")
    ax.legend(fontsize=8, frameon=False, loc="lower right")


def _kinds(ax: Any, statements: Sequence[Row], tasks: int) -> None:
    said = sorted((row for row in statements if row["kind"] != "Card"), key=lambda row: row["count"])
    total = sum(row["count"] for row in said) / tasks
    ax.set_title(f"Messages per task: {total:,.1f} statements", loc="left", fontsize=11)
    bars = ax.barh(range(len(said)), [row["count"] / tasks for row in said], color=BLUE)
    ax.set_yticks(range(len(said)), [row["kind"] for row in said])
    ax.bar_label(bars, fmt="%.2f", fontsize=8, padding=3)
    ax.grid(axis="x", color="#e4e6ea")
    ax.grid(axis="y", visible=False)
    ax.margins(x=0.14)
    ax.set_xlabel("statements said for each task")


def _allocation(ax: Any, bidders: Sequence[Row]) -> None:
    won = sorted(bidders, key=lambda row: -row["won"])
    index = jain([row["won"] for row in bidders])
    fair = "" if index is None else f": fairness {index:.2f} (1 is equal)"
    ax.set_title(f"Allocation between bidders{fair}", loc="left", fontsize=11)
    ax.set_ylabel("tasks won")
    kinds = list(dict.fromkeys(row["kind"] for row in bidders))
    colour_of = {kind: SERIES[number % SERIES_MAX] for number, kind in enumerate(kinds)}
    few = len(won) <= BARS_MAX
    for kind in kinds:
        places = [place for place, row in enumerate(won) if row["kind"] == kind]
        heights = [won[place]["won"] for place in places]
        ax.bar(places, heights, color=colour_of[kind], label=kind, width=0.8 if few else 1.0)
    if few:
        ax.set_xticks(range(len(won)), [row["name"] for row in won], rotation=45, ha="right", fontsize=8)
    else:
        ax.set_xlabel(f"{len(won)} bidders, by what they won")
    ax.legend(fontsize=8, frameon=False)
