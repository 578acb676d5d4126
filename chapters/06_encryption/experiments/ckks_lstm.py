"""An LSTM that foretells death in hospital from 48 hours of vital signs: exact, with polynomials for its activations, and that one under CKKS."""
import time

import numpy as np
import torch

from medcrypt_lab import data

seeds = [0, 1, 2]                           # of training; the first network of each size is also run encrypted
sizes = {"small": (12, 4, 150), "full": (1, 8, 120)}     # hours in a step, units, epochs
ranges = {"sigmoid": 5.0, "tanh": 2.5}      # each polynomial is fitted from minus this to this


def run(seeds):
    """For both sizes: precision and recall of each network; weights of the first polynomial one; what its encrypted run gave and cost."""
    grid = {name: np.linspace(-reach, reach, 1001) for name, reach in ranges.items()}
    curves = {"sigmoid": 1 / (1 + np.exp(-grid["sigmoid"])), "tanh": np.tanh(grid["tanh"])}
    fitted = {name: [float(f"{c:.4g}") if abs(c) > 1e-9 else 0.0 for c in np.polynomial.polynomial.polyfit(grid[name], curves[name], 3)] for name in curves}
    results = {"polynomials": fitted, "ranges": ranges}
    for size, (hours, units, epochs) in sizes.items():
        sets = {split: prepared(split, hours) for split in ("train", "test")}
        rows = {"hours": hours, "units": units, "exact": [], "polynomial": []}
        for seed in seeds:
            for kind in ("exact", "polynomial"):
                network = trained(*sets["train"], units, epochs, seed, fitted if kind == "polynomial" else None)
                with torch.no_grad():
                    scores, _, reach = network(sets["test"][0])
                rows[kind].append({**judged(scores, sets["test"][1]), "reach": reach, "nearest to 0": float(scores.abs().min())})
                if seed == seeds[0] and kind == "polynomial":
                    rows["network"] = {"w": network.w.weight.tolist(), "b": network.w.bias.tolist(), "out": network.out.weight[0].tolist(),
                                       "out_b": network.out.bias.item()}
                    rows["encrypted"] = encrypted(network, *sets["test"])
        results[size] = rows
    return results


