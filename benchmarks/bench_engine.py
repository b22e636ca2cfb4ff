"""The engine that runs networks in the book's pages, beside ONNX Runtime's WebAssembly, which is the measure for it.

    python benchmarks/bench_engine.py [--rounds 20] [--onnxruntime-web 1.30.0]

Needs Node and, for the comparison, npm, which installs onnxruntime-web into a temporary folder; without it the engine's
own times are printed. Both run in one process, one thread each, taking turns. Milliseconds of the quickest round, after
two seconds that are not counted: by the clock, and of the process's CPU time, which a busy machine disturbs less. Then
how far the two answers are apart.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from torch import nn

from cnnlab.chapters.lenet.lenet_live import trained as trained_lenet
from cnnlab.chapters.resnet.taken_apart import trained as trained_small
from cnnlab.models import create_model
from cnnlab.ship import to_onnx
from cnnlab.ship.page import export_page
from cnnlab.widgets.networks import ENGINE

TIMED = """
import { readFileSync } from "node:fs";
const { engine, ort: place, networks, rounds } = JSON.parse(readFileSync(0));
const { ACTIVATIONS, LAYERS } = await import(`${engine}/layers.js`);
const { passedOn, readNetwork } = await import(`${engine}/network.js`);
let ort = null;
if (place) {
  ort = await import(place);
  ort.env.wasm.numThreads = 1;
}
for (const { name, page, file, shape } of networks) {
  const network = readNetwork(JSON.parse(readFileSync(page)));
  const count = shape.reduce((a, b) => a * b);
  const data = Float32Array.from({ length: count }, (_, i) => Math.sin(i * 0.7) + Math.cos(i * 0.013));
  const ways = { engine: () => passedOn(network, { shape, data }, LAYERS, ACTIVATIONS).at(-1).data };
  if (ort) {
    const session = await ort.InferenceSession.create(readFileSync(file));
    const given = { [session.inputNames[0]]: new ort.Tensor("float32", data, [1, ...shape]) };
    ways["onnxruntime-web"] = async () => (await session.run(given))[session.outputNames[0]].data;
  }
  const best = {};
  const said = {};
  const began = performance.now();
  for (let round = 0; round < rounds; ) {
    const counted = performance.now() - began > 2000; // a browser's compiler takes its time to see what is hot
    for (const [way, run] of Object.entries(ways)) {
      const [clock, cpu] = [performance.now(), process.cpuUsage()];
      said[way] = await run();
      const used = process.cpuUsage(cpu);
      const took = [performance.now() - clock, (used.user + used.system) / 1000];
      if (counted) best[way] = (best[way] ?? took).map((old, i) => Math.min(old, took[i]));
    }
    round += counted;
  }
  const [own, other] = [said.engine, said["onnxruntime-web"]];
  const apart = other ? Math.max(...own.map((v, i) => Math.abs(v - other[i]))) : null;
  console.log(JSON.stringify({ name, best, apart }));
}
process.exit(0);
"""


def networks() -> dict[str, tuple[nn.Module, tuple[int, int, int]]]:
    """Those of the book's pages, with the sizes of their pictures."""
    with_weights = {name: (trained_small(name), (1, 28, 28)) for name in ("ResNet", "GoogLeNet", "MobileNet")}
    lite = create_model("tf_efficientnet_lite0", weights="imagenet").eval()
    return {"LeNet-5": (trained_lenet("lenet5_28"), (1, 28, 28)), **with_weights, "Lite0": (lite, (3, 224, 224))}


def installed(version: str, folder: Path) -> str | None:
    """The address of onnxruntime-web's module for Node, or None where npm cannot bring it."""
    npm = shutil.which("npm")
    if not npm:
        return None
    (folder / "package.json").write_text("{}")
    command = [npm, "install", "--silent", "--no-audit", "--no-fund", f"onnxruntime-web@{version}"]
    if subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode:
        return None
    return (folder / "node_modules/onnxruntime-web/dist/ort.wasm.min.mjs").as_uri()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--onnxruntime-web", default="1.30.0", metavar="VERSION")
    options = parser.parse_args()
    if not shutil.which("node"):
        sys.exit("There is no Node here: install it (Debian: apt-get install nodejs npm).")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jobs = []
        for key, (model, shape) in networks().items():
            page, file = folder / f"{key}.json", folder / f"{key}.onnx"
            page.write_text(json.dumps(export_page(model, bits=16)))
            to_onnx(model, torch.randn(2, *shape), file)
            jobs.append({"name": key, "page": str(page), "file": str(file), "shape": shape})
        place = installed(options.onnxruntime_web, folder)
        job = {"engine": ENGINE.as_uri(), "ort": place, "networks": jobs, "rounds": options.rounds}
        command = [shutil.which("node"), "--input-type=module", "-e", TIMED]
        done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    beside = f"onnxruntime-web {options.onnxruntime_web} (WebAssembly)" if place else "nothing: npm brought no package"
    print(f"one thread; beside it {beside}")
    for line in done.stdout.splitlines():
        row = json.loads(line)
        print(f"{row['name']:10}", end="")
        for way, (clock, cpu) in row["best"].items():
            print(f" {way}: {clock:8.2f} ms, {cpu:8.2f} ms of CPU time;", end="")
        if place:
            own, other = (row["best"][way][1] for way in ("engine", "onnxruntime-web"))
            print(f" {other / own:4.0%} of its speed; answers {row['apart']:.4f} apart", end="")
        print()


if __name__ == "__main__":
    main()
