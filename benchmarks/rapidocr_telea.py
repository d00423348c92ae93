"""The script many people start from: RapidOCR finds boxes, OpenCV's Telea inpainting fills all of each. Images only.

python benchmarks/rapidocr_telea.py IMAGE... --out DIR
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from rapidocr import RapidOCR


def main() -> None:
    """Clean images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    engine = RapidOCR()
    for path in asked.images:
        image = cv2.imread(str(path))
        found = engine(image, use_det=True, use_cls=False, use_rec=False)
        mask = np.zeros(image.shape[:2], np.uint8)
        for box in () if found.boxes is None else found.boxes:
            cv2.fillPoly(mask, [np.rint(box).astype(np.int32)], 1)
        cv2.imwrite(str(asked.out / f"{path.stem}.png"), cv2.inpaint(image, mask, 3, cv2.INPAINT_TELEA))


if __name__ == "__main__":
    main()
