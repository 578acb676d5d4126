"""FROC: the share of the lesions that are found, at so many false alarms an image."""
from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 4, 8, 3
hints = [
    "Each mark does exactly one of two things: it finds one new lesion, or it is one false alarm. Which, you know only after looking at all lesions of its image.",
    "Go through `enumerate(lesions[image])`. A lesion counts if it holds the center, along x and along y, and its pair (image, k) is not in `found` yet. "
    "Stop at the first that counts; if none did, it was a false alarm.",
    "`new = [k for k, (l, t, r, b) in enumerate(lesions[image]) if ...]` with the three conditions in the place of the dots; then `if new:` add the pair "
    "of `new[0]`, `else:` one more alarm.",
]
after = ("One number hides in the curve's name: free-response. The reader may mark as many places as they like, so there is no specificity: "
         "nobody can count the places that were rightly left unmarked. False alarms per image take its place.")


def froc(detections, lesions, levels):
    """Sensitivity at given numbers of false alarms per image.

    detections: for each image a list of (score, box), in any order;
    lesions: for each image a list of its true boxes, [] for a healthy one.
    A box is (left, top, right, bottom); all scores are different.
    A mark finds a lesion of its image if the mark's center lies in it (the
    edge counts) and no surer mark has found it; of several such lesions,
    the first. Any other mark is a false alarm, also a second hit.
    Returns a list: for each level the largest share of all lesions found
    with at most so many false alarms per image, or 0.0.
    """
    ranked = sorted(((score, image, box) for image, marks in
                     enumerate(detections) for score, box in marks),
                    reverse=True)
    total = sum(len(boxes) for boxes in lesions)
    reached = [0.0 for _ in levels]
    found, alarms = set(), 0
    # As if the threshold sank: all marks of all images, the surest first.
    for score, image, mark in ranked:
        x, y = (mark[0] + mark[2]) / 2, (mark[1] + mark[3]) / 2  # center
        # Does the mark find one of lesions[image]? Go through them with
        # enumerate(...): place and box. Keep in `found` pairs of an image
        # and a place, such as (3, 0): found.add((3, 0)). A mark that finds
        # none is a false alarm. About six lines:
        # BEGIN SOLUTION
        for k, (l, t, r, b) in enumerate(lesions[image]):
            if l <= x <= r and t <= y <= b and (image, k) not in found:
                found.add((image, k))
                break
        else:
            alarms += 1
        # END SOLUTION
        for j, level in enumerate(levels):
            if alarms / len(lesions) <= level:      # healthy images count
                reached[j] = len(found) / total
    return reached


