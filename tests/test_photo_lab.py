"""The photo lab without a browser: photographs of every origin, and what is wrong with one in a line."""

from __future__ import annotations

import io
import types
from collections.abc import Iterator
from pathlib import Path

import nbformat
import numpy
import pytest
import torch
from PIL import Image

pytest.importorskip("ipywidgets")

import cnnlab
from cnnlab.data import load_dataset, sample_photos
from cnnlab.download import DownloadError, read_address
from cnnlab.models import create_model
from cnnlab.widgets import PhotoLab, photo_lab
from tests.fake_server import Server

ROOT = Path(__file__).resolve().parent.parent
SMALL = "tf_efficientnet_lite0"

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def network():
    return create_model(SMALL, weights="imagenet")


@pytest.fixture
def lab(network) -> PhotoLab:
    return PhotoLab(network)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


def cat(kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(sample_photos()["cat"]).save(file, kind, lossless=True)
    return file.getvalue()


def says(lab: PhotoLab) -> str:
    return lab.answers[SMALL].name


def test_a_photograph_from_the_menu(lab, network):
    lab.photo.value = "cat"
    assert torch.equal(lab.answers[SMALL].probabilities, network.predict(sample_photos()["cat"]).probabilities)
    assert says(lab) == "tiger cat" and lab.said == (f"{SMALL} takes cat for tiger cat, 39%.", "")
    shown = lab.answer.value
    assert all(name in shown for name in ("tiger cat", "Egyptian cat", "tabby", "39.3%")) and shown.count("<tr>") == 5
    assert '<img alt="' in shown and "What was read of cat" in shown


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_a_file_in_every_lossless_kind_and_from_everywhere(lab, tmp_path, server, kind):
    content = cat(kind)
    path = tmp_path / f"pet.{kind.lower()}"
    path.write_bytes(content)
    server.files["/pet?size=1"] = content
    wanted = None
    for picture in (str(path), path, f"  {path} ", content, f"{server.url}/pet?size=1"):
        lab.look(picture)
        assert not lab.said[1] and says(lab) == "tiger cat"
        wanted = lab.answers[SMALL].probabilities if wanted is None else wanted
        assert torch.equal(lab.answers[SMALL].probabilities, wanted)


def test_the_line_for_a_place_asks_by_return_and_by_the_button(lab, tmp_path):
    (tmp_path / "pet.png").write_bytes(cat())
    lab.place.value = str(tmp_path / "pet.png")
    assert says(lab) == "tiger cat" and "pet.png" in lab.said[0]
    lab.photo.value = "coffee"
    lab.ask.click()
    assert says(lab) == "tiger cat"


def test_an_upload_as_ipywidgets_8_and_7_give_it(lab):
    one = {"name": "pet.png", "type": "image/png", "size": 1, "content": memoryview(cat())}
    if lab.upload.has_trait("_counter"):
        lab.upload.set_state({"_counter": 1, "data": [one["content"]], "metadata": [{"name": "pet.png"}]})
    else:
        from datetime import datetime

        for _ in range(2):  # the same file a second time is news, too
            lab.answers = {}
            lab.upload.value = ({**one, "last_modified": datetime.now()},)
            assert lab.upload.value == ()
    assert says(lab) == "tiger cat" and lab.said[0].startswith(f"{SMALL} takes pet.png for")
    assert photo_lab._uploaded({"pet.png": {"metadata": {}, "content": b"1"}}) == [("pet.png", b"1")]
    assert photo_lab._uploaded(({"name": "pet.png", "content": memoryview(b"1")},)) == [("pet.png", b"1")]


def test_what_is_wrong_is_said_in_a_line_and_the_old_answer_goes(lab, tmp_path, server, monkeypatch):
    monkeypatch.setattr(photo_lab, "LARGEST", 1_000_000)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "cut.png").write_bytes(cat()[:5000])
    (tmp_path / "large.png").write_bytes(b"0" * 1_000_001)
    server.files.update({"/page.html": b"<html>", "/large.png": b"0" * 1_000_001})
    for picture, said in {
        "": "Upload a picture, or give the path",
        str(tmp_path / "gone.png"): "gone.png' is not there: give the path of a picture file, or upload it.",
        str(tmp_path): "is a folder: give one picture",
        str(tmp_path / "notes.txt"): "notes.txt cannot be read as a picture",
        str(tmp_path / "cut.png"): "cut.png cannot be read as a picture",
        str(tmp_path / "large.png"): "large.png has 1 MB, and 1 are accepted",
        f"{server.url}/page.html": "page.html cannot be read as a picture (of no known kind)",
        f"{server.url}/large.png": "holds more than 1 MB",
        f"{server.url}/gone.png": "answers 404",
        "ftp://example.org/a.png": "begins with https:// or http://",
        "https://127.0.0.1:9/a.png": "127.0.0.1 could not be reached",
    }.items():
        lab.look(sample_photos()["coffee"])
        assert lab.answers and lab.answer.value
        lab.look(picture)
        message = lab.said[1]
        assert said in message and "\n" not in message and "on_error" not in message, message
        assert 'role="alert"' in lab.message.value and not lab.answers and not lab.answer.value
    lab.look(numpy.zeros((2, 9, 9, 3), "uint8"))
    assert "one picture at a time" in lab.said[1]
    lab.look(sample_photos()["cat"])
    assert says(lab) == "tiger cat" and not lab.message.value


