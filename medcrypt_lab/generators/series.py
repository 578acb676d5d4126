"""Simulated time series: hourly vital signs of intensive-care stays, and daily new cases of an epidemic.

Vital signs: a hidden severity drifts, and episodes of sepsis, hypoxia or bleeding come and go, in survivors too; six signs
follow both around the patient's own baseline. Labels: 0 survived, 1 died in hospital, drawn from what the whole stay was like,
so that no model can know it. One stay a patient.
Cases: a stochastic SEIR model whose contacts follow the season and the measures against the epidemic, seen through late and
uneven reports. There are no labels: what is to be forecast is the series itself.
"""
import numpy as np
from scipy.special import expit

from .phantom import streams

CLASSES = ("survived", "died in hospital")
CHANNELS = ("heart rate", "systolic blood pressure", "respiratory rate", "temperature", "oxygen saturation", "Glasgow coma scale")
UNITS = ("/min", "mmHg", "/min", "degrees C", "%", "points")
HOURS = 48
RESOLUTION = np.array([1, 1, 1, .1, 1, 1])              # a chart's smallest step, in UNITS
LOWEST = np.array([30, 50, 6, 34, 70, 3])
HIGHEST = np.array([190, 220, 45, 41.5, 100, 15])
BASELINE = np.array([82, 122, 17, 36.9, 96.8, 14.6])    # of an average patient who is not very ill
BETWEEN_PATIENTS = np.array([11, 13, 2.4, .25, 1., .7])  # standard deviation of the baselines
PER_SEVERITY = np.array([7., -7., 1.8, .12, -1.0, -.8])   # what one unit of severity adds
CLOUDING = 1.6                                          # points of the coma scale lost to the square of severity above 1
CIRCADIAN = np.array([4., 5., .5, .25, 0, 0])           # amplitude; highest in the late afternoon
WANDERING = np.array([6., 8., 1.8, .20, .8, .3])        # standard deviation of what passes within hours
MEASUREMENT = np.array([3., 6., 1.6, .12, .8, .3])      # and of what passes from one reading to the next
# What an episode at full strength adds to the signs.
EPISODES = {"sepsis": np.array([26, -24, 7, 1.5, -2, -1.5]), "hypoxia": np.array([12, 6, 9, 0, -8, -1.]),
            "bleeding": np.array([30, -34, 4, -.4, -1, -.8])}
DEADLY = {"sepsis": 1.0, "hypoxia": .9, "bleeding": .6}  # how much an episode counts beside the severity
ADMITTED, DRIFT, FLUCTUATION = .75, .9, .5               # severity: between patients, over the stay, within it (standard deviations)
INTERCEPT, SLOPE = -3.75, 4.2                            # of death's log odds: about one in five dies

CASE_CHANNELS = ("new cases",)
CASE_UNITS = ("persons a day",)
DAYS = 420
INCUBATION, INFECTIOUS, IMMUNE = 3.0, 5.0, 300.0        # mean stay in E, I and R, in days
LONGEST_DELAY = 21                                      # days from infectiousness to the report


def make_vitals(n, seed=0):
    """n stays as a dict of arrays: values (n, 48, 6) float32, hour by hour, in the order of CHANNELS and in UNITS;
    labels (n,) uint8, an index of CLASSES; patients (n,) int32. Stay i does not depend on n.
    """
    values, labels = np.zeros((n, HOURS, len(CHANNELS)), np.float32), np.zeros(n, np.uint8)
    for patient in range(n):
        values[patient], labels[patient] = _stay(seed, patient)
    return {"values": values, "labels": labels, "patients": np.arange(n, dtype=np.int32)}


def _stay(seed, patient):
    """One stay: signs (48, 6) as charted, and whether the patient died."""
    body, course, monitor = streams(seed, patient)
    severity = course.normal(0, ADMITTED) + course.normal(0, DRIFT) * np.linspace(-.5, .5, HOURS)
    severity = severity + FLUCTUATION * _wander(course, (HOURS,), .9)
    episodes = _episodes(course, severity)
    harm = severity + sum(DEADLY[kind] * strength for kind, strength in episodes.items())
    # Harm adds up over the stay: who looks better in the last hour has still been ill for two days.
    died = course.random() < expit(INTERCEPT + SLOPE * harm.mean())
    return _chart(monitor, _signs(body, severity, episodes)), died


def _wander(random, shape, memory):
    """Noise of standard deviation 1 along the first axis, correlated `memory` from one step to the next."""
    steps = random.standard_normal(shape)
    for step in range(1, shape[0]):
        steps[step] = memory * steps[step - 1] + np.sqrt(1 - memory ** 2) * steps[step]
    return steps


def _episodes(course, severity):
    """Strength (48,) in [0, 1] of each kind of episode: it builds up within hours, and treatment takes about as long."""
    hours, strengths = np.arange(HOURS), {kind: np.zeros(HOURS) for kind in EPISODES}
    for _ in range(course.poisson(.9)):
        kind = course.choice(list(EPISODES), p=[.45, .30, .25])
        onset, peak = course.uniform(0, HOURS - 4), course.uniform(.4, 1)
        rise, fall = course.uniform(2, 8), course.uniform(4, 16) * np.exp(.25 * severity[int(onset)])
        since = np.clip(hours - onset, 0, None)
        shape = (1 - np.exp(-since / rise)) * np.exp(-np.clip(since - 2 * rise, 0, None) / fall)
        strengths[kind] = np.maximum(strengths[kind], peak * shape)
    return strengths


