"""What README.md shows runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from PIL import Image

README = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes of small pictures, in the working directory."""
    monkeypatch.chdir(tmp_path)
    generator = torch.Generator().manual_seed(0)
    for number, name in enumerate(("bright", "dark")):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for i in range(20):
            pixels = torch.randint(0, 120, (40, 36, 3), generator=generator, dtype=torch.uint8) + 120 * (1 - number)
            Image.fromarray(pixels.numpy()).save(folder / f"{i}.png")
    return tmp_path


@pytest.mark.slow
def test_your_own_data_and_models(photos: Path, capsys: pytest.CaptureFixture[str]):
    code = next(block for block in BLOCKS if "load_images" in block)
    assert 15 <= len(code.splitlines()) <= 28
    namespace: dict = {}
    exec(compile(code, "<README>", "exec"), namespace)
    assert namespace["photos"].classes == ("bright", "dark")
    assert namespace["measured"].accuracy >= 0.5
    assert (photos / "photos.pt").is_file() and (photos / "model.svg").is_file()
    printed = capsys.readouterr().out
    assert "resnet20" in printed and "mine" in printed and "bright" in printed