def test_markup_in_a_name_stays_text(lab, tmp_path):
    (tmp_path / "<b>&.png").write_bytes(cat())
    lab.look(str(tmp_path / "<b>&.png"))
    assert "&lt;b&gt;&amp;.png" in lab.answer.value and "<b>" not in lab.answer.value + lab.status.value


def test_the_second_network_is_asked_where_its_box_is_ticked_and_its_absence_loses_nothing(lab, monkeypatch):
    from cnnlab.models import factory

    asked = []

    def unreachable(name, model, weights, **options):
        asked.append(name)
        raise DownloadError(f"{name} weights could not be downloaded. Check the network connection.")

    monkeypatch.setattr(factory, "load_official", unreachable)
    lab.photo.value = "cat"
    assert not asked and "downloaded once" in lab.both.description
    lab.both.value = True
    assert asked == ["resnet50"] and says(lab) == "tiger cat"
    assert lab.said[1] == "resnet50 weights could not be downloaded. Check the network connection."
    lab.both.value = False
    assert not lab.said[1]


def test_a_network_of_the_readers_own_stands_beside_it(network):
    data = load_dataset("digits", size=32).subset(train=50)
    own = create_model("lenet5", num_classes=10, in_channels=1)
    cnnlab.fit(own, data, epochs=1, progress=False)
    lab = PhotoLab(network, beside=own)
    lab.both.value = True
    lab.photo.value = "cat"
    assert list(lab.answers) == [SMALL, "lenet5"] and lab.answers["lenet5"].classes == data.classes
    assert lab.answer.value.count("<table") == 2 and "downloaded" not in lab.both.description


def test_what_cannot_be_asked_is_refused_when_the_lab_is_made(network):
    with pytest.raises(ValueError, match="tf_efficientnet_lite0"):
        PhotoLab("tf_efficientnet_light0")
    with pytest.raises(ValueError, match="lenet5"):
        PhotoLab("lenet5")
    with pytest.raises(TypeError, match="beside must be a name"):
        PhotoLab(network, beside=3)
    with pytest.raises(ValueError, match="is network itself"):
        PhotoLab(network, beside=SMALL)
    with pytest.raises(ValueError, match="photos"):
        PhotoLab(network, photos=["cart"])
    with pytest.raises(ValueError, match="does not say"):
        PhotoLab(torch.nn.Linear(2, 2))


def test_widgets_with_a_first_answer_where_somebody_is_there_and_a_poster_elsewhere(lab, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *things, **kind: shown.append((things[0], kind)))
    lab._ipython_display_()
    (bundle, kind) = shown[0]
    assert kind == {"raw": True} and "cnnlab-lab-poster" in bundle["text/html"] and not lab.answers
    assert bundle == PhotoLab(SMALL)._repr_mimebundle_() and "This is a drawing" in bundle["text/html"]
    kernel = types.SimpleNamespace(kernel=types.SimpleNamespace(_allow_stdin=True))
    monkeypatch.setattr("IPython.get_ipython", lambda: kernel)
    lab._ipython_display_()
    assert shown[1][0] is lab.panel and says(lab) == "tiger cat"


def test_committed_outputs_are_posters():
    for chapter in ("foundations/imagenet", "architectures/resnet"):
        notebook = nbformat.read(ROOT / "book" / f"{chapter}.ipynb", as_version=4)
        (cell,) = [cell for cell in notebook.cells if "PhotoLab(" in cell.source and cell.cell_type == "code"]
        (output,) = cell.outputs
        assert "cnnlab-lab-poster" in output["data"]["text/html"]


def test_an_address_is_read_up_to_a_limit(server):
    server.files["/a"] = b"12345"
    assert read_address(f"{server.url}/a", 5) == b"12345"
    with pytest.raises(DownloadError, match="more than"):
        read_address(f"{server.url}/a", 4)
    for address in ("a.png", "file:///etc/hostname", "https://", "http://[half"):
        with pytest.raises(ValueError, match="begins with https://"):
            read_address(address, 5)
