"""The training lab without a browser: its clock is ticked by hand, as the browser's Play would."""

from __future__ import annotations

import dataclasses
import re
import sys
import types
from pathlib import Path

import pytest
import torch

pytest.importorskip("ipywidgets")

from cnnlab.data import DatasetUnavailable, load_dataset
from cnnlab.widgets import TrainingLab
from cnnlab.widgets.lab import clocks, interrupts, pictures
from cnnlab.widgets.lab.runs import AUGMENTATIONS, duration, make_augmentation

ROOT = Path(__file__).resolve().parent.parent
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def lab():
    return TrainingLab(models=("lenet5_28", "mlp_mnist"), datasets=("digits", "mnist"), epochs=2, limit=100)


def playing(lab) -> bool:
    return lab.clock.running


def tick(lab) -> None:
    lab.clock.play.value += 1


def tick_to_the_end(lab, at_most=400) -> None:
    for _ in range(at_most):
        if not playing(lab):
            return
        tick(lab)
    raise AssertionError(f"still training after {at_most} ticks: {lab.panel.status.value}")


def batch_at_a_time(lab, monkeypatch) -> None:
    """Ticks of one batch each, however fast this machine is."""
    monkeypatch.setattr("cnnlab.widgets.lab.runs.TICK_SECONDS", 0.0)


# A run from Train to its end


def test_train_runs_to_the_end(lab):
    assert "Ready." in lab.panel.status.value and lab.panel.stop.disabled
    lab.clock.control.click()
    assert playing(lab) and lab.clock.control.disabled and not lab.panel.stop.disabled
    tick_to_the_end(lab)
    (run,) = lab.runs
    assert run.state == "finished" and len(run.history) == 2
    assert lab.panel.bar.value == 1.0 and lab.panel.bar.bar_style == "success"
    assert not lab.clock.control.disabled and lab.panel.stop.disabled
    assert "finished after 2 of 2 epochs" in lab.panel.status.value
    assert "2/2" in lab.panel.table.value and "finished" in lab.panel.table.value
    assert not lab.panel.message.value
    assert lab.current is None


def test_progress_and_time_left_move(lab, monkeypatch):
    batch_at_a_time(lab, monkeypatch)
    lab.train()
    seen = [lab.panel.bar.value]
    while playing(lab):
        tick(lab)
        seen.append(lab.panel.bar.value)
        if playing(lab) and lab.runs[0].trainer.fraction > 0.3:
            assert "left" in lab.panel.status.value
    assert seen == sorted(seen) and len(set(seen)) >= 4
    assert re.search(r"Test accuracy \d+\.\d%", lab.panel.status.value)


def test_curve_changes_while_training(lab, monkeypatch):
    batch_at_a_time(lab, monkeypatch)
    monkeypatch.setattr("cnnlab.widgets.lab.panel._REDRAW_SECONDS", 0.0)
    empty = lab.panel.picture.value
    assert "no epoch is finished yet" in empty
    lab.train()
    tick(lab)
    lab.panel._drawing_took = 0.0
    tick(lab)
    assert "in its first epoch" in lab.panel.picture.value
    tick_to_the_end(lab)
    assert "after epoch 2: test" in lab.panel.picture.value


def test_training_gives_what_fit_gives(lab):
    from cnnlab.models import create_model
    from cnnlab.training import fit

    lab.panel.batch_size.value = 32
    lab.train()
    tick_to_the_end(lab)
    torch.manual_seed(0)
    model = create_model("lenet5_28", num_classes=10, in_channels=1)
    data = load_dataset("digits", size=28, limit=100)
    run = fit(model, data, epochs=2, batch_size=32, optimizer="sgd", lr=0.03, progress=False)
    assert lab.runs[0].history[-1]["test_loss"] == pytest.approx(run.final["test_loss"], rel=1e-4)


def test_the_readers_random_state_and_plot_style_stay(lab):
    import matplotlib

    before = dict(matplotlib.rcParams)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    lab.train()
    tick_to_the_end(lab)
    assert torch.equal(torch.rand(1), expected)
    assert dict(matplotlib.rcParams) == before


