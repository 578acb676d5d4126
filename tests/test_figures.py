"""The style and the pictures of the lessons."""
import io

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

from medcrypt_lab import figures

matplotlib.use("agg")


@pytest.fixture
def plt():
    from matplotlib import pyplot
    with matplotlib.rc_context():
        figures.style()
        yield pyplot
    pyplot.close("all")


def pixels(figure, **settings):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", **settings)
    return np.asarray(Image.open(buffer).convert("RGBA")), len(buffer.getvalue())


def contrast(color, ground):
    def luminance(name):
        channels = np.array(matplotlib.colors.to_rgb(name))
        return np.where(channels <= .03928, channels / 12.92, ((channels + .055) / 1.055) ** 2.4) @ (.2126, .7152, .0722)
    bright, dark = sorted((luminance(color), luminance(ground)), reverse=True)
    return (bright + .05) / (dark + .05)


def test_words_and_lines_can_be_read_on_light_and_on_dark_pages(plt):
    for ground in ("#ffffff", "#111111"):
        assert contrast(matplotlib.rcParams["text.color"], ground) > 3.5
        assert all(contrast(color, ground) > 2 for color in figures.CYCLE)
    assert matplotlib.rcParams["figure.facecolor"] == matplotlib.rcParams["savefig.facecolor"] == "none"


def test_a_typical_figure_is_small_transparent_and_always_the_same(plt):
    def draw():
        figure, axes = plt.subplots()
        for k in range(3):
            axes.plot(range(9), np.exp(-np.arange(9) * .1 * (k + 1)), label=f"attack {k}")
        axes.set(xlabel="epsilon (gray levels of 255)", ylabel="accuracy", title="Accuracy under attack")
        axes.legend()
        return pixels(figure)
    (first, size), (second, _) = draw(), draw()
    assert size < 40_000 and np.array_equal(first, second) and first[0, 0, 3] == 0


@pytest.mark.filterwarnings("error")
def test_show_images_enlarges_each_pixel_to_a_square_and_nothing_else(plt):
    picture = np.random.default_rng(0).integers(0, 256, (8, 8)) / 255
    color = np.random.default_rng(1).integers(0, 256, (3, 8, 8)) / 255
    drawn, size = pixels(figures.show_images([torch.tensor(picture)[None], color], size=64))
    assert drawn.shape == (8 + 64 + 8, 8 + 64 + 8 + 64 + 8, 4) and size < 40_000
    for left, expected in ((8, np.stack([picture] * 3, 2)), (80, color.transpose(1, 2, 0))):
        square = drawn[8:72, left:left + 64, :3]
        assert np.abs(square[4::8, 4::8].astype(int) - np.round(expected * 255)).max() <= 1
        assert np.array_equal(square, square[::8, ::8].repeat(8, 0).repeat(8, 1))


def test_show_images_has_titles_and_rows(plt):
    figure = figures.show_images(torch.rand(5, 1, 16, 16), ["a", "b\nc", "d", "e", "f"], columns=2, size=32)
    assert [axes.get_title() for axes in figure.axes] == ["a", "b\nc", "d", "e", "f"]
    assert len({round(axes.get_position().y0, 3) for axes in figure.axes}) == 3
    odd = figures.show_images([np.array([[np.nan, 5.0], [-3.0, .5]])], size=2)
    drawn, _ = pixels(odd)
    assert drawn[8:10, 8:10, 0].tolist() == [[0, 255], [0, 128]]


@pytest.mark.parametrize("arguments, words", [
    (([],), "at least one"), (([np.zeros((2, 2)), np.zeros((3, 3))],), "one size"), (([np.zeros((2, 2))], ["a", "b"]), "2 titles"),
    (([np.zeros((4, 2, 2))],), "(4, 2, 2)"), (([np.zeros(3)],), "(3,)"), (([np.zeros((0, 3))],), "(0, 3)")])
def test_what_cannot_be_drawn_gets_a_sentence(plt, arguments, words):
    with pytest.raises(ValueError) as problem:
        figures.show_images(*arguments)
    assert words in str(problem.value)


def test_a_difference_is_red_where_brighter_blue_where_darker_and_white_where_equal():
    drawn = figures.difference(torch.tensor([[[2 / 255, 0.0, -2 / 255, 1 / 255]]]))
    red, white, blue, pink = drawn[0]
    assert red[0] > red[1] and red[0] > red[2] and blue[2] > blue[0] and (white == 1).all()
    assert np.allclose(pink, (red + white) / 2) and drawn.shape == (1, 4, 3)
    assert np.allclose(figures.difference(np.array([[.1, -.1]]), largest=.2)[0, 0], (red + white) / 2)
    assert (figures.difference(np.zeros((2, 2))) == 1).all()
    color = np.zeros((3, 1, 1))
    color[1], color[2] = .1, -.3
    assert np.allclose(figures.difference(color)[0, 0], blue)


def test_png_holds_the_same_pixels_enlarged():
    picture = np.arange(12).reshape(3, 4) / 255
    content = figures.png(picture, scale=3)
    drawn = np.asarray(Image.open(io.BytesIO(content)))
    assert drawn.shape == (9, 12) and np.array_equal(drawn[::3, ::3], np.arange(12).reshape(3, 4)) and len(content) < 200
    assert np.asarray(Image.open(io.BytesIO(figures.png(np.zeros((3, 5, 6)))))).shape == (5, 6, 3)
    assert figures.png(picture) == figures.png(torch.tensor(picture))
