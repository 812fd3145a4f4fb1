package iotsql

// operators finds what an operator does.
func operators(sign string) func(r *run, a, b value) value {
	switch sign {
	case "and", "or":
		return logic(sign == "and")
	case "=":
		return func(r *run, a, b value) value { return same(r, a, b, true) }
	case "<>":
		return func(r *run, a, b value) value { return same(r, a, b, false) }
	case "<", "<=", ">", ">=":
		return compare(sign)
	case "+":
		return plus
	case "-":
		return calculate(decimal.subtract)
	case "*":
		return calculate(decimal.multiply)
	case "/":
		return calculate(decimal.divide)
	}
	return calculate(decimal.remainder)
}

func logic(and bool) func(r *run, a, b value) value {
	return func(_ *run, a, b value) value {
		x, ok1 := a.bool()
		y, ok2 := b.bool()
		switch {
		case !ok1 || !ok2:
			return value{}
		case and:
			return boolOf(x && y)
		}
		return boolOf(x || y)
	}
}

// same compares for equality; nothing is equal, or unequal, to what is
// undefined.
func same(r *run, a, b value, equals bool) value {
	if a.sort == undefined || b.sort == undefined {
		return value{}
	}
	r.spend(a.weight())
	return boolOf(equal(a, b) == equals)
}

// compare compares as numbers.
func compare(sign string) func(r *run, a, b value) value {
	return func(_ *run, a, b value) value {
		x, ok1 := a.decimal()
		y, ok2 := b.decimal()
		if !ok1 || !ok2 {
			return value{}
		}
		c := x.compare(y)
		switch sign {
		case "<":
			return boolOf(c < 0)
		case "<=":
			return boolOf(c <= 0)
		case ">":
			return boolOf(c > 0)
		}
		return boolOf(c >= 0)
	}
}

// plus adds numbers, and puts texts together with anything.
func plus(r *run, a, b value) value {
	if a.sort != str && b.sort != str {
		if a.sort != numeric || b.sort != numeric {
			return value{}
		}
		return calculate(decimal.add)(r, a, b)
	}
	x, ok1 := a.string()
	y, ok2 := b.string()
	if !ok1 || !ok2 || !r.spend(len(x)+len(y)) {
		return value{}
	}
	return textOf(x + y)
}

func calculate(do func(a, b decimal) (decimal, bool)) func(r *run, a, b value) value {
	return func(_ *run, a, b value) value {
		x, ok1 := a.decimal()
		y, ok2 := b.decimal()
		if !ok1 || !ok2 {
			return value{}
		}
		return numberOf(do(x, y))
	}
}

// within looks for a value in an array.
func within(r *run, v, all value) value {
	if v.sort == undefined || all.sort != array {
		return value{}
	}
	for _, item := range all.items {
		if !r.spend(1 + v.weight()) {
			return value{}
		}
		if equal(v, item) {
			return boolOf(true)
		}
	}
	return boolOf(false)
}