def prepared(split, hours):
    """Vital signs averaged over so many hours, standardized by the training stays, cut at 3 standard deviations, divided by 1.5."""
    stays, train = data.load("vitals", split, source="embedded"), data.load("vitals", "train", source="embedded")
    mean, spread = train.values.double().mean((0, 1)), train.values.double().std((0, 1))
    values = ((stays.values.double() - mean) / spread).reshape(len(stays.values), 48 // hours, hours, -1).mean(2)
    return values.clamp(-3, 3) / 1.5, stays.labels.double()


class LSTM(torch.nn.Module):
    """Gates in the order input, forget, output, candidate; polynomials: {"sigmoid": ..., "tanh": ...}, coefficients from the constant up, or None."""

    def __init__(self, channels, units, polynomials):
        super().__init__()
        self.units, self.w, self.out = units, torch.nn.Linear(channels + units, 4 * units), torch.nn.Linear(units, 1)
        self.polynomials = polynomials

    def activation(self, name, z):
        if not self.polynomials:
            return getattr(torch, name)(z)
        a, b, c, d = self.polynomials[name]
        return a + z * (b + z * (c + z * d))

    def forward(self, x):
        """Scores, last hidden state, and how far an argument of an activation went: 1 is the end of the range that its polynomial was fitted on."""
        hidden = cell = torch.zeros(len(x), self.units, dtype=x.dtype)
        self.beyond, reach = 0, 0.0
        for step in range(x.shape[1]):
            z = self.w(torch.cat([x[:, step], hidden], 1)).split([3 * self.units, self.units], 1)
            i, f, o = self.activation("sigmoid", z[0]).chunk(3, 1)
            cell = f * cell + i * self.activation("tanh", z[1])
            hidden = o * self.activation("tanh", cell)
            for values, end in ((z[0], ranges["sigmoid"]), (z[1], ranges["tanh"]), (cell, ranges["tanh"])):
                self.beyond = self.beyond + torch.relu(values.abs() - 0.8 * end).square().mean()
                reach = max(reach, float(values.detach().abs().max()) / end)
        return self.out(hidden)[:, 0], hidden, reach


def trained(x, y, units, epochs, seed, polynomials):
    """The polynomial network is also told to stay inside the ranges. Weights end with four digits, as they are recorded."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = LSTM(x.shape[2], units, polynomials).double()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02, weight_decay=1e-3)
    for _ in range(epochs):
        optimizer.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(network(x)[0], y, pos_weight=torch.tensor(2.0))
        (loss + (10 * network.beyond / x.shape[1] if polynomials else 0)).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.tensor([float(f"{v:.4g}") for v in parameter.flatten().tolist()], dtype=torch.double).reshape(parameter.shape))
    return network


def judged(scores, labels):
    said, ill = scores > 0, labels > 0.5
    return {"precision": float((said & ill).sum() / said.sum()), "recall": float((said & ill).sum() / ill.sum())}


def encrypted(network, x, y):
    """The whole test set under CKKS, one slot a unit and patient; the key holder refreshes the state after each step."""
    import tenseal as ts
    context = ts.context(ts.SCHEME_TYPE.CKKS, 16384, coeff_mod_bit_sizes=[60] + 7 * [40] + [60], n_threads=1)
    context.global_scale = 2.0**40
    server = ts.context_from(context.serialize(save_galois_keys=False), n_threads=1)
    n, units, channels = len(x), network.units, x.shape[2]
    w, b = network.w.weight.reshape(4, units, -1).detach().numpy(), network.w.bias.reshape(4, units).detach().numpy()
    sigmoid, tanh = network.polynomials["sigmoid"], network.polynomials["tanh"]

    def seal(values):
        return ts.ckks_vector(context, values.tolist()).serialize()

    def step(wire):
        *inputs, cell = (ts.ckks_vector_from(server, sealed) for sealed in wire)
        gates = []
        for gate, polynomial in enumerate([sigmoid] * 3 + [tanh]):
            total = inputs[0] * np.repeat(w[gate, :, 0], n).tolist()
            for k in range(1, len(inputs)):
                total = total + inputs[k] * np.repeat(w[gate, :, k], n).tolist()
            gates.append((total + np.repeat(b[gate], n).tolist()).polyval(polynomial))
        i, f, o, candidate = gates
        cell = f * cell + i * candidate
        return [cell.serialize(), (o * cell.polyval(tanh)).serialize()]

    def opened(sealed):
        return np.array(ts.ckks_vector_from(context, sealed).decrypt())

    began, trips, up, down, early = time.process_time(), 0, 0, 0, 0.0
    hidden, cell = np.zeros(units * n), np.zeros(units * n)
    for k in range(x.shape[1]):
        wire = [seal(np.tile(x[:, k, j].numpy(), units)) for j in range(channels)]
        wire += [seal(np.tile(hidden[u * n:(u + 1) * n], units)) for u in range(units)] + [seal(cell)]
        answer = step(wire)
        cell, hidden = map(opened, answer)
        trips, up, down = trips + 1, sum(map(len, wire)), sum(map(len, answer))
        if k == 1:
            early = float(np.abs(hidden - network(x[:, :2])[1].detach().numpy().T.ravel()).max())
    out = network.out.weight[0].detach().numpy()
    states = [ts.ckks_vector_from(server, seal(hidden[u * n:(u + 1) * n])) for u in range(units)]
    score = states[0] * float(out[0])
    for u in range(1, units):
        score = score + states[u] * float(out[u])
    scores = torch.tensor(opened((score + network.out.bias.item()).serialize()))
    clear = network(x)[0].detach()
    return {**judged(scores, y), "equal predictions": int(((scores > 0) == (clear > 0)).sum()), "patients": n, "round trips": trips + 1,
            "megabytes up": up / 1e6, "megabytes down": down / 1e6, "seconds a step": (time.process_time() - began) / trips,
            "largest error of a score": float((scores - clear).abs().max()), "largest error after two steps": early}
