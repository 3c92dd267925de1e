"""Writes ONNX models node by node: the same operations in the same order, nothing traced."""

import importlib.util
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

OPSET = 17
INPUT = "vectors"


def onnx_installed() -> bool:
    """Whether the package `onnx`, an extra of Fieldmark, is there."""
    return importlib.util.find_spec("onnx") is not None


class OnnxNodes:
    """Nodes and constants under way; names are numbers, but for those that a caller gives."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[Any] = []

    def add(self, operation: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        from onnx import helper

        name = name or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, list(inputs), [name], **attributes))
        return name

    def constant(self, value: Any) -> str:
        """Add a constant and return its name."""
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def number(self, value: float) -> str:
        """A float32 scalar."""
        return self.constant(np.array(value, dtype=np.float32))

    def integers(self, values: list[int]) -> str:
        """A list of int64."""
        return self.constant(np.array(values, dtype=np.int64))

    def affine(self, x: str, weight: Tensor, bias: Tensor) -> str:
        """`x @ weight.T + bias`."""
        return self.add("Gemm", x, self.constant(weight.numpy()), self.constant(bias.numpy()), transB=1)

    def columns(self, x: str, start: int, end: int) -> str:
        """Some columns of a matrix."""
        return self.add("Slice", x, self.integers([start]), self.integers([end]), self.integers([1]))

    def model(self, name: str, *, width: int, outputs: Mapping[str, Sequence[str | int]]) -> "ModelProto":
        """The model that they make, checked.

        Its input is `vectors` float32 `[N, width]`.

        Args:
            name: What the graph is called.
            width: Numbers of a vector.
            outputs: Name of each output, float32 → its shape.
        """
        from onnx import TensorProto, checker, helper

        def described(name: str, shape: Sequence[str | int]) -> Any:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))

        model = helper.make_model(
            helper.make_graph(
                self.nodes,
                name,
                [described(INPUT, ["N", width])],
                [described(output, shape) for output, shape in outputs.items()],
                self.constants,
            ),
            producer_name="fieldmark",
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=9,
        )
        checker.check_model(model)
        return model
