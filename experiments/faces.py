"""Where a cascade with trained weights finds faces in the photographs that scikit-image carries, stage by stage.

The weights are those of facenet-pytorch 2.6.0, which is no dependency: ``pip install --no-deps facenet-pytorch==2.6.0``
for this record alone. The same photographs go through that package's own program too.
"""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cnnlab.data.bundled import sample_photos
from cnnlab.detection import Objects
from cnnlab.download import DownloadError, verify
from cnnlab.models.mtcnn import MTCNN, POINTS
from experiments.facts import record

PHOTOS = ("astronaut", "camera", "cat", "coffee")
REQUIREMENT = "facenet-pytorch==2.6.0"
FILES = {
    "pnet": "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
    "rnet": "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
    "onet": "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
}


def weights() -> dict[str, dict[str, Tensor]]:
    """The three files of the installed package, verified and read."""
    found = importlib.util.find_spec("facenet_pytorch")
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"The weights are not installed: pip install --no-deps {REQUIREMENT}.")
    states = {}
    for name, sha256 in FILES.items():
        path = Path(found.origin).parent / "data" / f"{name}.pt"
        if fault := verify(path, sha256=sha256):
            raise DownloadError(f"{path.name} is not the file that {REQUIREMENT} holds: {fault}.")
        states[name] = torch.load(path, map_location="cpu", weights_only=True)
    return states


def theirs(states: dict[str, dict[str, Tensor]]) -> Any:
    """photo -> boxes with scores (n, 5) and points (n, 5, 2) of the package's own program."""
    from facenet_pytorch.models.mtcnn import ONet, PNet, RNet
    from facenet_pytorch.models.utils.detect_face import detect_face

    networks = [network(pretrained=False) for network in (PNet, RNet, ONet)]
    for network, state in zip(networks, states.values(), strict=True):
        network.load_state_dict(state)

    def find(photo: Any) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            boxes, points = detect_face(photo, 20, *networks, [0.6, 0.7, 0.7], 0.709, "cpu")
        return torch.as_tensor(boxes[0].astype(float)), torch.as_tensor(points[0].astype(float))

    return find


def make(root: str | None) -> dict[str, Any]:
    states = weights()
    cascade, find = MTCNN().load_facenet(states).eval(), theirs(states)
    rows = []
    for name in PHOTOS:
        photo = sample_photos()[name]
        picture = torch.from_numpy(photo).permute(2, 0, 1).contiguous()
        cascade(picture)  # the first pays for set-up
        began = time.process_time()
        faces = cascade(picture)
        seconds = time.process_time() - began
        boxes, points = find(photo)
        row = {
            "photo": name,
            "size": list(photo.shape[:2]),
            "windows": faces.windows,
            "stages": [_plain(one) for one in faces.stages],
            "points": [[[round(value, 1) for value in point] for point in face] for face in faces.points.tolist()],
            "processor seconds": round(seconds, 3),
            "found by facenet-pytorch": len(boxes),
        }
        if len(boxes) == len(faces.points) == 1:
            row["farthest side"] = round((boxes[0, :4] - faces.stages[2].boxes[0]).abs().max().item(), 1)
            row["farthest point"] = round((points[0] - faces.points[0]).norm(dim=1).max().item(), 1)
        rows.append(row)
        print({key: row[key] for key in row if key not in ("stages", "points")}, flush=True)
    return {
        "source": "photographs that scikit-image carries; weights of P-, R- and O-Net in facenet-pytorch 2.6.0 (MIT "
        "License)",
        "names of the points": list(POINTS),
        "photos": rows,
    }


def _plain(objects: Objects) -> dict[str, Any]:
    """Boxes to a tenth of a pixel, and scores."""
    return {
        "boxes": [[round(value, 1) for value in box] for box in objects.boxes.tolist()],
        "scores": [round(score, 4) for score in objects.scores.tolist()],
    }


if __name__ == "__main__":
    record("faces", make, given="not used: the photographs come with scikit-image")
