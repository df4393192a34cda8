"""Counting: the buffers of the tracker, and what one step of integer codes does to them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..arguments import check_bits, check_count, check_flag, check_instance, check_number
from ..grids import is_integer
from ..kernels import native
from .eager import MASK_BITS, count_all, count_moved, splitmix

STATISTICS = (
    "weights",
    "crossings",
    "crossings_per_step",
    "oscillations",
    "oscillations_per_step",
    "oscillating_share",
    "changed_share",
    "hamming",
    "hamming_share",
    "hamming_max_share",
    "levels_visited",
    "explored_volume",
)
"""Columns of the history, and of :meth:`aoqlab.OscillationTracker.to_frame`, which adds distinct_configurations."""

SINGLE = "weight"
"""Name of the layer of a tracker made from one shape."""


class CodeCounter(nn.Module):
    """State and updates of :class:`OscillationTracker`, which adds everything that reads it.

    ``_hash`` (L,) is the configuration now: the wrapping sum of a random number for each (weight, code). Without
    ``count_configurations`` nothing hashes and it stays 0.
    """

    steps: Tensor
    level_histogram: Tensor
    transitions: Tensor
    _offsets: Tensor
    _crossings: Tensor
    _oscillations: Tensor
    _frequency_bits: Tensor
    _initial: Tensor
    _current: Tensor
    _visited: Tensor
    _lowest: Tensor
    _highest: Tensor
    _hamming: Tensor
    _hamming_max: Tensor
    _hash: Tensor
    _configurations: Tensor
    _record_steps: Tensor
    _records: Tensor
    _record_levels: Tensor
    _periods: Tensor
    _period_transitions: Tensor

    def __init__(
        self,
        shape: Sequence[int] | Mapping[str, Sequence[int]],
        bits: int,
        *,
        momentum: float = 0.01,
        oscillating_above: float = 0.005,
        record_every: int | None = None,
        count_configurations: bool = True,
    ) -> None:
        super().__init__()
        self.bits = check_bits(bits)
        check_number("momentum", momentum, "(0, 1]")
        check_number("oscillating_above", oscillating_above)
        if record_every is not None:
            check_count("record_every", record_every, also=", or None")
        check_flag("count_configurations", count_configurations)
        self.single = not isinstance(shape, Mapping)
        shapes = shape.items() if isinstance(shape, Mapping) else [(SINGLE, shape)]
        try:
            self.shapes = {check_instance("a name", name, str, "a text"): torch.Size(size) for name, size in shapes}
        except TypeError as error:
            raise TypeError(f"shape must be a shape such as (64, 64), or layers and shapes, got {shape!r}") from error
        if not self.shapes or any(min(size) < 1 for size in self.shapes.values() if size):
            raise ValueError(f"every layer needs at least one weight, got {dict(self.shapes)}")
        self.momentum, self.oscillating_above = float(momentum), oscillating_above  # the kernel takes a double
        self.record_every, self.count_configurations = record_every, count_configurations

        sizes = [size.numel() for size in self.shapes.values()]
        n, layers, levels = sum(sizes), len(sizes), 2**bits
        ends = torch.tensor([0, *sizes]).cumsum(0)
        self.register_buffer("_offsets", ends, persistent=False)
        self._sizes, self._steps, self._rows = sizes, 0, 0

        def buffer(name: str, *size: int, dtype: torch.dtype) -> None:
            self.register_buffer(name, torch.zeros(size, dtype=dtype))

        buffer("steps", dtype=torch.int64)
        buffer("_crossings", n, dtype=torch.int32)
        buffer("_oscillations", n, dtype=torch.int32)
        # float32 seen as int32, so that module.to(bfloat16) leaves it alone; the sign bit is the last direction
        buffer("_frequency_bits", n, dtype=torch.int32)
        buffer("_initial", n, dtype=torch.uint8)
        buffer("_current", n, dtype=torch.uint8)
        if bits <= MASK_BITS:
            buffer("_visited", n, dtype=torch.int16)
        else:
            buffer("_lowest", n, dtype=torch.uint8)
            buffer("_highest", n, dtype=torch.uint8)
        buffer("level_histogram", layers, levels, dtype=torch.int64)
        buffer("transitions", layers, levels, levels, dtype=torch.int64)
        buffer("_hamming", layers, dtype=torch.int64)
        buffer("_hamming_max", layers, dtype=torch.int64)
        buffer("_hash", layers, dtype=torch.int64)
        buffer("_configurations", 0, layers, dtype=torch.int64)
        buffer("_record_steps", 0, dtype=torch.int64)
        buffer("_records", 0, layers, len(STATISTICS), dtype=torch.int64)  # float64 seen as int64, as above
        buffer("_record_levels", 0, layers, levels, dtype=torch.int64)
        buffer("_periods", dtype=torch.int64)
        buffer("_period_transitions", 0, 3, dtype=torch.int64)  # period, place in transitions, count

    @torch.no_grad()
    def update(self, codes: Tensor | Mapping[str, Tensor]) -> None:
        """Count one step. ``codes``: integers in the layer's shape, or a mapping of layer names to such tensors."""
        if self.training:
            self._feed(self._flatten(codes))

    @torch.no_grad()
    def update_flat(self, codes: Tensor) -> None:
        """:meth:`update` with the uint8 codes of all layers, one after the other in one tensor."""
        if not self.training:
            return
        if codes.dtype != torch.uint8 or codes.shape != self._current.shape:
            raise ValueError(
                f"update_flat needs uint8 codes of shape {tuple(self._current.shape)}, "
                f"got {codes.dtype} {tuple(codes.shape)}"
            )
        # Elsewhere than on the CPU the check would make the device wait in every step.
        if codes.device.type == "cpu" and self.bits < 8 and int(codes.max()) >= 2**self.bits:
            raise ValueError(f"codes go up to {int(codes.max())}, outside 0 ... {2**self.bits - 1}")
        self._feed(codes)

    def _feed(self, flat: Tensor) -> None:
        if self._steps == 0:
            self._start(flat)
        else:
            self._count(flat)
        self._advance(1, self._hash)
        if self.record_every and (self._steps - 1) % self.record_every == 0:
            self._record()

    def _flatten(self, codes: Tensor | Mapping[str, Tensor]) -> Tensor:
        given = codes if isinstance(codes, Mapping) else {SINGLE: codes}
        if given.keys() != self.shapes.keys():
            missing, unknown = sorted(self.shapes.keys() - given.keys()), sorted(given.keys() - self.shapes.keys())
            raise ValueError(f"codes must name the tracked layers exactly; missing {missing}, unknown {unknown}")
        parts = []
        for name, size in self.shapes.items():
            part = check_instance(f"codes of layer {name!r}", given[name], Tensor, "an integer tensor")
            if part.shape != size or not is_integer(part) or part.layout != torch.strided:
                raise ValueError(
                    f"layer {name!r} needs integer codes of shape {tuple(size)}, got {part.dtype} {tuple(part.shape)}"
                )
            if part.device != self._current.device:
                raise ValueError(f"codes of layer {name!r} are on {part.device}, the tracker on {self._current.device}")
            parts.append(part.reshape(-1))
        flat = parts[0] if len(parts) == 1 else torch.cat(parts)
        # Elsewhere than on the CPU the check would make the device wait in every step.
        if flat.device.type == "cpu" and not (flat.dtype == torch.uint8 and self.bits == 8):
            lowest, highest = flat.aminmax()
            if int(lowest) < 0 or int(highest) >= 2**self.bits:
                names = [n for n, p in zip(self.shapes, parts, strict=True) if p.min() < 0 or p.max() >= 2**self.bits]
                raise ValueError(f"layers {names} have codes outside 0 ... {2**self.bits - 1}")
        return flat.to(torch.uint8)

    def _start(self, flat: Tensor) -> None:
        self._initial.copy_(flat)
        self._current.copy_(flat)
        if self.bits <= MASK_BITS:
            self._visited.copy_(torch.ones_like(flat, dtype=torch.int32) << flat.to(torch.int32))
        else:
            self._lowest.copy_(flat)
            self._highest.copy_(flat)
        index = torch.arange(flat.numel(), device=flat.device)
        layer = self._layer_of(index)
        ones = torch.ones_like(layer)
        self.level_histogram.view(-1).index_add_(0, layer * 2**self.bits + flat.long(), ones)
        if self.count_configurations:
            self._hash.index_add_(0, layer, splitmix(index * 256 + flat.long()))

    def _layer_of(self, index: Tensor) -> Tensor:
        return torch.bucketize(index, self._offsets[1:], right=True)

    def _count(self, flat: Tensor) -> None:
        if native.available(flat):
            native.call(
                "tracker_update", flat.contiguous(), self._offsets, len(self._sizes), *self._native_state(),
                native.threads_for(flat.numel()),
            )  # fmt: skip
        elif flat.device.type == "cpu":
            count_moved(self, flat)
        else:
            count_all(self, flat)
        torch.maximum(self._hamming_max, self._hamming, out=self._hamming_max)

    def _native_state(self) -> tuple[object, ...]:
        masks = bool(self.bits <= MASK_BITS)
        # The kernel hashes in any case, only the weights that moved.
        hashes = self._hash if self.count_configurations else torch.zeros_like(self._hash)
        return (
            *(self._crossings, self._oscillations, self._frequency_bits, self._initial, self._current),
            *((self._visited, None, None) if masks else (None, self._lowest, self._highest)),
            *(self.level_histogram, self.transitions, self._hamming, hashes),
            *(2**self.bits, self.momentum),
        )

    def _advance(self, steps: int, hashes: Tensor) -> None:
        """Book steps whose counts are in the buffers already; ``hashes``: (steps, L) or (L,) configurations."""
        if self._steps // 1024 != (self._steps + steps) // 1024:
            # Decayed frequencies would end as denormal numbers, which are slow; 1e-30 is far below any threshold.
            frequency = self._frequency_bits.view(torch.float32)
            frequency.mul_((frequency.abs() > 1e-30).to(frequency.dtype))
        self._steps += steps
        self.steps.fill_(self._steps)
        if self.count_configurations:
            self._append_configuration(hashes)

    @abstractmethod
    def _record(self) -> None:
        """Add the statistics of this moment to the history."""

    def _append_configuration(self, hashes: Tensor) -> None:
        """Remember hashes, (L,) or (T, L). Unused rows repeat the first, so that they never count."""
        hashes = hashes.reshape(-1, self._hash.numel())
        if self._rows + len(hashes) > len(self._configurations):
            kept = torch.unique(torch.cat([self._configurations[: self._rows], hashes]), dim=0)
            room = torch.empty(max(256, 2 * len(kept)), kept.shape[1], dtype=kept.dtype, device=kept.device)
            room[: len(kept)] = kept
            room[len(kept) :] = kept[0]
            self._configurations, self._rows = room, len(kept)
        else:
            self._configurations[self._rows : self._rows + len(hashes)] = hashes
            self._rows += len(hashes)

    def distinct_configurations(self) -> tuple[Tensor, int]:
        """Return the number of distinct configurations seen per layer (L,), and of all layers together."""
        if self._rows == 0:
            return torch.zeros(len(self._sizes), dtype=torch.int64), 0
        seen = self._configurations[: self._rows]
        ordered = seen.sort(0).values
        per_layer = 1 + (ordered[1:] != ordered[:-1]).sum(0)
        return per_layer.cpu(), len(torch.unique(seen.sum(1)))

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        # Sorted and without repeats, so that a resumed run ends with the same bytes as one that was never stopped.
        self._configurations = torch.unique(self._configurations[: self._rows], dim=0)
        self._rows = len(self._configurations)
        super()._save_to_state_dict(destination, prefix, keep_vars)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        self._check_state(state_dict, prefix)
        for name in ("_configurations", "_record_steps", "_records", "_record_levels", "_period_transitions"):
            saved, own = state_dict.get(prefix + name), getattr(self, name)
            if isinstance(saved, Tensor) and saved.shape[1:] == own.shape[1:]:
                setattr(self, name, torch.empty_like(saved, device=own.device))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        self._steps, self._rows = int(self.steps), len(self._configurations)

    def _check_state(self, state_dict: Mapping[str, Any], prefix: str) -> None:
        """Raise ``ValueError`` for a state that no tracker like this can have; the kernels index by these numbers."""
        given = {name: state_dict[prefix + name] for name, _ in self.named_buffers() if prefix + name in state_dict}
        found = {name: values for name, values in given.items() if isinstance(values, Tensor)}
        above = dict.fromkeys(("_initial", "_current", "_lowest", "_highest"), 2**self.bits - 1)
        for name, values in found.items():
            own = getattr(self, name).dtype
            if values.dtype != own:
                raise ValueError(f"damaged tracker state: {prefix}{name} is {values.dtype}, not {own}")
            if values.numel() == 0 or name in ("_hash", "_configurations", "_records", "_frequency_bits"):
                continue  # of which every value is possible
            lowest, highest = (int(v) for v in values.aminmax())
            if name == "_visited":
                valid = self.bits == MASK_BITS or 0 <= lowest <= highest < 2**2**self.bits
            else:
                valid = lowest >= 0 and highest <= above.get(name, highest)
            if name == "_period_transitions":
                valid = valid and values.shape[1:] == (3,) and int(values[:, 1].max()) < self.transitions.numel()
            if not valid:
                raise ValueError(f"damaged tracker state: {prefix}{name} has values {lowest} ... {highest}")
        lengths = {len(found[name]) for name in ("_record_steps", "_records", "_record_levels") if name in found}
        if len(lengths) > 1:
            raise ValueError(f"damaged tracker state: the tables of the history have {sorted(lengths)} rows")