# Stop


def test_stop_keeps_the_history(lab, monkeypatch):
    batch_at_a_time(lab, monkeypatch)
    lab.panel.epochs.value = 50
    lab.train()
    while len(lab.runs[0].history) < 2:
        tick(lab)
    lab.panel.stop.click()
    (run,) = lab.runs
    assert run.state == "stopped" and len(run.history) == 2 and not playing(lab)
    assert run.run.stopped
    assert "stopped after 2 of 50 epochs" in lab.panel.status.value
    assert lab.panel.bar.bar_style == "warning"
    tick(lab)  # a tick that was under way arrives late
    assert len(run.history) == 2 and run.state == "stopped"


def test_stop_twice_and_stop_without_a_run_are_harmless(lab, monkeypatch):
    batch_at_a_time(lab, monkeypatch)
    lab.stop()
    assert "Ready." in lab.panel.status.value
    lab.train()
    tick(lab)
    lab.stop()
    said = lab.panel.status.value
    lab.stop()
    lab.panel.stop.click()
    assert lab.panel.status.value == said and len(lab.runs) == 1
    lab.train()
    tick_to_the_end(lab)
    lab.stop()
    assert [run.state for run in lab.runs] == ["stopped", "finished"]


def test_stop_before_the_first_tick(lab):
    lab.train()
    lab.stop()
    assert lab.runs[0].state == "stopped" and lab.runs[0].history == []
    lab.panel.view.value = "Confusion"  # evaluates the untrained network
    assert "test pictures are right" in lab.panel.picture.value


def test_train_twice_begins_one_run(lab):
    lab.train()
    lab.train()
    assert len(lab.runs) == 1
    lab.stop()


# Several runs


@pytest.mark.slow
def test_runs_are_compared(lab):
    lab.train()
    tick_to_the_end(lab)
    lab.panel.model.value, lab.panel.optimizer.value, lab.panel.augmentation.value = "mlp_mnist", "adam", "shift"
    assert lab.panel.lr.value == 1e-3  # follows the optimizer
    lab.train()
    tick_to_the_end(lab)
    assert [run.number for run in lab.runs] == [1, 2]
    assert "run 1: lenet5_28, digits, sgd 0.03" in lab.panel.picture.value
    assert "run 2: mlp_mnist, digits, adam 0.001, shift" in lab.panel.picture.value
    assert lab.panel.table.value.count("<tr>") == 3
    assert lab.panel.chosen.layout.display == "none"
    lab.panel.view.value = "Confusion"
    assert lab.panel.chosen.layout.display == "" and "run 2" in lab.panel.picture.value
    lab.panel.chosen.value = 1
    assert "run 1" in lab.panel.picture.value
    assert lab.panel.model.layout.display is None  # hiding one menu must not hide the others
    lab.panel.view.value = "Mistakes"
    assert "taken for" in lab.panel.picture.value
    lab.panel.clear.click()
    assert lab.runs == [] and lab.panel.table.value == "" and "Train a model" in lab.panel.picture.value


def test_settings_changed_during_a_run_are_for_the_next(lab):
    lab.train()
    lab.panel.epochs.value, lab.panel.lr.value = 1, 0.1
    tick_to_the_end(lab)
    lab.train()
    tick_to_the_end(lab)
    assert [(run.settings.epochs, run.settings.lr, len(run.history)) for run in lab.runs] == [(2, 0.03, 2), (1, 0.1, 1)]


def test_clear_during_a_run_keeps_that_run(lab):
    lab.train()
    tick_to_the_end(lab)
    lab.train()
    lab.clear()
    assert [run.number for run in lab.runs] == [2]
    tick_to_the_end(lab)
    assert lab.runs[0].state == "finished"


@pytest.mark.slow
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_augmentation_trains(lab, name):
    lab.panel.augmentation.value = name
    lab.panel.epochs.value = 1
    lab.train()
    tick_to_the_end(lab)
    assert lab.runs[0].state == "finished", lab.panel.message.value


