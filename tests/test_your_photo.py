"""The network that answers about photographs inside a page: its pixels, its numbers and its words are Python's own."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import numpy as np
import pytest
import torch

import cnnlab
from cnnlab.data import sample_photos
from cnnlab.preprocessing import Preprocess
from cnnlab.results import recorded
from cnnlab.widgets import networks, your_photo
from experiments.photo_in_page import asked, in_page, layer_output, strongest
from tests.explorers import VIEWS
from tests.test_explorer_arithmetic import node  # noqa: F401 a fixture, which skips where there is no Node

LITE = "tf_efficientnet_lite0"
RECORD = recorded("photo_in_page")
# Heights and widths of photographs, and the share of pixels that may be one off: of a tall one Pillow's newer versions
# resize the columns first, which rounds otherwise.
SIZES = {(300, 451): 0.001, (700, 260): 0.2, (256, 256): 0.001, (40, 31): 0.001, (257, 1024): 0.001}


@pytest.fixture
def run(node, tmp_path):  # noqa: F811
    """``run(code, job)``: what a module's code says, as JSON, of a job that it has as ``job``."""

    def done(code: str, job: Any) -> Any:
        places = f"""
        import {{ readFileSync }} from "node:fs";
        import * as view from "{VIEWS["your_photo"].as_uri()}";
        import * as camera from "{(networks.ENGINE.parent / "camera.js").as_uri()}";
        import {{ seenOf }} from "{(networks.ENGINE / "resize.js").as_uri()}";
        import * as brain from "{(networks.ENGINE / "brain.js").as_uri()}";
        const job = JSON.parse(readFileSync(0));
        const plain = (key, value) => ArrayBuffer.isView(value) ? [...value] : value;
        const say = (value) => console.log(JSON.stringify(value, plain));
        """
        command = [shutil.which("node"), "--input-type=module", "-e", places + code]
        ran = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, check=False, timeout=120)
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    return done


def rgba(photo: np.ndarray) -> dict[str, Any]:
    """A photograph (H, W, 3) as a page's canvas gives it."""
    full = np.concatenate([photo, np.full((*photo.shape[:2], 1), 255, "uint8")], axis=2)
    return {"data": full.ravel().tolist(), "height": photo.shape[0], "width": photo.shape[1]}


def test_what_the_network_sees_is_what_pillow_makes(run):
    drawn = np.random.default_rng(0)
    photos = [drawn.integers(0, 256, (*size, 3), dtype="uint8") for size in SIZES]
    # Smooth ones too, whose pixels are no noise
    photos = [np.sort(photo, axis=number % 2) for number, photo in enumerate(photos)]
    own = Preprocess(64, 56, (0.5,) * 3, (0.5,) * 3, "bicubic")
    found = run("say(job.map((photo) => seenOf(photo, { resize: 64, crop: 56 })));", [rgba(photo) for photo in photos])
    for photo, seen in zip(photos, found, strict=True):
        apart = (torch.tensor(seen).reshape(3, 56, 56) - own.pixels(photo).int()).abs()
        assert apart.max() <= 1 and (apart > 0).float().mean() <= SIZES[photo.shape[:2]], photo.shape


@pytest.mark.slow
def test_the_page_answers_as_its_weights_do_in_torch(run, tmp_path):
    network = cnnlab.create_model(LITE, weights="imagenet").eval()
    rounded, photo = in_page(network), sample_photos()["coffee"]
    seen = network.preprocess.pixels(photo)
    best = asked(rounded, seen[None])[0].sort(descending=True)
    covered = network.preprocess.normalized(seen)[None].clone()
    covered[..., 84:140, 84:140] = 0
    file = tmp_path / "network.js"
    file.write_text(networks.network_file(LITE), encoding="utf-8")
    code = """
    globalThis.window = { cnnlabNetworks: {} };
    (0, eval)(readFileSync(job.file, "utf8"));
    const said = [];
    const made = window.cnnlabNetworks[job.name];
    const think = made.brain()((message) => {
      said.push(message);
      if (message.kind === "covered" && message.at === 24) think({ kind: "stop" });
    });
    await think({ kind: "maps", stage: "stem" });
    await think({ kind: "network", network: made.network });
    await think({ kind: "photo", key: "cup", ...job.photo });
    await think({ kind: "maps", stage: "stage5" });
    await think({ kind: "cover" });
    await think({ kind: "maps", stage: "nothing" });
    say(said);
    """
    said = run(code, {"file": str(file), "name": LITE, "photo": rgba(photo)})
    kinds = [message["kind"] for message in said]
    assert kinds == ["ready", *["progress"] * 16, "answer", "maps", *["covered"] * 25, "uncovered", "trouble"]
    answer, maps, middle = said[17], said[18], said[43]
    assert [name for name, _ in answer["top"]] == [network.classes[i] for i in best.indices[:5].tolist()]
    torch.testing.assert_close(torch.tensor([p for _, p in answer["top"]]), best.values[:5], atol=1e-3, rtol=0)
    wanted = strongest(layer_output(rounded, rounded.stages.stage5, seen))
    assert maps["side"] == 14 and set(maps["channels"][:12]) <= set(wanted["channels"])
    with torch.no_grad():
        p = rounded(covered).softmax(1)[0, best.indices[0]].item()
    assert middle["at"] == 24 and abs(middle["share"] - p) < 2e-3


