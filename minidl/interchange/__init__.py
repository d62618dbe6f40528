"""Models that leave minidl: `md.to_onnx` writes one as an ONNX file.

trace    a call of the model, written down as operations on its inputs, any batch
graph    an ONNX graph in the making
rows     the table: each operation as ONNX nodes; layers and recurrent ones beside it
onnx     to_onnx itself
"""

from minidl.interchange.onnx import to_onnx

__all__ = ["to_onnx"]
