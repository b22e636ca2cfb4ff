"""Every exercise: stub and solution in a notebook, planted answers right and wrong, and `check` itself."""

from __future__ import annotations

import contextlib
import copy
import importlib
import inspect
import itertools
import json
import linecache
import random
import re
import subprocess
import sys
import textwrap
import warnings
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cnnlab import chapters
from cnnlab.exercises import (
    Proof,
    Unproven,
    as_tensor,
    check,
    close,
    exercise,
    exercise_ids,
    expect,
    find_exercise,
    is_linear,
    judged,
    judged_model,
    output,
    passed,
    prove,
    registry,
    restored,
    start_over,
    use,
)
from cnnlab.exercises.compare import describe, difference, equal, is_blank
from cnnlab.exercises.kinds import Exercise, FunctionExercise, JudgedExercise, ValueExercise
from cnnlab.exercises.proving import expectations

ROOT = Path(__file__).resolve().parent.parent
CALL = re.compile(r"""\bcheck\(\s*["']([^"']+)["']""")
IDS = exercise_ids()
CHAPTERS = [path.parent.name for path in chapters.files("exercises.py")]
LAST = "The solution is folded below."


class Forget(Exception):
    pass


@pytest.fixture(autouse=True)
def _fresh_session():
    start_over()
    with contextlib.suppress(Forget), registry.all_or_none():
        yield
        raise Forget
    start_over()


@pytest.fixture
def register():
    """Give an exercise of a test's own, which is found by its id, general hints if it has none."""

    def put(exercise: Exercise) -> Exercise:
        exercise.general = exercise.general or ["a", "b"]
        return exercise

    return put


@pytest.fixture
def said(capsys):
    """check(...) as the text that it prints, its lines joined."""

    def run(exercise_id, *answer):
        capsys.readouterr()
        assert check(exercise_id, *answer) is None
        return " ".join(capsys.readouterr().out.split())

    return run


@pytest.fixture(params=IDS)
def one(request) -> Exercise:
    """Each exercise of the book."""
    return find_exercise(request.param)


# The book's own exercises


@cache
def _cells() -> tuple[tuple[str, str, bool, str], ...]:
    """(exercise id, notebook, is the solution cell, printed text) of every cell that calls check."""
    found = []
    for path in sorted((ROOT / "book").rglob("*.ipynb")):
        if ".ipynb_checkpoints" in path.parts:
            continue
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] != "code":
                continue
            printed = "".join("".join(o.get("text", "")) for o in cell["outputs"] if o["output_type"] == "stream")
            solution = "solution" in cell["metadata"].get("tags", [])
            for exercise_id in CALL.findall("".join(cell["source"])):
                found.append((exercise_id, chapters.key(path.name), solution, printed))
    return tuple(found)


@pytest.mark.parametrize("exercise_id", IDS)
def test_exercise_has_one_stub_and_one_solution(exercise_id):
    cells = [cell for cell in _cells() if cell[0] == exercise_id]
    stubs = [printed for _, _, solution, printed in cells if not solution]
    solutions = [printed for _, _, solution, printed in cells if solution]
    assert len(stubs) == 1, f"{exercise_id} has {len(stubs)} stub cells in book/**/*.ipynb; one is wanted"
    assert len(solutions) == 1, f"{exercise_id} has {len(solutions)} cells tagged 'solution'; one is wanted"
    # nbval runs both cells again and compares: what is committed is what happens.
    assert "Not attempted yet" in stubs[0]
    assert "Correct." in solutions[0]


def test_notebooks_check_only_exercises_of_their_own_chapter():
    assert not {exercise_id for exercise_id, *_ in _cells()} - set(IDS)
    assert not {(i, notebook) for i, notebook, *_ in _cells() if i.partition("/")[0] != notebook}


@cache
def _proof(exercise_id: str) -> Proof:
    return prove(exercise_id)


@pytest.mark.slow
def test_it_is_proven(one):
    """Its planted answers, right and wrong, in all forms; each wrong one gets its hint."""
    assert _proof(one.id).wrong >= 3, f"{one.id} has too few wrong answers; three are wanted: .mistake or .wrong"


@pytest.mark.slow
def test_blank_answer_fails_kindly(one, said):
    for blank in (None, ..., (..., ...), [None, ...], {"x": ...}):
        assert said(one.id, blank).startswith("Not attempted yet")
    assert said(one.id).startswith("Not attempted yet")
    if isinstance(one, FunctionExercise | JudgedExercise) and getattr(one, "function", True):
        assert said(one.id, lambda *_: None).startswith("Not attempted yet")
        assert said(one.id, lambda *_: (..., ...)[:0] or print(end="")).startswith(("Not attempted yet", "Not yet."))


