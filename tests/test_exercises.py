"""Every exercise: stub and solution in a notebook, planted answers right and wrong, and `check` itself."""

from __future__ import annotations

import ast
import copy
import importlib
import inspect
import itertools
import json
import random
import re
import subprocess
import sys
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cnnlab import chapters
from cnnlab.exercises import (
    as_tensor,
    check,
    close,
    exercise,
    exercise_ids,
    expect,
    find_exercise,
    judged,
    judged_model,
    output,
    restored,
    start_over,
)
from cnnlab.exercises.authoring import (
    Exercise,
    FunctionExercise,
    JudgedExercise,
    ModelExercise,
    ValueExercise,
    Verdict,
)
from cnnlab.exercises.compare import describe, difference, equal, is_blank
from tests.forms import in_other_forms

ROOT = Path(__file__).resolve().parent.parent
CALL = re.compile(r"""\bcheck\(\s*["']([^"']+)["']""")
IDS = exercise_ids()
CHAPTERS = [path.parent.name for path in chapters.files("exercises.py")]
LAST = "The solution is folded below."


@pytest.fixture(autouse=True)
def _fresh_session():
    start_over()
    yield
    start_over()


@pytest.fixture
def register(monkeypatch):
    """Put one exercise into the chapter "seeing" for the length of a test."""

    def put(exercise: Exercise) -> Exercise:
        import cnnlab.chapters.seeing.exercises as seeing

        monkeypatch.setattr(seeing, "put_by_a_test", exercise, raising=False)
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


def test_it_says_what_it_teaches_and_has_two_hints_or_more(one):
    assert one.success.endswith((".", "!")), f"{one.id}: the docstring of {one.answer.__name__} is said on success"
    assert one.general, f"{one.id} has no general hint: give it .hints(gentle, plainer)"
    lines = len(_expectations(inspect.getmodule(one.answer), one.answer))
    assert len(one.general) + len(one.mistakes) + lines >= 2, f"{one.id} has a single hint"


def test_blank_answer_fails_kindly(one, said):
    for blank in (None, ..., (..., ...), [None, ...], {"x": ...}):
        assert said(one.id, blank).startswith("Not attempted yet")
    assert said(one.id).startswith("Not attempted yet")
    if isinstance(one, FunctionExercise | JudgedExercise) and getattr(one, "function", True):
        assert said(one.id, lambda *_: None).startswith("Not attempted yet")
        assert said(one.id, lambda *_: (..., ...)[:0] or print(end="")).startswith(("Not attempted yet", "Not yet."))


@cache
def _verdicts(one: Exercise) -> list[tuple[Verdict, str]]:
    """The verdict on each planted wrong answer, and a part of the hint that it must get."""
    return [(one.judge(answer), part) for answer, part in one.planted()]


def test_wrong_answers_get_their_hint(one):
    """A mistake's own answers, too: it is the first that recognizes them."""
    verdicts = _verdicts(one)
    assert len(verdicts) >= 3, f"{one.id} has {len(verdicts)} wrong answers; three are wanted: .mistake or .wrong"
    for place, (verdict, part) in enumerate(verdicts):
        said = f"{one.id}, planted answer {place}: {verdict}"
        assert verdict.outcome == "wrong", said
        assert part in (verdict.hint or one.general[0]), said


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


def test_wrong_answers_get_their_hint_in_other_forms(one):
    for answer, part in one.planted():
        for form, other in [] if isinstance(one, ModelExercise) else in_other_forms(answer, one.judge):
            verdict = one.judge(other)
            assert part in (verdict.hint or one.general[0]), (form, verdict)


def test_general_hints_grow_plainer_and_end_at_the_solution(one, said):
    (answer, _), *_ = one.planted()
    replies = [said(one.id, answer) for _ in range(len(one.general) + 2)]
    for place, hint in enumerate([*one.general, LAST], start=1):
        assert any(" ".join(hint.split()) in reply for reply in replies[: place + 1])


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_expectation_is_reached(chapter):
    """No `expect` stands in a chapter that no planted answer fails, so no hint is without its proof."""
    module = importlib.import_module(f"cnnlab.chapters.{chapter}.exercises")
    exercises = [find_exercise(exercise_id) for exercise_id in exercise_ids(chapter)]
    reached = {verdict.line for one in exercises for verdict, _ in _verdicts(one)}
    unreached = [lines.start for lines in _expectations(module, module) if not reached & set(lines)]
    assert not unreached, f"{module.__file__}: no planted answer fails the expectations in lines {unreached}"


def _expectations(module, inside) -> list[range]:
    """The lines of each call of `expect` in a function or module."""
    tree = ast.parse(inspect.getsource(inside))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "expect"]
    return [range(call.lineno, call.end_lineno + 1) for call in calls]


