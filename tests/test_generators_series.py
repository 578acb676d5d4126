"""The time series: physiologic ranges, an outcome that only the whole stay tells, an epidemic that can be forecast a little."""
import numpy as np
import pytest
import torch

from medcrypt_lab.generators import series
from medcrypt_lab.metrics import auc


@pytest.fixture(scope="module")
def train():
    return series.make_vitals(800, seed=1)


@pytest.fixture(scope="module")
def test():
    return series.make_vitals(800, seed=3)


@pytest.fixture(scope="module")
def cases():
    return series.make_cases(60, seed=1)


def logistic_auc(train, test, features):
    """AUC of a logistic regression on features(values), trained on one set, on the other."""
    inputs, others = (torch.tensor(features(stays["values"]), dtype=torch.float64) for stays in (train, test))
    mean, spread = inputs.mean(0), inputs.std(0)
    inputs, others = (inputs - mean) / spread, (others - mean) / spread
    labels = torch.tensor(train["labels"], dtype=torch.float64)
    weights = torch.zeros(inputs.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=100)

    def loss():
        optimizer.zero_grad()
        value = torch.nn.functional.binary_cross_entropy_with_logits(inputs @ weights[1:] + weights[0], labels)
        value = value + .002 * weights[1:].square().sum()
        value.backward()
        return value
    optimizer.step(loss)
    return auc((others @ weights[1:]).detach(), torch.tensor(test["labels"]))


def recurrent_auc(train, test, epochs=5):
    """AUC of a GRU with 16 units that reads the 48 hours."""
    mean, spread = train["values"].mean((0, 1)), train["values"].std((0, 1))
    inputs, others = (torch.tensor((stays["values"] - mean) / spread) for stays in (train, test))
    labels = torch.tensor(train["labels"]).float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        reader, last = torch.nn.GRU(6, 16, batch_first=True), torch.nn.Linear(16, 1)
        optimizer = torch.optim.Adam([*reader.parameters(), *last.parameters()], lr=1e-2, weight_decay=1e-3)
        for _ in range(epochs):
            for batch in torch.randperm(len(inputs)).split(64):
                scores = last(reader(inputs[batch])[0][:, -1])[:, 0]
                optimizer.zero_grad()
                torch.nn.functional.binary_cross_entropy_with_logits(scores, labels[batch]).backward()
                optimizer.step()
    with torch.no_grad():
        return auc(last(reader(others)[0][:, -1])[:, 0], torch.tensor(test["labels"]))


def test_stays_have_the_promised_types_shapes_and_resolution(train):
    values = train["values"]
    assert values.shape == (800, 48, 6) and values.dtype == np.float32 and len(series.CHANNELS) == len(series.UNITS) == 6
    assert train["labels"].shape == (800,) and train["labels"].dtype == np.uint8 and len(series.CLASSES) == 2
    assert train["patients"].tolist() == list(range(800)) and train["patients"].dtype == np.int32
    assert (values >= series.LOWEST.astype(np.float32)).all() and (values <= series.HIGHEST.astype(np.float32)).all()
    steps = values / series.RESOLUTION
    assert np.abs(steps - np.round(steps)).max() < 1e-3 and np.ptp(values, axis=(0, 1)).min() > 5


def test_vital_signs_lie_where_those_of_patients_lie(train):
    middle = np.median(train["values"], axis=(0, 1))
    assert (np.abs(middle - [84, 121, 18, 36.9, 96, 14]) <= [6, 6, 2, .3, 2, 1]).all()
    low, high = np.percentile(train["values"], (1, 99), axis=(0, 1))
    assert (low > [40, 65, 6, 35, 75, 5]).all() and (high < [145, 185, 38, 40, 101, 16]).all()
    hours = train["values"][..., :4] - train["values"][..., :4].mean(1, keepdims=True)
    together = (hours[:, 1:] * hours[:, :-1]).mean((0, 1)) / (hours ** 2).mean((0, 1))
    assert (together > .4).all()                                                   # one hour resembles the next


