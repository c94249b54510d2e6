"""A computation recorded once and replayed: the same operations without what finds them.

In a net of a few thousand weights most of a step is not arithmetic but Python in the modules and
autograd's bookkeeping. A tape holds the operations of one step, forward and backward, as torch
carried them out; replaying it carries out the same ones on other rows, with the same result to
the last bit. There is no second copy of any formula: the tape is made from the one there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from diabolo.random import Noise

#: Rows, noise, and whatever else differs from step to step → results.
Computation: TypeAlias = Callable[..., list[torch.Tensor]]

#: An operation as torch dispatched it: operator, arguments by place and name, result.
Call: TypeAlias = tuple[Any, tuple[Any, ...], dict[str, Any], Any]

#: Operations whose result depends on the shape of what they are given, and on nothing else.
SHAPE_ONLY = ("ones_like", "zeros_like", "full_like", "new_zeros", "new_ones", "new_full")

#: Operators that torch also offers as a function or method of the same arguments, which is called
#: in half the time.
DIRECT = {
    name: getattr(torch, name, None) or getattr(torch.Tensor, name)
    for name in (
        *("mm", "addmm", "bmm", "baddbmm", "mul", "add", "sub", "neg", "sum", "cat", "relu"),
        *("t", "view", "expand", "detach", "unsqueeze"),
    )
}


def record(
    function: Computation,
    x: torch.Tensor,
    noise: Noise,
    fixed: Sequence[torch.Tensor],
    *others: torch.Tensor,
) -> Computation | None:
    """Run the function once and return one that replays it on other rows with other noise.

    Parameters
    ----------
    function : callable
        Its operations may depend on shapes, not on values; all its random numbers come from
        ``noise.generator``.
    x : Tensor (n, …)
        The replay takes rows of the same shape and type.
    fixed : sequence of Tensor
        What the function uses besides, and stays in its place: weights. Their values at the time
        of the replay count.
    *others : Tensor
        Of which the replay takes others too.

    Returns
    -------
    callable or None
        None if a replay would not do the same, and the function itself has to be called.
    """
    with _Recorder() as recorder:
        results = function(x, noise, *others)
    program = _Program((x, *others), noise, fixed, recorder.calls)
    return program.compiled(results) if program.repeatable else None


class _Recorder(TorchDispatchMode):
    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # or the first operation imports torch's compiler, which takes a second

    def __init__(self) -> None:
        super().__init__()
        # All tensors stay alive in here, so that no two have the same id.
        self.calls: list[Call] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, result))
        return result


class _Program:
    """Python source for recorded calls.

    What is the same at each replay is kept instead of computed again: constants, and views of
    tensors that stay in their place.
    """

    def __init__(
        self,
        given: Sequence[torch.Tensor],
        noise: Noise,
        fixed: Sequence[torch.Tensor],
        calls: list[Call],
    ):
        #: id → name, of what differs between replays.
        self.names = {id(tensor): f"given[{i}]" for i, tensor in enumerate(given)}
        self.names[id(noise.position)] = "noise.position"
        self.seed = noise.generator.initial_seed()
        #: Ids of tensors in the memory of the fixed ones.
        self.fixed = {id(tensor) for tensor in fixed}
        #: Memory that calls write into.
        self.written = {_memory(tensor) for call in calls for tensor in _written(call)}
        self.lines: list[str] = []
        self.namespace: dict[str, Any] = {}
        self.draws = False
        self.repeatable = not self.written & {_memory(tensor) for tensor in (*given, *fixed)}
        for call in calls:
            self.repeatable = self.repeatable and self._add(call)

    def _add(self, call: Call) -> bool:
        """Take in a call; return whether it can be replayed."""
        func, args, kwargs, result = call
        leaves = list(_leaves([args, kwargs]))
        if torch.Tag.data_dependent_output in func.tags or _shape_by_value(func, leaves):
            return False
        if torch.Tag.nondeterministic_seeded in func.tags:
            if not any(map(self._is_generator, leaves)):
                return False
            self.draws = True
        elif self._stays(func, leaves, result):
            return True
        self._write(func, args, kwargs, result)
        return True

    def compiled(self, results: Sequence[torch.Tensor]) -> Computation:
        """Return the function (x, noise, *others) → results."""
        source = ["def replay(x, noise, *others):", "    given = (x, *others)"]
        if self.draws:
            source.append("    generator = noise.generator")
        source += [*self.lines, f"    return [{', '.join(map(self._word, results))}]"]
        exec("\n".join(source), self.namespace)
        return torch.no_grad()(self.namespace["replay"])

    def _stays(self, func: Any, leaves: list[Any], result: Any) -> bool:
        """Whether the result is the same at each replay, or a view of something that is."""
        if not isinstance(result, torch.Tensor) or _memory(result) in self.written:
            return False
        if func.overloadpacket.__name__ in SHAPE_ONLY:
            return True
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        if any(id(leaf) in self.names for leaf in leaves):
            return False
        weights = [tensor for tensor in tensors if id(tensor) in self.fixed]
        if weights:
            if _memory(result) not in map(_memory, weights):
                return False
            self.fixed.add(id(result))
        return True

    def _write(self, func: Any, args: tuple, kwargs: dict, result: Any) -> None:
        words = [*map(self._word, args), *(f"{k}={self._word(v)}" for k, v in kwargs.items())]
        name = func.overloadpacket.__name__
        function = f"{name}_{func._overloadname}"
        self.namespace[function] = func if kwargs else DIRECT.get(name, func)
        self.lines.append(f"    {self._target(result)} = {function}({', '.join(words)})")

    def _target(self, result: Any) -> str:
        if isinstance(result, list | tuple):
            return f"[{', '.join(map(self._target, result))}]"
        if not isinstance(result, torch.Tensor):
            return "_"
        return self.names.setdefault(id(result), f"v{len(self.names)}")

    def _is_generator(self, value: Any) -> bool:
        # Not by identity: each call sees another Python object for the same generator.
        return isinstance(value, torch.Generator) and value.initial_seed() == self.seed

    def _word(self, value: Any) -> str:
        """Return the source of an argument."""
        if self._is_generator(value):
            return "generator"
        if id(value) in self.names:
            return self.names[id(value)]
        if isinstance(value, list | tuple):
            return f"[{', '.join(map(self._word, value))}]"
        if value is None or isinstance(value, bool | int):
            return repr(value)
        name = f"c{len(self.namespace)}"
        self.namespace[name] = value.detach() if isinstance(value, torch.Tensor) else value
        return name


def _shape_by_value(func: Any, leaves: list[Any]) -> bool:
    """Whether the values of an operation's arguments decide on the shape of its result."""
    if torch.Tag.dynamic_output_shape not in func.tags:
        return False
    # An index does so where it is a mask.
    masks = [leaf for leaf in leaves[1:] if isinstance(leaf, torch.Tensor)]
    return func.overloadpacket.__name__ != "index" or any(m.dtype == torch.bool for m in masks)


def _written(call: Call) -> Iterator[torch.Tensor]:
    """Yield the tensors that a call writes into."""
    func, args, kwargs, _ = call
    for i, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            yield args[i] if i < len(args) else kwargs[argument.name]


def _memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(part)
    else:
        yield value
