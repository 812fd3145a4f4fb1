package fleet

import (
	"cmp"
	"slices"
)

// Runs is a set of sequence numbers kept as runs. The zero value is empty.
// It is not safe for concurrent use.
type Runs struct {
	runs []run
	size uint64
}

// run is the numbers first … last.
type run struct{ first, last uint64 }

// Add puts n into the set; false when it was there.
func (r *Runs) Add(n uint64) bool {
	i := r.find(n)
	if i < len(r.runs) && r.runs[i].first <= n {
		return false
	}
	before := i > 0 && r.runs[i-1].last+1 == n
	after := i < len(r.runs) && n+1 == r.runs[i].first
	switch {
	case before && after:
		r.runs[i-1].last = r.runs[i].last
		r.runs = slices.Delete(r.runs, i, i+1)
	case before:
		r.runs[i-1].last = n
	case after:
		r.runs[i].first = n
	default:
		r.runs = slices.Insert(r.runs, i, run{n, n})
	}
	r.size++
	return true
}

// find is the index of the first run that ends at n or later.
func (r *Runs) find(n uint64) int {
	if k := len(r.runs); k > 0 && r.runs[k-1].last < n { // mostly they come in order
		return k
	}
	i, _ := slices.BinarySearchFunc(r.runs, n, func(x run, n uint64) int { return cmp.Compare(x.last, n) })
	return i
}

// Has reports whether n is in the set.
func (r *Runs) Has(n uint64) bool {
	i := r.find(n)
	return i < len(r.runs) && r.runs[i].first <= n
}

// Len is how many numbers are in the set.
func (r *Runs) Len() uint64 { return r.size }

// Max is the largest number, zero when the set is empty.
func (r *Runs) Max() uint64 {
	if len(r.runs) == 0 {
		return 0
	}
	return r.runs[len(r.runs)-1].last
}

// Without counts the numbers that other does not have, and yields the first few.
func (r *Runs) Without(other *Runs, few int) (count uint64, some []uint64) {
	for _, x := range r.runs {
		for n := x.first; ; n++ {
			i := other.find(n)
			if i < len(other.runs) && other.runs[i].first <= n {
				n = min(other.runs[i].last, x.last)
			} else {
				count++
				if len(some) < few {
					some = append(some, n)
				}
			}
			if n == x.last {
				break
			}
		}
	}
	return count, some
}
