import io
from contextlib import redirect_stdout

import matplotlib.image
import pytest

from skdiffusion.__main__ import main


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Run the demo once: return what it measured, the folder of its pictures, and what it printed."""
    folder = tmp_path_factory.mktemp("demo") / "new" / "folder"
    printed = io.StringIO()
    with redirect_stdout(printed):
        errors, evaluation = main(["--output", str(folder)])
    return errors, evaluation, folder, printed.getvalue()


def test_demo_compares_all_methods_and_the_tuned_denoiser_wins(demo):
    errors, *_ = demo
    assert len(errors) == 7
    assert min(errors, key=errors.get) == "DenoisingRegressor, tuned"


def test_demo_generates_rows_that_are_like_real_ones_and_no_copies(demo):
    _, evaluation, *_ = demo
    assert evaluation["shape_error"] < 0.15
    assert evaluation["trend_error_all_pairs"] < 0.1
    assert evaluation["train_synthetic_test_real"] > 0.9
    assert evaluation["exact_copy_share"] == 0
    assert evaluation["copy_ratio"] < 3


def test_demo_shows_progress_and_prints_what_it_measured(demo):
    *_, evaluation, folder, printed = demo
    assert "DiffusionGenerator: epoch " in printed
    assert "DiffusionGenerator.sample: " in printed
    assert f"\n{evaluation}\n" in printed
    for name in ("digits.png", "generated.png"):
        assert str(folder / name) in printed


@pytest.mark.parametrize("name", ["digits.png", "generated.png"])
def test_demo_saves_pictures_that_are_not_blank(demo, name):
    *_, folder, _ = demo
    pixels = matplotlib.image.imread(folder / name)[..., :3]
    assert pixels.shape[1] > pixels.shape[0] > 300
    assert pixels.std() > 0.1