def test_a_hint_calls_right_only_what_is_right(one):
    """No "the parameters are right, but ..." to wrong parameters."""
    right = one.answer() if isinstance(one, ValueExercise) else None
    if not isinstance(right, dict):
        return
    entries = {mistake.hint: set().union(*mistake.answers) for mistake in one.mistakes if "right" in mistake.hint}
    for key, value in right.items():
        for wrong in (-17, value + 1, 3 * value) if isinstance(value, int | float) else (-17,):
            hint = one.judge({**right, key: wrong}).hint
            assert key in entries.get(hint, {key}), f"{one.id}: {wrong} under {key!r} gets {hint!r}"


@pytest.mark.slow
def test_general_hints_grow_plainer_and_end_at_the_solution(one, said):
    (answer, _), *_ = one.planted()
    replies = [said(one.id, answer) for _ in range(len(one.general) + 2)]
    for place, hint in enumerate([*one.general, LAST], start=1):
        assert any(" ".join(hint.split()) in reply for reply in replies[: place + 1])


@pytest.mark.slow
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_expectation_is_reached(chapter):
    """No `expect` stands in a chapter that no planted answer fails, so no hint is without its proof."""
    module = importlib.import_module(f"cnnlab.chapters.{chapter}.exercises")
    reached = set().union(*(_proof(exercise_id).lines for exercise_id in exercise_ids(chapter)))
    unreached = [lines.start for lines in expectations(module) if not reached & set(lines)]
    assert not unreached, f"{module.__file__}: no planted answer fails the expectations in lines {unreached}"


class Breaks(BaseException):
    pass


class Touchy:
    """An object on which nothing can be asked."""

    def __getattr__(self, name):
        raise RuntimeError("touchy")

    def __repr__(self):
        raise RuntimeError("touchy")

    def __eq__(self, other):
        raise RuntimeError("touchy")

    __hash__ = None


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("mute")


def _raising(error):
    def breaks(*_):
        raise error

    return breaks


def _recursive():
    own: list = []
    own.append(own)
    return own


def _deep(levels=5000):
    nested: list = []
    for _ in range(levels):
        nested = [nested]
    return nested


@pytest.mark.slow
def test_no_answer_can_raise(one, said):
    for answer in (
        *map(_raising, (RuntimeError("broken"), SystemExit(1), Breaks(), GeneratorExit(), Mute(), RecursionError())),
        *("text", 10**9, 10**400, -1.5, float("nan"), 1j, Decimal("0.1"), b"x", [], {}, {1: 2}, set(), object()),
        *(torch.zeros(2, 3), torch.zeros(0), torch.zeros(2, device="meta"), np.array(["a"]), np.array([object()])),
        *(_recursive(), _deep(), {"x": _recursive()}, [[1], [2, 3]], Touchy(), Touchy, Mute, exit),
        *(nn.Linear(2, 2), nn.Sequential(), nn.Linear(2, 2, device="meta"), int, lambda: 1, len, type),
    ):
        assert said(one.id, answer).startswith("Not "), answer


@pytest.mark.slow
def test_a_check_leaves_the_reader_as_it_found_him(one):
    """Drawing, switching modes, changing weights: all of it ends with the check."""
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout())
    net[1].eval()
    before = (torch.get_rng_state(), np.random.get_state(), random.getstate(), copy.deepcopy(net.state_dict()))

    def draws(*_):
        torch.set_grad_enabled(False)
        return float(torch.rand(1)) + np.random.rand() + random.random()

    for answer in (draws, net, *(answer for answer, _ in one.planted()[:1])):
        one.judge(answer)
    assert torch.equal(torch.get_rng_state(), before[0]) and random.getstate() == before[2]
    assert all(np.array_equal(a, b) for a, b in zip(np.random.get_state(), before[1]))
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), before[3].values()))
    assert [module.training for module in net] == [True, False, True] and torch.is_grad_enabled()


def test_the_reader_can_interrupt(one):
    if not isinstance(one, ValueExercise) and getattr(one, "function", True):
        with pytest.raises(KeyboardInterrupt):
            one.judge(_raising(KeyboardInterrupt()))


def test_ids_are_unique_and_in_their_chapter():
    assert len(IDS) == len(set(IDS))
    for chapter in CHAPTERS:
        assert exercise_ids(chapter), f"cnnlab/chapters/{chapter}/exercises.py defines no exercise of this chapter"
        module = importlib.import_module(f"cnnlab.chapters.{chapter}.exercises")
        assert {e.id for e in vars(module).values() if isinstance(e, Exercise)} == set(exercise_ids(chapter))


