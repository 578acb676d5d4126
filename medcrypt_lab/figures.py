"""The one style of the course's figures, and the pictures that several lessons need. Arrays in; nothing of ours imported.

A picture is an array or CPU tensor, (h, w), (1, h, w), (3, h, w) or (h, w, 3), with values in [0, 1].
Functions that draw return a matplotlib Figure; a cell ends with `plt.show()`, which shows it once.
"""
import io

import numpy as np

GRAY = "#808080"                                # lines and words: contrast 3.9 on white, 4.8 on #111
# Okabe and Ito's colors without black and yellow, which vanish on a dark or a light page; told apart with any color vision.
CYCLE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9")
FALLING, RISING = (33, 102, 172), (178, 24, 43)         # blue and red that differ in lightness for the color-blind too
DPI = 72                                        # a figure of 6.4 x 4 inches stays under 40 kB as PNG


def style():
    """Set matplotlib's defaults: transparent ground, gray words, colors for every eye. May be called again."""
    import matplotlib
    from cycler import cycler
    matplotlib.rcParams.update({
        "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
        "figure.dpi": DPI, "savefig.dpi": DPI, "figure.figsize": (6.4, 4.0),
        "text.color": GRAY, "axes.labelcolor": GRAY, "axes.edgecolor": GRAY, "axes.titlecolor": GRAY,
        # Two grays, one just lighter than middle gray and one just darker: from labels of one lightness Jupyter concludes that a
        # transparent figure needs a black or a white ground.
        "xtick.color": GRAY, "ytick.color": "#7f7f7f", "grid.color": GRAY, "grid.alpha": .25, "axes.grid": True,
        "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False, "lines.linewidth": 2,
        "axes.prop_cycle": cycler(color=CYCLE), "image.cmap": "gray", "image.interpolation": "nearest",
        # Without a fixed salt, SVG ids differ from run to run.
        "font.family": "DejaVu Sans", "font.size": 12, "svg.hashsalt": "medcrypt",
        "figure.constrained_layout.use": True})


def show_images(images, titles=None, columns=4, size=128):
    """A Figure of pictures, each pixel the same whole number of screen pixels: nothing blurred, nothing rescaled.

    images: a sequence of pictures of one size; titles: one string each, short, or None; columns: pictures a row;
    size: about how many screen pixels a picture is wide.
    """
    import matplotlib.pyplot as plt
    pictures = [_picture(image) for image in images]
    if not pictures or len({picture.shape[:2] for picture in pictures}) > 1:
        raise ValueError("show_images needs at least one picture, and all of one size.")
    if titles is not None and len(titles) != len(pictures):
        raise ValueError(f"show_images got {len(pictures)} pictures and {len(titles)} titles.")
    height, width = (side * max(1, round(size / pictures[0].shape[1])) for side in pictures[0].shape[:2])
    columns = min(columns, len(pictures))
    rows, gap, head = -(-len(pictures) // columns), 8, 8 + 16 * _lines(titles)
    total_width, total_height = columns * (width + gap) + gap, rows * (height + head) + gap
    figure = plt.figure(figsize=(total_width / DPI, total_height / DPI), dpi=DPI, facecolor="none", layout="none")
    for k, picture in enumerate(pictures):
        row, column = divmod(k, columns)
        left, top = gap + column * (width + gap), head + row * (height + head)
        axes = figure.add_axes((left / total_width, 1 - (top + height) / total_height, width / total_width, height / total_height))
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
        axes.axis("off")
        if titles is not None:
            axes.set_title(titles[k], fontsize=12, color=GRAY, pad=4)
    return figure


def _lines(titles):
    return max((title.count("\n") + 1 for title in titles), default=0) if titles is not None else 0


def in_words(text):
    """The figure above in words, folded: for those who cannot see it, and where pictures do not load."""
    import html

    from IPython.display import display
    folded = f'<details style="opacity:.85"><summary>The figure in words</summary>{html.escape(text)}</details>'
    display({"text/plain": f"The figure in words: {text}", "text/html": folded}, raw=True)


def difference(perturbation, largest=None):
    """What was added to a picture, as a picture of its own: red where brighter, blue where darker, white where equal.

    perturbation: a picture's shape, values of both signs; of three colors the one that changed most counts.
    largest: the change drawn in full color; None: the largest in `perturbation`. Returns (h, w, 3) float64 in [0, 1].
    """
    change = _channels_last(perturbation)
    if change.ndim == 3:
        change = np.take_along_axis(change, np.abs(change).argmax(2)[..., None], 2)[..., 0]
    largest = np.abs(change).max() if largest is None else largest
    share = np.clip(change / largest, -1, 1)[..., None] if largest > 0 else np.zeros((*change.shape, 1))
    full = np.where(share < 0, FALLING, RISING) / 255
    return 1 - np.abs(share) * (1 - full)


def png(array, scale=1):
    """The bytes of a small PNG file of a picture, each pixel enlarged to scale x scale."""
    from PIL import Image
    pixels = np.round(_picture(array) * 255).astype(np.uint8)
    image = Image.fromarray(pixels.repeat(scale, 0).repeat(scale, 1))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _picture(array):
    """(h, w) or (h, w, 3) float64, clipped to [0, 1]; what is not a number is drawn black."""
    return np.clip(np.nan_to_num(_channels_last(array)), 0, 1)


def _channels_last(array):
    """A picture's layout with channels last, (h, w) if there is only one; ValueError for any other shape."""
    array = np.asarray(array.detach() if hasattr(array, "detach") else array, dtype=float)
    if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] != 3:
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim != 2 and (array.ndim != 3 or array.shape[2] != 3) or 0 in array.shape:
        raise ValueError(f"{array.shape} is not the shape of a picture: (h, w), (1, h, w), (3, h, w) or (h, w, 3).")
    return array
