"""Who can open what a key seals: directly, or through keys that lie wrapped under others."""
from medcrypt_lab.exercises import expect, expect_like, refusal, right, suspect, wrong

points, minutes, difficulty = 3, 12, 3
hints = [
    "Whoever holds `outer` unwraps `inner`, and then holds it, too. With that key they may unwrap the next one. When is there nothing left to unwrap?",
    "For each party start with `set(holds[party])`. Go through `wrapped` and add `inner` wherever `outer` is in the set; repeat until a pass adds nothing.",
    "`for _ in wrapped:` is enough passes (each that adds something adds at least one key); inside it `for inner, outer in wrapped: if outer in keys: keys.add(inner)`. "
    "Then `if key in keys:` append the party; return the list sorted.",
]
after = "To take a key away from somebody is not enough: whoever holds one above it still gets it. What revoking takes stands in lesson 5."


def who_reads(holds, wrapped, key):
    """Everybody who can get at `key`, and so reads what it seals.

    holds: a dict, from each party's name to a list of its keys' names.
    wrapped: a list of pairs (inner, outer): the key `inner` lies sealed
    under the key `outer` where everybody can copy it.
    Returns a sorted list of names. Change neither argument.
    """
    readers = []
    for party in holds:
        # BEGIN SOLUTION
        keys = set(holds[party])
        for _ in wrapped:
            for inner, outer in wrapped:
                if outer in keys:
                    keys.add(inner)
        if key in keys:
            readers.append(party)
        # END SOLUTION
    return sorted(readers)


def opening(wrapped, key):
    """All keys that lead to `key`, found backward -> a dict from each to how many steps away it is."""
    steps, edge = {key: 0}, [key]
    while edge:
        last = edge.pop(0)
        for inner, outer in wrapped:
            if inner == last and outer not in steps:
                steps[outer] = steps[last] + 1
                edge.append(outer)
    return steps


def check(answer, random):
    """A chain of five keys written down in three orders, a circle, parties that hold a key of each place in it; an oracle that searches backward."""
    tried = []
    for order in ((0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)):
        data, kek, master, root, vault, sub, away, lone = (f"k{n}" for n in random.sample(range(100, 1000), 8))
        chain = [(data, kek), (kek, master), (master, root), (root, vault)]
        wrapped = [chain[k] for k in order] + [(sub, data), (vault, away), (away, vault)]       # what `data` seals, and a circle at the top
        people = dict(zip(random.sample(["scanner", "gateway", "cloud", "archive", "vendor", "ward", "insurer", "porter", "backup"], 9),
                          ([data], [kek, lone], [lone, master], [root], [vault], [sub], [lone], [], [away])))
        holds = {name: people[name] for name in random.sample(sorted(people), 9)}
        suspect(not tried and refusal(lambda: answer(holds, wrapped, data)) == "RecursionError", f"RecursionError: {vault} lies under {away} and {away} under {vault}, and your function goes round between "
                "them without end. Remember which keys you have been to.")
        result = answer(holds, wrapped, data)
        suspect(isinstance(result, dict), "That is a dict; the readers' names are asked for, as a list.")
        expect_like(result, [""] * len(result) if isinstance(result, list) else [""])
        suspect(result and set(result) <= {data, kek, master, root, vault, sub, away, lone}, "These are names of keys; who holds them?")
        steps = opening(wrapped, data)
        reach = {name: min((steps.get(k, 99) for k in keys), default=99) for name, keys in holds.items()}
        tried.append((result, sorted(n for n in reach if reach[n] < 99), reach, holds, (data, kek, master, sub)))

    def always(others):
        """Is every result the list that others(reach, holds, keys) makes?"""
        return all(result == sorted(others(reach, holds, keys)) for result, _, reach, holds, keys in tried)

    _, _, _, _, (data, kek, master, sub) = tried[0]
    suspect(always(lambda reach, holds, keys: [n for n in reach if reach[n] == 0]), f"Only who holds {data} itself is in your list. {data} also lies wrapped under {kek}: whoever holds {kek} unwraps it.")
    suspect(always(lambda reach, holds, keys: [n for n in holds if {keys[0], keys[3]} & set(holds[n])]) or always(lambda reach, holds, keys: [n for n in holds if keys[3] in holds[n]]),
            f"You went the wrong way: {sub} lies under {data}, so whoever has {data} gets {sub}, not the other way round.")
    suspect(always(lambda reach, holds, keys: [n for n in reach if reach[n] <= 1]), f"You unwrapped once. The holder of {master} gets {kek} first, and with it {data}: go on until nothing is new.")
    suspect(always(lambda reach, holds, keys: holds), "Everybody is in your list, even who holds no key at all.")
    suspect(all(result == truth[::-1] for result, truth, *_ in tried), "The right names; `sorted` puts them in the order that is asked for.")
    for result, truth, reach, holds, keys in tried:
        lost = [name for name in truth if name not in result]
        suspect(lost and set(result) <= set(truth), lambda: f"Missing: {', '.join(lost)}. You passed through `wrapped` too few times: a key found late may open one that stands earlier in the list.")
        expect("finds everybody who can unwrap it", result == truth, lambda: f"Expected {', '.join(truth)}; you found {', '.join(result) or 'nobody'}.")
    names = list(tried[0][3])
    nobody = answer({names[0]: ["k7"], names[1]: []}, [("k1", "k2"), ("k2", "k3")], "k1")
    expect_like(nobody, [])
    expect("and nobody else", nobody == [], "Where nobody holds a key that leads there, the list is empty.", points=3)


@right
def from_the_key_up(holds, wrapped, key):
    leading = [key]
    for found in leading:
        leading += [outer for inner, outer in wrapped if inner == found and outer not in leading]
    return sorted(party for party, keys in holds.items() if any(k in leading for k in keys))


@right
def until_nothing_is_new(holds, wrapped, key):
    readers = set()
    for party, keys in holds.items():
        known, before = set(keys), None
        while known != before:
            before = set(known)
            known |= {inner for inner, outer in wrapped if outer in known}
        if key in known:
            readers.add(party)
    return sorted(readers)


@wrong("Only who holds")
def directly(holds, wrapped, key):
    return sorted(party for party, keys in holds.items() if key in keys)


@wrong("You unwrapped once")
def once(holds, wrapped, key):
    outers = {key} | {outer for inner, outer in wrapped if inner == key}
    return sorted(party for party in holds if outers & set(holds[party]))


@wrong("too few times")
def in_one_pass(holds, wrapped, key):
    readers = []
    for party in holds:
        keys = set(holds[party])
        for inner, outer in reversed(wrapped):
            if outer in keys:
                keys.add(inner)
        readers += [party] * (key in keys)
    return sorted(readers)


@wrong("You went the wrong way")
def reversed_pairs(holds, wrapped, key):
    inners = {key} | {inner for inner, outer in wrapped if outer == key}
    return sorted(party for party in holds if inners & set(holds[party]))


@wrong("RecursionError", "goes round between them")
def in_circles(holds, wrapped, key):
    def opens(keys, wanted):
        return wanted in keys or any(opens(keys, outer) for inner, outer in wrapped if inner == wanted)
    return sorted(party for party in holds if opens(holds[party], key))


@wrong("Everybody is in your list")
def everybody(holds, wrapped, key):
    return sorted(holds)


@wrong("These are names of keys")
def the_keys(holds, wrapped, key):
    leading = [key]
    for found in leading:
        leading += [outer for inner, outer in wrapped if inner == found and outer not in leading]
    return sorted(leading)