def test_messages_become_state(run):
    state = {"picture": "", "own": {"key": "own 1"}, "answer": None, "cover": None}
    code = """
    const say1 = (message) => view.heard(job, message);
    const answer = { kind: "answer", key: "own 1", top: [["a", 0.5], ["b", 0.2]], ms: 420 };
    const first = say1({ kind: "covered", key: "own 1", at: 0, of: 49, share: 0.5 });
    const second = view.heard({ ...job, ...first }, { kind: "covered", key: "own 1", at: 1, of: 49, share: 0.1 });
    const answered = { ...job, ...say1(answer) };
    const data = { photos: {}, megabytes: 6.4 };
    say({
      ready: say1({ kind: "ready" }), half: say1({ kind: "progress", done: 32, of: 64 }), shares: second.cover.shares,
      trouble: say1({ kind: "trouble", text: "no" }),
      says: [view.says(job, data), view.says(answered, data)],
      status: view.status({ ...answered, network: "ready", problem: "", ...second }, data),
      lost: [view.lost(0.5, 0.5), view.lost(0.25, 0.5), view.lost(0, 0.5), view.lost(0.9, 0.5)],
      edges: [0, 3, 6].map(view.edges),
      settle: [view.settle({ ...job, network: "asleep", problem: "" }, "own"), view.settle(job, "stage")],
    });
    """
    said = run(code, state)
    assert said["ready"] == {"network": "ready"} and said["half"] == {"done": 0.5} and said["shares"] == [0.5, 0.1]
    assert said["trouble"] == {"problem": "no", "done": None, "covering": False}
    assert said["says"][0] == "Your photo. The network looks at it."
    assert said["says"][1] == (
        "EfficientNet-Lite0 takes your photo for: a (50.0 %), then b (20.0 %), after 0.42 s in this page."
    )
    assert said["status"] == "What stays clear carries the answer: a gray square there took it from 50.0 % to 10.0 %."
    assert said["lost"] == [0, 0.5, 1, 0] and said["edges"] == [[0, 42], [98, 126], [182, 224]]
    assert said["settle"] == [{"network": "called"}, {"problem": ""}]


def test_what_cannot_be_read_is_said_in_a_line(run):
    code = """say([
      camera.unread("a.heic", ""), camera.unread("a.txt", "text/plain"), camera.tooLarge("a.jpg", 12000, 9000),
      camera.readAt(4000, 3000), camera.readAt(640, 480), camera.readAt(1, 9000),
    ]);"""
    heic, text, large, *sizes = run(code, None)
    assert heic == "a.heic is a HEIC picture, which this browser cannot read. Save it as JPEG and choose that."
    assert text == "a.txt is no picture that this browser can read. Choose a JPEG, PNG or WebP file."
    assert large == "a.jpg has 108 megapixels; the most that is read here is 100. Make it smaller first."
    assert sizes == [[1365, 1024], [640, 480], [1, 9000]]


def test_the_file_s_stages_and_names():
    page = networks.network_page(LITE)
    ends = {stage: page["layers"][at]["name"] for stage, at in page["stages"].items()}
    assert (
        ends["stem"] == "stem.conv" and ends["stage2"] == "stages.stage2.0.narrow.conv" and ends["last"] == "last.conv"
    )
    assert ends["stage3"].startswith("add") and list(ends) == list(RECORD["stages"])
    assert len(page["classes"]) == 1000 and page["preprocess"]["crop"] == 224
    with pytest.raises(ValueError, match="name='resnet50' is not known"):
        networks.network_page("resnet50")


def test_what_is_recorded_of_it():
    of_classes = RECORD["agreement"]["a photograph of each class"]
    assert of_classes["pictures"] == 1000 and of_classes["same_first"] >= 980
    assert abs(of_classes["right_page"] - of_classes["right_float"]) < 10
    assert RECORD["megabytes"] == pytest.approx(len(json.dumps(networks.network_page(LITE))) / 1e6, abs=0.06)
    data = your_photo("rocket", stage="stem").params["data"]
    assert data["network"] == LITE and set(data["photos"]) == set(RECORD["photos"])
    assert all(len(own["top"]) == 5 for own in data["photos"].values())
    with pytest.raises(ValueError, match="picture='dog'"):
        your_photo("dog")
