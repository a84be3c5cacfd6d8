import { larger, operation, smaller } from '../eval/arithmetic.ts'
import type { Call, Expr } from '../syntax/ast.ts'
import { type Planning, type Scalar, Unplanned } from './plan.ts'

/** The one sample of a vector, NaN when there is none or another. */
function planOnly(planning: Planning, expr: Expr): Scalar {
  const { values, present } = planning.slots
  const { at, run } = planning.vector(expr)
  return (moment) => {
    if (run(moment) !== 1) return Number.NaN
    return values[present.indexOf(1, at)]!
  }
}

function planScalarCall(planning: Planning, call: Call): Scalar {
  const { name } = call.signature
  if (name === 'pi') return () => Math.PI
  if (name === 'time') return ({ start }) => start / 1000
  const [first, second] = call.args
  if (name === 'scalar' && first !== undefined) return planOnly(planning, first)
  if (first === undefined || second === undefined) throw new Unplanned(name)
  const left = planning.scalar(first)
  const right = planning.scalar(second)
  const choose = name === 'max_of' ? larger : smaller
  return (moment) => choose(left(moment), right(moment))
}

/** A scalar; see `evaluateScalar`. */
export function planScalar(planning: Planning, expr: Expr): Scalar {
  switch (expr.kind) {
    case 'number': {
      const { value } = expr
      return () => value
    }
    case 'paren':
      return planning.scalar(expr.expr)
    case 'unary': {
      const inner = planning.scalar(expr.expr)
      return expr.op === '-' ? (moment) => -inner(moment) : inner
    }
    case 'binary': {
      const left = planning.scalar(expr.left)
      const right = planning.scalar(expr.right)
      const compute = operation(expr.op)
      return (moment) => compute(left(moment), right(moment))
    }
    case 'call':
      return planScalarCall(planning, expr)
    default:
      throw new Error(`BUG: ${expr.kind} is no scalar`)
  }
}
