"""Rewrites of the exported graphs that give the same numbers in less time: ONNX Runtime runs them as they are written.

Each rule's saving is in docs/performance.md. Rules that find nothing, because the model has changed, do no harm.
"""

from __future__ import annotations

import numpy as np
import onnx_ir
from onnxscript.rewriter import RewriteRuleClassBase, rewrite


class PeakProbability(RewriteRuleClassBase):
    """exp(max(x) - logsumexp(x)) is max(softmax(x)), for which there is a fast kernel."""

    def pattern(self, op, logits, axes, other_axes):
        highest = op.ReduceMax(logits, axes, _allow_other_attributes=True)
        return op.Exp(op.Sub(highest, op.ReduceLogSumExp(logits, other_axes, _allow_other_attributes=True)))

    def check(self, context, logits, axes, other_axes, **_) -> bool:
        return _constant(axes) == [-1] == _constant(other_axes)

    def rewrite(self, op, logits, axes, **_):
        return op.ReduceMax(op.Softmax(logits, axis=-1), axes, keepdims=0)


class GatherRows(RewriteRuleClassBase):
    """Whole rows by index, where the index was repeated for each column; for one clip."""

    def pattern(self, op, rows, index, index_shape, shape):
        column = op.Reshape(index, index_shape, _allow_other_attributes=True)
        return op.GatherElements(rows, op.Expand(column, shape), axis=1)

    def check(self, context, rows, index_shape, shape, **_) -> bool:
        column, wanted = _constant(index_shape), _constant(shape)
        fits = column is not None and wanted is not None and len(column) == 3 and column[0] == column[2] == 1
        return fits and rows.shape is not None and len(rows.shape) == 3 and rows.shape[0] == 1

    def rewrite(self, op, rows, index, **_):
        flat = op.Reshape(index, op.Constant(value_ints=[-1]))
        return op.Gather(rows, flat, axis=1)


class DotProducts(RewriteRuleClassBase):
    """sum(keys_1NWM * query_1N1M) over the last axis is a product of matrices."""

    def pattern(self, op, keys, query, axis, sum_axis):
        return op.ReduceSum(op.Mul(keys, op.Unsqueeze(query, axis)), sum_axis, _allow_other_attributes=True)

    def check(self, context, keys, query, axis, sum_axis, **_) -> bool:
        known = keys.shape is not None and query.shape is not None
        if not known or _constant(axis) not in ([2], [-2]) or _constant(sum_axis) != [-1]:
            return False
        return len(keys.shape) == 4 and len(query.shape) == 3 and keys.shape[-1] == query.shape[-1]

    def rewrite(self, op, keys, query, **_):
        column = op.Unsqueeze(query, op.Constant(value_ints=[-1]))
        return op.Squeeze(op.MatMul(keys, column), op.Constant(value_ints=[-1]))


class WeightedSums(RewriteRuleClassBase):
    """sum(weights_1NW * points_1NW2) over W is a product of matrices, too."""

    def pattern(self, op, weights, points, axis, sum_axis):
        return op.ReduceSum(op.Mul(op.Unsqueeze(weights, axis), points), sum_axis, _allow_other_attributes=True)

    def check(self, context, weights, points, axis, sum_axis, **_) -> bool:
        known = weights.shape is not None and points.shape is not None
        if not known or _constant(axis) not in ([3], [-1]) or _constant(sum_axis) not in ([2], [-2]):
            return False
        return len(weights.shape) == 3 and weights.shape == points.shape[:-1]

    def rewrite(self, op, weights, points, **_):
        row = op.Unsqueeze(weights, op.Constant(value_ints=[-2]))
        return op.Squeeze(op.MatMul(row, points), op.Constant(value_ints=[-2]))


RULES = (PeakProbability, GatherRows, DotProducts, WeightedSums)


def rewrite_graph(model: onnx_ir.Model) -> onnx_ir.Model:
    """Apply all rules."""
    return rewrite(model, [rule.rule() for rule in RULES])


def _constant(value: onnx_ir.Value | None) -> list[int] | None:
    """The numbers of a constant input, flat; None where it is not constant."""
    constant = onnx_ir.convenience.get_const_tensor(value) if value is not None else None
    return None if constant is None else np.ravel(constant.numpy()).tolist()