class Reading:
    """A reading session as planned: which detection, from the surest to the least sure, does what.

    script: (image, what) with what "a", "b": hits that lesion of the image, anywhere inside; "edge_a": exactly on its edge; "out": hits nothing;
    images: how many; ill: which of them have lesions, two each.
    """

    def __init__(self, random, images, ill, script):
        # Two lesions in each ill image, of quarters that do not touch; what hits nothing lies in the other half.
        self.lesions = [[] for _ in range(images)]
        for image in ill:
            for top in (0, 32):
                x, y = random.randrange(1, 12), top + random.randrange(1, 12)
                self.lesions[image].append([float(x), float(y), float(x + random.randrange(2, 14)), float(y + random.randrange(2, 14))])
        self.detections, self.script = [[] for _ in range(images)], script
        score = 1.0
        for image, what in script:
            score *= random.uniform(0.8, 0.95)
            self.detections[image].append((score, self.box(random, image, what)))
        for found in self.detections:
            random.shuffle(found)
        self.images, self.ill = images, ill

    def box(self, random, image, what):
        """A box whose center is where it should be: sides are even, so that halves are exact."""
        half_wide, half_high = random.randrange(1, 6), random.randrange(1, 6)
        if what == "out":
            x, y = random.randrange(40, 58), random.randrange(5, 58)
        else:
            left, top, right, bottom = self.lesions[image]["ab".index(what[-1])]
            x, y = (right, random.randrange(int(top), int(bottom) + 1)) if what.startswith("edge") else (random.uniform(left, right), random.uniform(top, bottom))
        return [float(x - half_wide), float(y - half_high), float(x + half_wide), float(y + half_high)]

    def curve(self, levels, *, again="alarm", key=lambda image, k: (image, k), healthy=True, edges=True, per="image", strict=False,
              each_lesion=None, alarm_for="what finds nothing", noted="always"):
        """The oracle, from the plan alone; the keywords make it err in one way each.

        each_lesion: an alarm for every lesion that a mark does not find: (stop at the first found?, look whether it was found before?);
        "once": at the first lesion, whatever it is.
        """
        found, hits, alarms, marks, reached = set(), 0, 0, 0, [0.0] * len(levels)
        for image, what in self.script:
            marks, before = marks + 1, alarms
            lesion = None if what == "out" or what.startswith("edge") and not edges else key(image, "ab".index(what[-1]))
            if each_lesion:
                stops, looks = each_lesion
                for pair in [(image, 0), (image, 1)] if image in self.ill else []:
                    if pair == lesion and not (looks and pair in found):
                        hits += pair not in found
                        found.add(pair)
                        if stops:
                            break
                    else:
                        alarms += 1
                        if stops == "once":
                            break
            elif lesion is not None and (lesion not in found or again == "hit"):
                found.add(lesion)
                hits += 1
                alarms += alarm_for == "every mark"
            elif lesion is None or again == "alarm":
                alarms += (healthy or image in self.ill) and alarm_for != "nothing" and (lesion is not None or alarm_for != "second hits")
            rate = alarms / {"image": self.images, "mark": marks, "ill": len(self.ill), "lesion": 2 * len(self.ill), "none": 1}[per]
            for j, level in enumerate(levels):
                if (rate < level if strict else rate <= level) and (noted == "always" or alarms > before):
                    reached[j] = hits / (2 * len(self.ill))
        return reached


MISTAKES = [
    (dict(again="hit"), "A lesion that is hit twice counts twice with you. Ten marks on one lesion find one lesion."),
    (dict(again="nothing"), "With you, a second hit of a lesion costs nothing: it should be a false alarm. "
                            "(Some challenges do it your way; whoever compares curves must ask.)"),
    (dict(key=lambda image, k: k), "You remember found lesions by their number alone: lesion 0 of one image is not lesion 0 of another. Remember (image, k)."),
    (dict(key=lambda image, k: image), "You count images in which something is found. Count lesions: an image may have several."),
    (dict(per="ill"), "You divide the false alarms by the images that have lesions. All images count, the healthy ones too."),
    (dict(healthy=False), "You skip the detections in healthy images: each is a false alarm, and these matter most in screening."),
    (dict(each_lesion=(False, False)), "You count a false alarm for every lesion that a mark does not hit. A mark is one hit or one false alarm: decide after "
                                       "looking at all lesions of its image."),
    (dict(each_lesion=(False, True)), "A mark that does not find the first lesion may find the second, but you count a false alarm at once, and none in a healthy "
                                      "image, which has no lesion to miss. Decide once for each mark, below the loop over the lesions."),
    (dict(each_lesion=(True, True)), "Until your loop meets the right lesion it counts a false alarm for each lesion before it, and in a healthy image none. "
                                     "Decide once for each mark, when the loop over the lesions is over."),
    (dict(each_lesion=("once", True)), "You decide after the first lesion of the image; the mark may find a later one, and a healthy image has none. Count the false "
                                       "alarm when the loop over the lesions is over."),
    (dict(alarm_for="second hits"), "With you only a second hit is a false alarm. A mark that lies in no lesion is one, too."),
    (dict(alarm_for="every mark"), "Every mark raises your false alarms, also one that finds a lesion. (The `else` of a `for` runs unless `break` ended the loop.)"),
    (dict(alarm_for="nothing"), "Your false alarms never grow: a mark that finds no lesion is one."),
    (dict(noted="after alarms"), "A mark that finds a lesion must also reach the lines at the end of the loop, which note the share: no `continue` before them."),
    (dict(per="none"), "You compare the number of false alarms with the levels. They are levels per image: divide by the number of images."),
    (dict(per="mark"), "You divide the false alarms by the detections: that is one minus precision. Divide by the images."),
    (dict(per="lesion"), "You divide the false alarms by the lesions. Divide by the images."),
    (dict(edges=False), "A center on the edge of a lesion counts as inside: use <=."),
    (dict(strict=True), "A level that is reached exactly is not exceeded: use <="),
]


