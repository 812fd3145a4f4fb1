package dynamoapi

import (
	"math/big"
	"strconv"
	"strings"

	"headgate/gateway/awsapi"
)

// Numbers are decimal, of 38 digits and exponents to 125 (DynamoDB, "Data types").
const (
	maxDigits   = 38
	maxExponent = 125
)

func badNumber(text string) error {
	return awsapi.Invalid("The parameter cannot be converted to a numeric value: %.100s", text)
}

// normal is a number in the one form that equal numbers have.
func normal(text string) (string, error) {
	mantissa, exponent := text, ""
	if at := strings.IndexAny(text, "eE"); at >= 0 {
		mantissa, exponent = text[:at], text[at+1:]
		if e, err := strconv.Atoi(exponent); err != nil || e > 2*maxExponent || e < -2*maxExponent {
			return "", badNumber(text)
		}
	}
	if len(text) > 200 || strings.Trim(mantissa, "+-.0123456789") != "" { // Rat reads other forms too
		return "", badNumber(text)
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return "", badNumber(text)
	}
	plain := decimal(r)
	if len(strings.Trim(strings.NewReplacer("-", "", ".", "").Replace(plain), "0")) > maxDigits {
		return "", awsapi.Invalid("Attempting to store more than 38 significant digits in a Number")
	}
	return plain, nil
}

// number is a normal number's value.
func number(text string) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	if !ok { // normal lets no such text in
		return new(big.Rat)
	}
	return r
}

// decimal writes a number without exponent and without zeros that say nothing.
func decimal(r *big.Rat) string {
	text := r.FloatString(4 * maxExponent)
	text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	if text == "" || text == "-" || text == "-0" {
		return "0"
	}
	return text
}