def test_exercises_come_in_the_books_order():
    assert [name for name in chapters.names() if name in CHAPTERS] == CHAPTERS
    assert list(dict.fromkeys(i.partition("/")[0] for i in IDS)) == [name for name in CHAPTERS if exercise_ids(name)]


@pytest.mark.slow
def test_a_chapter_is_imported_alone():
    code = """
import sys
from cnnlab.exercises import find_exercise
find_exercise("zoo/frontier")
print([name for name in sys.modules if name.startswith("cnnlab.chapters.") and "zoo" not in name])
"""
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


# check()


def test_unknown_exercise_names_the_nearest():
    with pytest.raises(ValueError, match="seeing/output-size"):
        check("seeing/outputsize", 3)
    with pytest.raises(ValueError, match="chapter/name"):
        check(lambda: None)


def test_hints_escalate_and_end_at_the_solution(said):
    def answer(size, kernel, stride, padding):
        return 17

    seen = [said("seeing/output-size", answer) for _ in range(4)]
    assert "Draw" in seen[0] and "left edge" in seen[1] and "plus one" in seen[2]
    assert "solution is folded below" in seen[3]
    start_over()
    assert said("seeing/output-size", answer) == seen[0]


def test_a_specific_hint_is_followed_by_a_plainer_one(said):
    answer = lambda n, k, s, p: (n + p - k) // s + 1  # noqa: E731
    first, second = (said("seeing/output-size", answer) for _ in range(2))
    assert first.endswith("size + 2 * padding wide.")
    assert "both sides" in second and "Draw" in second


def test_exception_is_told_with_its_call_and_line(said, tmp_path):
    source = tmp_path / "cell.py"
    source.write_text("def output_size(size, kernel, stride, padding):\n    return size // padding\n")
    namespace: dict = {}
    exec(compile(source.read_text(), str(source), "exec"), namespace)
    reply = said("seeing/output-size", namespace["output_size"])
    assert "output_size(size=5, kernel=3, stride=1, padding=0) raised ZeroDivisionError in line 2" in reply
    assert "`return size // padding`" in reply
    assert "Traceback" not in reply


def test_forgotten_return_is_not_called_unattempted(said):
    def output_size(size, kernel, stride, padding):
        result = (size + 2 * padding - kernel) // stride + 1  # noqa: F841

    assert "`return`" in said("seeing/output-size", output_size)


def test_a_number_that_is_nearly_whole_is_not_shown_as_the_whole_one(said):
    reply = said("imagenet/enough", lambda percent, error: 160_000 - 3e-11 if error == 0.1 else 100)
    assert "159999.99999999997; 160000 is right" in reply


def test_stub_bodies_are_unattempted(said):
    def dots(size, kernel, stride, padding): ...

    def documented(size, kernel, stride, padding):
        """How wide is the output?"""

    def refuses(size, kernel, stride, padding):
        raise NotImplementedError

    for stub in (dots, documented, refuses):
        assert said("seeing/output-size", stub).startswith("Not attempted yet")


def test_check_leaves_the_random_state_alone(register, said):
    @exercise("own/noise", "Noise", cases=[(3,)])
    def noise(n):
        """Yes."""
        return (torch.rand(n), n)[1]

    register(noise)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    assert said("own/noise", lambda n: (torch.rand(n), n)[1]).startswith("Correct.")
    assert said("own/noise", lambda n: float(torch.rand(1))).startswith("Not yet.")
    assert torch.equal(torch.rand(1), expected)


def test_function_that_changes_its_arguments_spoils_nothing(register, said):
    image = torch.arange(4.0)

    @exercise("own/double", "Double", cases=[(image,), (image,)])
    def double(x):
        """Doubled."""
        return x * 2

    double.mistake("Negative?", lambda x: -x)
    register(double)
    assert said("own/double", lambda x: x.mul_(2)).startswith("Correct.")
    assert said("own/double", lambda x: x.numpy() * 2).startswith("Correct.")
    assert "Negative?" in said("own/double", lambda x: -x)
    assert torch.equal(image, torch.arange(4.0))


def test_an_answer_is_called_once_for_each_case_beside_the_comparison(register, said):
    """A slow answer is not made slower by each mistake that is looked for."""

    @exercise("own/often", "Often", cases=[(1,), (2,)])
    def often(n):
        """Yes."""
        return n

    for offset in range(1, 9):
        often.mistake(f"Off by {offset}.", lambda n, offset=offset: n + offset)
    register(often)
    calls = []
    assert "Off by 8." in said("own/often", lambda n: calls.append(n) or n + 8)
    assert calls == [1, 1, 2]


# The forms


