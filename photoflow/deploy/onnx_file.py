"""Networks as ONNX files, in float32, with weights in bfloat16, or in int8."""

from __future__ import annotations

import importlib
import json
import os
import tempfile
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from photoflow.data import ProceduralChairs
from photoflow.errors import InputError
from photoflow.io.atomic import check_target, write_bytes

PRECISIONS = ("float32", "bfloat16", "int8")
SIZE = (256, 320)  # of the pairs that int8's ranges are measured on
PAIRS = 16
_TRACED = (160, 224)  # size of the pair that the network is traced with
_SMALL = 64  # numbers; smaller tensors, such as biases, stay float32
_QUANTISED = ["Conv", "MatMul", "Gemm"]


def export(
    network: nn.Module,
    path: str | os.PathLike[str],
    *,
    precision: str = "float32",
    photos: str | os.PathLike[str] | None = None,
) -> Path:
    """Write a network as an ONNX file, for pictures of any size, one at a time.

    Args:
        network: a generator or IFNet, which are written whole; or `RefinedDIS` or `RefinedInterpolation`, of which it
            is the network that chooses, from the evidence that photoflow gathers. It stays as it is.
        path: the file, a name that ends in .onnx.
        precision: "float32"; "bfloat16": the weights are kept so, and widened when the file is loaded, as runtimes do
            not multiply bfloat16 on CPUs; "int8": convolutions and products in 8 bits, weights by channel, activations
            by ranges that are measured on pairs of pictures (static quantisation).
        photos: a folder of photographs that these pairs are cut from; None: those of scikit-image, where it is
            installed, else procedural textures. Other precisions have no use for it.

    Returns:
        The path of the file. Its inputs are called as the arguments of the network's `forward`; the metadata has what
        they are.

    Raises:
        InputError: a package for ONNX is not installed, no such precision, a network that is not exported, or a
            file that cannot be written.

    Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
    Inference", CVPR 2018, by onnxruntime.
    """
    target = check_export_to(path, precision)
    from photoflow.deploy.onnx_networks import form_of

    form = form_of(network)
    model = _traced(form)
    if precision == "bfloat16":
        _keep_in_bfloat16(model)
    if precision == "int8":
        model = _quantised(model, form, photos)
    about = {"network": type(network).__name__, "precision": precision, "inputs": json.dumps(list(form.inputs))}
    for name, text in about.items():
        model.metadata_props.add(key=f"photoflow.{name}", value=text)
    write_bytes(target, model.SerializeToString())
    return target


def check_export_to(path: str | os.PathLike[str], precision: str) -> Path:
    """Check before any work that an ONNX file can be made, and written.

    Returns:
        The absolute path.

    Raises:
        InputError: it cannot be written, there is no such precision, or a package for ONNX is not installed.
    """
    target = check_target(path)
    if target.suffix.lower() != ".onnx":
        raise InputError(f"cannot write {target}: expected a suffix .onnx")
    if precision not in PRECISIONS:
        raise InputError(f"precision: expected {' or '.join(PRECISIONS)}, got {precision!r}")
    try:
        for name in ("onnx", "onnxscript", "onnxruntime"):
            importlib.import_module(name)
    except ImportError as error:
        raise InputError("export: expected onnx, onnxscript and onnxruntime; pip install 'photoflow[onnx]'") from error
    return target


def _traced(form: Any) -> Any:
    """Return the ONNX model of a form, in float32."""
    from photoflow.deploy.onnx_networks import most_of
    from photoflow.deploy.onnx_operators import OPSET, translations

    names = {axis for axes in form.inputs.values() for axis in axes.values()}
    lengths = {axis: torch.export.Dim(axis, min=form.least, max=most_of(axis)) for axis in names}
    shapes = {
        name: {place: lengths[axis] for place, axis in axes.items()} or None for name, axes in form.inputs.items()
    }
    example = form.of_pair(ProceduralChairs(None, _TRACED).batch(0, 1))
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of axes that have the same name as they have the same length
        program = torch.onnx.export(
            form.module, example, dynamo=True, dynamic_shapes=shapes, input_names=list(form.inputs),
            output_names=[form.output], custom_translation_table=translations(), opset_version=OPSET, verbose=False,
            optimize=False,  # runtimes do that when they load the file
        )  # fmt: skip
    assert program is not None
    model = program.model_proto
    for node in model.graph.node:  # where in photoflow each comes from
        node.ClearField("metadata_props")
    return model


def _keep_in_bfloat16(model: Any) -> None:
    """Keep a model's larger tensors in bfloat16; nodes at its beginning widen them."""
    import ml_dtypes
    from onnx import TensorProto, helper, numpy_helper

    widened = []
    for tensor in model.graph.initializer:
        numbers = numpy_helper.to_array(tensor)
        if tensor.data_type == TensorProto.FLOAT and numbers.size >= _SMALL:
            wide, tensor.name = tensor.name, f"{tensor.name}.bfloat16"
            tensor.CopyFrom(numpy_helper.from_array(numbers.astype(ml_dtypes.bfloat16), tensor.name))
            widened.append(helper.make_node("Cast", [tensor.name], [wide], to=TensorProto.FLOAT))
    for node in reversed(widened):
        model.graph.node.insert(0, node)


def _quantised(model: Any, form: Any, photos: str | os.PathLike[str] | None) -> Any:
    """Return a model with convolutions and products in 8 bits."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_static
    from onnxruntime.quantization.calibrate import CalibrationDataReader
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._left = islice(_samples(form, photos), PAIRS)

        def get_next(self) -> dict[str, Any] | None:
            inputs = next(self._left, None)
            return None if inputs is None else dict(zip(form.inputs, (one.numpy() for one in inputs)))

    with tempfile.TemporaryDirectory() as folder:
        prepared, result = Path(folder, "float32.onnx"), Path(folder, "int8.onnx")
        quant_pre_process(model, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared, result, Reader(), per_channel=True, op_types_to_quantize=_QUANTISED,
            weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8,
        )  # fmt: skip
        return onnx.load(result)


def _samples(form: Any, photos: str | os.PathLike[str] | None) -> Iterator[tuple[Tensor, ...]]:
    """Yield the inputs of a network for one pair of pictures after another."""
    pairs = ProceduralChairs(photos, SIZE)
    for number in range(PAIRS):
        with torch.no_grad():
            yield form.of_pair(pairs.batch(number, 1))