def check(answer, random):
    """Bunch et al. 1978. The order of hits and alarms is planned, the places are drawn: so each mistake has its own numbers."""
    # No two of the mistakes give the same numbers in both plans. A level of 0.5 is not reached exactly, all others are.
    plans = [(5, [0, 2, 3], "0b 0b 0out 2b 3edge_a 4out 0out 4out 2a 1out 3b 3b 0a 2a 3out 2out 4out 3out", [0.2, 0.4, 0.6, 1.0, 1.6]),
             (5, [1, 3], "3b 3b 0out 3a 2out 1b 3a 1out 4out 1out 1edge_a 0out 1b 3out 2out", [0.2, 0.5, 0.8, 1.4])]
    readings, results = [], []
    for images, ill, script, levels in plans:
        # The images change places; the two lesions of one do not.
        order = random.sample(range(images), images)
        reading = Reading(random, images, [order[i] for i in ill], [(order[int(mark[0])], mark[1:]) for mark in script.split()])
        result = answer(reading.detections, reading.lesions, levels)
        expect_like(result, [0.5] * len(levels))
        readings.append((reading, levels))
        results += result
    expected = [value for reading, levels in readings for value in reading.curve(levels)]

    total = 2 * len(plans[0][1])
    suspect(close(results, [100 * value for value in expected], 1e-3), "These are percentages; return parts of one.")
    suspect(close(results[:5], [value * total for value in expected[:5]]), "These are numbers of lesions: divide by how many there are in all, `total`.")
    for mistake, words in MISTAKES:
        suspect(close(results, [value for reading, levels in readings for value in reading.curve(levels, **mistake)]), words)
    # One lesion, and marks that are near it in one way.
    lesion = [2.0, 20.0, 8.0, 26.0]
    near = {where: answer([[(0.9, [x - half, y - half, x + half, y + half])]], [[lesion]], [8.0]) for where, (x, y, half) in
            dict(beside=(40.0, 23.0, 1), below=(5.0, 50.0, 1), mirrored=(23.0, 5.0, 1), away=(50.0, 60.0, 1), small=(3.0, 21.0, 1), large=(10.0, 23.0, 6)).items()}
    for curve in near.values():
        expect_like(curve, [0.5])
    suspect(near["away"][0] > 0, "A mark finds a lesion with you wherever it lies. Compare its center with the sides of the lesion, not with its own.")
    suspect(near["beside"][0] > 0 or near["below"][0] > 0, "A mark far beside a lesion, or far below it, finds it with you. The center must lie in it along x and along y.")
    suspect(near["mirrored"][0] > 0, "You compare x with top and bottom. x lies between left and right, y between top and bottom.")
    suspect(near["small"][0] == 0 and near["large"][0] > 0, "You ask whether the lesion's center lies in the mark. Ask the other way around: does the mark's center "
            "lie in the lesion?")
    suspect(not any(results), "You find nothing at any level. Does `found` grow when a mark's center lies in a lesion? And is the share noted after each mark, "
            "inside the loop?")
    expect("equals the count by hand", close(results, expected),
           lambda: f"At the levels {[round(level, 2) for level in plans[0][3]]} it should be {[round(v, 2) for v in expected[:5]]}, "
                   f"you gave {[round(float(v), 2) for v in results[:5]]}.", points=3)
    # Lesions that overlap: a mark in both finds one of them, and the second mark the other; equal boxes in two images are two lesions.
    left, top = float(random.randrange(1, 20)), float(random.randrange(1, 20))
    inner, outer = [left + 4, top + 4, left + 12, top + 12], [left, top, left + 20, top + 20]
    mark = [left + 6, top + 6, left + 10, top + 10]
    once, twice, equal = (answer(marks, truth, [0.5]) for marks, truth in (
        ([[(0.9, mark)], []], [[inner, outer], []]), ([[(0.9, mark), (0.8, mark)], []], [[inner, outer], []]),
        ([[(0.9, mark)], [(0.8, mark)]], [[inner], [inner]])))
    for curve in (once, twice, equal):
        expect_like(curve, [0.5])
    suspect(close(results, expected) and close(once, [1.0]), "Two lesions overlap, a mark lies in both, and with you it finds both. One mark finds one lesion: stop at the first.")
    suspect(close(results, expected) and close(twice, [0.5]), "Two lesions overlap, and two marks lie in both. The second mark should find the second lesion: the first is "
            "found already, so look for one that is not.")
    suspect(close(results, expected) and close(equal, [0.5]), "Two images hold a lesion with the same box, and with you finding one finds the other. Remember the image, too.")
    expect("overlapping lesions, one mark each", close(once, [0.5]) and close(twice, [1.0]) and close(equal, [1.0]),
           lambda: f"Two lesions that overlap: one mark in both finds half of them, two marks both; you gave {[float(v) for v in (*once, *twice)]}.")
    silent = answer([[], []], [[[1.0, 1.0, 5.0, 5.0]], []], [0.5, 1.0])
    expect_like(silent, [0.5, 0.5])
    alarm = answer([[], [(0.9, [1.0, 1.0, 3.0, 3.0])]], [[[1.0, 1.0, 5.0, 5.0]], []], [0.5, 1.0])
    expect_like(alarm, [0.5, 0.5])
    expect("a detector that says nothing, or errs only, finds nothing", close(silent, [0.0, 0.0]) and close(alarm, [0.0, 0.0]),
           lambda: f"Without detections it should be [0.0, 0.0], you gave {[float(v) for v in silent]}; with one false alarm, [0.0, 0.0], you gave {[float(v) for v in alarm]}.",
           points=1)


