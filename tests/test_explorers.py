"""Explorers as text: deterministic, safe inside a page, small, and clear about bad parameters."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cnnlab import widgets
from cnnlab.arithmetic import output_size
from cnnlab.draw.palette import css_variables
from cnnlab.widgets import (
    Explorer,
    Kernel,
    Window,
    convolution_arithmetic,
    imagenet_classes,
    kernel_playground,
    model_chart,
)
from cnnlab.widgets import receptive_field as receptive_field_explorer
from cnnlab.widgets.explorer import _bundle, _json, _module, _script, _stripped, _styles
from cnnlab.widgets.shorten import shorten
from tests.explorers import MAKERS, ROWS, VIEWS

STATIC = Path(widgets.__file__).parent / "static"

every_explorer = pytest.mark.parametrize("name", MAKERS)


@every_explorer
def test_html_is_the_same_every_time(name):
    first, second = MAKERS[name](), MAKERS[name]()
    assert first._repr_html_() == second._repr_html_()
    assert re.fullmatch(r"cnnlab-[0-9a-f]{10}", first.id)
    assert first._repr_mimebundle_() == {"text/html": first._repr_html_(), "text/plain": f"{first.title}. {first.alt}"}


@every_explorer
def test_a_key_separates_equal_explorers(name):
    assert len({MAKERS[name]().id, MAKERS[name](key="a").id, MAKERS[name](key="b").id}) == 3


def test_id_is_the_same_in_another_process():
    code = "from cnnlab.widgets import convolution_arithmetic as c; print(c(9, 3, 2).id)"
    ids = {
        subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."}, text=True,
                       capture_output=True, check=True).stdout.strip()
        for seed in ("1", "2")
    }  # fmt: skip
    assert ids == {convolution_arithmetic(9, 3, 2).id}


def test_explorers_import_neither_ipywidgets_nor_torch():
    code = (
        "import sys; from cnnlab.widgets import convolution_arithmetic as c; c()._repr_html_();"
        "print([name for name in ('ipywidgets', 'torch', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_listed():
    assert set(MAKERS) <= set(dir(widgets))
    with pytest.raises(AttributeError, match="has no attribute 'explore'; it has"):
        _ = widgets.explore


@every_explorer
def test_nothing_is_asked_from_outside_and_nothing_is_evaluated(name):
    explorer = MAKERS[name]()
    # What it is given may hold links for the reader to follow; its code asks nothing of anybody.
    html = explorer._repr_html_().replace(_json(explorer.params), "").replace("http://www.w3.org/2000/svg", "")
    for never in ("http:", "https:", "//cdn", "@import", "url(//", "eval(", "new Function", "innerHTML", "import("):
        assert never not in html
    assert css_variables("light") in html and css_variables("dark") in html
    assert 'data-lm-suppress-shortcuts":"true"' in html


@every_explorer
def test_the_fallback_text_stands_inside_the_element(name):
    explorer = MAKERS[name]()
    inside = re.match(rf'<div class="cnnlab-explorer" id="{explorer.id}">(.*?)</div>', explorer._repr_html_())
    assert explorer.title in inside[1] and explorer.alt.split("'")[0] in inside[1]
    assert len(explorer.alt) > 80


def test_parameters_cannot_leave_the_script():
    evil = "</script><script>alert(1)</script><!-- & \u2028 \"'"
    html = model_chart([{**ROWS[0], "name": evil, "family": evil}])._repr_html_()
    assert html.count("</script>") == 1 and html.count("<script>") == 1 and "<!--" not in html
    assert "\u2028" not in html[html.index("<script>") :]
    assert "alert(1)" in html  # it is there, as data


# Those that carry a photograph (one in color, since its pixels are changed in the page), a sentence on each of thirty
# papers, or the names of a thousand classes and what stands above them; the chart, which is a table as well; and the
# sketches, a workbench with seven networks to start from.
DATA_HEAVY = {"kernel_playground": 17_000, "channel_mixer": 17_000, "family_tree": 9_500, "separability": 12_500}
DATA_HEAVY |= {"model_chart": 9_900, "imagenet_classes": 17_000, "sketch_network": 9_400, "augment_photo": 38_500}
# Two trained networks: 44,426 weights in two bytes each, 109,386 in one. The script brings the engine that runs them.
DATA_HEAVY |= {"lenet_live": 217_000}
# Six photographs of 256 pixels as JPEG, and sixteen maps of one of them.
DATA_HEAVY |= {"your_photo": 100_000}
# Small trained networks, 67,906 weights in one byte twice, 96,258 once, 58,698 in two; 60 pictures; and the engine.
DATA_HEAVY |= {"left_out": 181_000, "branch_off": 143_000, "last_bits": 156_000}
SCRIPT_HEAVY = {"lenet_live": 21_500}


def test_size_bounds():
    for name, maker in MAKERS.items():
        assert len(_script(VIEWS[name]).encode()) < SCRIPT_HEAVY.get(name, 18_000), name
        whole = maker()._repr_html_()
        assert len(gzip.compress(whole.encode())) < DATA_HEAVY.get(name, 8_500), name


def test_stripping_says_the_same():
    text = "const a = [\n  1, // one\n  (2),\n];\n// no\nif (a)\n  b({\n    c: `, ]`,\n  });\nelse c = d // e;\n"
    assert _stripped(text) == "const a = [1,(2)];if (a)\nb({c: `, ]`});else c = d // e;"
    assert _styles(STATIC / "no_such_file.css") == ""
    css = _styles(STATIC / "core.css")
    assert "\n" not in css and "/*" not in css and ".cnnlab-explorer *{box-sizing:border-box}" in css
    for name, view in VIEWS.items():
        assert not re.search(r"^\s|// |\n\n", _bundle(view), flags=re.M), name


def test_names_are_shortened_and_nothing_else():
    text = (
        "const low = 1;\nconst twice = (number) => {\nconst { low, high: top = low, other = 2 } = number;\n"
        "const text = `${low} low ${{ low, top }.low}`;\nlet count = top++ + +other;\n"
        'return { low, get size() {\nreturn count;\n}, number: "number", of: text.low?.top ?? /low/.test(top) };\n};\n'
        "const start = (low) => twice(low) / low;"
    )
    assert shorten("const say = (from, text = JSON.stringify(from)) => text;") == (
        "const ii=(i,n=JSON.stringify(i))=>n;"  # a default value declares nothing
    )
    assert shorten(text) == (
        "const te=1,tt=o=>{const{low:t,high:e=t,other:r=2}=o,s=`${t} low ${{low:t,top:e}.low}`;let l=e++ + +r;"
        'return{low:t,get size(){return l;},number:"number",of:s.low?.top??/low/.test(e)};},start=t=>tt(t)/t;'
    )


def test_a_bundle_holds_what_is_used_and_in_order(tmp_path):
    (tmp_path / "core.js").write_text("export const start = () => 1;\n")
    (tmp_path / "more.js").write_text(
        "// said once\nconst low = 1;\nexport const twice = (x) =>\n  low * x * 2;\nexport const never = 3;\n"
    )
    view = tmp_path / "view.js"
    view.write_text(
        'import { twice } from "./more.js";\n\nconst four = twice(2);\nexport const explore = () => four;\n'
    )
    assert _bundle(view, tmp_path / "core.js") == (
        "const start = () => 1;\nconst low = 1;\nconst twice = (x) =>\nlow * x * 2;\n"
        "const four = twice(2);\nconst explore = () => four;"
    )
    view.write_text('import { thrice } from "./more.js";\nexport const explore = () => thrice(2);\n')
    _module.cache_clear(), _bundle.cache_clear()
    with pytest.raises(ValueError, match="more.js has no 'thrice'; it has low, twice, never"):
        _bundle(view, tmp_path / "core.js")
    (tmp_path / "more.js").write_text("export const thrice = (x) => start(x);\nconst start = (x) => 3 * x;\n")
    _module.cache_clear(), _bundle.cache_clear()
    with pytest.raises(ValueError, match="'start' is defined in core.js and in more.js"):
        _bundle(view, tmp_path / "core.js")


def test_explorer_checks_its_own_arguments():
    with pytest.raises(ValueError, match="Did you mean 'model_chart'"):
        Explorer("model_chat", {}, alt="A chart.", title="Chart")
    with pytest.raises(ValueError, match="alt is empty"):
        Explorer("model_chart", {}, alt=" ", title="Chart")
    with pytest.raises(ValueError, match="turn tensors and arrays into lists"):
        Explorer("model_chart", {"x": torch.ones(2)}, alt="A chart.", title="Chart")
    with pytest.raises(ValueError, match="finite numbers"):
        Explorer("model_chart", {"x": float("nan")}, alt="A chart.", title="Chart")


@pytest.mark.parametrize(
    "values",
    [{"size": 0}, {"size": 224}, {"kernel": 8}, {"stride": 0}, {"padding": -1}, {"dilation": 2.0}, {"stride": True}],
)
def test_convolution_arithmetic_says_what_can_be_drawn(values):
    (name,) = values
    with pytest.raises(ValueError, match=rf"{name}=.*use a whole number from \d+ to \d+"):
        convolution_arithmetic(**values)


def test_convolution_arithmetic_starts_with_the_right_sentence():
    assert f"into a {output_size(8, 3, 2, 1)} × 4 output" in convolution_arithmetic(8, 3, 2, 1).alt
    assert "does not fit" in convolution_arithmetic(5, 7).alt


def test_receptive_field_says_what_is_wrong():
    with pytest.raises(ValueError, match="layers has 0 entries; the explorer draws from 1 to 6"):
        receptive_field_explorer([])
    with pytest.raises(ValueError, match="from 1 to 6"):
        receptive_field_explorer([Window(3)] * 7)
    with pytest.raises(ValueError, match="kernel=9 of layer 2 is not offered; choose among 1, 2, 3"):
        receptive_field_explorer([Window(3), Window(9)])
    with pytest.raises(ValueError, match="is not a Window"):
        receptive_field_explorer([(3, 1, 1)])


def test_model_chart_says_what_is_wrong():
    with pytest.raises(ValueError, match="rows is empty"):
        model_chart([])
    with pytest.raises(ValueError, match="Did you mean 'params'"):
        model_chart([{**ROWS[0], "param": 3}])
    with pytest.raises(ValueError, match=r"rows\[0\] \(small\) has no 'macs'"):
        model_chart([{name: value for name, value in ROWS[0].items() if name != "macs"}])
    with pytest.raises(ValueError, match="must be positive"):
        model_chart([{**ROWS[0], "macs": 0}])
    with pytest.raises(ValueError, match="acc1=0.6e3|acc1=600.0 is not a percentage"):
        model_chart([{**ROWS[0], "acc1": 600.0}])
    with pytest.raises(ValueError, match="family='C' is not known"):
        model_chart(ROWS, family="C")
    with pytest.raises(ValueError, match="x='flops' is not known"):
        model_chart(ROWS, x="flops")
    with pytest.raises(ValueError, match="no row has it"):
        model_chart(ROWS[1:], y="acc5")


def test_imagenet_classes_says_what_is_wrong():
    with pytest.raises(ValueError, match="synset='dgo' is not known"):
        imagenet_classes("dgo")


def test_kernel_playground_says_what_is_wrong():
    with pytest.raises(ValueError, match=r"shape \(3, 32, 32\) and type uint8; give gray uint8 pixels"):
        kernel_playground(np.zeros((3, 32, 32), np.uint8))
    with pytest.raises(ValueError, match="type float32"):
        kernel_playground(torch.rand(32, 32))
    with pytest.raises(ValueError, match="Resize a large photo first"):
        kernel_playground(np.zeros((512, 512), np.uint8))
    with pytest.raises(ValueError, match="kernels is empty"):
        kernel_playground(kernels=[])
    with pytest.raises(ValueError, match="'flat' are not 3 × 3"):
        kernel_playground(kernels=[Kernel("flat", (1, 2, 3))])
    with pytest.raises(ValueError, match="divisor of kernel 'none' is 0"):
        kernel_playground(kernels=[Kernel("none", ((0,) * 3,) * 3, 0)])
    with pytest.raises(ValueError, match="Did you mean 'signed'"):
        kernel_playground(kernels=[Kernel("odd", ((0,) * 3,) * 3, show="sign")])