def test_a_data_set_of_ones_own():
    mine = load_dataset("digits", limit=100)
    lab = TrainingLab(models=("mlp_mnist",), datasets=(mine,), epochs=1)
    lab.train()
    tick_to_the_end(lab)
    assert lab.runs[0].state == "finished"
    assert lab.runs[0].data.shape == (1, 28, 28)


def test_a_validation_set_is_what_the_lab_shows():
    mine = load_dataset("digits", limit=100).split(validation=0.3)
    lab = TrainingLab(models=("mlp_mnist",), datasets=(mine,), epochs=1)
    lab.train()
    tick_to_the_end(lab)
    run = lab.runs[0]
    assert run.state == "finished" and "Validation accuracy" in lab.panel.status.value
    assert ">validation<" in lab.panel.table.value and len(run.evaluation().labels) == 30
    for view, said in (
        ("Accuracy", "training and validation"),
        ("Confusion", "of 30 validation pictures"),
        ("Mistakes", "validation pictures"),
    ):
        assert said in pictures.draw(view, lab.runs, run)
    assert set(run.run.tested) == {"epoch", "test_loss", "test_accuracy"}


class OwnNet(torch.nn.Module):
    """Takes both numbers, and pictures of any size."""

    def __init__(self, num_classes=2, in_channels=3):
        super().__init__()
        self.conv, self.fc = torch.nn.Conv2d(in_channels, 4, 3), torch.nn.Linear(4, num_classes)

    def forward(self, x):
        return self.fc(self.conv(x).mean(dim=(2, 3)))


def narrow(num_classes):
    return OwnNet(num_classes, in_channels=1)


def test_models_of_ones_own_classes_functions_and_built_ones():
    built = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    built.input_size = (1, 8, 8)
    entries = [OwnNet, "mlp_mnist", narrow, lambda num_classes: OwnNet(num_classes, 1), built]
    lab = TrainingLab(models=entries, datasets=("digits",), epochs=1, limit=60)
    assert list(lab.panel.model.options) == ["OwnNet", "mlp_mnist", "narrow", "model 4", "Sequential"]
    assert "OwnNet, mlp_mnist, narrow" in lab._repr_mimebundle_()["text/html"]
    first = [p.clone() for p in built.parameters()]
    for name in lab.panel.model.options:
        lab.panel.model.value = name
        lab.train()
        tick_to_the_end(lab)
        assert lab.runs[-1].state == "finished", lab.panel.said
        assert lab.runs[-1].data.shape == ((1, 28, 28) if name == "mlp_mnist" else (1, 8, 8))
    own = lab.runs[0].model
    assert own.fc.out_features == 10 and own.conv.in_channels == 1
    # A copy was trained, from the parameters that were there when the lab was made, each time.
    trained = lab.runs[-1]
    assert all(torch.equal(a, b) for a, b in zip(first, built.parameters()))
    assert not torch.equal(trained.model[1].weight, first[0])
    with torch.no_grad():
        built[1].weight.zero_()
    lab.train()
    tick_to_the_end(lab)
    assert lab.runs[-1].history[-1]["test_loss"] == trained.history[-1]["test_loss"]


def test_equal_runs_of_a_class_start_alike():
    lab = TrainingLab(models=[OwnNet], datasets=("digits",), epochs=1, limit=60)
    for _ in range(2):
        torch.rand(1)  # the reader's own numbers go on
        lab.train()
        tick_to_the_end(lab)
    assert lab.runs[0].history[-1]["test_loss"] == lab.runs[1].history[-1]["test_loss"]


def test_a_class_that_fails_to_build_is_explained_on_the_panel():
    class Broken(torch.nn.Module):
        def __init__(self):
            super().__init__()
            raise RuntimeError("no ink in the layer")

    lab = TrainingLab(models=[Broken, lambda: 3], datasets=("digits",), epochs=1, limit=60)
    lab.train()
    assert "Broken could not be trained on digits: no ink in the layer" in lab.panel.said[1]
    lab.panel.model.value = "model 2"
    lab.train()
    assert "it has to return an nn.Module" in lab.panel.said[1]
    assert lab.runs == [] and not lab.clock.control.disabled


