"""The panel and the view it draws, without a browser; the page tests move its slider."""
import base64
import io
import re
import time

import pytest
import torch
from PIL import Image

from medcrypt_lab import data, models, widgets

QUICKEST_MOVE = .1          # seconds, on two cores


@pytest.fixture(scope="module")
def xrays():
    return data.load("chest", split="test", limit=8, source="embedded")


@pytest.fixture(scope="module")
def model():
    return models.get("small_cnn", source="embedded")


@pytest.fixture
def compared(xrays, model):
    image = xrays.images[0]
    return widgets.compare(model, image, (image + 4 / 255).clamp(0, 1), xrays.classes)


@pytest.fixture
def shown(monkeypatch):
    """What panels display, in order."""
    displayed = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: displayed.append(bundle))
    return displayed


def model_of(bundle):
    import ipywidgets
    return ipywidgets.widgets.widget._instances[bundle[widgets.VIEW_TYPE]["model_id"]]


def pictures(markup):
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in re.findall(r'base64,([^"]+)"', markup)]


def test_a_view_shows_three_pictures_with_alternative_text_and_says_the_same_in_words(compared):
    bundle = compared._repr_mimebundle_()
    found = pictures(bundle["text/html"])
    assert [picture.size for picture in found] == [(192, 192)] * 3
    assert len(re.findall(r'<img [^>]*alt="[^"]+"', bundle["text/html"])) == 3
    assert len({picture.tobytes() for picture in found}) == 3
    assert re.fullmatch(r"before: \w+ \d+%; after: \w+ \d+%; the largest change is 4 gray levels", bundle["text/plain"])


def test_the_probabilities_are_the_models(xrays, model):
    image, brighter = xrays.images[0], (xrays.images[0] + .1).clamp(0, 1)
    view = widgets.compare(model, image, brighter, xrays.classes)
    for name, picture in (("before", image), ("after", brighter)):
        shares = model(picture[None]).softmax(1)[0].tolist()
        for word, share in zip(xrays.classes, shares):
            assert f"{word} {name}: {share:.0%}" in view.markup


def test_magnification_decides_how_strong_a_change_is_drawn(xrays, model):
    image = xrays.images[0] * .5 + .2
    faint, strong = (pictures(widgets.compare(model, image, image + 4 / 255, xrays.classes, m).markup)[1].getpixel((0, 0)) for m in (1, 64))
    assert strong == (178, 24, 43) and min(faint) > 245


def test_a_move_of_the_slider_draws_anew_in_time(xrays, model, shown):
    def view(epsilon=4, magnification=16):
        image = xrays.images[[0]].clone().requires_grad_(True)
        gradient, = torch.autograd.grad(model(image)[0, 0], image)
        return widgets.compare(model, image[0].detach(), (image + epsilon / 255 * gradient.sign()).clamp(0, 1)[0].detach(), xrays.classes, magnification)
    widgets.panel(view, epsilon=(0, 16), magnification=[1, 4, 16, 64])
    slider, choice, drawn = model_of(shown[0]).children
    assert (slider.value, choice.value) == (4, 16) and drawn.value == view().markup
    times = []
    for epsilon in range(5, 12):
        began = time.perf_counter()
        slider.value = epsilon
        times.append(time.perf_counter() - began)
        assert drawn.value == view(epsilon).markup
    assert sorted(times)[len(times) // 2] < QUICKEST_MOVE


def test_controls_of_every_kind_begin_at_the_views_defaults(shown):
    def view(a=2, b=.5, c="x", d=7):
        return widgets.View("", f"{a} {b} {c} {d}")
    widgets.panel(view, a=(0, 5), b=(0.0, 1.0, .1), c=["w", "x"], d={"seven": 7, "eight": 8})
    *controls, drawn = model_of(shown[0]).children
    assert [type(control).__name__ for control in controls] == ["IntSlider", "FloatSlider", "SelectionSlider", "Dropdown"]
    assert drawn.value == "2 0.5 x 7"
    controls[3].value = 8
    assert drawn.value == "2 0.5 x 8"
    assert "controls for a, b, c, d: run this cell" in shown[0]["text/plain"] and widgets.VIEW_TYPE in shown[0]


def test_a_view_that_fails_says_so_in_the_panel(shown):
    def view(k=1):
        return widgets.View("", f"{1 / k:.0f}")
    widgets.panel(view, k=(0, 2))
    slider, drawn = model_of(shown[0]).children
    slider.value = 0
    assert drawn.value == "This cannot be drawn: ZeroDivisionError: division by zero"
    slider.value = 1
    assert drawn.value == "1"


def test_a_chart_is_the_current_figure_as_a_view_and_leaves_none_open():
    from matplotlib import pyplot
    pyplot.plot([1, 2], [3, 4])
    view = widgets.chart("loss < 4")
    bundle = view._repr_mimebundle_()
    assert bundle["text/plain"] == "loss < 4" and 'alt="loss &lt; 4"' in bundle["text/html"]
    with Image.open(io.BytesIO(base64.b64decode(re.search('base64,([^"]+)"', bundle["text/html"])[1]))) as picture:
        assert len(picture.convert("RGB").getcolors(2**24)) > 10
    assert pyplot.get_fignums() == []