def test_value_takes_any_number_type_and_keeps_integers_exact(register, said):
    @exercise("own/count", "Count")
    def count():
        """Right."""
        return 61706

    count.mistake("Without biases?", 61470)
    count.mistake("Too many.", 61708, when=lambda answer: answer > 61706)
    count.hints("Count.")
    register(count)
    for right in (61706, 61706.0, np.int64(61706), torch.tensor(61706), torch.tensor([61706]), [61706], Decimal(61706)):
        assert said("own/count", right).startswith("Correct.")
    assert "Without biases?" in said("own/count", torch.tensor(61470))
    assert "Too many." in said("own/count", [61709])
    assert "Count." in said("own/count", 61705)
    assert "a number is wanted" in said("own/count", "61706")
    assert "give check() what it returns" in said("own/count", lambda: 61706)


def test_a_mistake_in_a_dict_needs_only_its_own_entries(register, said):
    @exercise("own/both", "Both")
    def both():
        """So."""
        return {"a": 1, "b": [2, 3]}

    both.mistake("A is one.", {"a": 2}, {"a": 3})
    both.mistake("Turned.", {"b": [3, 2]})
    register(both)
    assert "A is one." in said("own/both", {"a": torch.tensor(3.0), "b": 7})
    assert "Turned." in said("own/both", {"a": 1, "b": np.array([3, 2])})
    assert "Hint: a" in said("own/both", {"a": 4, "b": [2, 3]})
    assert "a dict is wanted" in said("own/both", [2])
    assert both.planted()[2] == ({"a": 1, "b": [3, 2]}, "Turned.")


def test_stub_function_is_unattempted_for_every_form(register, said):
    def stub(rank): ...

    def forgets(rank):
        rank += 1

    def half(rank):
        return 0.5

    @judged("own/credit", "Credit", function=True)
    def credit(answer):
        """So."""
        expect(answer(1) == 1.0, "The first is worth 1.")

    register(credit)
    for blank in (stub, forgets):
        assert said("own/credit", blank).startswith("Not attempted yet")
    assert "The first is worth 1." in said("own/credit", half)
    assert "without calling it" in said("own/credit", 0.5)


def test_a_judge_gives_the_hint_of_the_first_thing_that_does_not_hold(register, said):
    @judged("own/pair", "Pair")
    def pair(answer):
        """A pair."""
        expect(len(answer) == 2, "Two numbers are wanted.")
        expect(answer[0] < answer[1], f"{answer[0]} is not below {answer[1]}.")

    register(pair)
    assert said("own/pair", (1, 2)) == "Correct. A pair."
    assert "Two numbers" in said("own/pair", (1, 2, 3))
    assert said("own/pair", (3, 2)) == "Not yet. Hint: 3 is not below 2."
    assert said("own/pair", (3, 2)) == "Not yet. Hint: 3 is not below 2. a"
    assert "raised TypeError" in said("own/pair", 5)


def test_a_judge_gives_copies_and_names_the_line(register, said):
    weight = torch.ones(2)

    @judged("own/spoil", "Spoil", function=True)
    def spoil(answer):
        """So."""
        expect(close(answer(weight), 2 * weight), "Twice.")

    register(spoil)
    assert said("own/spoil", lambda w: w.mul_(2)).startswith("Correct.")
    assert torch.equal(weight, torch.ones(2))

    def breaks(w):
        return w[5]

    assert re.search(r"raised IndexError in line \d+ of its cell \(`return w\[5\]`\)", said("own/spoil", breaks))
    assert "of its cell" not in said("own/spoil", nn.Linear(3, 3))  # torch's own lines are no help


def test_a_judge_may_let_an_argument_be_changed(register, said):
    @judged("own/zero", "Zero", function=True, returns=False)
    def zero(answer):
        """So."""
        weight = torch.ones(2)
        answer(weight)
        expect(not weight.any(), "Set it to zero.")

    register(zero)
    assert said("own/zero", lambda w: w.zero_()).startswith("Correct.")
    assert "Set it to zero." in said("own/zero", lambda w: w.mul(0))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x):
        self.seen = self.layer(x)  # a tensor that copy.deepcopy refuses
        return self.seen


class StubNet(nn.Module):
    def __init__(self):
        super().__init__()


@pytest.fixture
def linear(register):
    @judged_model("own/model", "Model", input_shape=(1, 4), output_shape=(1, 2), parameters=10)
    def linear(net):
        """A layer."""
        expect(any(isinstance(module, nn.Linear) for module in net.modules()), "Use nn.Linear.")

    linear.mistake("Without bias?", nn.Linear(4, 2, bias=False), when=lambda net: net.bias is None)
    return register(linear)


