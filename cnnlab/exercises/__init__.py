'''Exercises that check themselves: ``check("seeing/output-size", output_size)``.

For readers there is one function, `check`. It prints one of three things and never raises because of
what the reader wrote: "Not attempted yet", "Correct" with a sentence about what that shows, or "Not yet"
with what was seen and a hint. Hints are graded: one that recognizes the mistake if there is one, else
general hints, each failed attempt one step plainer, and at last a pointer to the folded solution.

For authors, an exercise is the function that answers it, in ``cnnlab/chapters/<chapter>/exercises.py``::

    from cnnlab.exercises import exercise, expect, judged

    @exercise("seeing/output-size", "The size of the output", cases=[(5, 3, 1, 0), (7, 3, 2, 1)])
    def output_size(size, kernel, stride, padding):
        """The floor is where border pixels are lost."""               # said on success
        return (size + 2 * padding - kernel) // stride + 1

    output_size.mistake(                                               # said to an answer that computes just this
        "Padding is added on both sides ...",
        lambda size, kernel, stride, padding: (size + padding - kernel) // stride + 1,
    )
    output_size.hints("Draw the kernel at its first and last place.",  # after one failure
                      "The last place starts at size + 2*padding - kernel.")   # plainer: after two
    output_size.wrong(lambda *_: 17)                                   # planted: it gets the first general hint

Without ``cases`` a value is asked for, and the function returns it. Where one right answer cannot stand
for all, a judge says what must hold of an answer, and the first thing that does not gives its hint::

    @judged("seeing/corner", "A question of your own")
    def corner(answer):
        """It is the product of two differences, one across and one down."""
        kernel = as_tensor(answer)                                     # lists and NumPy will do
        expect(kernel.shape == (3, 3), "Give three rows of three numbers.")
        expect(abs(kernel.sum()) < 1e-6, "It answers on a flat patch. What must the weights add up to?")

    corner.right([[1, -1, 0], [-1, 1, 0], [0, 0, 0]])
    corner.wrong([[1, 1, 1]] * 3, "flat patch")

`judged` may ask for a function (``function=True``); `judged_model` asks for an ``nn.Module``. Tensors to try an
answer on are in `cnnlab.exercises.examples`.

The chapter's notebook holds each id twice: in a stub cell (body ``...``) and in a cell tagged ``solution``.
``tests/test_exercises.py`` plants every mistake and every wrong answer, of which there are three or more:
each must get its hint, and each hint must be reached. It gives right answers in all forms, and they must pass.
'''

from __future__ import annotations

from cnnlab.exercises.authoring import exercise, expect, judged, judged_model
from cnnlab.exercises.checking import check, exercise_ids, find_exercise, start_over
from cnnlab.exercises.compare import as_tensor, close
from cnnlab.exercises.reading import output, restored

__all__ = [
    "check",
    "exercise_ids",
    "find_exercise",
    "start_over",
    "exercise",
    "judged",
    "judged_model",
    "expect",
    "as_tensor",
    "close",
    "output",
    "restored",
]
