"""``restore-docs structure``: maps under the images' own names, and what becomes of what is no image."""

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from pipeline.structure import structure_map
from workflows.cli import app


def draw(path, seed=0, size=(90, 70), mode="RGB"):
    rng = np.random.default_rng(seed)
    pixels = np.clip(rng.normal(200, 20, (size[1], size[0], 3)), 0, 255).astype(np.uint8)
    pixels[20:30, 10:60] = 40
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(path, quality=95)
    return path


def look(path):
    with Image.open(path) as image:
        return image.mode, np.asarray(image.convert("RGB"))


def run(*words):
    return CliRunner().invoke(app, ["structure", *map(str, words)])


def test_every_image_gets_its_map_under_its_own_name(tmp_path):
    images = tmp_path / "all_images"
    draw(images / "a.jpg")
    draw(images / "sub" / "b.png", 1)
    draw(images / "c.png", 2, mode="L")
    done = run(images, "--out", tmp_path / "structure_im", "--jobs", "2")
    assert done.exit_code == 0 and "3 maps written" in done.output
    assert sorted(str(p.relative_to(tmp_path / "structure_im")) for p in (tmp_path / "structure_im").rglob("*.*")) == [
        "a.jpg",
        "c.png",
        "sub/b.png",
    ]
    made = look(tmp_path / "structure_im" / "sub" / "b.png")[1]
    assert np.abs(made - 255 * structure_map(look(images / "sub" / "b.png")[1])).max() <= 0.51
    of_jpeg = look(tmp_path / "structure_im" / "a.jpg")[1]
    assert np.abs(of_jpeg - 255 * structure_map(look(images / "a.jpg")[1])).mean() < 1.5
    mode, grey = look(tmp_path / "structure_im" / "c.png")
    assert mode in ("L", "P") and (grey[..., 0] == grey[..., 2]).all()


def test_options_change_the_map_and_bad_ones_are_refused(tmp_path):
    source = draw(tmp_path / "a.png")
    run(source, "--out", tmp_path / "one")
    run(source, "--out", tmp_path / "two", "--lam", "0.05", "--sigma", "6", "--iterations", "2")
    assert (tmp_path / "one" / "a.png").read_bytes() != (tmp_path / "two" / "a.png").read_bytes()
    refused = run(source, "--out", tmp_path / "three", "--lam", "0.5")
    assert refused.exit_code == 2 and not (tmp_path / "three").exists()


def test_what_is_there_stays_unless_asked(tmp_path):
    source = draw(tmp_path / "a.png")
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_bytes(b"mine")
    assert "1 already there" in run(source, "--out", out).output
    assert run(source, "--out", out, "--on-existing", "fail").exit_code == 5
    assert (out / "a.png").read_bytes() == b"mine"
    assert run(source, "--out", out, "--on-existing", "overwrite").exit_code == 0
    assert look(out / "a.png")[1].shape == (70, 90, 3)


def test_a_broken_image_costs_no_other_its_map(tmp_path):
    images = tmp_path / "in"
    draw(images / "good.png")
    (images / "broken.png").write_bytes((images / "good.png").read_bytes()[:60])
    (images / "notes.txt").write_text("no image")
    done = run(images, "--out", tmp_path / "out")
    assert done.exit_code == 6 and "1 maps written, 0 already there, 1 failed" in done.output
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["good.png"]


def test_pages_are_no_images(tmp_path):
    frames = [Image.new("L", (40, 40), 200) for _ in range(2)]
    frames[0].save(tmp_path / "two.tif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "page.pdf")
    done = run(tmp_path / "two.tif", tmp_path / "page.pdf", "--out", tmp_path / "out")
    assert done.exit_code == 3 and not list((tmp_path / "out").rglob("*.*"))


@pytest.mark.parametrize("place", ["in", "in/sub"])
def test_maps_never_go_among_the_images(tmp_path, place):
    draw(tmp_path / "in" / "a.png")
    refused = run(tmp_path / "in", "--out", tmp_path / place)
    assert refused.exit_code == 2
    assert [p.name for p in (tmp_path / "in").iterdir()] == ["a.png"]
