package otlp

import (
	"unicode/utf8"

	"headgate/shardlog"
)

// key is the partition key of a resource: service.name/host.name, one of them
// alone when the other is missing, source when both are or the key is too
// long for one.
func key(c codec, of shape, b []byte, source string) string {
	var service, host string
	c.each(of, b, "resource", func(r []byte) bool {
		c.each(resource, r, "attributes", func(a []byte) bool {
			switch name, _ := c.text(keyValue, a, "key"); name {
			case "service.name":
				service = value(c, a)
			case "host.name":
				host = value(c, a)
			}
			return true
		})
		return true
	})
	k := service
	if service != "" && host != "" {
		k += "/"
	}
	k += host
	if k == "" || len(k) > shardlog.MaxPartitionKey && utf8.RuneCountInString(k) > shardlog.MaxPartitionKey {
		return source
	}
	return k
}

// value is an attribute's, if it is a string.
func value(c codec, attribute []byte) (text string) {
	c.each(keyValue, attribute, "value", func(v []byte) bool {
		text, _ = c.text(anyValue, v, "stringValue")
		return true
	})
	return text
}

// common is the key that all resources of a request share, source when they
// do not; and whether there are any.
func common(c codec, request shape, b []byte, source string) (k string, some bool) {
	inner, _ := request.inner()
	c.each(request, b, inner.name, func(r []byte) bool {
		one := key(c, inner.of, r, source)
		if !some {
			k, some = one, true
		} else if one != k {
			k = source
			return false
		}
		return true
	})
	return k, some
}

// count is how many log records, data points or spans are in a message of a
// request.
func count(c codec, of shape, b []byte) (n int64) {
	if of == metric {
		for _, f := range schema[metric] {
			if f.of < points || f.of > summaries {
				continue
			}
			c.each(metric, b, f.name, func(data []byte) bool {
				c.each(f.of, data, "dataPoints", func([]byte) bool { n++; return true })
				return true
			})
		}
		return n
	}
	inner, ok := of.inner()
	if !ok {
		return 1
	}
	c.each(of, b, inner.name, func(part []byte) bool { n += count(c, inner.of, part); return true })
	return n
}
