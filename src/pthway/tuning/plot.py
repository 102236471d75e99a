"""What was tuned as a picture: latency and throughput over the number of samples."""

import io
from pathlib import Path
from typing import Final

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pthway.runtime.tuned import Measured, Tuned

DRAWN: Final = 8
"""Ways in one picture; the slowest are left out."""
INCHES: Final = (11.0, 4.5)


def png(tuned: Tuned) -> bytes:
    """Latency (median, and p99 as a dashed line) and throughput of the fastest ways, over the number of samples, as a PNG."""
    figure = Figure(figsize=INCHES, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    latency, throughput = figure.subplots(1, 2)
    for number, each in enumerate(_drawn(tuned)):
        sizes = [timing.batch_size for timing in each.timings]
        colour = f"C{number}"
        latency.plot(sizes, [timing.median for timing in each.timings], marker="o", color=colour, label=str(each.setting))
        latency.plot(sizes, [timing.p99 for timing in each.timings], linestyle="--", color=colour, linewidth=0.8)
        throughput.plot(sizes, [timing.throughput for timing in each.timings], marker="o", color=colour)
    for axes, title in ((latency, "ms a call: median, dashed p99"), (throughput, "samples a second")):
        axes.set(title=title, xlabel="samples in a call", xscale="log", yscale="log")
        axes.grid(visible=True, which="both", alpha=0.3)
        axes.set_xticks(sizes_of(tuned), labels=[str(size) for size in sizes_of(tuned)])
        axes.minorticks_off()
    figure.legend(*latency.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize="small", frameon=False)
    stream = io.BytesIO()
    canvas.print_png(stream)  # type: ignore[no-untyped-call]
    return stream.getvalue()


def draw(tuned: Tuned, path: Path) -> None:
    """Write the picture to *path*."""
    path.write_bytes(png(tuned))


def sizes_of(tuned: Tuned) -> list[int]:
    """The numbers of samples that were measured."""
    return sorted({timing.batch_size for each in tuned.measured for timing in each.timings})


def _drawn(tuned: Tuned) -> list[Measured]:
    found = (tuned.of(setting) for setting in (*tuned.approximate, *tuned.ranking))
    return [each for each in found if each is not None][:DRAWN]
