"""Exercises that check themselves: ``check("seeing/output-size", output_size)``.

For readers there is one function, `check`. It prints one of three things and never raises because of
what the reader wrote: "Not attempted yet", "Correct" with a sentence about what that shows, or "Not yet"
with what was seen and a hint. Hints are graded: one that recognizes the mistake if there is one, else
general hints, each failed attempt one step plainer, and at last a pointer to the folded solution.

For authors, an exercise is data in ``cnnlab/exercises/<chapter>.py``, in a tuple named ``EXERCISES``::

    from cnnlab.exercises.kinds import Exercise, Hint, function, value

    def _output_size(size, kernel, stride, padding):
        return (size + 2 * padding - kernel) // stride + 1

    EXERCISES: tuple[Exercise, ...] = (
        function(
            "seeing/output-size",
            title="The size of the output",
            reference=_output_size,                         # what a right answer computes
            cases=((5, 3, 1, 0), (7, 3, 2, 1)),             # positional arguments, one tuple per call
            hints=(
                Hint("Padding is added on both sides ...",  # said to an answer that computes just this
                     if_like=lambda size, kernel, stride, padding: (size + padding - kernel) // stride + 1),
                Hint("Draw the kernel at its first and last place."),    # general: after one failure
                Hint("The last place starts at size + 2*padding - kernel."),   # plainer: after two
            ),
            success="The floor is where border pixels are lost.",
        ),
    )

The kinds (`cnnlab.exercises.kinds`): `value` for a number, text, tensor, list or dict; `function` for a
function compared with a reference on cases; `conditions` for anything that is judged by a list of tests;
`model` for an ``nn.Module``. Where none fits, build `Exercise` with a judge of your own: a function from the
answer to a `Verdict`.

The chapter's notebook holds each id twice: in a stub cell (body ``...``) and in a cell tagged ``solution``.
``tests/wrong_answers/<chapter>.py`` declares at least three wrong answers for each, with a part of the hint
that they must get; ``tests/test_exercises.py`` holds all of it.
"""

from __future__ import annotations

from cnnlab.exercises.checking import check, exercise_ids, find_exercise, start_over

__all__ = ["check", "exercise_ids", "find_exercise", "start_over"]
