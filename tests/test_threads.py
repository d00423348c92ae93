"""Threads change how long a page takes, and nothing else."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from small_ctrnet import SMALL_DOCUMENTS, small_documents, write_small_documents

from detectors.base import DetectorSettings
from detectors.registry import create_detector
from detectors.strokes.registry import SEGMENTERS, create_segmenter
from pipeline.selection import InkSelection
from pipeline.threads import MOST_THREADS, map_in_threads
from pipeline.types import Box, PageRef, TextRegion, Tile
from remover.base import RemoverSettings
from remover.ctrnet import save_generator
from remover.ctrnet.winograd import WinogradConv2d
from remover.registry import REMOVERS, create_remover
from workflows.commands.run_command import suited
from workflows.config import RunSettings
from workflows.machine import count_cores
from workflows.pages.tasks import threads_of

EXAM = Path(__file__).parents[1] / "examples" / "exam.jpg"


@pytest.mark.parametrize("threads", [1, 3, 100])
def test_parts_come_back_in_order(threads):
    def slow_at_first(number):
        time.sleep(0.02 / (1 + number))
        return number**2

    assert map_in_threads(slow_at_first, range(7), threads) == [number**2 for number in range(7)]


def test_no_more_threads_than_a_page_may_have():
    names = set()

    def work(_):
        names.add(threading.current_thread().name)
        time.sleep(0.01)

    map_in_threads(work, range(40), 100)
    assert len(names) <= MOST_THREADS


def test_an_error_in_a_thread_is_an_error():
    def fail(number):
        if number == 3:
            raise MemoryError("too large")

    with pytest.raises(MemoryError, match="too large"):
        map_in_threads(fail, range(5), 2)


@pytest.fixture(scope="module")
def page():
    return np.ascontiguousarray(cv2.imread(str(EXAM))[200:1100, 100:1300, ::-1])


def test_the_detector_finds_the_same_regions_with_any_number_of_threads(page):
    alone, together = (
        create_detector("paddleocr", DetectorSettings(threads=threads)).detect(page, PageRef("exam.jpg", 0))
        for threads in (1, 2)
    )
    assert alone
    np.testing.assert_array_equal([r.polygon for r in alone], [r.polygon for r in together])


@pytest.mark.parametrize("name", sorted(SEGMENTERS))
def test_a_segmenter_finds_the_same_ink_with_any_number_of_threads(name, page):
    lines = [np.float32([[20, y], [1100, y], [1100, y + 34], [20, y + 34]]) for y in range(20, 800, 60)]
    regions = tuple(TextRegion(line, 1.0) for line in lines)
    alone, together = (
        create_segmenter(name, threads=threads).segment(page, regions, InkSelection("all", "regions"))
        for threads in (1, 3)
    )
    assert alone.any() and (alone == together).all()


@pytest.mark.parametrize("name", sorted(REMOVERS))
def test_a_remover_predicts_the_same_with_any_number_of_threads(name, page, tmp_path):
    weights = None if name == "fill" else write_small_documents(tmp_path / "small.safetensors")
    ink = page.max(axis=2) < 110
    boxes = [Box(x, y, x + 512, y + 512) for y in (0, 380) for x in (0, 300, 600)]
    tiles = [Tile(box, page[box.slices], ink[box.slices], ink[box.slices]) for box in boxes]
    alone, together = (
        create_remover(name, RemoverSettings(weights=weights, threads=threads, engine="torch")).remove(tiles)
        for threads in (1, 3)
    )
    for one, other, tile in zip(alone, together, tiles, strict=True):
        assert one.box == other.box == tile.box and (one.image == other.image).all()
        assert (one.image != tile.image).any()


def test_a_wide_network_predicts_the_same_with_any_number_of_threads(page, tmp_path):
    # wide enough for Winograd's convolutions, whose memory between the steps no two threads may share
    wide = replace(SMALL_DOCUMENTS, base_width=32)
    weights = tmp_path / "wide.safetensors"
    save_generator(small_documents(config=wide), weights, {})
    ink = page.max(axis=2) < 110
    boxes = [Box(x, y, x + 192, y + 192) for y in (0, 300, 600) for x in (0, 250, 500, 750)]
    tiles = [Tile(box, page[box.slices], ink[box.slices], ink[box.slices]) for box in boxes]
    alone, together = (
        create_remover(
            "ctrnet", RemoverSettings(weights=weights, threads=threads, engine="torch", precision="fp32", device="cpu")
        )
        for threads in (1, 3)
    )
    kinds = [type(module) for module in together._engine._network.modules()]
    assert WinogradConv2d in kinds and together._threads == 3
    for one, other in zip(alone.remove(tiles), together.remove(tiles), strict=True):
        assert (one.image == other.image).all()


@pytest.mark.parametrize(
    ("asked", "scheduler", "jobs", "given"),
    [
        ("auto", None, 1, count_cores()),
        ("auto", None, 1000, 1),
        ("auto", "tcp://somewhere:1", 1, 1),
        (3, None, 2, 3),
        (3, "tcp://somewhere:1", 2, 3),
    ],
)
def test_cores_are_shared_out_among_jobs(asked, scheduler, jobs, given):
    settings = suited(RunSettings(threads=asked, scheduler=scheduler), jobs)
    assert threads_of(settings) == given
    assert settings.digest() == RunSettings().digest()
