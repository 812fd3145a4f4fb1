package devices

// recent remembers what was used lately: between most and twice most things.
// The zero value with most set is ready. It is not safe for concurrent use.
type recent[K comparable, V any] struct {
	most     int
	new, old map[K]V
}

func (r *recent[K, V]) get(k K) (v V, ok bool) {
	if v, ok = r.new[k]; ok {
		return v, true
	}
	if v, ok = r.old[k]; ok {
		r.put(k, v)
	}
	return v, ok
}

func (r *recent[K, V]) put(k K, v V) {
	if _, ok := r.new[k]; !ok && len(r.new) >= r.most {
		r.new, r.old = nil, r.new
	}
	if r.new == nil {
		r.new = map[K]V{}
	}
	r.new[k] = v
}
