"""Every exercise: stub and solution in a notebook, planted wrong answers, and `check` itself."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cnnlab.exercises import check, exercise_ids, find_exercise, start_over
from cnnlab.exercises.checking import CHAPTERS
from cnnlab.exercises.compare import describe, difference, equal, is_blank
from cnnlab.exercises.kinds import Condition, Exercise, Hint, Verdict, conditions, function, model, value

ROOT = Path(__file__).resolve().parent.parent
CALL = re.compile(r"""\bcheck\(\s*["']([^"']+)["']""")
IDS = exercise_ids()


@pytest.fixture(autouse=True)
def _fresh_session():
    start_over()
    yield
    start_over()


@pytest.fixture
def register(monkeypatch):
    """Put one exercise into the chapter "seeing" for the length of a test."""

    def put(exercise: Exercise) -> Exercise:
        import cnnlab.exercises.seeing as seeing

        monkeypatch.setattr(seeing, "EXERCISES", (exercise,))
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
                found.append((exercise_id, path.name, solution, printed))
    return tuple(found)


@cache
def _wrong_answers(chapter: str) -> dict:
    path = ROOT / "tests" / "wrong_answers" / f"{chapter}.py"
    if not path.is_file():
        return {}
    spec = spec_from_file_location(f"wrong_answers_{chapter}", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.WRONG


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


def test_notebooks_check_only_registered_exercises():
    assert not {exercise_id for exercise_id, *_ in _cells()} - set(IDS)


@pytest.mark.parametrize("exercise_id", IDS)
def test_blank_answer_fails_kindly(exercise_id, said):
    for blank in (None, ..., (..., ...)):
        assert said(exercise_id, blank).startswith("Not attempted yet")
    assert said(exercise_id).startswith("Not attempted yet")
    if find_exercise(exercise_id).cases:
        assert said(exercise_id, lambda *_: None).startswith("Not attempted yet")


@pytest.mark.parametrize("exercise_id", IDS)
def test_wrong_answers_get_their_hint(exercise_id, said):
    wrong = _wrong_answers(exercise_id.split("/")[0]).get(exercise_id, [])
    assert len(wrong) >= 3, f"tests/wrong_answers holds {len(wrong)} for {exercise_id}; three are wanted"
    for answer, part in wrong:
        start_over()
        reply = said(exercise_id, answer)
        assert reply.startswith("Not yet.")
        assert part in reply.partition("Hint: ")[2]


@pytest.mark.parametrize("exercise_id", IDS)
def test_no_answer_can_raise(exercise_id, said):
    def breaks(*_):
        raise RuntimeError("broken")

    for answer in (
        breaks,
        "text",
        10**9,
        -1.5,
        [],
        {},
        object(),
        torch.zeros(2, 3),
        nn.Linear(2, 2),
        int,
        float("nan"),
    ):
        assert said(exercise_id, answer).startswith("Not yet.")


def test_wrong_answers_name_registered_exercises():
    for chapter in CHAPTERS:
        assert not set(_wrong_answers(chapter)) - set(exercise_ids(chapter))


def test_ids_are_unique_and_in_their_chapter():
    assert len(IDS) == len(set(IDS))
    for chapter in CHAPTERS:
        assert all(exercise_id.startswith(f"{chapter}/") for exercise_id in exercise_ids(chapter))


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


def test_stub_bodies_are_unattempted(said):
    def dots(size, kernel, stride, padding): ...

    def documented(size, kernel, stride, padding):
        """How wide is the output?"""

    def refuses(size, kernel, stride, padding):
        raise NotImplementedError

    for stub in (dots, documented, refuses):
        assert said("seeing/output-size", stub).startswith("Not attempted yet")


def test_check_leaves_the_random_state_alone(register, said):
    register(
        function(
            "seeing/noise",
            title="Noise",
            reference=lambda n: (torch.rand(n), n)[1],
            cases=((3,),),
            hints=(Hint("a"), Hint("b")),
            success="Yes.",
        )
    )
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    assert said("seeing/noise", lambda n: (torch.rand(n), n)[1]).startswith("Correct.")
    assert torch.equal(torch.rand(1), expected)


def test_function_that_changes_its_arguments_spoils_nothing(register, said):
    image = torch.arange(4.0)
    register(
        function(
            "seeing/double",
            title="Double",
            reference=lambda x: x * 2,
            cases=((image,), (image,)),
            hints=(Hint("Negative?", if_like=lambda x: -x), Hint("Times two.")),
            success="Doubled.",
        )
    )
    assert said("seeing/double", lambda x: x.mul_(2)).startswith("Correct.")
    assert said("seeing/double", lambda x: x.numpy() * 2).startswith("Correct.")
    assert "Negative?" in said("seeing/double", lambda x: -x)
    assert torch.equal(image, torch.arange(4.0))


# The kinds


def test_value_takes_any_number_type_and_keeps_integers_exact(register, said):
    register(
        value(
            "seeing/count",
            title="Count",
            expected=61706,
            hints=(
                Hint("Without biases?", if_equal=61470),
                Hint("Too many.", if_true=lambda a: a > 61706),
                Hint("Count."),
            ),
            success="Right.",
        )
    )
    for right in (61706, 61706.0, np.int64(61706), torch.tensor(61706), torch.tensor([61706]), [61706]):
        assert said("seeing/count", right).startswith("Correct.")
    assert "Without biases?" in said("seeing/count", torch.tensor(61470))
    assert "Too many." in said("seeing/count", 61708)
    assert "Count." in said("seeing/count", 61705)
    assert "a number is wanted" in said("seeing/count", "61706")
    assert "give check() what it returns" in said("seeing/count", lambda: 61706)


def test_value_may_be_computed_on_demand(register, said):
    register(value("seeing/lazy", title="Lazy", expected=lambda: 0.5, hints=(Hint("a"), Hint("b")), success="So."))
    assert said("seeing/lazy", 0.50001).startswith("Correct.")
    assert said("seeing/lazy", 0.51).startswith("Not yet. You gave 0.51.")


def test_stub_function_is_unattempted_for_every_kind(register, said):
    def stub(rank): ...

    def half(rank):
        return 0.5

    test = Condition(lambda f: f(1) == 1.0, "The first is worth 1.")
    register(conditions("seeing/credit", title="Credit", requires=(test,), hints=(Hint("a"), Hint("b")), success="So."))
    assert said("seeing/credit", stub).startswith("Not attempted yet")
    assert "The first is worth 1." in said("seeing/credit", half)


def test_conditions_give_the_hint_of_the_first_that_fails(register, said):
    register(
        conditions(
            "seeing/pair",
            title="Pair",
            requires=(
                Condition(lambda a: len(a) == 2, "Two numbers are wanted."),
                Condition(lambda a: a[0] < a[1], lambda a: f"{a[0]} is not below {a[1]}."),
            ),
            hints=(Hint("a"), Hint("b")),
            success="A pair.",
        )
    )
    assert said("seeing/pair", (1, 2)).startswith("Correct.")
    assert "Two numbers" in said("seeing/pair", (1, 2, 3))
    assert "3 is not below 2" in said("seeing/pair", (3, 2))
    assert "raised TypeError" in said("seeing/pair", 5)


def test_model_is_run_counted_and_told_about(register, said):
    register(
        model(
            "seeing/model",
            title="Model",
            input_shape=(1, 4),
            output_shape=(1, 2),
            parameters=10,
            requires=(Condition(lambda m: any(isinstance(x, nn.Linear) for x in m.modules()), "Use nn.Linear."),),
            hints=(Hint("Without bias?", if_true=lambda m: m.bias is None), Hint("Ten parameters.")),
            success="A layer.",
        )
    )

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def forward(self, x):
            return self.layer(x)

    class Stub(nn.Module):
        def __init__(self):
            super().__init__()

    for right in (nn.Linear(4, 2), Net(), Net, lambda: Net()):
        assert said("seeing/model", right).startswith("Correct.")
    assert said("seeing/model", Stub()).startswith("Not attempted yet")
    assert said("seeing/model", lambda: None).startswith("Not attempted yet")
    assert "Without bias?" in said("seeing/model", nn.Linear(4, 2, bias=False))
    assert "returned the shape (1, 3); (1, 2) is wanted" in said("seeing/model", nn.Linear(4, 3))
    assert "raised RuntimeError" in said("seeing/model", nn.Linear(5, 2))


def test_a_judge_of_ones_own_may_break(register, said):
    def judge(answer):
        return Verdict("correct") if answer["x"] else Verdict("wrong", "x is false.")

    register(Exercise("seeing/own", "Own", judge, (Hint("a"), Hint("b")), "Fine."))
    assert said("seeing/own", {"x": True}) == "Correct. Fine."
    assert said("seeing/own", {"x": False}) == "Not yet. x is false. Hint: a"
    assert "raised KeyError" in said("seeing/own", {"y": 1})


def test_exercise_without_hints_is_refused():
    with pytest.raises(ValueError, match="two or more"):
        Exercise("seeing/x", "X", lambda a: Verdict("correct"), (Hint("one"),), "Yes.")
    with pytest.raises(ValueError, match="chapter/name"):
        Exercise("x", "X", lambda a: Verdict("correct"), (Hint("a"), Hint("b")), "Yes.")


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


def test_descriptions_hold_no_addresses():
    for thing in (object(), lambda: 1, nn.Linear(1, 1), torch.zeros(9, 9), print, int, {"a": object()}):
        assert "0x" not in describe(thing)