def test_model_is_run_counted_and_told_about(linear, said):
    for right in (nn.Linear(4, 2), Net(), Net, lambda: Net(), Net().double(), nn.Sequential(nn.Flatten(), Net())):
        assert said("own/model", right).startswith("Correct.")
    assert said("own/model", StubNet()).startswith("Not attempted yet")
    assert said("own/model", lambda: None).startswith("Not attempted yet")
    assert "Without bias?" in said("own/model", nn.Linear(4, 2, bias=False))
    assert "Without bias?" in said("own/model", lambda: nn.Linear(4, 2, bias=False))
    assert "returned the shape (1, 3); (1, 2) is wanted" in said("own/model", nn.Linear(4, 3))
    assert "raised RuntimeError" in said("own/model", nn.Linear(5, 2))


def test_a_model_is_handed_back_as_it_was(linear):
    """Each layer in its own mode, the statistics of batch norm as they were, and no gradient graph spoiled."""
    net = nn.Sequential(Net(), nn.BatchNorm1d(2, affine=False))
    net[1].eval()
    loss = net(torch.ones(3, 4)).sum()
    before = copy.deepcopy(net.state_dict())
    assert linear.judge(net).outcome == "correct"
    loss.backward()
    with restored(net):
        net.train()(torch.ones(3, 4))
        nn.init.zeros_(net[0].layer.weight)
    assert [module.training for module in net] == [True, False]
    assert all(torch.equal(now, then) for now, then in zip(net.state_dict().values(), before.values()))
    assert output(net, torch.ones(1, 4)).requires_grad is False and not net[1].training and net[0].training