@right
def one_threshold_after_another(detections, lesions, levels):
    def read(threshold):
        hits = alarms = 0
        for marks, truth in zip(detections, lesions):
            left_over = list(truth)
            for score, (l, t, r, b) in sorted(marks, reverse=True):
                if score < threshold:
                    continue
                x, y = (l + r) / 2, (t + b) / 2
                inside = [box for box in left_over if box[0] <= x <= box[2] and box[1] <= y <= box[3]]
                if inside:
                    left_over.remove(inside[0])
                    hits += 1
                else:
                    alarms += 1
        return alarms / len(lesions), hits / sum(map(len, lesions))
    points_ = [read(score) for marks in detections for score, _ in marks]
    return [max([hit for alarm, hit in points_ if alarm <= level], default=0.0) for level in levels]


@right
def with_flags(detections, lesions, levels):
    ranked = sorted(((score, image, box) for image, marks in enumerate(detections) for score, box in marks), reverse=True)
    found = [[False] * len(boxes) for boxes in lesions]
    alarms, curve = 0, [(0.0, 0.0)]
    for _, image, (l, t, r, b) in ranked:
        for k, (left, top, right_, bottom) in enumerate(lesions[image]):
            if left <= (l + r) / 2 <= right_ and top <= (t + b) / 2 <= bottom and not found[image][k]:
                found[image][k] = True
                break
        else:
            alarms += 1
        curve.append((alarms / len(lesions), sum(map(sum, found)) / sum(map(len, lesions))))
    return [max(hit for alarm, hit in curve if alarm <= level) for level in levels]


@wrong("decide after looking at all lesions")
def alarm_for_each_lesion(detections, lesions, levels):
    return lesion_by_lesion(detections, lesions, levels, stops=False, looks=False)


@wrong("Decide once for each mark, below the loop")
def alarm_at_once(detections, lesions, levels):
    return lesion_by_lesion(detections, lesions, levels, stops=False, looks=True)


@wrong("Until your loop meets the right lesion")
def alarm_on_the_way(detections, lesions, levels):
    return lesion_by_lesion(detections, lesions, levels, stops=True, looks=True)


@wrong("You decide after the first lesion")
def alarm_at_the_first(detections, lesions, levels):
    return lesion_by_lesion(detections, lesions, levels, stops="once", looks=True)


@wrong("With you only a second hit is a false alarm")
def alarm_for_repeats_only(detections, lesions, levels):
    ranked = sorted(((score, image, box) for image, marks in enumerate(detections) for score, box in marks), reverse=True)
    found, alarms, reached = set(), 0, [0.0] * len(levels)
    for _, image, (left, top, right_, bottom) in ranked:
        for k, (l, t, r, b) in enumerate(lesions[image]):
            if l <= (left + right_) / 2 <= r and t <= (top + bottom) / 2 <= b:
                alarms += (image, k) in found
                found.add((image, k))
        for j, level in enumerate(levels):
            if alarms / len(lesions) <= level:
                reached[j] = len(found) / sum(map(len, lesions))
    return reached