# What goes wrong is said in words, and nothing is lost


def test_unavailable_data_set_names_what_serves(lab, monkeypatch):
    import cnnlab.data

    real = cnnlab.data.load_dataset

    def offline(name, **options):
        if name == "mnist":
            raise DatasetUnavailable("mnist is not on this machine and was not downloaded (no network).")
        return real(name, **options)

    monkeypatch.setattr(cnnlab.data, "load_dataset", offline)
    lab.train()
    tick_to_the_end(lab)
    lab.panel.data.value = "mnist"
    lab.clock.control.click()
    assert "mnist is not on this machine" in lab.panel.message.value and "digits" in lab.panel.message.value
    assert 'role="alert"' in lab.panel.message.value
    assert not playing(lab) and not lab.clock.control.disabled
    assert len(lab.runs) == 1  # the first run is still there
    lab.panel.data.value = "digits"
    lab.train()
    assert not lab.panel.message.value
    tick_to_the_end(lab)
    assert len(lab.runs) == 2


def test_diverged_training_is_explained_and_kept(lab, monkeypatch):
    batch_at_a_time(lab, monkeypatch)
    lab.train()
    while not lab.runs[0].history:
        tick(lab)
    with torch.no_grad():
        next(lab.runs[0].model.parameters()).fill_(float("nan"))
    tick_to_the_end(lab)
    (run,) = lab.runs
    assert run.state == "failed" and len(run.history) == 1
    assert "choose a learning rate below 0.03" in lab.panel.message.value
    assert lab.panel.bar.bar_style == "danger" and not lab.clock.control.disabled
    assert "ended by an error after 1 of 2 epochs" in lab.panel.status.value


def test_out_of_memory_is_explained(lab, monkeypatch):
    lab.train()

    def full(*_):
        raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(lab.runs[0].trainer, "_train_batch", full)
    tick_to_the_end(lab)
    assert lab.runs[0].state == "failed"
    assert "batch size below 128" in lab.panel.message.value


def test_network_that_does_not_fit_is_explained():
    lab = TrainingLab(models=("lenet5_28",), datasets=("digits",), epochs=1, limit=20)
    lab._load = lambda name, size: load_dataset("digits", limit=20)  # 8 pixels
    lab.train()
    tick_to_the_end(lab)
    assert lab.panel.message.value and not lab.clock.control.disabled


def test_picture_that_fails_does_not_end_the_training(lab, monkeypatch):
    def broken(*_):
        raise ValueError("no ink")

    monkeypatch.setattr(pictures, "draw", broken)
    lab.train()
    tick_to_the_end(lab)
    assert lab.runs[0].state == "finished"
    assert "could not be drawn: no ink" in lab.panel.message.value


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"models": ("lenet5_29",)}, "lenet5_28"),
        ({"datasets": ("fashion_mnsit",)}, "fashion_mnist"),
        ({"optimizers": ("adamm",)}, "adam"),
        ({"models": "lenet5"}, "list"),
        ({"models": ()}, "list"),
        ({"models": ("OwnNet",)}, r"models\[0\]='OwnNet' is not known.*or a class of your own itself"),
        ({"models": (OwnNet, OwnNet)}, "two are called 'OwnNet'"),
        ({"models": (torch.nn.Conv2d,)}, r"models\[0\]: Conv2d cannot be built without out_channels, kernel_size"),
        ({"batch_size": 100}, "128"),
        ({"epochs": 0}, "1 to 200"),
    ],
)
def test_bad_arguments_name_what_is_allowed(arguments, part):
    with pytest.raises(ValueError, match=part):
        TrainingLab(**arguments)


def test_text_from_outside_is_escaped(lab):
    lab.panel.say_message("<script>alert(1)</script>")
    assert "<script>" not in lab.panel.message.value


# In the cell