def test_about_one_in_five_dies_and_the_dying_are_worse(train, test):
    died = np.concatenate([train["labels"], test["labels"]])
    assert .16 < died.mean() < .25
    signs = np.concatenate([train["values"], test["values"]]).mean(1)
    worse = signs[died == 1].mean(0) - signs[died == 0].mean(0)
    assert (worse * [1, -1, 1, 0, -1, -1] >= 0).all() and worse[0] > 5 and worse[1] < -4


def test_survivors_have_episodes_too(train):
    pressure = train["values"][train["labels"] == 0, :, 1]
    smooth = np.stack([np.convolve(stay, np.ones(4) / 4, "valid") for stay in pressure])
    assert .08 < (np.median(smooth, 1) - smooth.min(1) > 22).mean() < .6


def test_the_whole_stay_tells_more_than_its_last_hour_and_not_everything(train, test):
    last_hour = logistic_auc(train, test, lambda values: values[:, -1])
    whole = recurrent_auc(train, test)
    assert .70 < last_hour < whole - .05 and .80 < whole < .92


def test_a_stay_and_a_region_do_not_depend_on_how_many_there_are():
    for make in (series.make_vitals, series.make_cases):
        three, five, other = make(3, seed=7), make(5, seed=7), make(3, seed=8)
        assert all(np.array_equal(three[key], five[key][:3]) for key in three)
        assert not np.array_equal(three["values"], other["values"])
        assert not np.array_equal(five["values"][3], five["values"][4])


def test_cases_are_whole_numbers_with_peaks_from_tens_to_thousands(cases):
    values, population = cases["values"], cases["population"]
    assert values.shape == (60, 420, 1) and values.dtype == np.float32 and population.dtype == np.int32 and population.shape == (60,)
    assert (values >= 0).all() and (values == np.round(values)).all()
    assert cases["patients"].tolist() == list(range(60)) and cases["labels"].shape == (0,)
    peaks = values.max((1, 2))
    assert 20 < peaks.min() < 100 and 2000 < peaks.max() < 12_000 and np.median(peaks) > 200
    assert (values.sum((1, 2)) < population).all()
    assert len(series.CASE_CHANNELS) == len(series.CASE_UNITS) == values.shape[2]


def test_most_regions_see_several_waves(cases):
    waves = []
    for region in cases["values"][..., 0]:
        smooth = np.convolve(region, np.ones(21) / 21, "same") / region.max()
        high, low, count = False, 0, 0
        for value in smooth:                                                       # up past a fifth of the peak, down below a tenth
            if not high and value > .2:
                high, count = True, count + 1
            elif high and value < .1:
                high = False
        waves.append(count)
    assert np.mean(np.array(waves) >= 2) > .6 and max(waves) >= 3


def test_two_days_in_a_row_are_underreported_every_week(cases):
    fewest, together = [], []
    for region in cases["values"][..., 0]:
        days = region.reshape(60, 7)
        share = (days / (days.mean(1, keepdims=True) + 1)).mean(0)
        first, second = np.argsort(share)[:2]
        fewest.append(share[first] / share.mean())
        together.append(abs(first - second) in (1, 6))
    assert max(fewest) < .97 and np.median(fewest) < .85
    assert np.mean(together) > .85                                                 # by chance a third


def test_a_small_autoregression_beats_persistence(cases):
    def windows(regions):
        rows = [(region[day - 14:day], region[day:day + 7].mean()) for region in regions for day in range(14, 414, 3)]
        past, future = (np.array(column) for column in zip(*rows))
        return np.log((past + 1) / (past[:, -7:].mean(1, keepdims=True) + 1)), past[:, -7:].mean(1), future
    shape, level, future = windows(cases["values"][..., 0].astype(float))
    inputs = np.c_[shape, np.ones(len(shape))]
    weights = np.linalg.solve(inputs.T @ inputs + np.eye(15), inputs.T @ np.log((future + 1) / (level + 1)))
    shape, level, future = windows(series.make_cases(30, seed=3)["values"][..., 0].astype(float))
    forecast = np.exp(np.c_[shape, np.ones(len(shape))] @ weights) * (level + 1) - 1
    assert np.abs(forecast - future).mean() < .95 * np.abs(level - future).mean()
    off = [np.abs(np.log((guess + 1) / (future + 1))).mean() for guess in (forecast, level)]
    assert off[0] < .85 * off[1]
