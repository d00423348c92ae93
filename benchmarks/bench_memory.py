"""Does memory grow with the number of pages? The same page 20 and 200 times in a PDF, whole program, defaults.

    python benchmarks/bench_memory.py [--pages 20 200] [--jobs 2]

Pages are A5 at 100 dpi, drawn here with a fixed seed, so that the run takes minutes. Prints peak resident memory of
the largest process and of all together, per number of pages, and the ratio.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from pathlib import Path

import img2pdf
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from watched_run import machine, watched_run


def make_pdf(path: Path, pages: int) -> None:
    """A scan-like PDF: every page a JPEG of its own, with ten lines of words on grainy paper."""
    rng = np.random.default_rng(7)
    font = ImageFont.load_default(16)
    contents = []
    for number in range(pages):
        paper = np.clip(rng.normal(236, 4, (827, 583, 1)), 0, 255).astype(np.uint8).repeat(3, axis=2)
        picture = Image.fromarray(paper)
        draw = ImageDraw.Draw(picture)
        for line in range(10):
            draw.text((60, 60 + 60 * line), f"Page {number + 1}, line {line + 1}: nothing to see", (20, 20, 40), font)
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=85, dpi=(100, 100))
        contents.append(stream.getvalue())
    path.write_bytes(img2pdf.convert(contents, nodate=True))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, nargs="+", default=[20, 200])
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    print(machine())
    print(f"{'pages':>6} {'seconds':>8} {'largest MB':>11} {'all MB':>8}")
    totals = []
    with tempfile.TemporaryDirectory() as folder:
        for pages in arguments.pages:
            source = Path(folder, f"{pages}.pdf")
            make_pdf(source, pages)
            run = watched_run([str(source), "--jobs", str(arguments.jobs)], Path(folder, f"out-{pages}"))
            if run.code != 0:
                raise SystemExit(f"the run of {pages} pages ended with {run.code}:\n{run.stderr}")
            print(f"{pages:6} {run.seconds:8.1f} {run.largest_bytes / 1e6:11.0f} {run.total_bytes / 1e6:8.0f}")
            totals.append(run.largest_bytes)
    print(f"largest process, last over first: {totals[-1] / totals[0]:.2f}")


if __name__ == "__main__":
    main()