def test_run_in_cell_trains_to_the_end(lab, capsys):
    run = lab.run_in_cell()
    assert run is lab.runs[0].run and len(run.history) == 2
    assert lab.runs[0].state == "finished" and not playing(lab)


def test_interrupt_ends_run_in_cell_and_keeps_the_history(lab, monkeypatch):
    lab.panel.epochs.value = 50
    real = lab._advance

    def interrupted(run):
        if len(run.history) >= 2:
            raise KeyboardInterrupt
        return real(run)

    monkeypatch.setattr(lab, "_advance", interrupted)
    run = lab.run_in_cell()
    assert len(run.history) >= 2 and lab.runs[0].state == "stopped"


def test_run_in_cell_prints_why_it_could_not_begin(lab, monkeypatch, capsys):
    def offline(*_):
        raise DatasetUnavailable("mnist is not on this machine.")

    monkeypatch.setattr(lab, "_load", offline)
    assert lab.run_in_cell() is None
    assert "mnist is not on this machine" in capsys.readouterr().out


# What is displayed


class _Kernel:
    def __init__(self, allow_stdin):
        self._allow_stdin = allow_stdin


def _displayed(lab, monkeypatch, kernel):
    import IPython
    import IPython.display

    shown = []
    monkeypatch.setattr(IPython, "get_ipython", lambda: types.SimpleNamespace(kernel=kernel) if kernel else None)
    monkeypatch.setattr(IPython.display, "display", lambda thing, **_: shown.append(thing))
    lab._ipython_display_()
    (thing,) = shown
    return thing


def test_widgets_where_somebody_is_there_and_a_poster_elsewhere(lab, monkeypatch):
    assert _displayed(lab, monkeypatch, _Kernel(True)) is lab.panel
    for kernel in (_Kernel(False), None, object()):
        bundle = _displayed(lab, monkeypatch, kernel)
        assert set(bundle) == {"text/plain", "text/html"}
        assert "Run this page in Jupyter or Colab" in bundle["text/html"]
        assert "0x" not in bundle["text/plain"]
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    assert _displayed(lab, monkeypatch, _Kernel(False)) is lab.panel