@pytest.mark.parametrize("seed", range(4))
def test_a_network_is_linear_whatever_its_biases(seed):
    """Of 16 x 16 pixels of noise little is left after an average: biases outweigh it ten thousand times."""

    def network(*between):
        layers = (nn.Conv2d(3, 8, 3), *between, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
        torch.nn.init.constant_(layers[-1].bias, 300.0)
        return nn.Sequential(*layers)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for kind in (torch.float32, torch.bfloat16):
            assert is_linear(network().to(kind), (1, 3, 16, 16))
            assert is_linear(network(nn.BatchNorm2d(8)).to(kind), (1, 3, 16, 16))
        for between in (nn.ReLU(), nn.GELU(), nn.Tanh(), nn.MaxPool2d(2)):
            assert not is_linear(network(between), (1, 3, 16, 16))
    assert is_linear(nn.Threshold(1e9, 7.0), (1, 5))  # a constant


def test_networks_in_a_tuple_keep_modes_weights_and_gradients(register):
    """A judge that trains, freezes and lets gradients pile up."""

    @judged("own/pair", "Pair")
    def pair(answer):
        """Yes."""
        for net in answer:
            net.eval()(torch.ones(3, 2)).sum().backward()
            nn.init.zeros_(net[0].weight)
            net[0].bias.requires_grad_(False)
        torch.set_default_dtype(torch.float64)

    nets = [nn.Sequential(nn.Linear(2, 2), nn.Dropout(0)) for _ in range(2)]
    nets[0](torch.ones(1, 2)).sum().backward()
    before = copy.deepcopy(nets)  # without gradients
    for answer in (nets, tuple(nets), iter(nets)):
        assert pair.judge(answer).outcome == "correct"
    with restored(dict(enumerate(nets))):
        nets[1].eval()
    for net, was in zip(nets, before):
        assert net.training and net[1].training and net[0].bias.requires_grad
        assert torch.equal(net[0].weight, was[0].weight)
    assert torch.equal(nets[0][0].weight.grad, torch.ones(2, 2)) and nets[1][0].weight.grad is None
    assert torch.get_default_dtype() == torch.float32


def test_an_answer_that_can_be_read_once_is_read_once(register, said):
    @exercise("own/rows", "Rows")
    def rows():
        """Yes."""
        return [(1, 2), (3, 4)]

    rows.mistake("Turned.", [(1, 3), (2, 4)])
    register(rows)
    assert said("own/rows", zip((1, 3), (2, 4))).startswith("Correct.")
    assert said("own/rows", (range(n, n + 2) for n in (1, 3))).startswith("Correct.")
    assert "Turned." in said("own/rows", zip((1, 2), (3, 4)))
    assert said("own/rows", itertools.count()).startswith("Not yet.")  # and comes to an end
    assert said("own/rows", {1: 2}.values()).startswith("Not yet.")


def test_what_a_judge_writes_to_is_its_own():
    for mine in (torch.ones(2, dtype=torch.float64), np.ones(2)):
        as_tensor(mine).zero_()
        assert mine.all()


def test_an_exercise_is_named_chapter_and_name():
    with pytest.raises(ValueError, match="chapter/name"):
        exercise("x", "X")(lambda: 1)


# Exercises outside the book


@pytest.fixture
def cell(monkeypatch):
    """Run a piece of code as a notebook's cell does, each time in one namespace."""
    namespace = {"__name__": "__main__"}

    def run(code: str, file: str = "<cell>") -> dict:
        lines = textwrap.dedent(code)
        monkeypatch.setitem(linecache.cache, file, (len(lines), None, lines.splitlines(True), file))
        exec(compile(lines, file, "exec"), namespace)
        return namespace

    return run


DOUBLE = """
from cnnlab.exercises import exercise

@exercise("mycourse/double", "Double", cases=[(1,), (3,)])
def double(n):
    \"""Twice.\"""
    return 2 * n

double.mistake("That is the square.", lambda n: n * n)
double.hints("{gentle}", "Add it to itself.")
double.wrong(lambda n: 17)
"""


def test_an_exercise_of_a_cell_is_checked_itself_and_by_its_id(cell, said):
    double = cell(DOUBLE.format(gentle="Once more."))["double"]
    for one in (double, "mycourse/double"):
        assert said(one, lambda n: n + n) == "Correct. Twice."
        assert said(one).startswith("Not attempted yet")
    assert "That is the square." in said(double, lambda n: n**2)
    assert exercise_ids("mycourse") == ["mycourse/double"] == exercise_ids()[-1:]
    assert repr(prove(double)).startswith("mycourse/double is proven: right answers pass (1), wrong ones get their")
    with pytest.raises(ValueError, match="Did you mean 'mycourse/double'"):
        check("mycourse/dubble", 1)


def test_running_the_cell_again_replaces_it_and_its_attempts(cell, said):
    cell(DOUBLE.format(gentle="Once more."))
    wrong = lambda n: 17  # noqa: E731
    replies = [said("mycourse/double", wrong) for _ in range(4)]
    assert "Once more." in replies[0] and "to itself" in replies[1] and "That was the last hint." in replies[2]
    assert "folded" not in replies[3], "whether a course of its own has a solution is its own business"
    cell(DOUBLE.format(gentle="Twice is what?"))
    assert "Twice is what?" in said("mycourse/double", wrong)
    assert exercise_ids("mycourse") == ["mycourse/double"]


def test_the_books_ids_are_the_books(register):
    with pytest.raises(ValueError, match="a chapter 'seeing'. Give your exercises .* such as 'mycourse/output-size'"):
        exercise("seeing/output-size", "The size", cases=[(1,)])(lambda n: n)
    assert find_exercise("seeing/output-size").answer.__module__ == "cnnlab.chapters.seeing.exercises"


@pytest.mark.filterwarnings("ignore:loud")
def test_passed_says_yes_or_no_and_nothing_else(cell, capsys):
    double = cell(DOUBLE.format(gentle="Once more."))["double"]

    def talks(n):
        print("n is", n)
        warnings.warn("loud", stacklevel=1)
        return n + n

    assert passed(double, talks) is True and passed("mycourse/double", lambda n: 2.0 * n) is True
    for wrong in (lambda n: n**2, lambda n: 1 / 0, _raising(SystemExit(1)), 4, None, ..., lambda n: ..., "text"):
        assert passed(double, wrong) is False
    assert passed(double) is False
    assert capsys.readouterr() == ("", "")
    check(double, lambda n: 17)
    assert "Once more." in capsys.readouterr().out, "passed has used up no hint"
    with pytest.raises(ValueError, match="is not known"):
        passed("mycourse/other", 1)


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A lecturer's folder, in the working directory."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "exercises"
    folder.mkdir()
    (folder / "double.py").write_text(DOUBLE.format(gentle="Once more."))
    (folder / "_shared.py").write_text("PICTURE = 3\n")
    (folder / "nine.py").write_text(
        "from cnnlab.exercises import exercise\nfrom _shared import PICTURE\n\n"
        '@exercise("mycourse/nine", "Nine")\ndef nine():\n    """So."""\n    return PICTURE ** 2\n'
    )
    (folder / "test_all.py").write_text("raise RuntimeError('no test of theirs is run')\n")
    return folder


def test_a_lecturers_folder_is_found_and_read_anew(course, said):
    before = sys.modules.keys() - {"cnnlab_exercises_double", "cnnlab_exercises_nine"}
    assert use("exercises") == ["mycourse/double", "mycourse/nine"]
    assert said("mycourse/nine", 9) == "Correct. So."
    assert "That is the square." in said("mycourse/double", lambda n: n * n)
    assert "_shared" not in sys.modules and before <= sys.modules.keys()
    (course / "_shared.py").write_text("PICTURE = 4  # another\n")
    assert use(course / "nine.py") == ["mycourse/nine"]
    assert said("mycourse/nine", 16) == "Correct. So."


def test_a_module_is_a_place_for_exercises(course, said, monkeypatch):
    (course / "__init__.py").touch()
    monkeypatch.syspath_prepend(course.parent)
    monkeypatch.syspath_prepend(course)
    (course / "test_all.py").unlink()
    package = importlib.import_module("exercises")
    try:
        assert use(package) == ["mycourse/double", "mycourse/nine"]
        with registry.all_or_none():
            assert use(sys.modules["exercises.nine"]) == ["mycourse/nine"]
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] in ("exercises", "_shared")]:
            del sys.modules[name]


