"""MTCNN: its layers, what its windows are, and what the recorded cascade found."""

from __future__ import annotations

import json

import pytest
import torch

from cnnlab.analysis import summarize
from cnnlab.models import mtcnn
from cnnlab.models.mtcnn import MTCNN, POINTS, ONet, PNet, RNet
from cnnlab.results import recorded_folder


@pytest.fixture
def cascade() -> MTCNN:
    torch.manual_seed(0)
    return MTCNN().eval()


def test_the_layers_are_those_of_figure_2():
    for network, side, shapes in (
        (PNet(), 12, [(2, 2, 1, 1), (2, 4, 1, 1)]),
        (RNet(), 24, [(2, 2), (2, 4)]),
        (ONet(), 48, [(2, 2), (2, 4), (2, 10)]),
    ):
        assert [tuple(output.shape) for output in network(torch.zeros(2, 3, side, side))] == shapes
        assert f"{sum(p.numel() for p in network.parameters()):,}" in mtcnn.__doc__
    # 10 x 10 x 10 x 27 + 3 x 3 x 16 x 90 + 32 x 144 + 6 x 32, by hand.
    assert summarize(PNet(), (3, 12, 12)).macs == 27_000 + 12_960 + 4_608 + 192


def test_over_a_picture_it_says_of_each_window_what_it_says_of_the_window_alone(cascade):
    picture = torch.randn(1, 3, 23, 30)
    face, box = cascade.pnet(picture)
    assert face.shape == (1, 2, 7, 10), "ceil((H - 2) / 2) - 4"
    rows, columns = 6, 10  # whole windows: at an odd border the last pooling sees one row less
    windows = picture.unfold(2, 12, 2).unfold(3, 12, 2)[:, :, :rows, :columns]  # (1, 3, 6, 10, 12, 12)
    alone_face, alone_box = cascade.pnet(windows.permute(0, 2, 3, 1, 4, 5).flatten(0, 2))
    assert torch.allclose(face[0, :, :rows, :columns].flatten(1).T, alone_face.flatten(1), atol=1e-5)
    assert torch.allclose(box[0, :, :rows, :columns].flatten(1).T, alone_box.flatten(1), atol=1e-5)


def test_boxes_are_moved_squared_and_cut_out():
    box = torch.tensor([[10.0, 20, 20, 40]])
    assert mtcnn.moved(box, torch.tensor([[0.1, -0.1, 0.2, 0.05]])).tolist() == [[11, 18, 22, 41]]
    assert mtcnn.moved(box, torch.tensor([[0.0, 0, -2, 0]])).tolist() == [[10, 20, 10, 40]], (
        "empty, and not turned over"
    )
    assert mtcnn.square(box).tolist() == [[5, 20, 25, 40]]
    x = torch.arange(64.0).view(1, 1, 8, 8).expand(1, 3, 8, 8)
    cut = mtcnn.crops(x, torch.tensor([[2.0, 2, 6, 6], [-4, -4, 2, 2], [20, 20, 30, 30]]), 2)
    assert cut[:, 0].flatten(1).tolist() == [[22.5, 24.5, 38.5, 40.5], [0, 1, 8, 9], [63] * 4]
    assert mtcnn.crops(x, torch.zeros(0, 4), 24).shape == (0, 3, 24, 24)


