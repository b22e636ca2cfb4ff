"""Out of the door: a trained network as a file that runs without its source, in whole numbers if wished, and measured.

:func:`export` makes a program of ``torch.export``, :func:`to_onnx` a file for ONNX Runtime, :func:`quantize` one that
counts in eight bits. Each is compared with the network before it is given out; :func:`ship` does all of it and reports
size, time and agreement. ``python -m cnnlab.ship MODEL`` is the same from a shell. ONNX needs
``pip install onnx onnxscript onnxruntime``. :func:`export_page` writes a small network for a page, where it answers
without a kernel.
"""

from cnnlab.ship.command import main
from cnnlab.ship.exporting import ShipError, export, export_to
from cnnlab.ship.onnx_files import OnnxNetwork, quantize, to_onnx
from cnnlab.ship.page import export_page
from cnnlab.ship.reporting import Report, Row
from cnnlab.ship.shipping import ship

__all__ = [
    "OnnxNetwork",
    "Report",
    "Row",
    "ShipError",
    "export",
    "export_page",
    "export_to",
    "main",
    "quantize",
    "ship",
    "to_onnx",
]
