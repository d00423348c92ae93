"""Images of a data set that a run would see otherwise than they are stored: turned, transparent, in other colours."""

from __future__ import annotations

import shutil
from pathlib import Path

from PIL import Image, ImageCms
from small_sets import pairs_set, write
from test_evaluate import FILL, QUICK, Program, figures

from workflows.evaluation.samples import read_image


def with_tag(path: Path, orientation: int) -> None:
    """The image again, with an EXIF tag."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    with Image.open(path) as image:
        image.load()
        image.save(path, exif=exif)


def test_images_that_are_shown_otherwise_than_stored_are_errors_by_name(tmp_path: Path, restore_docs: Program) -> None:
    names = ("upright", "turned", "opaque", "clear", "palette", "turned_square", "profile")
    data = pairs_set(tmp_path / "data", names)
    with_tag(data / "input" / "upright.png", 1)
    with_tag(data / "input" / "turned.png", 3)
    for folder in ("input", "gt", "mask"):  # a square page would be scored askew
        path = data / folder / "turned_square.png"
        square = read_image(path)[:200, :200]
        write(path, square if folder != "mask" else square[..., 0])
    with_tag(data / "input" / "turned_square.png", 6)
    for name, alpha in (("opaque", 255), ("clear", 128)):
        with Image.open(data / "input" / f"{name}.png") as image:
            seen = image.convert("RGBA")
        seen.putalpha(alpha)
        seen.save(data / "input" / f"{name}.png")
    with Image.open(data / "input" / "palette.png") as image:
        few = image.convert("P")
    few.save(data / "input" / "palette.png", transparency=few.getpixel((0, 0)))
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = plain.replace(b"rXYZ", b"____").replace(b"bXYZ", b"rXYZ").replace(b"____", b"bXYZ")
    swapped = swapped.replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))
    for name, profile in (("upright", plain), ("profile", swapped)):
        with Image.open(data / "input" / f"{name}.png") as image:
            image.load()
            image.save(data / "input" / f"{name}.png", icc_profile=profile)
    out = tmp_path / "f.json"
    assert restore_docs("evaluate", data, "--json", out, *FILL).code == 6
    errors = {error["name"]: error["error"] for error in figures(out)["errors"]}
    assert errors.keys() == {"turned", "turned_square", "clear", "palette", "profile"}
    assert all("EXIF" in errors[name] for name in ("turned", "turned_square"))
    assert all("transparent" in errors[name] for name in ("clear", "palette"))
    assert "otherwise than it is stored" in errors["profile"]
    assert all(f"{name}.png" in error for name, error in errors.items())
    assert {image["name"] for image in figures(out)["images"]} == {"upright", "opaque"}
    # ready-made outputs, too
    ready = Path(shutil.copytree(data / "gt", tmp_path / "ready"))
    with_tag(ready / "upright.png", 3)
    assert restore_docs("evaluate", data, "--predictions", ready, "--json", out, *QUICK).code == 6
    assert "upright" in {error["name"] for error in figures(out)["errors"]}