def _rights(one: Exercise) -> list:
    if isinstance(one, ValueExercise):
        return [one.answer(), *one.rights]
    return [one.answer, *one.rights] if isinstance(one, FunctionExercise) else one.rights


def test_right_answers_pass_in_every_form(one, said):
    rights = _rights(one)
    assert rights, f"{one.id} is judged, and has no right answer: .right"
    for right in rights:
        assert said(one.id, right) == f"Correct. {one.success}"
        for form, other in in_other_forms(right, one.judge):
            assert said(one.id, other).startswith("Correct."), form


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


def test_no_answer_can_raise(one, said):
    for answer in (
        *map(_raising, (RuntimeError("broken"), SystemExit(1), Breaks(), GeneratorExit(), Mute(), RecursionError())),
        *("text", 10**9, 10**400, -1.5, float("nan"), 1j, Decimal("0.1"), b"x", [], {}, {1: 2}, set(), object()),
        *(torch.zeros(2, 3), torch.zeros(0), torch.zeros(2, device="meta"), np.array(["a"]), np.array([object()])),
        *(_recursive(), _deep(), {"x": _recursive()}, [[1], [2, 3]], Touchy(), Touchy, Mute, exit),
        *(nn.Linear(2, 2), nn.Sequential(), nn.Linear(2, 2, device="meta"), int, lambda: 1, len, type),
    ):
        assert said(one.id, answer).startswith("Not "), answer


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
    @exercise("seeing/noise", "Noise", cases=[(3,)])
    def noise(n):
        """Yes."""
        return (torch.rand(n), n)[1]

    register(noise)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    assert said("seeing/noise", lambda n: (torch.rand(n), n)[1]).startswith("Correct.")
    assert said("seeing/noise", lambda n: float(torch.rand(1))).startswith("Not yet.")
    assert torch.equal(torch.rand(1), expected)


def test_function_that_changes_its_arguments_spoils_nothing(register, said):
    image = torch.arange(4.0)

    @exercise("seeing/double", "Double", cases=[(image,), (image,)])
    def double(x):
        """Doubled."""
        return x * 2

    double.mistake("Negative?", lambda x: -x)
    register(double)
    assert said("seeing/double", lambda x: x.mul_(2)).startswith("Correct.")
    assert said("seeing/double", lambda x: x.numpy() * 2).startswith("Correct.")
    assert "Negative?" in said("seeing/double", lambda x: -x)
    assert torch.equal(image, torch.arange(4.0))


def test_an_answer_is_called_once_for_each_case_beside_the_comparison(register, said):
    """A slow answer is not made slower by each mistake that is looked for."""

    @exercise("seeing/often", "Often", cases=[(1,), (2,)])
    def often(n):
        """Yes."""
        return n

    for offset in range(1, 9):
        often.mistake(f"Off by {offset}.", lambda n, offset=offset: n + offset)
    register(often)
    calls = []
    assert "Off by 8." in said("seeing/often", lambda n: calls.append(n) or n + 8)
    assert calls == [1, 1, 2]


# The forms


def test_value_takes_any_number_type_and_keeps_integers_exact(register, said):
    @exercise("seeing/count", "Count")
    def count():
        """Right."""
        return 61706

    count.mistake("Without biases?", 61470)
    count.mistake("Too many.", 61708, when=lambda answer: answer > 61706)
    count.hints("Count.")
    register(count)
    for right in (61706, 61706.0, np.int64(61706), torch.tensor(61706), torch.tensor([61706]), [61706], Decimal(61706)):
        assert said("seeing/count", right).startswith("Correct.")
    assert "Without biases?" in said("seeing/count", torch.tensor(61470))
    assert "Too many." in said("seeing/count", [61709])
    assert "Count." in said("seeing/count", 61705)
    assert "a number is wanted" in said("seeing/count", "61706")
    assert "give check() what it returns" in said("seeing/count", lambda: 61706)


def test_a_mistake_in_a_dict_needs_only_its_own_entries(register, said):
    @exercise("seeing/both", "Both")
    def both():
        """So."""
        return {"a": 1, "b": [2, 3]}

    both.mistake("A is one.", {"a": 2}, {"a": 3})
    both.mistake("Turned.", {"b": [3, 2]})
    register(both)
    assert "A is one." in said("seeing/both", {"a": torch.tensor(3.0), "b": 7})
    assert "Turned." in said("seeing/both", {"a": 1, "b": np.array([3, 2])})
    assert "Hint: a" in said("seeing/both", {"a": 4, "b": [2, 3]})
    assert "a dict is wanted" in said("seeing/both", [2])
    assert both.planted()[2] == ({"a": 1, "b": [3, 2]}, "Turned.")


