package encode

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"
)

// columnType is how values of one type are read from JSON, written as JSON
// and kept in columns.
type columnType struct {
	read  func(v any) (any, error)
	write func(dst []byte, v any) []byte
	node  func() parquet.Node
}

// types are what columns can be.
var types = map[string]columnType{
	"boolean":   {readBoolean, writeBoolean, func() parquet.Node { return parquet.Leaf(parquet.BooleanType) }},
	"int":       {readInt(math.MinInt32, math.MaxInt32), writeInt, func() parquet.Node { return parquet.Int(32) }},
	"bigint":    {readInt(math.MinInt64, math.MaxInt64), writeInt, func() parquet.Node { return parquet.Int(64) }},
	"float":     {readFloat, writeFloat, func() parquet.Node { return parquet.Leaf(parquet.FloatType) }},
	"double":    {readDouble, writeDouble, func() parquet.Node { return parquet.Leaf(parquet.DoubleType) }},
	"string":    {readString, writeString, parquet.String},
	"timestamp": {readTimestamp, writeTimestamp, func() parquet.Node { return parquet.Timestamp(parquet.Millisecond) }},
	"date":      {readDate, writeDate, parquet.Date},
	"json":      {readJSON, writeJSON, parquet.String}, // text: not all readers know the logical type
}

func unfit(v any, what string) error { return fmt.Errorf("%.100v is not %s", v, what) }

func readBoolean(v any) (any, error) {
	if b, ok := v.(bool); ok {
		return b, nil
	}
	return nil, unfit(v, "true or false")
}

func writeBoolean(dst []byte, v any) []byte { return strconv.AppendBool(dst, v.(bool)) }

func readInt(least, most int64) func(v any) (any, error) {
	return func(v any) (any, error) {
		text, ok := v.(json.Number)
		if !ok {
			return nil, unfit(v, "a number")
		}
		n, err := text.Int64()
		if err != nil { // 1.0 and 1e3 are whole too
			f, bad := text.Float64()
			if bad != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
				return nil, unfit(v, "a whole number of the type's size")
			}
			n = int64(f)
		}
		if n < least || n > most {
			return nil, unfit(v, "a whole number of the type's size")
		}
		return n, nil
	}
}

func writeInt(dst []byte, v any) []byte { return strconv.AppendInt(dst, v.(int64), 10) }

func readFloat(v any) (any, error) {
	text, ok := v.(json.Number)
	f, err := strconv.ParseFloat(string(text), 32)
	if !ok || err != nil {
		return nil, unfit(v, "a number of the type's size")
	}
	return float32(f), nil
}

func writeFloat(dst []byte, v any) []byte {
	return strconv.AppendFloat(dst, float64(v.(float32)), 'g', -1, 32)
}

func readDouble(v any) (any, error) {
	text, ok := v.(json.Number)
	f, err := text.Float64()
	if !ok || err != nil {
		return nil, unfit(v, "a number of the type's size")
	}
	return f, nil
}

func writeDouble(dst []byte, v any) []byte { return strconv.AppendFloat(dst, v.(float64), 'g', -1, 64) }

// readString takes numbers and booleans too, as they are written.
func readString(v any) (any, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		return string(v), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return nil, unfit(v, "text; nested values fit type json")
}

func writeString(dst []byte, v any) []byte {
	b, err := json.Marshal(v)
	if err != nil { // a string always has a form
		panic(err)
	}
	return append(dst, b...)
}

// The forms of times in JSON; the first is ours.
var timeForms = [...]string{"2006-01-02T15:04:05.000Z07:00", time.RFC3339Nano, "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999"}

// maxSeconds tells seconds since 1970 from milliseconds: it is the year 5138,
// and as milliseconds March 1973.
const maxSeconds = 1e11

// readTimestamp is in milliseconds since 1970, of text what is finer is cut off.
func readTimestamp(v any) (any, error) {
	switch v := v.(type) {
	case string:
		for _, form := range timeForms {
			if t, err := time.Parse(form, v); err == nil && t.Year() > 0 && t.Year() < 10_000 {
				return milliseconds(v, t.UnixMilli())
			}
		}
	case json.Number:
		if f, err := v.Float64(); err == nil && math.Abs(f) < maxSeconds {
			return milliseconds(v, int64(math.Round(f*1000)))
		} else if err == nil && math.Abs(f) < 1<<53 {
			return milliseconds(v, int64(math.Round(f)))
		}
	}
	return nil, unfit(v, "a time: seconds or milliseconds since 1970, or text like 2026-07-01T12:30:00Z")
}

// milliseconds refuses years that have no form of four digits.
func milliseconds(v any, ms int64) (any, error) {
	if year := time.UnixMilli(ms).UTC().Year(); year < 1 || year > 9999 {
		return nil, unfit(v, "a time in the years 1 to 9999")
	}
	return ms, nil
}

func writeTimestamp(dst []byte, v any) []byte {
	return time.UnixMilli(v.(int64)).UTC().AppendFormat(dst, `"`+timeForms[0]+`"`)
}

const day = 24 * 60 * 60

// readDate is in days since 1970.
func readDate(v any) (any, error) {
	text, ok := v.(string)
	t, err := time.Parse(time.DateOnly, text)
	if !ok || err != nil || t.Year() < 1 {
		return nil, unfit(v, "a date like 2026-07-01")
	}
	return t.Unix() / day, nil
}

func writeDate(dst []byte, v any) []byte {
	return time.Unix(v.(int64)*day, 0).UTC().AppendFormat(dst, `"`+time.DateOnly+`"`)
}

// readJSON keeps any value as text, members in the order of their names.
func readJSON(v any) (any, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

func writeJSON(dst []byte, v any) []byte { return append(dst, v.(string)...) }
