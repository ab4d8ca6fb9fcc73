"""``explain.cost`` and ``explain.compare_cost``: what one design costs, and several side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..core.figure import new_figure
from ..nn import Module
from ..nn.tree import describe
from .printed import html_columns, html_lines, text_columns
from .result import Summary
from .summarise import summary
from .table import counted, pair

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLES = ("", "output", "parameters", "", "multiply-adds", "", "activations", "field", "jump")
FORMULAS = 8  # layers whose formulas are written out


@dataclass(frozen=True, repr=False)
class Cost:
    """What :func:`minicnn.explain.cost` returns: the sums of a summary, with their formulas. ``str()`` is the text.

    Attributes
    ----------
    name : str
    summary : Summary
        Layer by layer.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> found = minicnn.explain.cost(nn.Conv2d(256, 192, 3, padding=1, bias=False), (256, 28, 28))
    >>> found.params, found.mult_adds, found.receptive_field, found.activation_bytes  # 192*28*28 float32
    (442368, 346816512, (3, 3), 602112)
    """

    name: str
    summary: Summary

    @property
    def params(self) -> int:
        """Numbers in the parameters."""
        return self.summary.total_params

    @property
    def mult_adds(self) -> int:
        """Multiply-adds of the whole batch."""
        return self.summary.total_mult_adds

    @property
    def param_bytes(self) -> int:
        """Memory of the parameters."""
        return self.summary.total_param_bytes

    @property
    def activation_bytes(self) -> int:
        """Memory of the results of all operations, which backward needs."""
        return self.summary.total_output_bytes

    @property
    def receptive_field(self) -> tuple[int, int] | None:
        """Rows and columns of the image that one output sees."""
        return self.summary.receptive_field

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of the first output."""
        return self.summary.rows[0].output_shape or ()

    def formulas(self) -> list[str]:
        """The sums written out: parameters, and multiply-adds."""
        layers = self.summary.rows if len(self.summary.rows) == 1 else self.summary.rows[1:]
        parts = (
            ("parameters", [row.param_formula for row in layers if row.param_formula], self.params),
            ("multiply-adds", [row.mult_adds_formula for row in layers if row.mult_adds_formula], self.mult_adds),
        )
        return [f"{what} {' + '.join(terms)} = {total:,}" for what, terms, total in parts if 0 < len(terms) <= FORMULAS]

    def cells(self, first: Cost) -> list[str]:
        """A row of the table: how many times as much as the first design stands beside a number."""
        row = self.summary.rows[0]
        field, jump = row.receptive_field, row.jump
        seen = "all" if row.sees_all else "" if field is None else pair(field)
        return [
            *(self.name, str(self.output_shape)),
            *(f"{self.params:,}", "" if self is first else _share(self.params, first.params)),
            *(f"{self.mult_adds:,}", "" if self is first else _share(self.mult_adds, first.mult_adds)),
            *(counted(self.activation_bytes, "B"), seen, "" if jump is None or row.sees_all else pair(jump)),
        ]

    def __str__(self) -> str:
        return str(CostComparison([self]))

    def __repr__(self) -> str:
        return f"<Cost of {self.name}: {self.params:,} parameters, {self.mult_adds:,} multiply-adds>"

    def _repr_html_(self) -> str:
        return CostComparison([self])._repr_html_()

    def figure(self) -> Figure:
        """Parameters, multiply-adds and memory of activations as bars."""
        return CostComparison([self]).figure()

    def to_dict(self) -> dict[str, Any]:
        """The sums, of types that JSON knows."""
        names = ("name", "params", "mult_adds", "param_bytes", "activation_bytes", "receptive_field", "output_shape")
        values = {name: getattr(self, name) for name in names}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


@dataclass(frozen=True, repr=False)
class CostComparison:
    """What :func:`minicnn.explain.compare_cost` returns. ``str()`` is the table; a notebook shows HTML.

    Attributes
    ----------
    designs : list of Cost

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> found = minicnn.explain.compare_cost({"5x5": nn.Conv2d(1, 1, 5), "3x3": nn.Conv2d(1, 1, 3)}, (1, 9, 9))
    >>> found["3x3"].params, found["5x5"].params
    (10, 26)
    """

    designs: list[Cost]

    def __getitem__(self, name: str) -> Cost:
        """The design of that name."""
        return {design.name: design for design in self.designs}[name]

    def rows(self) -> list[list[str]]:
        """The texts of the table."""
        return [design.cells(self.designs[0]) for design in self.designs]

    def notes(self) -> list[str]:
        """Where the numbers come from."""
        return [f"{design.name}: {formula}" for design in self.designs for formula in design.formulas()]

    def _sizes(self) -> str:
        sizes = dict.fromkeys(size for design in self.designs for size in design.summary.input_size)
        return f"Input: {', '.join(map(str, sizes))}"

    def __str__(self) -> str:
        return "\n".join([text_columns(TITLES, self.rows(), 2), self._sizes(), *self.notes()])

    def __repr__(self) -> str:
        return f"<CostComparison of {', '.join(design.name for design in self.designs)}>"

    def _repr_html_(self) -> str:
        return html_columns(TITLES, self.rows(), 2) + html_lines([self._sizes(), *self.notes()])

    def figure(self) -> Figure:
        """Parameters, multiply-adds and memory of activations as bars."""
        names = [design.name for design in self.designs]
        fig = new_figure(11, 0.4 * len(names) + 1.2)
        from matplotlib.ticker import EngFormatter, MaxNLocator

        kinds = {
            "parameters": [design.params for design in self.designs],
            "multiply-adds": [design.mult_adds for design in self.designs],
            "bytes of activations": [design.activation_bytes for design in self.designs],
        }
        for ax, (title, values) in zip(fig.subplots(1, 3, sharey=True), kinds.items(), strict=True):
            ax.bar_label(ax.barh(names, values), [counted(value) for value in values], padding=3, fontsize="small")
            ax.set_title(title, fontsize="medium")
            ax.margins(x=0.35)
            ax.xaxis.set_major_locator(MaxNLocator(4))
            ax.xaxis.set_major_formatter(EngFormatter())  # 200 M
        fig.get_axes()[0].invert_yaxis()
        return fig


