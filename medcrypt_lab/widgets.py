"""The panel: sliders above a view that is drawn anew at each move. The same view, shown once, is the figure of a page that runs nothing.

A view is a function with defaults that returns a `View`; `panel(view, name=choices)` puts controls above it.
"""
import base64
import html
import io

from . import figures

PIXELS = 192                                    # about how many screen pixels a picture is wide
WORDS = "A panel with controls for {}: run this cell to use it. Still only this line? `medcrypt doctor` says what is missing."
VIEW_TYPE = "application/vnd.jupyter.widget-view+json"


class View:
    """Something to look at: HTML, and the same in words, for those who cannot see it."""

    def __init__(self, text, markup):
        self.text, self.markup = text, markup

    def _repr_mimebundle_(self, **_):
        return {"text/plain": self.text, "text/html": self.markup}


def side_by_side(pictures, text):
    """A View of up to three pictures in a row, and a line of text below. pictures: a list of (picture, its words); text: what they show."""
    return View(text, "".join(_picture(*each) for each in pictures) + f"<div>{html.escape(text)}</div>")


def compare(model, image, changed, classes, magnification=32):
    """A View of a picture, what was added to it, and their sum, with the probabilities that the model gives before and after.

    image, changed: float32 (channels, height, width) in [0, 1]; classes: words; magnification: a change of 1/magnification is drawn in
    full color, red where brighter, blue where darker.
    """
    import torch
    with torch.no_grad():
        before, after = model(torch.stack([image, changed])).softmax(1).tolist()
    image, changed = image.detach(), changed.detach()
    change = changed - image
    pictures = ((image, "before"), (figures.difference(change, 1 / magnification), f"what was added, × {magnification}"), (changed, "after"))
    said = [f"{classes[p.index(max(p))]} {max(p):.0%}" for p in (before, after)]
    text = f"before: {said[0]}; after: {said[1]}; the largest change is {255 * float(change.abs().max()):.0f} gray levels"
    bars = "".join(_bar(f"{word} {name}", share) for word, *shares in zip(classes, before, after) for name, share in zip(("before", "after"), shares))
    return View(text, "".join(_picture(*picture) for picture in pictures) + f'<div style="margin:6px 0;max-width:{round(3.1 * PIXELS)}px">{bars}</div>')


def chart(words):
    """A View of matplotlib's current figure, which it closes; words: what the figure shows, below it and for those who cannot see it."""
    import matplotlib.pyplot as plt
    buffer = io.BytesIO()
    plt.savefig(buffer, format="png")
    plt.close()
    data, said = base64.b64encode(buffer.getvalue()).decode(), html.escape(words)
    return View(words, f'<img style="max-width:100%" alt="{said}" src="data:image/png;base64,{data}"><br>{said}')


def _picture(picture, words):
    """A picture over its words; three stand side by side, smaller on a narrow page."""
    scale = max(1, round(PIXELS / picture.shape[1]))
    data = base64.b64encode(figures.png(picture, scale)).decode()
    return (f'<div style="display:inline-block;vertical-align:top;width:31%;max-width:{PIXELS}px;margin:0 2% 4px 0;text-align:center">'
            f'<img style="width:100%;image-rendering:pixelated" alt="{html.escape(words)}" src="data:image/png;base64,{data}"><br>{html.escape(words)}</div>')


def _bar(words, share):
    """A share as a bar under its words."""
    return (f'<div style="margin:2px 0">{html.escape(words)}: {share:.0%}<div style="height:8px;width:{share:.0%};min-width:1px;'
            f'background:{figures.CYCLE[1 if "after" in words else 0]}"></div></div>')


def panel(view, **controls):
    """Show controls above the view; each move draws it anew, keys work too (Tab to a control, then the arrows).

    view: a function that returns a View; its defaults are where the controls begin. controls: for each of its arguments (low, high) or
    (low, high, step) for a slider of numbers, a list for a slider of choices, or a dict from words to values for a menu.
    """
    import inspect

    import ipywidgets
    from IPython.display import display
    begins = {name: parameter.default for name, parameter in inspect.signature(view).parameters.items()}
    widgets = {name: _control(name, choices, begins[name]) for name, choices in controls.items()}
    shown = ipywidgets.HTML()

    def draw(_=None):
        try:
            shown.value = view(**{name: widget.value for name, widget in widgets.items()})._repr_mimebundle_()["text/html"]
        except Exception as error:      # it would end in a log that nobody reads
            shown.value = f"This cannot be drawn: {html.escape(type(error).__name__)}: {html.escape(str(error))}"
    for widget in widgets.values():
        widget.observe(draw, "value")
    draw()
    box = ipywidgets.VBox([*widgets.values(), shown])
    display({**box._repr_mimebundle_(), "text/plain": WORDS.format(", ".join(name.replace("_", " ") for name in controls))}, raw=True)


def _control(name, choices, begin):
    """The ipywidgets control for what `panel` was given."""
    import ipywidgets
    look = {"description": name.replace("_", " "), "style": {"description_width": "140px"}, "layout": {"width": "min(97%, 460px)"}, "value": begin}
    if isinstance(choices, dict):
        return ipywidgets.Dropdown(options=choices, **look)
    if isinstance(choices, list):
        return ipywidgets.SelectionSlider(options=choices, **look)
    low, high, step = choices if len(choices) == 3 else (*choices, 1)
    slider = ipywidgets.IntSlider if all(isinstance(number, int) for number in (low, high, step)) else ipywidgets.FloatSlider
    return slider(min=low, max=high, step=step, **look)