@pytest.mark.parametrize(
    ("code", "said_of_it"),
    [
        ("x = 1\ny = z\n", r"bad.py, line 2: NameError: name 'z' is not defined"),
        ("def f(:\n", r"bad.py, line 1: SyntaxError: "),
        ("import sys\nsys.exit(3)\n", r"bad.py, line 2: SystemExit: 3"),
        ("import lacking_altogether\n", r"bad.py, line 1: ModuleNotFoundError: "),
        (DOUBLE.replace("mycourse/", "seeing/"), r"bad.py, line 4: ValueError: .* a chapter 'seeing'\. Give"),
        (DOUBLE, r"id='mycourse/double' is defined twice: in bad.py, line 4, and in double.py, line 4\. Rename one"),
        (
            2 * DOUBLE.replace("/d", "/x"),
            r"id='mycourse/xouble' is defined twice: in bad.py, line 4, and in bad",
        ),
    ],
)
def test_a_mistake_in_a_file_is_told_with_its_line_and_nothing_is_taken(course, code, said_of_it):
    check("seeing/output-size")
    (course / "bad.py").write_text(code)
    with pytest.raises(ValueError, match=said_of_it):
        use("exercises")
    with pytest.raises(ValueError, match="is not known"):
        find_exercise("mycourse/double")


def test_what_holds_no_exercise_is_refused(course):
    (course.parent / "empty").mkdir()
    (course.parent / "text.txt").touch()
    for source, said_of_it in (("nowhere", "neither a folder nor"), ("empty", "no exercise"), ("text.txt", r"in \.py")):
        with pytest.raises(ValueError, match=f"source='{source}' .*{said_of_it}"):
            use(source)
    with pytest.raises(ValueError, match="source=json holds no exercise"):
        use(json)


FAULTY = """
from cnnlab.exercises import as_tensor, exercise, expect, judged

@exercise("mycourse/half", "Half", cases=[(2,), (3,)])
def half(n):
    return n / 2

half.mistake("Rounded.", lambda n: n // 2)
half.mistake("Rounded down.", lambda n: int(n / 2))
half.right(lambda n: n * 2)

@judged("mycourse/flat", "Flat")
def flat(answer):
    \"""Flat.\"""
    expect(len(answer) == 2, "Two.")
    expect(sum(answer) == 0, "They add up to zero.")

flat.hints("Try it.")
flat.wrong([1, 2, 3], "Two.")
flat.wrong([1, -1], "Two.")

@exercise("mycourse/broken", "Broken")
def broken():
    \"""So.\"""
    return 1 / 0
"""


def test_what_is_not_proven_is_named(cell):
    made = cell(FAULTY)
    with pytest.raises(Unproven) as half:
        prove(made["half"])
    for part in ("needs a docstring", "no general hint", "(line 10), is called wrong", "should get 'Rounded down.'"):
        assert part in str(half.value)
    with pytest.raises(Unproven) as flat:
        prove("mycourse/flat")
    for part in (
        "no right answer",
        "[1, -1], is called correct; it should get 'Two.'",
        "fails the `expect` in line 16",
    ):
        assert part in str(flat.value)
    with pytest.raises(Unproven, match="its own answer raises ZeroDivisionError: division by zero"):
        prove(made["broken"])


