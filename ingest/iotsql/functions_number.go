package iotsql

import (
	"math"
	"math/big"
)

// numberFunctions are those that take numbers.
func numberFunctions() map[string]function {
	all := map[string]function{
		"abs": {1, 1, numbered(func(d decimal) value { return numberOf(decimal{new(big.Int).Abs(d.coefficient), d.exponent}, true) })},
		"ceil": {1, 1, numbered(func(d decimal) value {
			minus, _ := decimalOf(0).subtract(d)
			return bigOf(new(big.Int).Neg(minus.floor()))
		})},
		"floor":     {1, 1, numbered(func(d decimal) value { return bigOf(d.floor()) })},
		"round":     {1, 1, numbered(round)},
		"sign":      {1, 1, numbered(func(d decimal) value { return intOf(int64(d.coefficient.Sign())) })},
		"trunc":     {2, 2, truncate},
		"mod":       {2, 2, func(r *run, a []value) value { return calculate(decimal.remainder)(r, a[0], a[1]) }},
		"remainder": {2, 2, func(r *run, a []value) value { return calculate(decimal.remainder)(r, a[0], a[1]) }},
		"power":     {2, 2, doubled(math.Pow)},
		"atan2":     {2, 2, doubled(math.Atan2)},
		"bitand":    {2, 2, bits((*big.Int).And)},
		"bitor":     {2, 2, bits((*big.Int).Or)},
		"bitxor":    {2, 2, bits((*big.Int).Xor)},
		"bitnot":    {1, 1, numbered(func(d decimal) value { return bigOf(new(big.Int).Not(d.floor())) })},
	}
	for name, do := range map[string]func(float64) float64{
		"acos": math.Acos, "asin": math.Asin, "atan": math.Atan, "cos": math.Cos, "cosh": math.Cosh, "exp": math.Exp, "ln": math.Log,
		"log": math.Log10, "sin": math.Sin, "sinh": math.Sinh, "sqrt": math.Sqrt, "tan": math.Tan, "tanh": math.Tanh,
	} {
		all[name] = function{1, 1, numbered(func(d decimal) value { return doubleOf(do(d.double())) })}
	}
	return all
}

func numbered(do func(d decimal) value) func(r *run, a []value) value {
	return func(_ *run, a []value) value {
		d, ok := a[0].decimal()
		if !ok {
			return value{}
		}
		return do(d)
	}
}

func doubled(do func(x, y float64) float64) func(r *run, a []value) value {
	return func(_ *run, a []value) value {
		x, ok1 := a[0].double()
		y, ok2 := a[1].double()
		if !ok1 || !ok2 {
			return value{}
		}
		return doubleOf(do(x, y))
	}
}

// maxBits bounds numbers that are taken bit by bit.
const maxBits = 128

func bits(do func(z, x, y *big.Int) *big.Int) func(r *run, a []value) value {
	return func(_ *run, a []value) value {
		x, ok1 := a[0].decimal()
		y, ok2 := a[1].decimal()
		if !ok1 || !ok2 || x.exponent > maxBits || y.exponent > maxBits {
			return value{}
		}
		return bigOf(do(new(big.Int), x.floor(), y.floor()))
	}
}

// round is the nearest Int; a half goes away from zero, as in AWS's examples.
func round(d decimal) value {
	if d.isInt() {
		return numberOf(d, true)
	}
	half := decimal{big.NewInt(5), -1}
	if d.coefficient.Sign() < 0 {
		half.coefficient = big.NewInt(-5)
	}
	sum, ok := d.add(half)
	if !ok {
		return value{}
	}
	return bigOf(sum.whole())
}

// truncate cuts places behind the point.
func truncate(_ *run, a []value) value {
	d, ok1 := a[0].decimal()
	n, ok2 := a[1].decimal()
	if !ok1 || !ok2 {
		return value{}
	}
	places := n.clamp(0, precision)
	if -d.exponent <= places {
		return numberOf(d, true)
	}
	return numberOf(fit(new(big.Int).Quo(d.coefficient, power10(-d.exponent-places)), -places))
}
