"""What one image costs, fairly: a warm-up that does not count, the median, and the keys that must travel, too."""
import statistics

from medcrypt_lab.exercises import close, expect, expect_like, right, suspect, wrong

points, minutes, difficulty = 4, 10, 2
hints = [
    "Three things spoil a comparison: a first call that sets things up, one slow call because the machine did something else, and keys nobody counted.",
    "Call `seal(images[0])` once and throw the result away. Then, for each image: read the clock, seal, read the clock; keep the difference and the length.",
    "`seal(images[0])`; in a loop `start = clock()`, `sealed = seal(image)`, `times.append(clock() - start)`, `size += len(sealed)`; "
    "return `statistics.median(times), (len(keys) + size) / len(images)`.",
]
after = "The more images share the keys, the less they weigh. Whoever quotes a cost should say for how many images."


def cost_row(seal, keys, images, clock):
    """What one image costs: (seconds, bytes).

    seal: a function from an image to the bytes that are sent. Its first
    call is slow, it sets things up: call it once, on images[0], uncounted.
    keys: a bytes object that must travel once before all these images.
    images: a list. clock: a function; clock() tells the CPU's seconds.
    Seconds: the median over the images, each timed by itself.
    Bytes: all that travels, keys and images, shared out over the images.
    statistics.median(times) is the middle one.
    """
    # BEGIN SOLUTION
    seal(images[0])
    times, sizes = [], []
    for image in images:
        start = clock()
        sealed = seal(image)
        times.append(clock() - start)
        sizes.append(len(sealed))
    return statistics.median(times), (len(keys) + sum(sizes)) / len(images)
    # END SOLUTION


class Machine:
    """A clock that moves only while something is sealed: the first time for long, at one image because of another program."""

    def __init__(self, random, odd):
        first, others = random.uniform(1, 1.4), [random.uniform(2.2, 2.8), random.uniform(4.2, 4.8)]
        self.times = [first, random.uniform(60, 90), random.uniform(3.2, 3.8), *(others if odd else others[:1])]
        self.images = [bytes([k]) + random.bytes(5) for k in range(len(self.times))]
        self.sizes = [random.randrange(200, 300) + 300 * k for k in range(len(self.times))]
        self.now, self.setup, self.calls = random.uniform(100, 200), random.uniform(40, 50), 0

    def clock(self):
        return self.now

    def seal(self, image):
        which = self.images.index(image)
        self.now += self.times[which] + self.setup * (self.calls == 0)
        self.calls += 1
        return b"s" * self.sizes[which]


def middle(values):
    """The median by hand."""
    values, half = sorted(values), len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


