package awsapi

// maxDepth is how deep lists and maps may lie in each other, as in JSON bodies
// that mean anything: no request of AWS's comes near.
const maxDepth = 32

// cborNumber is a number that came in CBOR. Where a time is wanted it is in
// milliseconds, with or without the tag that AWS's SDKs put before it.
type cborNumber float64

// isCBORMap reports whether the body is one map, without making one.
func isCBORMap(body []byte) bool {
	r := CBOR{rest: body}
	k, ok := r.skip(0)
	return ok && k == kindMap && r.Done()
}

// decodeCBOR reads a map into the values that decode makes of JSON; false when
// the body is anything else. Bytes in it lie in the body.
func decodeCBOR(r CBOR) (map[string]any, bool) {
	value, ok := r.value(0)
	data, is := value.(map[string]any)
	return data, ok && is && r.Done()
}

// value reads one item of any kind.
func (r *CBOR) value(depth int) (any, bool) {
	k, five, n, ok := r.head()
	for ok && k == kindTag && five != noLength { // it says what a value is for, which the operation knows
		k, five, n, ok = r.head()
	}
	if !ok || depth > maxDepth {
		return nil, false
	}
	switch k {
	case kindUint, kindNegative:
		if k == kindNegative {
			return r.number(-1 - float64(n)), five != noLength
		}
		return r.number(float64(n)), five != noLength
	case kindBytes:
		return r.whole(k, five, n)
	case kindText:
		text, ok := r.whole(k, five, n)
		return string(text), ok
	case kindList:
		return r.list(Items{n, five == noLength}, depth)
	case kindMap:
		return r.members(Items{n, five == noLength}, depth)
	case kindOther:
		return r.other(five, n)
	}
	return nil, false
}

// number is a number as the operations' inputs know it.
func (r *CBOR) number(n float64) any {
	if r.seconds {
		return n
	}
	return cborNumber(n)
}

func (r *CBOR) list(items Items, depth int) (any, bool) {
	list := []any{}
	for r.Next(&items) {
		value, ok := r.value(depth + 1)
		if !ok {
			return nil, false
		}
		list = append(list, value)
	}
	return list, true
}

// members reads a map. Names are strings, each there once.
func (r *CBOR) members(items Items, depth int) (any, bool) {
	data := map[string]any{}
	for r.Next(&items) {
		k, five, n, ok := r.head()
		if !ok || k != kindText {
			return nil, false
		}
		name, ok := r.whole(k, five, n)
		if !ok {
			return nil, false
		}
		if _, twice := data[string(name)]; twice {
			return nil, false
		}
		value, ok := r.value(depth + 1)
		if !ok {
			return nil, false
		}
		data[string(name)] = value
	}
	return data, true
}

// other is a truth value, nothing, or a float.
func (r *CBOR) other(five byte, n uint64) (any, bool) {
	switch five | byte(kindOther)<<5 {
	case cborFalse:
		return false, true
	case cborTrue:
		return true, true
	case 0xf6, 0xf7: // null, and undefined
		return nil, true
	}
	f, ok := float(five, n)
	return r.number(f), ok
}

// skip passes over one item, and answers its kind; false when it is not whole.
func (r *CBOR) skip(depth int) (kind, bool) {
	k, five, n, ok := r.head()
	for ok && k == kindTag && five != noLength {
		k, five, n, ok = r.head()
	}
	if !ok || depth > maxDepth {
		return k, false
	}
	switch k {
	case kindBytes, kindText:
		_, ok = r.whole(k, five, n)
	case kindList, kindMap:
		ok = r.skipItems(k, Items{n, five == noLength}, depth+1)
	case kindOther:
		_, ok = r.other(five, n)
	default:
		ok = k <= kindNegative && five != noLength
	}
	return k, ok
}

func (r *CBOR) skipItems(k kind, items Items, depth int) bool {
	for r.Next(&items) {
		if k == kindMap {
			if name, ok := r.skip(depth); !ok || name != kindText {
				return false
			}
		}
		if _, ok := r.skip(depth); !ok {
			return false
		}
	}
	return true
}