@wrong("Every mark raises your false alarms")
def else_without_break(detections, lesions, levels):
    return lesion_by_lesion(detections, lesions, levels, stops=False, looks=True, at_the_end=True)


def lesion_by_lesion(detections, lesions, levels, *, stops, looks, at_the_end=False):
    """A reader that counts an alarm for each lesion that a mark does not find, or (at_the_end) one for every mark."""
    ranked = sorted(((score, image, box) for image, marks in enumerate(detections) for score, box in marks), reverse=True)
    total, reached, found, alarms = sum(map(len, lesions)), [0.0] * len(levels), set(), 0
    for _, image, (left, top, right_, bottom) in ranked:
        for k, (l, t, r, b) in enumerate(lesions[image]):
            if l <= (left + right_) / 2 <= r and t <= (top + bottom) / 2 <= b and not (looks and (image, k) in found):
                found.add((image, k))
                if stops:
                    break
            elif not at_the_end:
                alarms += 1
                if stops == "once":
                    break
        alarms += at_the_end
        for j, level in enumerate(levels):
            if alarms / len(lesions) <= level:
                reached[j] = len(found) / total
    return reached


@wrong("Your false alarms never grow")
def no_alarms(detections, lesions, levels):
    return variant(detections, lesions, levels, lambda inside, found: [pair for pair in inside if pair not in found][:1], alarm=0)


@wrong("no `continue` before them")
def goes_on_too_early(detections, lesions, levels):
    return variant(detections, lesions, levels, lambda inside, found: [pair for pair in inside if pair not in found][:1], continues=True)


@wrong("along x and along y")
def one_axis(detections, lesions, levels):
    return variant(detections, lesions, levels, lambda inside, found: [pair for pair in inside if pair not in found][:1],
                   holds=lambda x, y, l, t, r, b: l <= x <= r)


@wrong("wherever it lies")
def own_sides(detections, lesions, levels):
    return variant(detections, lesions, levels, lambda inside, found: [pair for pair in inside if pair not in found][:1],
                   holds=lambda x, y, l, t, r, b: True)


@wrong("does the mark's center lie in the lesion?")
def center_of_the_lesion(detections, lesions, levels):
    ranked = sorted(((score, image, box) for image, marks in enumerate(detections) for score, box in marks), reverse=True)
    found, alarms, reached = set(), 0, [0.0] * len(levels)
    for _, image, (left, top, right_, bottom) in ranked:
        fresh = [(image, k) for k, (l, t, r, b) in enumerate(lesions[image])
                 if left <= (l + r) / 2 <= right_ and top <= (t + b) / 2 <= bottom and (image, k) not in found]
        found.update(fresh[:1])
        alarms += not fresh
        for j, level in enumerate(levels):
            if alarms / len(lesions) <= level:
                reached[j] = len(found) / sum(map(len, lesions))
    return reached


@wrong("You compare x with top and bottom")
def axes_swapped(detections, lesions, levels):
    return variant(detections, lesions, levels, lambda inside, found: [pair for pair in inside if pair not in found][:1],
                   holds=lambda x, y, l, t, r, b: t <= x <= b and l <= y <= r)


@wrong("You find nothing at any level")
def after_the_loop(detections, lesions, levels):
    ranked = sorted(((score, image, box) for image, marks in enumerate(detections) for score, box in marks), reverse=True)
    found, alarms = set(), 0
    for _, image, (left, top, right_, bottom) in ranked:
        x, y = (left + right_) / 2, (top + bottom) / 2
        fresh = [(image, k) for k, (l, t, r, b) in enumerate(lesions[image])
                 if l <= x <= r and t <= y <= b and (image, k) not in found]
        if fresh:
            found.add(fresh[0])
        else:
            alarms += 1
    return [len(found) / sum(map(len, lesions)) if alarms / len(lesions) <= level else 0.0 for level in levels]