def check(answer, random):
    """On a made-up machine whose clock moves by known amounts: nothing is timed for real."""
    for odd in (True, False):
        machine = Machine(random, odd)
        keys = random.bytes(random.randrange(7000, 8000) // 10 * 10 + 3)
        n, times, sizes = len(machine.images), machine.times, machine.sizes
        result = answer(machine.seal, keys, machine.images, machine.clock)
        suspect(isinstance(result, list) and len(result) == 2, "That is a list; two values are returned as `seconds, size`.")
        expect_like(result, (0.5, 0.5))
        suspect(any(abs(value) > 1e12 for value in result), "So much is nowhere on this machine.")
        seconds, size = map(float, result)
        cold = [times[0] + machine.setup, *times[1:]]
        means = [sum(some) / n for some in (times, cold)] + [(sum(times) + times[0] + machine.setup) / n]
        counted = (len(keys) + sum(sizes)) / n
        suspect(machine.calls == 0, "`seal` was never called: nothing was measured.")
        suspect(close(size, middle(times)) and not close(seconds, middle(times)), "Seconds come first, then bytes.")
        suspect(0 <= seconds < 0.5, "You measured less than half a second, where the clock that you were given shows more than one for each image. Read `clock()`, not another clock, before and after `seal`.")
        suspect(seconds < 0, "A negative time: later minus earlier, `clock() - start`.")
        suspect(any(close(seconds, mean) for mean in means), f"You took the mean, {seconds:.3g} seconds: another program ran during one of the images, and it counts for all of them. Asked for is the median.")
        suspect(close(seconds, middle(cold)), f"The first call sets things up and took {cold[0]:.0f} seconds; you counted it as that of the first image. One call before, uncounted.")
        suspect(machine.calls == n and close(seconds, middle(times[1:])), "images[0] is missing from your times. It is sealed twice: once uncounted, and once more, timed like the others.")
        suspect(close(seconds, middle([sum(times[:k + 1]) for k in range(n)])), "Each of your times holds all the images before it, too: read the clock anew before every `seal`.")
        suspect(close(seconds, middle([cold[0], *times])), "The warm-up's time stands in your list, beside the others.")
        suspect(close(seconds, sum(times)) or close(seconds, sum(cold)), "These are the seconds of all images together.")
        suspect(close(seconds, min(times)), "This is the fastest image; asked for is the median of all.")
        suspect(not odd and close(seconds, sorted(times)[n // 2]), "With an even number of images the median lies between the two in the middle: `statistics.median` knows.")
        expect("the median of warm calls", close(seconds, middle(times), 1e-6), lambda: f"The calls take {', '.join(f'{t:.2f}' for t in times)} seconds, once warm; you say {seconds:.3g}.", points=0 if odd else 2)
        suspect(close(size, sum(sizes) / n), "Without its keys the server cannot compute: they travel, too, and you left them out.")
        suspect(close(size, len(keys) + sum(sizes) / n), f"You counted the keys' {len(keys)} bytes for every image anew; they travel once, for all {n}.")
        suspect(close(size, len(keys) + sum(sizes)), f"These are the bytes of all {n} images together.")
        suspect(close(size, (len(keys) + sum(sizes) + sizes[0]) / n), "The bytes of the warm-up were thrown away; they do not count.")
        suspect(close(size, len(keys) / n + sizes[0]) or close(size, len(keys) / n + sizes[-1]), "The images do not all take the same number of bytes: you counted one of them for all.")
        suspect(any(close(size, (len(keys) + s) / n) for s in sizes), "You shared out the bytes of one image: add up those of all of them, then share out.")
        suspect(size == counted // 1 != counted, "You rounded the bytes down: `/`, not `//`.")
        expect("every byte that travels", close(size, counted, 1e-6), lambda: f"Keys of {len(keys)} bytes and images of {sizes} bytes: {counted:.1f} an image, not {size:.4g}.", points=0 if odd else 2)


@right
def one_after_another(seal, keys, images, clock):
    warm = seal(images[0])
    rows, end = [], clock()
    for image in images:
        begin = clock()
        warm = seal(image)
        end = clock()
        rows.append((end - begin, len(warm)))
    seconds, sizes = zip(*rows)
    return statistics.median(seconds), sum(sizes, len(keys)) / len(rows)


@right
def sorted_by_hand(seal, keys, images, clock):
    def timed(image):
        before = clock()
        length = len(seal(image))
        return clock() - before, length
    timed(images[0])
    pairs = [timed(image) for image in images]
    times = sorted(t for t, _ in pairs)
    n = len(times)
    return (times[(n - 1) // 2] + times[n // 2]) / 2, len(keys) / n + sum(b for _, b in pairs) / n


def timed(seal, images, clock):
    """(seconds, bytes) of each, for the answers below."""
    rows = []
    for image in images:
        begin = clock()
        length = len(seal(image))
        rows.append((clock() - begin, length))
    return rows


@wrong("The first call sets things up")
def no_warm_up(seal, keys, images, clock):
    times, sizes = zip(*timed(seal, images, clock))
    return statistics.median(times), (len(keys) + sum(sizes)) / len(images)


@wrong("You took the mean")
def all_at_once(seal, keys, images, clock):
    seal(images[0])
    begin = clock()
    total = sum(len(seal(image)) for image in images)
    return (clock() - begin) / len(images), (total + len(keys)) / len(images)


@wrong("not another clock")
def another_clock(seal, keys, images, clock):
    import time
    seal(images[0])
    times, sizes = zip(*timed(seal, images, time.perf_counter))
    return statistics.median(times), (len(keys) + sum(sizes)) / len(images)


@wrong("you left them out")
def without_keys(seal, keys, images, clock):
    seal(images[0])
    times, sizes = zip(*timed(seal, images, clock))
    return statistics.median(times), statistics.mean(sizes)


@wrong("for every image anew")
def keys_every_time(seal, keys, images, clock):
    seal(images[0])
    times, sizes = zip(*timed(seal, images, clock))
    return statistics.median(times), len(keys) + sum(sizes) / len(sizes)


@wrong("The warm-up's time stands in your list")
def warm_up_kept(seal, keys, images, clock):
    times, sizes = zip(*timed(seal, [images[0], *images], clock))
    return statistics.median(times), (len(keys) + sum(sizes[1:])) / len(images)


@wrong("images[0] is missing")
def first_left_out(seal, keys, images, clock):
    begin = clock()
    sizes = [len(seal(images[0]))]
    rows = timed(seal, images[1:], clock)
    return statistics.median([t for t, _ in rows if begin]), (len(keys) + sum(sizes) + sum(b for _, b in rows)) / len(images)


@wrong("read the clock anew")
def clock_read_once(seal, keys, images, clock):
    seal(images[0])
    times, total, begin = [], len(keys), clock()
    for image in images:
        total += len(seal(image))
        times.append(clock() - begin)
    return statistics.median(times), total / len(images)


@wrong("the bytes of one image")
def last_one_only(seal, keys, images, clock):
    seal(images[0])
    times, sizes = zip(*timed(seal, images, clock))
    return statistics.median(times), (len(keys) + sizes[-1]) / len(images)


@wrong("you counted one of them for all")
def first_for_all(seal, keys, images, clock):
    size = len(seal(images[0]))
    times, _ = zip(*timed(seal, images, clock))
    return statistics.median(times), size + len(keys) / len(images)


@wrong("of all 5 images together")
def the_sum(seal, keys, images, clock):
    seal(images[0])
    times, sizes = zip(*timed(seal, images, clock))
    return statistics.median(times), len(keys) + sum(sizes)
