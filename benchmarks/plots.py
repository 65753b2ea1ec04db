"""The pictures of docs/benchmarks.md, from what the other programs wrote with `--json`.

    python -m benchmarks.frontier --seeds 3 --json frontier.json
    python -m benchmarks.plots frontier frontier.json -o docs/images/frontier.png
    python -m benchmarks.scaling --generators forest autoregressive --json scaling.json
    python -m benchmarks.plots scaling scaling.json -o docs/images/scaling.png
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

BOUND_C2ST, BOUND_MIA = 0.545, 0.51
"""What was asked of the default generator on Adult."""
MIA_ERROR = 0.004
"""Standard error of the membership attack's AUC on Adult, one table."""
SHOWN_MIA = (0.488, 0.572)
"""What attacks beyond it find is written beside an arrow."""


@dataclass(frozen=True)
class Dot:
    """One generator on Adult: C2ST and membership AUC (.5 is ideal for both), their standard errors, and the seconds
    to fit: CPU-seconds for this project's, wall for peers."""

    name: str
    c2st: float
    mia: float
    seconds: float
    ours: bool = False
    errors: tuple[float, float] = (0.0, 0.0)


PEERS = (
    Dot("py-synthpop CART", 0.551, 0.555, 4),
    Dot("mostlyai-engine TabularARGN", 0.652, 0.500, 119),
    Dot("SDV TVAE", 0.953, 0.503, 258),
    Dot("SDV CTGAN, 50 epochs", 0.991, 0.501, 731),
    Dot("SDV GaussianCopula", 1.0, 0.500, 7),
    Dot("dpmm MST, ε = 1", 0.841, 0.500, 344),
    Dot("dpmm PrivBayes, ε = 1", 0.909, 0.499, 207),
)
"""Measured on the same table and yardstick by this project, on 2 CPU cores, one seed each, on earlier dates."""


def own_dots(runs: Sequence[Mapping[str, Any]]) -> list[Dot]:
    """Means over the seeds of what `frontier` measured on Adult; `auto` is left out, being one of the others."""
    found = []
    for run in runs:
        if run["table"] != "adult" or run["generator"] == "auto":
            continue
        c2st, mia, seconds = ([r[k] for r in run["runs"]] for k in ("C2ST", "MIA", "fit CPU s"))
        errors = (_error(c2st), _error(mia))
        found.append(Dot(run["generator"], mean(c2st), mean(mia), mean(seconds), ours=True, errors=errors))
    return found


