"""Each situation is brought about, and ends as its row in ``docs/situations.md`` says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from gateway_server import Gateway, serving
from parcela.atlas.aal import COLIN27_BRAIN, atlas_labels
from parcela.imaging.geometry import Shape
from parcela.imaging.volume import read_volume
from parcela.settings import Settings
from parcela_inference.block_scores import BlockScores
from parcela_preprocess.preprocess import preprocess
from redis_server import RedisServer, shared_redis
from situations.page import KINDS, PAGE, render
from situations.situation import SITUATIONS, Situation, World

__all__ = ["shared_redis"]

GRID: Shape = (46, 61, 62)
ROWS = [
    pytest.param(row, id=f"{row.kind}-{row.file}", marks=[pytest.mark.slow] if row.slow else [])
    for row in SITUATIONS
]


@pytest.fixture(autouse=True, scope="module")
def coarse() -> Iterator[None]:
    """A coarse grid, AAL's own labels for a network, no picture: what is said does not hang on them."""
    labels = torch.from_numpy(_labels(GRID)).long()
    drawn = BlockScores.of(torch.nn.functional.one_hot(labels, 117).float())

    def scores(*_: object) -> BlockScores:
        return drawn

    def picture(path: Path, *_: object, thumbnail: Path, **__: object) -> None:
        path.write_bytes(b"a picture")
        thumbnail.write_bytes(b"a small one")

    with pytest.MonkeyPatch.context() as patch:
        quick = partial(preprocess, shape=GRID)
        patch.setattr("parcela_preprocess.preprocess.preprocess", quick)
        patch.setattr("parcela_preprocess.transforms.straighten.SPACING_MM", 3.0)
        patch.setattr("parcela_inference.parcellate.class_scores", scores)
        patch.setattr("parcela.bundle.write.write_mosaic", picture)
        yield


def _labels(shape: Shape) -> NDArray[np.uint8]:
    """AAL's labels in the box of Colin27's brain, on a grid of this shape."""
    labels, _ = atlas_labels()
    box = ndimage.find_objects((read_volume(COLIN27_BRAIN).data > 0).astype(np.uint8))[0]
    part = labels[box]
    index = [(np.arange(n) + 0.5) * size / n for n, size in zip(shape, part.shape, strict=True)]
    found: NDArray[np.uint8] = part[np.ix_(*(axis.astype(int) for axis in index))]
    return found


@pytest.fixture(scope="module")
def gateway(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Gateway]]:
    """Starts the one gateway of this module when it is first asked for."""
    running: list[Gateway] = []
    context: list[Any] = []

    def started() -> Gateway:
        if not running:
            redis: RedisServer = request.getfixturevalue("shared_redis")
            store = tmp_path_factory.mktemp("gateway") / "store"
            context.append(serving(Settings(redis=redis.url, store=str(store))))
            running.append(context[0].__enter__())
        return running[0]

    yield started
    for open_one in context:
        open_one.__exit__(None, None, None)


@pytest.mark.parametrize("row", ROWS)
def test_given_a_situation_then_it_ends_as_the_page_says(
    row: Situation, tmp_path: Path, gateway: Callable[[], Gateway]
) -> None:
    outcome, said = row.run(World(tmp_path, gateway))
    assert outcome == row.outcome, said
    assert row.said in said
    if row.silent:
        assert "warning" not in said


def test_when_the_page_is_looked_at_then_it_is_that_of_the_situations() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "stale: see situations/page.py"


def test_when_the_situations_are_counted_then_each_kind_has_three_and_all_are_sixty() -> None:
    counts = Counter(row.kind for row in SITUATIONS)
    assert set(counts) == set(KINDS)
    assert min(counts.values()) >= 3
    assert counts.total() >= 60
    assert len({(row.kind, row.file, row.command) for row in SITUATIONS}) == len(SITUATIONS)
