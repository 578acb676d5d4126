"""A lesion detector on fundus photographs: its FROC curve over training seeds, what it misses, and what deceives it."""
import math

import torch
from scipy import ndimage
from torch import nn

from medcrypt_lab import data
from medcrypt_lab.exercises import uses

seeds = [0, 1, 2, 3, 4]                                 # of training; the lesson trains the first
levels = [0.125, 0.25, 0.5, 1, 2, 4, 8]                 # false alarms per photograph
areas = [0, 3, 5, 10, 30, math.inf]                     # a class of sizes goes from one of these up to the next, in square pixels of the box
CELL, GRID, MOST, EPOCHS, BATCH, RATE = 2, 32, 50, 8, 18, 7e-3
place_seed = 0

froc = uses("medical_image_analysis.froc")
iou = uses("medical_image_analysis.iou")
non_maximum_suppression = uses("medical_image_analysis.non_maximum_suppression")


def run(seeds):
    """Train, choose the threshold of one false alarm per photograph on the validation photographs, count on the test photographs."""
    train, val, test = (data.load("fundus", split, source="embedded") for split in ("train", "val", "test"))
    truths = {name: lesions_of(split) for name, split in (("train", train), ("val", val), ("test", test))}
    photographs, targets = with_mirrored(train.images, truths["train"])
    found = {"detector": [], "by size": [], "false alarms": [], "lost": [], "dust": [], "dust, before": []}
    for seed in seeds:
        detector = trained(photographs, targets, seed)
        threshold = threshold_for(detect(detector, val.images), truths["val"], 1)
        detections = detect(detector, test.images)
        found["detector"].append(froc(detections, truths["test"], levels))
        marked = above(detections, threshold)
        hits = matched(marked, truths["test"])
        found["by size"].append(shares_by_size(hits, truths["test"]))
        found["false alarms"].append((sum(map(len, marked)) - sum(map(sum, hits))) / len(test))
        found["lost"].append(lost_by_a_shift(detector, test.images, truths["test"], threshold, hits))
        before, after = dusted(detector, test.take(test.labels == 0).images, threshold)
        found["dust, before"].append(before)
        found["dust"].append(after)
    heat = targets[:, 0].mean(0)
    controls = {"average place": heat, "anywhere": torch.zeros(GRID, GRID)}
    return {"levels": levels, "areas": areas[:-1], "lesions by size": shares_by_size([[1] * len(boxes) for boxes in truths["test"]], truths["test"], count=True),
            **{name: summary(values) for name, values in found.items()},
            **{name: froc(same_everywhere(map_, len(test)), truths["test"], levels) for name, map_ in controls.items()}}


def summary(per_seed):
    """The values of each seed, their mean, least and largest."""
    values = torch.tensor(per_seed, dtype=torch.float64)
    return {"per_seed": values.tolist(), "mean": values.mean(0).tolist(), "low": values.amin(0).tolist(), "high": values.amax(0).tolist()}


def boxes_of(mask):
    """A box around each separate spot of a mask: a list of (left, top, right, bottom)."""
    spots, _ = ndimage.label(mask, structure=[[1, 1, 1]] * 3)
    return [(x.start, y.start, x.stop, y.stop) for y, x in ndimage.find_objects(spots)]


def lesions_of(split):
    return [boxes_of(mask) for mask in split.masks["lesion"]]


def target(boxes):
    """What the network should say, (5, GRID, GRID): heat; offset x and y of the center in its cell; width and height in pixels."""
    maps, cells = torch.zeros(5, GRID, GRID), torch.arange(GRID)
    for left, top, right, bottom in boxes:
        x, y = (left + right) / 2 / CELL, (top + bottom) / 2 / CELL
        column, row = int(x), int(y)
        distance = (cells - column) ** 2 + (cells[:, None] - row) ** 2
        maps[0] = torch.maximum(maps[0], torch.exp(-distance / (2 * 0.6 ** 2)))
        maps[1:, row, column] = torch.tensor([x - column, y - row, right - left, bottom - top])
    return maps


def with_mirrored(images, lesions):
    """All photographs and their mirror images, and a target for each."""
    side = images.shape[-1]
    mirrored = [[(side - right, top, side - left, bottom) for left, top, right, bottom in boxes] for boxes in lesions]
    return torch.cat([images, images.flip(-1)]), torch.stack([target(boxes) for boxes in lesions + mirrored])


