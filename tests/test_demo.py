import matplotlib.image
import pytest

from skdiffusion.__main__ import main


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    picture = tmp_path_factory.mktemp("demo") / "new folder" / "digits.png"
    return main(["--output", str(picture)]), picture


def test_demo_compares_all_methods_and_the_tuned_denoiser_wins(demo):
    errors, _ = demo
    assert len(errors) == 7
    assert min(errors, key=errors.get) == "DenoisingRegressor, tuned"


def test_demo_saves_a_picture_that_is_not_blank(demo):
    _, picture = demo
    pixels = matplotlib.image.imread(picture)[..., :3]
    assert pixels.shape[1] > pixels.shape[0] > 300
    assert pixels.std() > 0.1
