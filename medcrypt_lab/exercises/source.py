"""Exercise files read as text: the stub, the reference, the answers, what a release keeps. Nothing here runs them."""
import ast
import re
import symtable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

YOUR_CODE = "...  # your code here"
REGION = re.compile(r"^([ \t]*)# BEGIN SOLUTION[ \t]*\n.*?^[ \t]*# END SOLUTION[ \t]*$", re.M | re.S)
MARKER = re.compile(r"^[ \t]*# (?:BEGIN|END) SOLUTION[ \t]*\n?", re.M)
ROLES = ("right", "wrong", "given")
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
SETTINGS = ("points", "minutes", "difficulty", "hints", "after", "without", "changes", "functions", "check")


class AuthorError(Exception):
    """What an author got wrong: file, line, and a sentence."""

    def __init__(self, path, line, sentence):
        super().__init__(f"{path}:{line}: {sentence}")


def read_text(path):
    """A source's text, whatever its line ends; AuthorError if it is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise AuthorError(path, 1, f"The file is not UTF-8 (byte {error.start}): save it as UTF-8.") from None


@dataclass
class Answer:
    """A right or wrong answer in an exercise file: `name` is written there, `of` is the function it stands for."""

    role: str
    words: tuple
    name: str
    of: str
    line: int


class ExerciseText:
    """One exercise file as text. `id` is chapter.name, e.g. gradient_attacks.fgsm."""

    def __init__(self, path):
        self.path = Path(path)
        self.source = read_text(self.path)
        self.name = self.path.stem
        self.id = self.path.parent.parent.name[3:] + "." + self.name
        try:
            self.tree = ast.parse(self.source)
        except SyntaxError as error:
            raise AuthorError(self.path, error.lineno, f"Python cannot read this exercise: {error.msg}.") from None

    @cached_property
    def settings(self):
        """The literal settings of the file (points, minutes, hints, ...), read without running it."""
        found = {}
        for node in self.tree.body:
            if not isinstance(node, ast.Assign):
                continue
            for target in node.targets:
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                values = node.value.elts if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple) else [node.value]
                for name, value in zip(names, values):
                    if isinstance(name, ast.Name) and name.id in SETTINGS:
                        found[name.id] = self._literal(name.id, value)
        return found

    def _literal(self, name, value):
        try:
            return ast.literal_eval(value)
        except ValueError:
            raise AuthorError(self.path, value.lineno, f"`{name}` should be written out, not computed: the build reads it as text.") from None

    @property
    def functions(self):
        """The functions the student writes; the first has the exercise's name."""
        return tuple(self.settings.get("functions", (self.name,)))

    @property
    def uses(self):
        """The ids of the earlier exercises that this one builds on."""
        return [ast.literal_eval(node.value.args[0]) for node in self.tree.body if calls_uses(node)]

    def function(self, name):
        """The definition of `name` in the file, or None."""
        return next((n for n in self.tree.body if isinstance(n, ast.FunctionDef) and n.name == name), None)

    def segment(self, node):
        """As ast.get_source_segment, which takes the whole source apart each time."""
        lines = [line.encode() for line in self.source.splitlines()[node.lineno - 1:node.end_lineno]]
        lines[-1] = lines[-1][:node.end_col_offset]
        lines[0] = lines[0][node.col_offset:]
        return b"\n".join(lines).decode()

    @cached_property
    def answers(self):
        """Every function under @right, @wrong(...) or @given(...), in order."""
        found = []
        for node in self.tree.body:
            if not isinstance(node, ast.FunctionDef):
                continue
            for mark in node.decorator_list:
                name = mark.func.id if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) else getattr(mark, "id", None)
                if name in ROLES:
                    words = tuple(ast.literal_eval(a) for a in mark.args) if isinstance(mark, ast.Call) else ()
                    of = next((ast.literal_eval(k.value) for k in getattr(mark, "keywords", []) if k.arg == "of"), self.name)
                    found.append(Answer(name, words, node.name, of, node.lineno))
        return found

    def text_of(self, node):
        """A definition's own lines without its decorators; a comment that ends it (an END marker) is part of it."""
        lines = self.source.splitlines()
        last = node.end_lineno
        while last < len(lines) and (not lines[last].strip() or lines[last][0] in " \t"):
            last += 1
        return "\n".join(lines[node.lineno - 1:last]).rstrip()

    @cached_property
    def stubs(self):
        """name -> what the student meets: the reference without its marked regions, or the @given function."""
        found = {}
        given = {a.of: a.name for a in self.answers if a.role == "given"}
        for name in self.functions:
            if name in given:
                found[name] = renamed(self.text_of(self.function(given[name])), given[name], name)
                continue
            node = self.function(name)
            if node is None:
                raise AuthorError(self.path, 1, f"The file has no function `{name}`, which the exercise {self.id} asks for.")
            text, regions = REGION.subn(rf"\1{YOUR_CODE}", self.text_of(node))
            if not regions:
                raise AuthorError(self.path, node.lineno, f"`{name}` has no `# BEGIN SOLUTION` ... `# END SOLUTION` (each on a line of its own, "
                                  "spelled so), and no @given function stands for it.")
            found[name] = text
        return found

    def cell(self, bodies):
        """The exercise's cell in a notebook: each function under its decorator."""
        return "\n\n\n".join(f'@exercise("{self.id}")\n{bodies[name]}' for name in self.functions)

    @property
    def stub_cell(self):
        return self.cell(self.stubs)

    @property
    def reference_cell(self):
        return self.cell({name: MARKER.sub("", self.text_of(self.function(name)) + "\n").rstrip() for name in self.functions})

    def answer_cell(self, answer):
        """An answer of the file as the text of the cell a student would have run: what it needs, no decorators.

        answer: an Answer, or None for the reference. The answer takes the exercise's name, so that it may call itself.
        """
        texts = {} if answer is None else {answer.of: renamed(self.text_of(self.function(answer.name)), answer.name, answer.of)}
        for name in self.functions:
            texts.setdefault(name, MARKER.sub("", self.text_of(self.function(name)) + "\n").rstrip())
        wanted = set().union(*(names_used(ast.parse(t)) for t in texts.values())) - set(texts)
        others = [n for n in self.tree.body if not (isinstance(n, ast.FunctionDef) and n.name in texts)]
        needed = [self.text_of(n) if isinstance(n, ast.FunctionDef) else self.segment(n) for n in reachable(others, wanted)]
        return "\n\n".join([*needed, *texts.values()]) + "\n"

    @property
    def released(self):
        """The file with neither reference nor right and wrong answers, nor anything that only they need."""
        answers = {a.name for a in self.answers} | set(self.functions)
        rest = [n for n in self.tree.body if not (isinstance(n, ast.FunctionDef) and n.name in answers) and not calls_uses(n)]
        kept = reachable(rest, SETTINGS)
        title = ast.get_docstring(self.tree) or self.id
        parts = [f'"""{title}"""', f"stub = {self.stubs!r}", *(self.segment(n) for n in kept)]
        return "\n\n".join(parts) + "\n"