def cost(model: Module, input_size: Any, name: str | None = None, **options: Any) -> Cost:
    """What a layer or a network costs: parameters, multiply-adds, memory, and how far it sees.

    The counting is that of :func:`minicnn.summary`: the model runs once, and what runs is counted.

    Parameters
    ----------
    model : Module
    input_size : tuple of int, or Tensor
        (C, H, W) or (N, C, H, W), see :func:`minicnn.summary`; or a tensor of that size.
    name : str, optional
        Default: the name of its class.
    **options
        Of :func:`minicnn.summary`, such as ``batch_size`` or ``dtype``.

    Returns
    -------
    Cost

    Examples
    --------
    A 1 x 1 convolution in front makes a 3 x 3 one cheap:

    >>> import minicnn
    >>> from minicnn import nn
    >>> bottleneck = nn.Sequential(nn.Conv2d(256, 64, 1, bias=False), nn.Conv2d(64, 192, 3, padding=1, bias=False))
    >>> print(minicnn.explain.cost(bottleneck, (256, 28, 28), name="1x1, 3x3"))
              output            parameters    multiply-adds    activations  field  jump
    -----------------------------------------------------------------------------------
    1x1, 3x3  (1, 192, 28, 28)     126,976         99,549,184         802.82 kB      3     1
    Input: (1, 256, 28, 28)
    1x1, 3x3: parameters 1*1*256*64 + 3*3*64*192 = 126,976
    1x1, 3x3: multiply-adds 1*1*256*64*28*28 + 3*3*64*192*28*28 = 99,549,184
    """
    size = tuple(input_size.shape) if hasattr(input_size, "shape") else input_size
    return Cost(name or type(model).__name__, summary(model, size, verbose=0, **options))


def compare_cost(designs: Mapping[str, Any], input_size: Any = None, **options: Any) -> CostComparison:
    """Several designs side by side: parameters, multiply-adds, memory of activations, receptive field.

    Parameters
    ----------
    designs : mapping from name to Module or (Module, input_size)
        The table says how many times as much as the first one each costs.
    input_size : tuple of int, or Tensor, optional
        (C, H, W) of the designs that come without a size of their own.
    **options
        Of :func:`minicnn.summary`, such as ``batch_size``.

    Returns
    -------
    CostComparison

    Raises
    ------
    ValueError
        If there is nothing to compare, or a size is missing.

    Notes
    -----
    Three 3 x 3 convolutions see as much as one 7 x 7, with 27 C^2 weights instead of 49 C^2 (Simonyan & Zisserman,
    *Very deep convolutional networks*, 2015, section 2.3). A depthwise and a 1 x 1 convolution cost
    ``1/C_out + 1/k^2`` of the k x k convolution that they replace (Howard et al., *MobileNets*, 2017, section 3.1).

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> def conv(k):
    ...     return nn.Conv2d(64, 64, k, padding=k // 2, bias=False)
    >>> three = nn.Sequential(conv(3), conv(3), conv(3))
    >>> print(minicnn.explain.compare_cost({"7x7": conv(7), "three 3x3": three}, (64, 56, 56)))
               output           parameters         multiply-adds         activations  field  jump
    ---------------------------------------------------------------------------------------------
    7x7        (1, 64, 56, 56)     200,704           629,407,744           802.82 kB      7     1
    three 3x3  (1, 64, 56, 56)     110,592  0.55x    346,816,512  0.55x      2.41 MB      7     1
    Input: (1, 64, 56, 56)
    7x7: parameters 7*7*64*64 = 200,704
    7x7: multiply-adds 7*7*64*64*56*56 = 629,407,744
    three 3x3: parameters 3*3*64*64 + 3*3*64*64 + 3*3*64*64 = 110,592
    three 3x3: multiply-adds 3*3*64*64*56*56 + 3*3*64*64*56*56 + 3*3*64*64*56*56 = 346,816,512
    """
    if not isinstance(designs, Mapping) or not designs:
        raise ValueError(
            f"compare_cost: expected names and designs, {{'7x7': nn.Conv2d(...), ...}}; got {describe(designs)}"
        )
    found = []
    for name, design in designs.items():
        model, size = design if isinstance(design, tuple) and len(design) == 2 else (design, input_size)
        if size is None:
            raise ValueError(
                f"compare_cost: {name!r} has no size of its own, and input_size is not given. "
                "Fix: compare_cost({...}, (C, H, W)), or (model, (C, H, W)) instead of the model"
            )
        found.append(cost(model, size, str(name), **options))
    return CostComparison(found)


def _share(n: int, of: int) -> str:
    """How many times as much: ``0.55x``."""
    return f"{n / of:.2g}x" if of else ""