@pytest.mark.slow
def test_committed_output_is_the_poster():
    """As the book's outputs are made: nbclient executes, and no widget is in what it stores."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from cnnlab.widgets import TrainingLab\n"
        "TrainingLab(datasets=['digits'])"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    (output,) = notebook.cells[0].outputs
    assert WIDGET_VIEW not in output["data"]
    assert "cnnlab-lab-poster" in output["data"]["text/html"]
    assert '<img alt="The training lab' in output["data"]["text/html"]
    assert output["data"] == TrainingLab(datasets=["digits"])._repr_mimebundle_()  # the same bytes each time


def test_panel_fits_a_phone(lab):
    from ipywidgets import Box, Dropdown, Layout

    def walk(widget):
        yield widget
        for child in getattr(widget, "children", ()):
            yield from walk(child)

    assert isinstance(lab.panel.layout, Layout)
    rows = [w for w in walk(lab.panel) if type(w) is Box]
    assert rows and all("wrap" in w.layout.flex_flow for w in rows)
    assert all(w.layout.min_width == "0" for w in walk(lab.panel) if isinstance(w, Dropdown))


def test_pictures_have_words_one_size_and_the_pages_colors(lab):
    lab.train()
    tick_to_the_end(lab)
    boxes = set()
    for view in pictures.VIEWS:
        picture = pictures.draw(view, lab.runs, lab.runs[0])
        assert re.search(r'aria-label="[^"]{20,}"', picture)
        assert "var(--cnnlab-ink" in picture
        boxes.add(re.search(r'viewBox="([^"]*)"', picture).group(1))
    assert len(boxes) == 1
    with pytest.raises(ValueError, match="Accuracy"):
        pictures.draw("Acuracy", [], None)


def test_confusion_of_many_classes_is_drawn(lab):
    from cnnlab.training import Evaluation

    lab.train()
    tick_to_the_end(lab)
    run = lab.runs[0]
    labels = torch.arange(100)
    names = tuple(f"class {i}" for i in range(100))
    run.trainer.last_evaluation = Evaluation(0.0, 1.0, torch.eye(100), labels, names)
    assert "there is no mistake" in pictures.draw("Confusion", [run], run)
    assert "No mistakes" in pictures.draw("Mistakes", [run], run)


def test_helpers():
    assert [duration(s) for s in (0.2, 59, 61, 3700)] == ["0 s", "59 s", "1 min 1 s", "1 h 1 min"]
    with pytest.raises(ValueError, match="shift"):
        make_augmentation("shfit", 28)


def test_explorers_do_not_import_ipywidgets():
    import subprocess

    code = "import sys, cnnlab.widgets as w; w.convolution_arithmetic; sys.exit('ipywidgets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


# Clocks: each front end's, driven here as the front end would


def with_clock(monkeypatch, clock, **options):
    monkeypatch.setattr("cnnlab.widgets.lab.base.choose_clock", lambda: clock)
    return TrainingLab(models=("mlp_mnist",), datasets=("digits",), epochs=2, limit=100, **options)


@pytest.fixture
def colab(monkeypatch):
    """``google.colab`` as far as the lab needs it; the functions that were registered, by name."""
    google, colab, output = (types.ModuleType(name) for name in ("google", "google.colab", "google.colab.output"))
    functions = {}
    output.register_callback = functions.__setitem__
    google.colab, colab.output = colab, output
    for module in (google, colab, output):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return functions


@pytest.mark.parametrize(("version", "clock"), [("7.7.1", "PressedClock"), ("8.1.9", "StartedClock")])
def test_clock_follows_the_version_of_ipywidgets(monkeypatch, version, clock):
    monkeypatch.delitem(sys.modules, "google.colab", raising=False)
    monkeypatch.setattr(clocks.widgets, "__version__", version)
    assert clocks.choose_clock().__name__ == clock


@pytest.mark.parametrize("version", ["7.7.1", "8.1.9"])
def test_clock_of_colab_whatever_the_version(monkeypatch, colab, version):
    monkeypatch.setattr(clocks.widgets, "__version__", version)
    assert clocks.choose_clock() is clocks.ColabClock


def press(lab, playing: bool) -> None:
    """What the front end does to a Play whose own button is clicked."""
    setattr(lab.clock.play, lab.clock._playing, playing)


def test_play_as_the_train_button(monkeypatch):
    lab = with_clock(monkeypatch, clocks.PressedClock)
    assert lab.clock.play in lab.panel.children[1].children and lab.clock.hidden == ()
    press(lab, True)
    assert lab.current is not None and lab.clock.control.disabled and not lab.panel.stop.disabled
    tick_to_the_end(lab)
    assert lab.runs[0].state == "finished" and not lab.clock.control.disabled
    press(lab, True)
    press(lab, False)  # its pause button, where the style that hides it is missing
    assert lab.runs[1].state == "stopped"


def test_press_and_first_tick_in_one_message(monkeypatch):
    lab = with_clock(monkeypatch, clocks.PressedClock)
    with lab.clock.play.hold_trait_notifications():  # as ipywidgets takes a message in
        tick(lab)
        press(lab, True)
    assert lab.current is not None and lab.clock.running and "waits" not in lab.panel.status.value
    tick_to_the_end(lab)
    assert lab.runs[0].state == "finished"


def test_play_as_the_train_button_is_released_where_a_run_cannot_begin(monkeypatch):
    lab = with_clock(monkeypatch, clocks.PressedClock)
    monkeypatch.setattr(lab, "_load", lambda *_: (_ for _ in ()).throw(DatasetUnavailable("not here.")))
    press(lab, True)
    assert not lab.clock.running and not lab.clock.control.disabled and "not here" in lab.panel.message.value


def test_a_clock_that_python_cannot_start_says_what_to_press(monkeypatch):
    lab = with_clock(monkeypatch, clocks.PressedClock)
    lab.train()
    assert lab.runs[0].state == "training" and not lab.clock.running
    assert "Press Train on the panel" in lab.panel.status.value and "cnnlab-lab-late" not in lab.panel.status.value
    assert not lab.clock.control.disabled and not lab.panel.stop.disabled
    press(lab, True)
    tick_to_the_end(lab)
    assert [run.state for run in lab.runs] == ["finished"]


def test_colabs_callbacks_train(monkeypatch, colab):
    lab = with_clock(monkeypatch, clocks.ColabClock)
    markup = lab.clock.markup()
    ((name, call),) = colab.items()
    assert f'"name": "{name}"' in markup and " hidden>" in markup and "(SETUP)" not in markup
    again = lab.clock.markup()  # shown twice: two elements, one function
    assert len(colab) == 1 and again != markup
    answer = call("train")
    while answer.data["running"]:
        assert lab.clock.running
        answer = call("tick")
    assert lab.runs[0].state == "finished"
    assert not call("tick").data["running"]  # late: nothing begins
    assert call("train").data["running"]
    lab.panel.stop.click()
    assert not call("tick").data["running"] and lab.runs[1].state == "stopped"
    lab.train()  # from code
    assert "Press Train on the panel" in lab.panel.status.value


def test_colab_shows_its_button_before_the_panel(monkeypatch, colab):
    import IPython.display

    shown = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    lab = with_clock(monkeypatch, clocks.ColabClock)
    lab.show()
    assert shown[0].data == lab.clock.markup().replace("output-2", "output-1") and shown[1] is lab.panel


# Where nothing ticks


def test_panel_says_when_nothing_moves(lab, monkeypatch):
    batch_at_a_time(lab, monkeypatch)
    assert "cnnlab-lab-late" not in lab.panel.status.value
    lab.train()
    assert "Nothing has moved for 5 seconds" in lab.panel.status.value and "One epoch now" in lab.panel.status.value
    first = lab.panel.status.value
    tick(lab)
    assert lab.panel.status.value != first  # new for the page, which then waits again
    lab._slowest = 4.0
    tick(lab)
    assert "Nothing has moved for 12 seconds" in lab.panel.status.value  # a slow step is no silence
    lab.stop()
    assert "cnnlab-lab-late" not in lab.panel.status.value


def test_equal_lines_are_a_sign_of_life(lab):
    lab.panel.say_status("same", late_after=0)
    before = lab.panel.status.value
    lab.panel.say_status("same", late_after=0)
    assert lab.panel.status.value != before


def test_one_epoch_now_needs_no_clock(lab):
    lab.panel.one_epoch.click()
    (run,) = lab.runs
    assert len(run.history) == 1 and run.trainer.batch == 0 and run.state == "training" and not lab.clock.running
    assert "waits, 1 of 2 epochs done" in lab.panel.status.value
    assert not lab.clock.control.disabled and not lab.panel.stop.disabled
    lab.panel.one_epoch.click()
    assert run.state == "finished" and len(run.history) == 2


def test_one_epoch_then_train_is_one_run_and_the_same(lab):
    lab.train()
    tick_to_the_end(lab)
    lab.panel.one_epoch.click()
    lab.clock.control.click()
    assert lab.clock.running
    tick_to_the_end(lab)
    whole, parts = ([{**row, "seconds": 0} for row in run.history] for run in lab.runs)
    assert whole == parts and lab.runs[1].state == "finished"


def test_one_epoch_that_cannot_begin_says_why(lab, monkeypatch):
    monkeypatch.setattr(lab, "_load", lambda *_: (_ for _ in ()).throw(DatasetUnavailable("not here.")))
    lab.panel.one_epoch.click()
    assert lab.runs == [] and "not here" in lab.panel.message.value and not lab.panel.one_epoch.disabled


def test_run_in_cell_is_named_and_finds_the_lab(lab):
    assert f"{TrainingLab.__name__}.latest().run_in_cell()" in lab.panel.children[-2].value
    assert TrainingLab.latest() is lab
    other = TrainingLab(datasets=("digits",))
    assert TrainingLab.latest() is other
    lab.panel.epochs.value = 1
    lab.train()
    assert TrainingLab.latest() is lab
    lab.stop()


# The kernel's interrupt button


def test_interrupt_in_a_tick_is_a_stop(lab, monkeypatch):
    batch_at_a_time(lab, monkeypatch)
    lab.train()
    tick(lab)
    step = lab.runs[0].trainer.step

    def interrupted():
        step()
        raise KeyboardInterrupt

    monkeypatch.setattr(lab.runs[0].trainer, "step", interrupted)
    tick_to_the_end(lab, at_most=5)
    (run,) = lab.runs
    assert run.state == "stopped" and run.run.stopped
    assert not lab.clock.control.disabled and lab.panel.stop.disabled and not lab.panel.message.value
    lab.train()
    tick_to_the_end(lab)
    assert lab.runs[1].state == "finished"


def test_interrupt_in_one_epoch_is_a_stop(lab, monkeypatch):
    monkeypatch.setattr("cnnlab.widgets.lab.base.train_tick", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    lab.panel.one_epoch.click()
    assert lab.runs[0].state == "stopped" and not lab.clock.control.disabled


def test_interrupt_while_data_load_leaves_a_ready_panel(lab, monkeypatch, capsys):
    monkeypatch.setattr(lab, "_load", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    lab.train()
    assert "Ready." in lab.panel.status.value and lab.runs == []
    assert not lab.clock.control.disabled and not lab.panel.one_epoch.disabled and lab.panel.stop.disabled
    assert lab.run_in_cell() is None
    assert "Interrupted before the training began" in capsys.readouterr().out
    monkeypatch.undo()
    lab.train()
    tick_to_the_end(lab)
    assert lab.runs[0].state == "finished"


def test_stop_from_another_thread_waits_for_the_tick(lab, monkeypatch):
    """What it says at the end is what the history holds."""
    import threading

    lab.train()
    trainer = lab.runs[0].trainer
    step = trainer.step

    def stopped_meanwhile():
        other = threading.Thread(target=lab.stop)
        other.start()
        other.join()
        assert lab.runs[0].state == "training"  # the tick ends it
        return step()

    monkeypatch.setattr(trainer, "step", stopped_meanwhile)
    tick_to_the_end(lab)
    assert lab.runs[0].state == "stopped" and not lab.clock.control.disabled
    assert f"stopped after {len(lab.runs[0].history)} of 2" in lab.panel.status.value


def test_two_data_sets_of_one_name_are_refused():
    mine = load_dataset("digits", limit=100)
    with pytest.raises(ValueError, match=r"two are called 'digits'.*dataclasses.replace"):
        TrainingLab(datasets=("digits", mine))
    TrainingLab(datasets=("digits", dataclasses.replace(mine, name="mine")))


def test_interrupt_that_raises_nothing_reaches_the_lab(monkeypatch):
    """Between two messages, or where widgets are handled on another thread: ipykernel's handler is replaced."""
    import IPython

    heard = []
    kernel = types.SimpleNamespace(saved_sigint_handler=lambda *_: heard.append("before"))
    monkeypatch.setattr(IPython, "get_ipython", lambda: types.SimpleNamespace(kernel=kernel))
    monkeypatch.setattr(interrupts, "_kernel", None)
    lab = TrainingLab(models=("mlp_mnist",), datasets=("digits",), epochs=2, limit=100)
    handler = kernel.saved_sigint_handler
    TrainingLab(datasets=("digits",))
    assert kernel.saved_sigint_handler is handler  # once
    handler(2, None)
    assert heard == ["before"]
    lab.train()
    handler(2, None)
    assert lab.runs[0].state == "training"  # flags alone: a signal comes at any moment
    tick(lab)
    assert lab.runs[0].state == "stopped"

    real = lab._load
    monkeypatch.setattr(lab, "_load", lambda *arguments: [real(*arguments), handler(2, None)][0])
    lab.train()
    assert len(lab.runs) == 1 and "Ready." in lab.panel.status.value and not lab.clock.control.disabled