def test_stub_function_is_unattempted_for_every_form(register, said):
    def stub(rank): ...

    def forgets(rank):
        rank += 1

    def half(rank):
        return 0.5

    @judged("seeing/credit", "Credit", function=True)
    def credit(answer):
        """So."""
        expect(answer(1) == 1.0, "The first is worth 1.")

    register(credit)
    for blank in (stub, forgets):
        assert said("seeing/credit", blank).startswith("Not attempted yet")
    assert "The first is worth 1." in said("seeing/credit", half)
    assert "without calling it" in said("seeing/credit", 0.5)


def test_a_judge_gives_the_hint_of_the_first_thing_that_does_not_hold(register, said):
    @judged("seeing/pair", "Pair")
    def pair(answer):
        """A pair."""
        expect(len(answer) == 2, "Two numbers are wanted.")
        expect(answer[0] < answer[1], f"{answer[0]} is not below {answer[1]}.")

    register(pair)
    assert said("seeing/pair", (1, 2)) == "Correct. A pair."
    assert "Two numbers" in said("seeing/pair", (1, 2, 3))
    assert said("seeing/pair", (3, 2)) == "Not yet. Hint: 3 is not below 2."
    assert said("seeing/pair", (3, 2)) == "Not yet. Hint: 3 is not below 2. a"
    assert "raised TypeError" in said("seeing/pair", 5)


def test_a_judge_gives_copies_and_names_the_line(register, said):
    weight = torch.ones(2)

    @judged("seeing/spoil", "Spoil", function=True)
    def spoil(answer):
        """So."""
        expect(close(answer(weight), 2 * weight), "Twice.")

    register(spoil)
    assert said("seeing/spoil", lambda w: w.mul_(2)).startswith("Correct.")
    assert torch.equal(weight, torch.ones(2))

    def breaks(w):
        return w[5]

    assert re.search(r"raised IndexError in line \d+ of its cell \(`return w\[5\]`\)", said("seeing/spoil", breaks))
    assert "of its cell" not in said("seeing/spoil", nn.Linear(3, 3))  # torch's own lines are no help


def test_a_judge_may_let_an_argument_be_changed(register, said):
    @judged("seeing/zero", "Zero", function=True, returns=False)
    def zero(answer):
        """So."""
        weight = torch.ones(2)
        answer(weight)
        expect(not weight.any(), "Set it to zero.")

    register(zero)
    assert said("seeing/zero", lambda w: w.zero_()).startswith("Correct.")
    assert "Set it to zero." in said("seeing/zero", lambda w: w.mul(0))


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
    @judged_model("seeing/model", "Model", input_shape=(1, 4), output_shape=(1, 2), parameters=10)
    def linear(net):
        """A layer."""
        expect(any(isinstance(module, nn.Linear) for module in net.modules()), "Use nn.Linear.")

    linear.mistake("Without bias?", nn.Linear(4, 2, bias=False), when=lambda net: net.bias is None)
    return register(linear)


def test_model_is_run_counted_and_told_about(linear, said):
    for right in (nn.Linear(4, 2), Net(), Net, lambda: Net(), Net().double(), nn.Sequential(nn.Flatten(), Net())):
        assert said("seeing/model", right).startswith("Correct.")
    assert said("seeing/model", StubNet()).startswith("Not attempted yet")
    assert said("seeing/model", lambda: None).startswith("Not attempted yet")
    assert "Without bias?" in said("seeing/model", nn.Linear(4, 2, bias=False))
    assert "Without bias?" in said("seeing/model", lambda: nn.Linear(4, 2, bias=False))
    assert "returned the shape (1, 3); (1, 2) is wanted" in said("seeing/model", nn.Linear(4, 3))
    assert "raised RuntimeError" in said("seeing/model", nn.Linear(5, 2))


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


def test_networks_in_a_tuple_keep_modes_weights_and_gradients(register):
    """A judge that trains, freezes and lets gradients pile up."""

    @judged("seeing/pair", "Pair")
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
    @exercise("seeing/rows", "Rows")
    def rows():
        """Yes."""
        return [(1, 2), (3, 4)]

    rows.mistake("Turned.", [(1, 3), (2, 4)])
    register(rows)
    assert said("seeing/rows", zip((1, 3), (2, 4))).startswith("Correct.")
    assert said("seeing/rows", (range(n, n + 2) for n in (1, 3))).startswith("Correct.")
    assert "Turned." in said("seeing/rows", zip((1, 2), (3, 4)))
    assert said("seeing/rows", itertools.count()).startswith("Not yet.")  # and comes to an end
    assert said("seeing/rows", {1: 2}.values()).startswith("Not yet.")


def test_what_a_judge_writes_to_is_its_own():
    for mine in (torch.ones(2, dtype=torch.float64), np.ones(2)):
        as_tensor(mine).zero_()
        assert mine.all()


def test_an_exercise_is_named_chapter_and_name():
    with pytest.raises(ValueError, match="chapter/name"):
        exercise("x", "X")(lambda: 1)


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
