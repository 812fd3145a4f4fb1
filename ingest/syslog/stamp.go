package syslog

import "strings"

// months are the names in TIMESTAMP (RFC 3164, 4.1.2).
const months = "JanFebMarAprMayJunJulAugSepOctNovDec"

// stamp is how many bytes of b are a timestamp, zero for none: RFC 3164's, a
// year in it or not, or RFC 3339's. Both may have fractions of a second. A
// star or a dot in front is Cisco's, for a clock that is not set.
func stamp(b []byte) int {
	n := 0
	if len(b) > 0 && (b[0] == '*' || b[0] == '.') {
		n, b = 1, b[1:]
	}
	if m := max(bsdStamp(b), isoStamp(b)); m > 0 {
		return n + m
	}
	return 0
}

// bsdStamp is the length of "Nov  7 10:00:00" and its kin.
func bsdStamp(b []byte) int {
	if len(b) < 14 || b[3] != ' ' || strings.Index(months, string(b[:3]))%3 != 0 {
		return 0
	}
	n := 4
	if b[n] == ' ' {
		n++
	}
	day := n
	for n < len(b) && n < day+2 && digit(b[n]) {
		n++
	}
	if n == day || n == len(b) || b[n] != ' ' {
		return 0
	}
	n++
	if len(b) > n+5 && digits(b[n:n+4]) && b[n+4] == ' ' {
		n += 5 // a year
	}
	return clock(b, n)
}

// isoStamp is the length of "2026-11-27T10:00:00Z" and its kin.
func isoStamp(b []byte) int {
	if len(b) < 20 || !shaped(b, "0000-00-00T") {
		return 0
	}
	n := clock(b, len("0000-00-00T"))
	switch {
	case n == 0 || n == len(b):
		return 0
	case b[n] == 'Z':
		return n + 1
	case shaped(b[n:], "+00:00"), shaped(b[n:], "-00:00"):
		return n + len("+00:00")
	}
	return 0
}

// clock is where hh:mm:ss with or without a fraction ends that begins at n;
// zero: there is none.
func clock(b []byte, n int) int {
	if !shaped(b[n:], "00:00:00") {
		return 0
	}
	n += len("00:00:00")
	if n+1 < len(b) && b[n] == '.' && digit(b[n+1]) {
		for n++; n < len(b) && digit(b[n]); n++ {
		}
	}
	return n
}

// shaped reports whether b begins like the shape, in which 0 is any digit.
func shaped(b []byte, shape string) bool {
	if len(b) < len(shape) {
		return false
	}
	for i := range len(shape) {
		if b[i] != shape[i] && !(shape[i] == '0' && digit(b[i])) {
			return false
		}
	}
	return true
}