def swept(detections, lesions, levels, *, once=True, second_is_alarm=True, key=lambda image, k: (image, k), images=None, healthy=True, edges=True, of=1.0):
    ranked = sorted(((score, image, box) for image, marks in enumerate(detections) for score, box in marks), reverse=True)
    total, reached, found, hits, alarms = sum(map(len, lesions)), [0.0] * len(levels), set(), 0, 0
    for n, (_, image, (left, top, right_, bottom)) in enumerate(ranked, 1):
        x, y = (left + right_) / 2, (top + bottom) / 2
        inside = [key(image, k) for k, (l, t, r, b) in enumerate(lesions[image]) if (l <= x <= r and t <= y <= b if edges else l < x < r and t < y < b)]
        fresh = [k for k in inside if k not in found or not once]
        if fresh:
            found.add(fresh[0])
            hits += 1
        elif (second_is_alarm or not inside) and (healthy or lesions[image]):
            alarms += 1
        rate = alarms / (images(n, lesions) if images else len(lesions))
        for j, level in enumerate(levels):
            if rate <= level:
                reached[j] = of * hits / total
    return reached


@wrong("Ten marks on one lesion find one lesion")
def double_counting(detections, lesions, levels):
    return swept(detections, lesions, levels, once=False)


@wrong("a second hit of a lesion costs nothing")
def second_is_free(detections, lesions, levels):
    return swept(detections, lesions, levels, second_is_alarm=False)


@wrong("Remember (image, k)")
def number_alone(detections, lesions, levels):
    return swept(detections, lesions, levels, key=lambda image, k: k)


@wrong("You count images in which something is found")
def images_found(detections, lesions, levels):
    return swept(detections, lesions, levels, key=lambda image, k: image)


@wrong("You divide the false alarms by the detections")
def over_detections(detections, lesions, levels):
    return swept(detections, lesions, levels, images=lambda n, lesions: n)


@wrong("divide the false alarms by the images that have lesions")
def over_ill_images(detections, lesions, levels):
    return swept(detections, lesions, levels, images=lambda n, lesions: sum(1 for boxes in lesions if boxes))


@wrong("You skip the detections in healthy images")
def healthy_skipped(detections, lesions, levels):
    return swept(detections, lesions, levels, healthy=False)


@wrong("divide by the number of images.")
def alarms_in_all(detections, lesions, levels):
    return swept(detections, lesions, levels, images=lambda n, lesions: 1)


@wrong("A center on the edge of a lesion counts as inside")
def edges_outside(detections, lesions, levels):
    return swept(detections, lesions, levels, edges=False)


@wrong("These are percentages")
def percent(detections, lesions, levels):
    return swept(detections, lesions, levels, of=100.0)


@wrong("These are numbers of lesions")
def counts(detections, lesions, levels):
    return swept(detections, lesions, levels, of=sum(map(len, lesions)))


@wrong("A level that is reached exactly is not exceeded")
def below_the_level(detections, lesions, levels):
    return swept(detections, lesions, [level - 1e-9 for level in levels])


@wrong("Expected a list of 5 values")
def one_number(detections, lesions, levels):
    return sum(swept(detections, lesions, levels)) / len(levels)


@wrong("with you it finds both")
def no_break(detections, lesions, levels):
    return variant(detections, lesions, levels, lambda inside, found: [pair for pair in inside if pair not in found])


@wrong("The second mark should find the second lesion")
def only_the_first(detections, lesions, levels):
    return variant(detections, lesions, levels, lambda inside, found: [pair for pair in inside[:1] if pair not in found])


def variant(detections, lesions, levels, found_by, alarm=1, continues=False, holds=lambda x, y, l, t, r, b: l <= x <= r and t <= y <= b):
    """A reader that errs in one way. found_by: from those that hold the center and those found before, which are found now."""
    ranked = sorted(((score, image, box) for image, marks in enumerate(detections) for score, box in marks), reverse=True)
    found, alarms, reached = set(), 0, [0.0] * len(levels)
    for _, image, (left, top, right_, bottom) in ranked:
        x, y = (left + right_) / 2, (top + bottom) / 2
        now = found_by([(image, k) for k, box in enumerate(lesions[image]) if holds(x, y, *box)], found)
        found.update(now)
        if now and continues:
            continue
        alarms += 0 if now else alarm
        for j, level in enumerate(levels):
            if alarms / len(lesions) <= level:
                reached[j] = len(found) / sum(map(len, lesions))
    return reached