def test_the_recipe_in_the_help_runs(cell, course, said, capsys):
    """Its blocks, one after another, as an author types them."""
    import cnnlab.exercises

    blocks = re.findall(r"::\n\n((?:    .*\n|\n)+)", inspect.getdoc(cnnlab.exercises))
    assert len(blocks) == 4
    (course / "test_all.py").unlink()
    with (course / "nine.py").open("a") as file:
        file.write('nine.mistake("Ten?", 10)\nnine.hints("Count.", "To nine.")\n')
    for number, block in enumerate(blocks):
        made = cell(block, file=f"<block {number}>")
    assert capsys.readouterr().out.startswith("Correct. The floor is where border pixels are lost.")
    assert exercise_ids("mycourse") == [f"mycourse/{n}" for n in ("output-size", "weights", "corner", "double", "nine")]
    assert "Padding is added on both sides." in said(made["output_size"], lambda n, k, s, p: (n + p - k) // s + 1)
    recipe = cnnlab.exercises.__doc__
    missing = [name for name in ("check", "passed", "use", "prove", "judged_model", "expect") if name not in recipe]
    assert not missing


@pytest.mark.slow
def test_graders_can_assert(course):
    """As nbgrader and otter do: a cell of the grader's after the student's; one that raises is worth no points."""
    from nbclient import NotebookClient
    from nbformat.v4 import new_code_cell, new_notebook

    given = "from cnnlab.exercises import passed, use\nuse('exercises');"
    assertion = "assert passed('mycourse/double', double), 'not yet'"
    answers = [*(f"def double(n):\n    return {value}" for value in ("...", "n * n", "n + n")), "double = 1 / 0"]
    cells = [given, *(code for answer in answers for code in (answer, assertion))]
    notebook = new_notebook(cells=[new_code_cell(code) for code in cells])
    done = NotebookClient(notebook, allow_errors=True, resources={"metadata": {"path": "."}}).execute()
    graded = [[output.get("ename") for output in cell.outputs] for cell in done.cells[2::2]]
    # An answer that breaks off leaves the name to the one before it; a kernel of its own would not know it.
    assert graded == [["AssertionError"], ["AssertionError"], [], []]


# Comparison


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (3, 3.0),
        (np.float32(0.1), 0.1),
        (torch.tensor([[1, 2], [3, 4]]), np.array([[1, 2], [3, 4]])),
        ([[1, 2], [3, 4]], torch.tensor([[1.0, 2.0], [3.0, 4.0]])),
        ([torch.tensor(1.0), torch.tensor(2.0)], torch.tensor([1.0, 2.0])),
        (torch.Size([1, 6, 28, 28]), (1, 6, 28, 28)),
        (np.array([1, 2]), (1, 2)),
        ({"a": torch.tensor(1.0), "b": [1, 2]}, {"a": 1, "b": (1, 2)}),
        (" Dilated", "dilated"),
        ([1, 2], {1, 2}),
        (torch.tensor([1.0, float("nan"), float("inf")]), np.array([1.0, np.nan, np.inf])),
        (torch.ones(2, dtype=torch.bfloat16), np.ones(2)),
        (nn.Sequential(nn.Linear(2, 3), nn.ReLU()), nn.Sequential(nn.Sequential(nn.Linear(2, 3)), nn.ReLU())),
        (Decimal("0.5"), 0.5),
    ],
)
def test_equal(given, expected):
    assert difference(given, expected) is None


@pytest.mark.parametrize(
    ("given", "expected", "part"),
    [
        (61705, 61706, "61705"),
        (torch.zeros(2, 3), torch.zeros(3, 2), "(3, 2) is wanted"),
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.5]), "index (1,)"),
        ([[1], [2, 3]], np.zeros((2, 2)), "ragged"),
        ({"a": 1}, {"a": 1, "b": 2}, "without the key 'b'"),
        ({"a": 1, "c": 2}, {"a": 1}, "'c' too many"),
        ({"a": ...}, {"a": 1}, "not filled in"),
        ((1, ...), (1, 2), "not filled in"),
        ((1, 2, 3), (1, 2), "3 values where 2"),
        (5, (1, 2), "2 values are wanted"),
        ("one", 1, "number is wanted"),
        (float("nan"), 1.0, "nan"),
        (nn.ReLU(), nn.Tanh(), "ReLU"),
        (torch.tensor([float("nan")]), np.array([1.0]), "nan"),
    ],
)
def test_different(given, expected, part):
    assert part in difference(given, expected)
    assert not equal(given, expected)


def test_blanks():
    assert is_blank(None) and is_blank(...) and is_blank((..., None)) and is_blank({"a": ...})
    assert not is_blank(0) and not is_blank(()) and not is_blank((1, ...)) and not is_blank(torch.zeros(1))


def test_as_tensor_takes_numbers_in_every_form():
    for form in ([[1, 2], [3, 4]], ((1.0, 2.0), (3.0, 4.0)), np.array([[1, 2], [3, 4]]), [np.array([1, 2]), (3, 4)]):
        assert torch.equal(as_tensor(form), torch.tensor([[1.0, 2], [3, 4]]).double())
    assert as_tensor(torch.ones(2, requires_grad=True)).requires_grad is False
    for none in ("text", [[1], [2, 3]], {"a": 1}, object(), None, [], [None], [[]], _recursive(), 10**400, nn.ReLU()):
        assert as_tensor(none).shape == (0,), none


def test_descriptions_hold_no_addresses():
    for thing in (object(), lambda: 1, nn.Linear(1, 1), torch.zeros(9, 9), print, int, {"a": object()}):
        assert "0x" not in describe(thing)