def renamed(text, old, new):
    """The text of a definition under another name."""
    return re.sub(rf"^def {old}\(", f"def {new}(", text, count=1, flags=re.M)


def calls_uses(node):
    """Is this `name = uses("...")`, an earlier exercise's reference?"""
    return isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and getattr(node.value.func, "id", "") == "uses"


def bones(text):
    """The syntax tree of the first function in `text`, a text or a tree, without decorators, docstring, name and comments: is this still the stub?"""
    tree = ast.parse(text) if isinstance(text, str) else text
    node = next(n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)))
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return ast.dump(node.args), [ast.dump(n) for n in body]


def names_bound(node):
    """The global names that a top-level statement binds; what a comprehension or a function within binds is its own."""
    found, todo = set(), [node]
    while todo:
        part = todo.pop()
        if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(part.name)
        elif isinstance(part, (ast.Import, ast.ImportFrom)):
            found |= {alias.asname or alias.name.split(".")[0] for alias in part.names} - {"*"}
        elif isinstance(part, COMPREHENSIONS):          # its own are all but those of a walrus
            found |= {inner.target.id for inner in ast.walk(part) if isinstance(inner, ast.NamedExpr)}
        elif isinstance(part, ast.Name):
            found |= set() if isinstance(part.ctx, ast.Load) else {part.id}
        else:
            found |= {name for name in map(vars(part).get, ("name", "rest")) if isinstance(name, str)}      # except ... as, case ... as, case {**rest}
            todo += ast.iter_child_nodes(part.args if isinstance(part, ast.Lambda) else part)
    return found


def names_used(node):
    """The global names that a statement reads, those of the functions within it included."""
    def walk(table, top):
        read = {s.get_name() for s in table.get_symbols() if (s.is_referenced() if top else s.is_global() and s.is_referenced())}
        return read.union(*(walk(child, False) for child in table.get_children()))
    if isinstance(node, ast.FunctionDef) and ast.get_docstring(node, clean=False) is not None:      # a long text, and no names
        node = ast.FunctionDef(**{**dict(ast.iter_fields(node)), "body": node.body[1:] or [ast.Pass()]}, lineno=1)
    return walk(symtable.symtable(ast.unparse(node), "statement", "exec"), True)


def reachable(nodes, wanted):
    """Of the top-level statements `nodes`, those that the names in `wanted` need, in their order."""
    keep, seen, todo = set(), set(), set(wanted)
    while todo:
        name = todo.pop()
        seen.add(name)
        for i, node in enumerate(nodes):
            if i not in keep and name in names_bound(node):
                keep.add(i)
                todo |= names_used(node) - seen
    return [nodes[i] for i in sorted(keep)]
