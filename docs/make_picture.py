"""Make docs/before-after.png: examples/form.png beside what the program makes of it.

python docs/make_picture.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
SOURCE = HERE.parent / "examples" / "form.png"
CROP = (0, 40, 992, 1000)
WIDTH = 560


def main() -> None:
    """Run the program and put the two pages side by side."""
    with tempfile.TemporaryDirectory() as folder:
        words = [str(SOURCE), "--out", folder, "--quiet"]
        subprocess.run([sys.executable, "-c", "from workflows.cli import main; main()", *words], check=True)
        pages = [Image.open(path).convert("RGB").crop(CROP) for path in (SOURCE, Path(folder, SOURCE.name))]
    height = WIDTH * pages[0].height // pages[0].width
    picture = Image.new("RGB", (2 * WIDTH + 16, height), (120, 120, 120))
    for n, page in enumerate(pages):
        picture.paste(page.resize((WIDTH, height), Image.Resampling.LANCZOS), (n * (WIDTH + 16), 0))
    picture.quantize(128).save(HERE / "before-after.png", optimize=True)


if __name__ == "__main__":
    main()
