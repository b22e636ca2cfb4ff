'''Exercises that check themselves: ``check("seeing/output-size", output_size)``.

For readers there is one function, `check`. It prints one of three things and never raises because of
what the reader wrote: "Not attempted yet", "Correct" with a sentence about what that shows, or "Not yet"
with what was seen and a hint. Hints are graded: one that recognizes the mistake if there is one, else
general hints, each failed attempt one step plainer, and at last a pointer to the folded solution.

For authors, an exercise is the function that answers it. It may stand in a cell of a notebook, in a module
or in a folder of yours; running the cell again replaces it::

    from cnnlab.exercises import as_tensor, check, exercise, expect, judged, passed, prove

    @exercise("mycourse/output-size", "Its size", cases=[(5, 3, 1, 0), (7, 3, 2, 1)])
    def output_size(size, kernel, stride, padding):
        """The floor is where border pixels are lost."""  # said on success
        return (size + 2 * padding - kernel) // stride + 1

    output_size.mistake(  # said to an answer that computes just this
        "Padding is added on both sides.",
        lambda size, kernel, stride, padding: (size + padding - kernel) // stride + 1,
    )
    output_size.hints(
        "Draw the kernel at its first and last place.",  # after one failure
        "The last place starts at size + 2*padding - kernel.",  # plainer: after two
    )
    output_size.wrong(lambda *_: 17)  # planted: it gets the first general hint

    prove(output_size)  # right answers pass in every form, and each hint is reached

A student's answer is given to the exercise or to its id, whose first part is no chapter of the book::

    def mine(n, k, s, p):
        return (n - k + 2 * p) // s + 1

    check("mycourse/output-size", mine)  # the id, or output_size itself
    assert passed("mycourse/output-size", mine)  # for nbgrader and otter: a bool, no words

Without ``cases`` a value is asked for, and the function returns it. Where one right answer cannot stand
for all, a judge says what must hold of an answer, and the first thing that does not gives its hint::

    @exercise("mycourse/weights", "The weights of a layer")
    def weights():
        """Nine for each pair of channels; the size of the picture does not come in."""
        return 16 * 32 * 9

    weights.mistake("You count the biases too.", 16 * 32 * 9 + 32)
    weights.hints("How many kernels has each output channel?", "One for each input channel, of 3 x 3.")

    @judged("mycourse/corner", "A question of your own")
    def corner(answer):
        """It is the product of two differences, one across and one down."""
        kernel = as_tensor(answer)  # lists and NumPy will do
        expect(kernel.shape == (3, 3), "Give three rows of three numbers.")
        expect(abs(kernel.sum()) < 1e-6, "It answers on a flat patch. What is their sum?")

    corner.hints("Write down what it should answer on a flat patch.")
    corner.right([[1, -1, 0], [-1, 1, 0], [0, 0, 0]])
    corner.wrong([1, 1, 1], "three rows")
    corner.wrong([[1, 1, 1]] * 3, "flat patch")

    prove(weights), prove(corner)

`judged` may ask for a function (``function=True``); `judged_model` asks for an ``nn.Module``. Tensors to try an
answer on are in `cnnlab.exercises.examples`.

A course keeps its exercises in the .py files of a folder, and its notebooks find them there by one line::

    from cnnlab.exercises import exercise_ids, use

    use("exercises")  # gives the ids; a mistake in a file is told with its line
    for one in exercise_ids("mycourse"):  # in a test of yours
        prove(one)

In the book they stand in ``cnnlab/chapters/<chapter>/exercises.py``, under ids that begin with the chapter's name,
and are found without more. The chapter's notebook holds each id twice: in a stub cell (body ``...``) and in a cell
tagged ``solution``. ``tests/test_exercises.py`` proves each of them, with three wrong answers or more.
'''

from __future__ import annotations

from cnnlab.exercises.authoring import exercise, judged, judged_model
from cnnlab.exercises.checking import check, exercise_ids, find_exercise, passed, start_over
from cnnlab.exercises.compare import as_tensor, as_whole, close
from cnnlab.exercises.folder import use
from cnnlab.exercises.kinds import Exercise
from cnnlab.exercises.proving import Proof, Unproven, prove
from cnnlab.exercises.reading import is_linear, output, restored
from cnnlab.exercises.verdicts import expect

__all__ = [
    "check",
    "passed",
    "use",
    "exercise_ids",
    "find_exercise",
    "start_over",
    "exercise",
    "judged",
    "judged_model",
    "expect",
    "prove",
    "Exercise",
    "Proof",
    "Unproven",
    "as_tensor",
    "as_whole",
    "close",
    "output",
    "is_linear",
    "restored",
]
