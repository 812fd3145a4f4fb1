package iotsql

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Numbers are AWS's: 34 digits, magnitudes from 1E-999 to 9.99E999.
const (
	precision   = 34
	maxExponent = 999
)

// decimal is coefficient times ten to the exponent, without zeros at the
// coefficient's end: what has no negative exponent is an Int.
type decimal struct {
	coefficient *big.Int
	exponent    int
}

var (
	ten  = big.NewInt(10)
	most = power10(precision)
)

func power10(n int) *big.Int { return new(big.Int).Exp(ten, big.NewInt(int64(n)), nil) }

// decimalOf makes a decimal of an integer.
func decimalOf(n int64) decimal { d, _ := fit(big.NewInt(n), 0); return d }

// fit rounds to what numbers can hold, half to even; false when it is too large.
func fit(c *big.Int, exponent int) (decimal, bool) {
	if new(big.Int).Abs(c).Cmp(most) >= 0 {
		over := len(new(big.Int).Abs(c).String()) - precision
		c, exponent = divide(c, power10(over)), exponent+over
	}
	for digit := new(big.Int); c.Sign() != 0 && (c.Bit(0) == 0); {
		rest, _ := new(big.Int).QuoRem(c, ten, digit)
		if digit.Sign() != 0 {
			break
		}
		c, exponent = rest, exponent+1
	}
	if c.Sign() == 0 {
		return decimal{new(big.Int), 0}, true
	}
	if exponent > -maxExponent && exponent < maxExponent-precision {
		return decimal{c, exponent}, true
	}
	switch top := exponent + len(new(big.Int).Abs(c).String()) - 1; {
	case top > maxExponent:
		return decimal{}, false
	case top < -maxExponent:
		return decimal{new(big.Int), 0}, true
	}
	return decimal{c, exponent}, true
}

// divide is a quotient, rounded half to even.
func divide(a, b *big.Int) *big.Int {
	q, rest := new(big.Int).QuoRem(a, b, new(big.Int))
	twice := rest.Abs(rest).Lsh(rest, 1)
	c := twice.Cmp(new(big.Int).Abs(b))
	if c > 0 || c == 0 && q.Bit(0) == 1 {
		q.Add(q, big.NewInt(int64(a.Sign()*b.Sign())))
	}
	return q
}

// longestNumber bounds the text of a number that is computed with.
const longestNumber = 2 * maxExponent

// parseDecimal reads what JSON and AWS's conversions call a number.
func parseDecimal(s string) (d decimal, ok bool) {
	if len(s) > longestNumber {
		return d, false
	}
	head, tail, scientific := strings.Cut(strings.ToLower(s), "e")
	exponent := 0
	if scientific {
		n, err := strconv.Atoi(tail)
		if err != nil || n > 10*maxExponent || n < -10*maxExponent {
			return d, false
		}
		exponent = n
	}
	whole, part, pointed := strings.Cut(head, ".")
	digits := strings.TrimPrefix(whole, "-")
	if !isDigits(digits) || pointed && !isDigits(part) {
		return d, false
	}
	c, ok := new(big.Int).SetString(whole+part, 10)
	if !ok {
		return d, false
	}
	return fit(c, exponent-len(part))
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// isInt reports whether it is a whole number: AWS's version 2016-03-23 takes
// 10.0 for one.
func (d decimal) isInt() bool { return d.exponent >= 0 }

// whole is the integer, rounded towards zero.
func (d decimal) whole() *big.Int {
	if d.exponent >= 0 {
		return new(big.Int).Mul(d.coefficient, power10(d.exponent))
	}
	return new(big.Int).Quo(d.coefficient, power10(-d.exponent))
}

// floor is the integer below.
func (d decimal) floor() *big.Int {
	w := d.whole()
	if !d.isInt() && d.coefficient.Sign() < 0 {
		w.Sub(w, big.NewInt(1))
	}
	return w
}

// clamp is the number rounded down, as an int between two others.
func (d decimal) clamp(low, high int) int {
	w := d.floor()
	switch {
	case w.Cmp(big.NewInt(int64(low))) < 0:
		return low
	case w.Cmp(big.NewInt(int64(high))) > 0:
		return high
	}
	return int(w.Int64())
}

// align makes two coefficients of one exponent.
func align(a, b decimal) (x, y *big.Int, exponent int) {
	exponent = min(a.exponent, b.exponent)
	x, y = a.coefficient, b.coefficient
	if n := a.exponent - exponent; n > 0 {
		x = new(big.Int).Mul(x, power10(n))
	}
	if n := b.exponent - exponent; n > 0 {
		y = new(big.Int).Mul(y, power10(n))
	}
	return x, y, exponent
}

func (d decimal) compare(o decimal) int {
	x, y, _ := align(d, o)
	return x.Cmp(y)
}

func (d decimal) add(o decimal) (decimal, bool) {
	x, y, e := align(d, o)
	return fit(new(big.Int).Add(x, y), e)
}

func (d decimal) subtract(o decimal) (decimal, bool) {
	x, y, e := align(d, o)
	return fit(new(big.Int).Sub(x, y), e)
}

func (d decimal) multiply(o decimal) (decimal, bool) {
	return fit(new(big.Int).Mul(d.coefficient, o.coefficient), d.exponent+o.exponent)
}

// divide is the quotient: of two Ints an Int, rounded towards zero. False when
// o is zero.
func (d decimal) divide(o decimal) (decimal, bool) {
	if o.coefficient.Sign() == 0 {
		return decimal{}, false
	}
	if d.isInt() && o.isInt() {
		x, y, _ := align(d, o)
		return fit(new(big.Int).Quo(x, y), 0)
	}
	shift := 2*precision + len(o.coefficient.String())
	q := new(big.Int).Quo(new(big.Int).Mul(d.coefficient, power10(shift)), o.coefficient)
	return fit(q, d.exponent-o.exponent-shift)
}

// remainder has the sign of d. False when o is zero.
func (d decimal) remainder(o decimal) (decimal, bool) {
	if o.coefficient.Sign() == 0 {
		return decimal{}, false
	}
	x, y, e := align(d, o)
	return fit(new(big.Int).Rem(x, y), e)
}

// double rounds to double precision.
func (d decimal) double() float64 {
	f, _ := strconv.ParseFloat(d.String(), 64) // out of range: an infinity, which no function likes
	return f
}

// ofDouble is a double as a decimal; false when it is none.
func ofDouble(f float64) (decimal, bool) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return decimal{}, false
	}
	return parseDecimal(strconv.FormatFloat(f, 'e', -1, 64))
}

// String is the number in standard notation, with an exponent if it is very
// large or very small.
func (d decimal) String() string {
	if d.exponent >= 0 && d.exponent <= precision {
		return d.whole().String()
	}
	minus, digits := "", new(big.Int).Abs(d.coefficient).String()
	if d.coefficient.Sign() < 0 {
		minus = "-"
	}
	point := len(digits) + d.exponent // digits before the point
	switch {
	case d.exponent < 0 && point > 0:
		return minus + digits[:point] + "." + digits[point:]
	case d.exponent < 0 && point > -6:
		return minus + "0." + strings.Repeat("0", -point) + digits
	case len(digits) == 1:
		return minus + digits + "E" + strconv.Itoa(point-1)
	}
	return minus + digits[:1] + "." + digits[1:] + "E" + strconv.Itoa(point-1)
}
