"""Who is behind a hash? Hash all that it could be, and look it up."""
import hashlib

from medcrypt_lab.exercises import expect, expect_like, refusal, right, suspect, wrong

points, minutes, difficulty = 3, 7, 2
hints = [
    "You cannot go back from a hash. But you can go forward from every birth date there is, once, and remember where each one led.",
    "A dict whose keys are the hashes and whose values are the candidates. Then one look-up for each published hash.",
    "`table = {digest(c): ... for c in candidates}`, then a list over `published`, with `table.get(...)`, which gives None for what is not there.",
]
after = ("The cost is that of the candidates, not of the patients: a million patients are looked up in the same table. A salt that is published with the hashes "
         "only means that the table is made after the leak, not before.")


def dictionary_attack(published, candidates, digest):
    """The text behind each published hash, if it is a candidate.

    published: a list of hashes, bytes. candidates: texts, to be walked
    through once (`for text in candidates`). digest(text) gives the hash
    of a text; hashing is what costs: each candidate is hashed once.
    Returns a list, one entry for each published hash, in their order: the
    candidate with this hash, or None where there is none.
    """
    # BEGIN SOLUTION
    table = {digest(text): text for text in candidates}
    return [table.get(each) for each in published]
    # END SOLUTION


def check(answer, random):
    """Patients with birthdays in common, in no order, some of them not among the candidates; the hashing is counted."""
    for n, patients in ((180, 40), (60, 90)):
        salt = random.bytes(8)
        texts = [f"{random.randrange(1900, 2020)}-{k // 28 % 12 + 1:02}-{k % 28 + 1:02}#{k}" for k in range(n)]
        behind = [random.choice(texts) for _ in range(patients)]
        behind[random.randrange(5, patients)] = behind[0]
        for place in random.sample(range(1, patients), 5):
            behind[place] = f"nobody {place}" if behind[place] != behind[0] else behind[place]
        behind[0], behind[1] = behind[0], "born in 1850"
        calls = []

        def digest(text):
            calls.append(text)
            if type(text) is not str:
                raise ValueError("digest takes a text: a candidate.")
            return hashlib.sha256(salt + text.encode()).digest()

        published = [hashlib.sha256(salt + text.encode()).digest() for text in behind]
        truth = [text if text in texts else None for text in behind]
        given = []
        how = refusal(lambda: given.append(answer(published, texts, digest)))
        suspect(how == "KeyError", "You looked up a hash that is no key of your dict, and Python raised KeyError. Do its keys come from `digest`? And a patient who is not among the candidates "
                "is no error: None stands for them.")
        if how:
            calls.clear()
        result = answer(published, texts, digest) if how else given[0]
        suspect(isinstance(result, dict), "That is a dict. What is asked for is a list: what it says of each published hash, in their order.")
        expect_like(result, result if isinstance(result, list) else [])
        suspect(not all(type(each) in (str, int, bytes, type(None)) for each in result), "Each entry should be a candidate, a text, or None.")
        suspect(result == published, "You returned the hashes themselves.")
        suspect(len(calls) > n, lambda: f"You hashed {len(calls)} times for {n} candidates: anew for each patient, it seems. Walk through the candidates once and keep each hash in a dict.")
        suspect(not calls, "You never called `digest`. The registry hashed a salt along, which `digest` knows: another hash of the same text is not found.")
        suspect(len(calls) < n, lambda: f"You hashed {len(calls)} of {n} candidates: the others are never found.")
        wanted = set(behind)
        suspect(result == [text for text in texts if text in wanted], "You returned the candidates that were found, in the order of the candidates: nobody can tell which patient is which. "
                "Go through `published`.")
        suspect(result == [text for text in truth if text is not None], "You left out the hashes that are behind no candidate: from there on every entry belongs to another patient. None stands for them.")
        suspect(len(result) == patients and all(x is None for x in result), "Nothing was found. Your dict should lead from a hash, the very bytes that `digest` gives, to its candidate.")
        suspect(len(result) == patients and all(type(x) is int or x is None for x in result), "Those are places in a list, not candidates.")
        suspect(len(result) == patients and all(a == b or (b is None and not a) for a, b in zip(result, truth)) and result != truth,
                "Where no candidate has the hash, None is asked for: an empty text could be mistaken for a find.")
        suspect(len(result) == patients and result != truth and all(a == b or a is None and b in result[:k] for k, (a, b) in enumerate(zip(result, truth))),
                "Some patients share a hash, as all do who were born on one day: you filled in one place, the others stayed None. Look up each published hash.")
        suspect(len(result) != patients, lambda: f"{patients} hashes were published; you returned {len(result)} entries.")
        hits = sum(a == b for a, b in zip(result, truth))
        expect("finds every patient who can be found, and no other", result == truth, lambda: f"{hits} of {patients} entries are right.", points=1 + (n == 60))


@right
def loops(published, candidates, digest):
    known = dict()
    for text in candidates:
        known[digest(text)] = text
    found = []
    for each in published:
        found.append(known[each] if each in known else None)
    return found


@right
def by_places(published, candidates, digest):
    candidates = list(candidates)
    hashes = list(map(digest, candidates))
    return [candidates[hashes.index(each)] if each in hashes else None for each in published]


@wrong("anew for each patient")
def nested(published, candidates, digest):
    found = []
    for each in published:
        fitting = [text for text in candidates if digest(text) == each]
        found.append(fitting[0] if fitting else None)
    return found


@wrong("nobody can tell which patient is which")
def in_their_order(published, candidates, digest):
    leaked = set(published)
    return [text for text in candidates if digest(text) in leaked]


@wrong("every entry belongs to another patient")
def left_out(published, candidates, digest):
    table = {digest(text): text for text in candidates}
    return [table[each] for each in published if each in table]


@wrong("a patient who is not among the candidates is no error")
def not_there(published, candidates, digest):
    table = {digest(text): text for text in candidates}
    return [table[each] for each in published]


@wrong("Your dict should lead from a hash")
def wrong_way_around(published, candidates, digest):
    table = {text: digest(text) for text in candidates}
    return [table.get(each) for each in published]


@wrong("What is asked for is a list")
def only_the_table(published, candidates, digest):
    return {digest(text): text for text in candidates}


@wrong("the others stayed None")
def first_place_only(published, candidates, digest):
    found = [None for _ in published]
    for text in candidates:
        h = digest(text)
        if h in published:
            found[published.index(h)] = text
    return found


@wrong("You never called `digest`")
def its_own_hash(published, candidates, digest):
    known = {hashlib.sha256(text.encode()).digest(): text for text in candidates}
    return [known.get(each) for each in published]


@wrong("could be mistaken for a find")
def empty_text(published, candidates, digest):
    table = {digest(text): text for text in candidates}
    return [table.get(each, "") for each in published]


@wrong("digest takes a text")
def hashes_the_hash(published, candidates, digest):
    table = {digest(text): text for text in candidates}
    return [table.get(digest(each)) for each in published]