def layer(inputs, outputs, kernel, stride=1, dilation=1):
    padding = dilation * (kernel // 2)
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def loss(output, target):
    """Equations 1 to 4 of Zhou et al. 2019."""
    heat, here = target[:, 0], (target[:, 0] == 1).float()
    said = torch.sigmoid(output[:, 0]).clamp(1e-4, 1 - 1e-4)
    focal = here * (1 - said) ** 2 * said.log() + (1 - here) * (1 - heat) ** 4 * said ** 2 * (1 - said).log()
    apart = (output[:, 1:] - target[:, 1:]).abs()
    return (-focal + here * (apart[:, :2].sum(1) + 0.1 * apart[:, 2:].sum(1))).sum() / here.sum().clamp(min=1)


def trained(photographs, targets, seed):
    torch.manual_seed(seed)
    detector = nn.Sequential(layer(3, 16, kernel=5, stride=2), layer(16, 16, kernel=3), layer(16, 16, kernel=3, dilation=2), nn.Conv2d(16, 5, 1))
    nn.init.constant_(detector[-1].bias[:1], -3)
    optimizer = torch.optim.AdamW(detector.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=1 + EPOCHS * math.ceil(len(photographs) / BATCH))
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(photographs)).split(BATCH):
            error = loss(detector(photographs[batch]), targets[batch])
            optimizer.zero_grad()
            error.backward()
            optimizer.step()
            schedule.step()
    return detector.eval().requires_grad_(False)


def boxes_in(maps):
    """The MOST surest cells of a network's output (5, GRID, GRID) as scores (MOST,) and boxes (MOST, 4)."""
    scores, cell = maps[0].flatten().topk(MOST)
    x, y, width, height = maps[1:].flatten(1)[:, cell]
    x, y = (cell % GRID + x) * CELL, (cell // GRID + y) * CELL
    width, height = width.clamp(min=1) / 2, height.clamp(min=1) / 2
    return scores, torch.stack([x - width, y - height, x + width, y + height], 1)


def suppressed(scores, boxes):
    kept = non_maximum_suppression(boxes, scores, 0.3)
    return list(zip(scores[kept].tolist(), boxes[kept].tolist()))


def detect(detector, images):
    output = detector(images)
    output[:, 0] = torch.sigmoid(output[:, 0])
    return [suppressed(*boxes_in(maps)) for maps in output]


def same_everywhere(heat, count):
    """The control: the same heat map for every photograph, ties broken at random; each box is of 4 pixels."""
    generator, found = torch.Generator().manual_seed(place_seed), []
    for _ in range(count):
        maps = torch.stack([heat + 1e-4 * torch.rand(GRID, GRID, generator=generator), *torch.tensor([.5, .5, 4, 4])[:, None, None].expand(4, GRID, GRID)])
        found.append(suppressed(*boxes_in(maps)))
    return found


def above(detections, threshold):
    return [[(score, box) for score, box in found if score >= threshold] for found in detections]


def matched(detections, lesions):
    """Which lesions are found: for each image a list of 0 and 1, by the rule of `froc`."""
    hits = [[0] * len(boxes) for boxes in lesions]
    for i, found in enumerate(detections):
        for _, (left, top, right, bottom) in sorted(found, reverse=True):
            x, y = (left + right) / 2, (top + bottom) / 2
            for k, (l, t, r, b) in enumerate(lesions[i]):
                if l <= x <= r and t <= y <= b and not hits[i][k]:
                    hits[i][k] = 1
                    break
    return hits


def threshold_for(detections, lesions, level):
    """The lowest score at which the false alarms per photograph do not exceed the level."""
    best = 1.0
    for threshold in sorted((score for found in detections for score, _ in found), reverse=True):
        marked = above(detections, threshold)
        if (sum(map(len, marked)) - sum(map(sum, matched(marked, lesions)))) / len(lesions) > level:
            break
        best = threshold
    return best


def shares_by_size(hits, lesions, count=False):
    """For each class of sizes the share of its lesions that is found, or how many there are."""
    area = torch.tensor([(r - l) * (b - t) for boxes in lesions for l, t, r, b in boxes])
    hit = torch.tensor([h for image in hits for h in image]).float()
    chosen = [(area >= low) & (area < high) for low, high in zip(areas, areas[1:])]
    return [int(c.sum()) if count else hit[c].mean().item() for c in chosen]


def lost_by_a_shift(detector, images, lesions, threshold, hits):
    """Of the lesions found, the share that is missed when the photograph moves one pixel to the right."""
    moved = [[(l + 1, t, r + 1, b) for l, t, r, b in boxes] for boxes in lesions]
    after = matched(above(detect(detector, images.roll(1, -1)), threshold), moved)
    pairs = [(a, b) for one, other in zip(hits, after) for a, b in zip(one, other)]
    return sum(a > b for a, b in pairs) / sum(a for a, _ in pairs)


def dusted(detector, images, threshold):
    """The share of healthy photographs that are marked where a speck of dust will be, before and after it is painted there."""
    generator = torch.Generator().manual_seed(place_seed)
    places = 20 + 24 * torch.rand(len(images), 2, generator=generator)
    pixels = torch.arange(images.shape[-1]) + 0.5
    distance = (pixels - places[:, 0, None, None]) ** 2 + (pixels[:, None] - places[:, 1, None, None]) ** 2
    shade = 0.65 * torch.tensor([.35, .70, .55])[:, None, None] * torch.exp(-distance / 2)[:, None]
    specks = [[(x - 2, y - 2, x + 2, y + 2)] for x, y in places.tolist()]
    shares = [sum(map(sum, matched(above(detect(detector, pictures), threshold), specks))) / len(images) for pictures in (images, images * (1 - shade))]
    return tuple(shares)