def test_a_face_that_every_network_sees_comes_out_once_with_its_points(cascade):
    """Networks that only look at how bright a window's middle is."""
    picture = torch.zeros(3, 60, 60, dtype=torch.uint8)
    picture[:, 16:40, 12:36] = 255
    seen = []

    def sure_where_bright(x):
        seen.append(tuple(x.shape))
        bright = torch.nn.functional.avg_pool2d(x.mean(1, keepdim=True), 12, 2)  # (1, 1, h, w)
        face = torch.cat([torch.zeros_like(bright), 40 * bright - 39.4], 1)
        return face, torch.zeros(1, 4, *face.shape[2:])

    def sure(x):
        seen.append(tuple(x.shape))
        n = len(x)
        points = torch.tensor([0.25, 0.75, 0.5, 0.3, 0.7, 0.3, 0.3, 0.5, 0.8, 0.8]).repeat(n, 1)
        return torch.tensor([[0.0, 9]]).repeat(n, 1), torch.zeros(n, 4), points

    cascade.pnet.forward = sure_where_bright
    cascade.rnet.forward, cascade.onet.forward = lambda x: sure(x)[:2], sure
    faces = cascade(picture)
    assert [len(one) for one in faces.stages][1:] == [1, 1] and faces.windows > 100
    x1, y1, x2, y2 = faces.stages[2].boxes[0].tolist()
    assert 11 <= x1 <= 15 and 15 <= y1 <= 19 and 30 <= x2 <= 37 and 34 <= y2 <= 41
    eye, nose = faces.points[0, 0], faces.points[0, 2]
    assert eye.tolist() == pytest.approx([x1 + 0.25 * (x2 - x1), y1 + 0.3 * (y2 - y1)], abs=1e-3)
    assert nose.tolist() == pytest.approx([(x1 + x2) / 2, (y1 + y2) / 2], abs=1e-3) and len(POINTS) == 5
    assert {shape[1:] for shape in seen[-2:]} == {(3, 24, 24), (3, 48, 48)}
    nothing = cascade(torch.zeros_like(picture))
    assert [len(one) for one in nothing.stages] == [0, 0, 0] and nothing.points.shape == (0, 5, 2)
    assert cascade(torch.zeros(3, 10, 10, dtype=torch.uint8)).windows == 0, "smaller than the smallest face"


def test_weights_are_taken_by_their_names(cascade):
    theirs = {"face": {"pnet": "conv4_1", "rnet": "dense5_1", "onet": "dense6_1"}, "points": {"onet": "dense6_3"}}
    theirs |= {"box": {"pnet": "conv4_2", "rnet": "dense5_2", "onet": "dense6_2"}}
    theirs |= {"dense": {"rnet": "dense4", "onet": "dense5"}}
    states = {}
    for name in ("pnet", "rnet", "onet"):
        state = getattr(cascade, name).state_dict()
        parts = {key: key.partition(".") for key in state}
        states[name] = {
            f"{theirs.get(layer, {}).get(name, layer)}.{tensor}": state[key]
            for key, (layer, _, tensor) in parts.items()
        }
    assert "dense6_3.weight" in states["onet"] and "prelu5.weight" in states["onet"]
    other = MTCNN().load_facenet(states)
    assert all(torch.equal(a, b) for a, b in zip(other.state_dict().values(), cascade.state_dict().values()))


@pytest.mark.parametrize("picture", [torch.zeros(3, 40, 40), torch.zeros(1, 40, 40, dtype=torch.uint8)])
def test_what_is_no_picture_in_color_is_refused(cascade, picture):
    with pytest.raises(ValueError, match=r"wanted torch.uint8 of shape \(3, H, W\)"):
        cascade(picture)


def test_the_recorded_faces_are_where_faces_are():
    record = json.loads((recorded_folder() / "faces.json").read_text(encoding="utf-8"))
    assert record["names of the points"] == list(POINTS)
    photos = {row["photo"]: row for row in record["photos"]}
    for row in photos.values():
        survivors = [len(stage["boxes"]) for stage in row["stages"]]
        assert survivors == sorted(survivors, reverse=True) and row["windows"] > 100 * survivors[0]
        assert survivors[2] == len(row["points"]) == row["found by facenet-pytorch"]
        assert [len(stage["scores"]) for stage in row["stages"]] == survivors
    assert [len(photos[name]["points"]) for name in ("astronaut", "camera", "cat", "coffee")] == [1, 1, 0, 0]
    assert all(photos[name]["farthest point"] < 3 for name in ("astronaut", "camera"))
    left_eye, right_eye, nose, left, right = photos["astronaut"]["points"][0]
    assert left_eye[0] < nose[0] < right_eye[0] and left_eye[1] < nose[1] < left[1] and left[0] < right[0]
