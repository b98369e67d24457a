"""An ONNX file into a TensorRT engine, on the machine that will run it: strongly typed, for TensorRT 10.3 to 11.

Precision lives in the file: no FP16 or INT8 switch is touched (TensorRT 11 has none), TF32 is off so that FP32 means
FP32. TensorRT answers most failures with None, False or an empty network and a line in its log; here they are errors
with its words. Only `tensorrt` is needed, not CUDA's Python bindings.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy.edge.engines.base import EMBEDDING, INPUT, PROBABILITIES
from deploy.edge.engines.tensorrt_key import MEBIBYTE, Batches, BuildOptions, profiles, sentence
from deploy.edge.engines.tensorrt_report import BuildProgress, Log, Recorder, bound
from deploy.edge.errors import BundleError, EngineError

if TYPE_CHECKING:
    import tensorrt as trt


@dataclass(frozen=True)
class Built:
    """`engine` and `timings` are TensorRT's bytes; `layers` of the parsed network, before fusion."""

    engine: bytes
    timings: bytes
    layers: int
    seconds: float


def build_engine(model: bytes, options: BuildOptions, *, timings: bytes = b"") -> Built:
    """The engine of an ONNX file's bytes; BundleError where TensorRT takes the file for wrong, EngineError else."""
    import tensorrt as trt

    log = bound(Log, trt.ILogger)
    builder = _new_builder(log)
    network = _typed_network(builder)
    # The parser owns the weights that the network points at: it must live until the engine is built.
    parser = trt.OnnxParser(network, log)
    _parse(parser, network, model, log.said)
    size = input_size(network)
    config = _configure(builder, options, size, timings)
    start = time.perf_counter()
    engine = _build(builder, network, config, log.said)
    return Built(
        engine=engine,
        timings=_serialised_timings(config),
        layers=network.num_layers,
        seconds=time.perf_counter() - start,
    )


def _new_builder(log: Log) -> trt.Builder:
    import tensorrt as trt

    try:
        return trt.Builder(log)
    except (TypeError, RuntimeError) as error:  # the binding's way to pass on a null pointer
        raise EngineError(
            f"TensorRT {trt.__version__} starts no builder ({error}): its libraries, the driver and the GPU must fit "
            "each other"
        ) from error


def _typed_network(builder: trt.Builder) -> trt.INetworkDefinition:
    """Types are those of the file, on 10 as on 11 (where the flag is the only way and ignored)."""
    import tensorrt as trt

    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    if network is None:
        raise EngineError(f"TensorRT {trt.__version__} makes no strongly typed network: use 10.3+")
    return network


def _parse(
    parser: trt.OnnxParser, network: trt.INetworkDefinition, model: bytes, said: Sequence[str]
) -> None:
    """Raises unless the whole graph was taken; `parse` answers True to bytes that are no ONNX at all."""
    parsed = parser.parse(model)
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    words = [
        f"{fault.node_operator() or 'file'} {fault.node_name()}: {fault.desc()}" for fault in errors
    ]
    if not parsed or words:
        raise BundleError(
            f"TensorRT's parser refuses the graph ({sentence(words) or sentence(said) or 'no reason given'}): "
            "choose another variant or export it again"
        )
    if not network.num_outputs:
        raise BundleError("TensorRT's parser finds no graph in this file: is it an ONNX model?")


def input_size(network: trt.INetworkDefinition) -> tuple[int, int]:
    """Height and width, once inputs and outputs are what the graph contract says."""
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    outputs = [network.get_output(index).name for index in range(network.num_outputs)]
    names = [tensor.name for tensor in inputs]
    if names != [INPUT] or not {PROBABILITIES, EMBEDDING} <= set(outputs):
        raise BundleError(
            f"the graph takes {names} and gives {sorted(outputs)}, the graph contract says ['{INPUT}'] and "
            f"['{EMBEDDING}', '{PROBABILITIES}']: export it again"
        )
    shape = tuple(inputs[0].shape)
    if len(shape) != 4 or shape[0] != -1 or min(shape[1:3]) < 1 or shape[3] != 3:
        raise BundleError(
            f"the graph takes {shape}, the graph contract says (-1, height, width, 3): export it again"
        )
    return int(shape[1]), int(shape[2])


def _configure(
    builder: trt.Builder, options: BuildOptions, size: tuple[int, int], timings: bytes
) -> trt.IBuilderConfig:
    import tensorrt as trt

    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, int(options.workspace_mb) * MEBIBYTE)
    config.clear_flag(trt.BuilderFlag.TF32)
    for span in profiles(options.batch):
        _add_profile(builder, config, span, size)
    cache = config.create_timing_cache(timings)
    # No `ignore_mismatch`: timings of another device make an engine that is slow or wrong.
    if cache is not None and not config.set_timing_cache(cache, False):
        config.set_timing_cache(config.create_timing_cache(b""), False)
    return config


def _add_profile(
    builder: trt.Builder, config: trt.IBuilderConfig, span: Batches, size: tuple[int, int]
) -> None:
    profile = builder.create_optimization_profile()
    fewest, usual, most = ((count, *size, 3) for count in (span.fewest, span.usual, span.most))
    profile.set_shape(INPUT, fewest, usual, most)
    if config.add_optimization_profile(profile) < 0:
        raise EngineError(f"TensorRT refuses the profile {span} of an input of {size}")


def _build(
    builder: trt.Builder,
    network: trt.INetworkDefinition,
    config: trt.IBuilderConfig,
    said: Sequence[str],
) -> bytes:
    import tensorrt as trt

    recorder = bound(Recorder, trt.IErrorRecorder)
    progress = bound(BuildProgress, trt.IProgressMonitor)
    builder.error_recorder, config.progress_monitor = recorder, progress
    try:
        with progress:
            engine = builder.build_serialized_network(network, config)
    finally:
        # The binding does not keep them alive, and TensorRT says goodbye to each as it goes.
        builder.error_recorder = config.progress_monitor = None
    if progress.stopped:
        raise KeyboardInterrupt
    if engine is None:
        reason = sentence([*recorder.errors, *said]) or "no reason given"
        raise EngineError(
            f"TensorRT built no engine ({reason}): more --workspace, or another variant"
        )
    return bytes(engine)


def _serialised_timings(config: trt.IBuilderConfig) -> bytes:
    cache = config.get_timing_cache()
    held = cache.serialize() if cache is not None else None
    return bytes(held) if held is not None else b""