def frontier(dots: Sequence[Dot], path: Path) -> None:
    """C2ST against the membership attack, the colour is the time to fit."""
    from matplotlib import pyplot as plt
    from matplotlib.colors import LogNorm

    figure, ax = plt.subplots(figsize=(9, 5.4))
    low, high = SHOWN_MIA
    ax.axhspan(0.5 - 2 * MIA_ERROR, 0.5 + 2 * MIA_ERROR, color="0.93", zorder=0)
    note = "within two standard errors of chance "
    ax.text(0.05, 0.5 - 2 * MIA_ERROR + 0.0004, note, fontsize=8, color="0.45", va="bottom")
    ax.fill_between([0.012, BOUND_C2ST - 0.5], low, BOUND_MIA, color="tab:green", alpha=0.13, zorder=0, lw=0)
    ax.text(0.0125, low + 0.001, "asked for", fontsize=8, color="tab:green", va="bottom")
    colours = LogNorm(1, 1000)
    crowd = [d.name for d in sorted(dots, key=lambda d: d.c2st) if d.c2st > 0.8]
    for dot in dots:
        at, beyond = (max(dot.c2st - 0.5, 0.016), min(dot.mia, high - 0.004)), dot.mia > high
        marker = "^" if beyond else ("o" if dot.ours else "s")
        if dot.ours and not beyond:
            ax.errorbar(*at, xerr=dot.errors[0], yerr=dot.errors[1], color="0.4", lw=1, zorder=2)
        drawn = ax.scatter(
            *at, c=[max(dot.seconds, 1)], norm=colours, cmap="viridis_r", marker=marker, zorder=3, edgecolors="black",
            s=130 if dot.ours else 70, linewidths=1.4 if dot.ours else 0.5,
        )  # fmt: skip
        label = dot.name + (f" ({dot.mia:.2f})" if beyond else "")
        weight = {"fontsize": 10 if dot.ours else 9, "fontweight": "bold" if dot.ours else "normal"}
        if dot.name in crowd:  # stacked in the empty middle, joined by lines that don't cross
            away = (0.27, 0.514 + 0.0062 * crowd.index(dot.name))
            line = {"arrowstyle": "-", "color": "0.6", "lw": 0.7, "shrinkA": 1, "shrinkB": 5, "relpos": (1, 0.5)}
            ax.annotate(label, at, away, ha="right", va="center", arrowprops=line, **weight)
        elif dot.ours and not beyond:
            ax.annotate(label, at, (0, -15), textcoords="offset points", ha="center", va="center", **weight)
        else:
            side = -1 if dot.c2st > 0.6 else 1  # labels stand where nothing else is
            ha = "left" if side > 0 else "right"
            ax.annotate(label, at, (9 * side, 0), textcoords="offset points", ha=ha, va="center", **weight)
    ticks = [0.52, 0.53, 0.55, 0.6, 0.7, 0.8, 1.0]
    ax.set(xscale="log", xlim=(0.012, 0.56), ylim=SHOWN_MIA)
    ax.set_xticks([t - 0.5 for t in ticks], [f"{t:.2f}" for t in ticks])
    ax.minorticks_off()
    ax.set_xlabel("C2ST: AUC of telling synthetic from fresh real rows (left is better)")
    ax.set_ylabel("membership attack, AUC (lower is better)")
    bar = figure.colorbar(drawn, ax=ax, pad=0.02)
    bar.set_label("seconds to fit (circles: CPU-seconds)")
    bar.set_ticks([1, 10, 100, 1000], labels=["1 or less", "10", "100", "1,000"])
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_title("Adult, 32,561 rows, 2 CPU cores; circles: this project, squares: others", fontsize=10, loc="left")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _error(values: Sequence[float]) -> float:
    n = len(values)
    return (sum((v - mean(values)) ** 2 for v in values) / (n - 1) / n) ** 0.5 if n > 1 else 0.0


def scaling(points: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Time and memory over rows and over columns, a line a generator. `points` as `scaling` writes them."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(9, 6.4), sharex="col")
    names = list(dict.fromkeys(p["generator"] for p in points))
    for column, (over, fixed) in enumerate((("rows", "columns"), ("columns", "rows"))):
        chosen = [p for p in points if p["over"] == over]
        for k, name in enumerate(names):
            own = sorted((p for p in chosen if p["generator"] == name), key=lambda p: p[over])
            for row, figure_of in enumerate(("fit_cpu_seconds", "peak_mb")):
                x, y = [p[over] for p in own], [p["cost"][figure_of] for p in own]
                axes[row, column].plot(x, y, "o-", color=f"C{k}", label=name)
        at = f", {chosen[0][fixed]:,} {fixed}" if chosen else ""
        axes[1, column].set_xlabel(over + at)
        axes[0, column].set(xscale="log", yscale="log")
        axes[1, column].set(xscale="log")
        axes[1, column].set_ylim(0, 1.05 * axes[1, column].get_ylim()[1])
    axes[0, 0].set_ylabel("CPU-seconds to fit")
    axes[1, 0].set_ylabel("peak memory, MiB")
    axes[0, 0].legend(frameon=False)
    for ax in axes.flat:
        ax.grid(alpha=0.3)
        ax.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    import matplotlib

    matplotlib.use("Agg")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["frontier", "scaling"])
    parser.add_argument("json", type=Path, nargs="+", help="what --json wrote; several files are put together")
    parser.add_argument("-o", "--out", type=Path, required=True, help="the picture, .png or .svg")
    options = parser.parse_args()
    read = [json.loads(path.read_text()) for path in options.json]
    if options.what == "frontier":
        frontier([*own_dots([run for runs in read for run in runs]), *PEERS], options.out)
    else:
        scaling([p for content in read for p in content["points"]], options.out)


if __name__ == "__main__":
    main()