def _signs(body, severity, episodes):
    """The true signs (48, 6), hour by hour."""
    admission = body.uniform(0, 24)
    clock = np.cos(2 * np.pi * (np.arange(HOURS) + admission - 17) / 24)
    baseline = BASELINE + BETWEEN_PATIENTS * body.standard_normal(len(CHANNELS))
    reaction = body.lognormal(0, .35, len(CHANNELS))                  # the same illness moves one patient more than another
    signs = baseline + CIRCADIAN * clock[:, None] + WANDERING * _wander(body, (HOURS, len(CHANNELS)), .75)
    signs = signs + reaction * PER_SEVERITY * severity[:, None]
    signs[:, 5] -= CLOUDING * np.clip(severity - 1, 0, None) ** 2     # consciousness fails late, then fast
    sepsis = EPISODES["sepsis"] * np.array([1, 1, 1, -1 if body.random() < .25 else 1, 1, 1])        # some cool down instead
    for kind, effect in (EPISODES | {"sepsis": sepsis}).items():
        signs = signs + reaction * effect * episodes[kind][:, None]
    return signs


def _chart(monitor, signs):
    """What the nurse's chart shows: noise, sensors that slip off a finger for an hour, rounding, limits."""
    charted = signs + MEASUREMENT * monitor.standard_normal(signs.shape)
    slipped = monitor.random(len(signs)) < .03
    charted[:, 4] -= slipped * monitor.uniform(4, 15, len(signs))
    charted = np.round(charted / RESOLUTION) * RESOLUTION
    return np.clip(charted, LOWEST, HIGHEST)


def make_cases(n, seed=0):
    """n regions as a dict of arrays: values (n, 420, 1) float32, new cases reported day by day, whole numbers from 0;
    population (n,) int32; patients (n,) int32, the regions' numbers, and labels (0,) uint8, none: so that the arrays are
    named as those of the other sets. Region i does not depend on n.
    """
    values, population = np.zeros((n, DAYS, 1), np.float32), np.zeros(n, np.int32)
    for region in range(n):
        values[region, :, 0], population[region] = _region(seed, region)
    return {"values": values, "population": population, "labels": np.zeros(0, np.uint8), "patients": np.arange(n, dtype=np.int32)}


def _region(seed, region):
    """Reports (420,) of one region, and how many live there."""
    place, epidemic, office = streams(seed, region)
    population = int(10 ** place.uniform(4.6, 6.5))
    known = place.uniform(.2, .6)                                     # the share of infections that is ever reported
    return _report(office, _spread(place, epidemic, population, known) * known), population


def _spread(place, epidemic, population, known):
    """People who become infectious (420,) each day: susceptible, exposed, infectious, recovered, susceptible again."""
    reproduction = place.uniform(2.2, 3.2)
    season, phase = place.uniform(.05, .2), place.uniform(0, 365)
    alarm = place.uniform(8, 40) / 1e5                                # reported cases a day and head that bring measures
    careful, strict = place.uniform(.05, .35), place.uniform(.62, .82)    # the share of contacts avoided without and with them
    variant = epidemic.uniform(120, 350)                              # the day on which a more contagious variant arrives
    exposed, infectious, recovered = int(population * 10 ** epidemic.uniform(-5, -3.6)) + 1, 0, 0
    susceptible = population - exposed - infectious
    avoided, recent, measures, became = 0., 0., False, np.zeros(DAYS)
    for day in range(DAYS):
        # Measures come within a week and go within a month, once there are few cases: so the epidemic comes in waves.
        measures = recent > (alarm / 5 if measures else alarm)
        avoided += (strict - avoided) / 7 if measures else (careful - avoided) / 30
        rate = reproduction * (1 + season * np.cos(2 * np.pi * (day - phase) / 365)) * (1.45 if day > variant else 1) * (1 - avoided)
        caught = epidemic.binomial(susceptible, _chance(rate / INFECTIOUS * infectious / population))
        caught = min(susceptible, caught + epidemic.poisson(population * 1e-6))                             # travelers
        fell_ill = epidemic.binomial(exposed, _chance(1 / INCUBATION))
        healed = epidemic.binomial(infectious, _chance(1 / INFECTIOUS))
        forgot = epidemic.binomial(recovered, _chance(1 / IMMUNE))
        susceptible, exposed = susceptible - caught + forgot, exposed + caught - fell_ill
        infectious, recovered = infectious + fell_ill - healed, recovered + healed - forgot
        became[day] = fell_ill
        recent += (fell_ill * known / population - recent) / 14
    return became


def _chance(rate):
    """The chance that something with this rate a day happens within a day.

    Rounded: else a last digit that another machine computes differently could change a draw, and with it all that follows.
    """
    return round(float(-np.expm1(-rate)), 9)


def _report(office, became):
    """Cases as the health office publishes them: late, fewer on weekends, uneven, some days caught up later."""
    delays = np.arange(LONGEST_DELAY)
    mean = office.uniform(3, 6)
    share = delays ** 1.5 * np.exp(-delays * 2.5 / mean)
    expected = np.convolve(became, share / share.sum())[:DAYS]
    week = np.array([1.1, 1.15, 1.1, 1.08, 1.05, .82, .7]) ** office.uniform(.5, 1.6)
    expected = expected * np.roll(week / week.mean(), office.integers(7))[np.arange(DAYS) % 7]
    even = office.uniform(15, 50)                                     # a negative binomial's size: small is uneven
    reported = office.poisson(np.round(expected * office.gamma(even, 1 / even, DAYS), 6))
    for day in np.flatnonzero(office.random(DAYS - 4) < .02):
        held_back = int(reported[day] * office.uniform(.5, 1))
        reported[day] -= held_back
        reported[day + office.integers(1, 4)] += held_back
    return reported
