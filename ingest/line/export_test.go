package line

// Point is what the parser made of a line, for tests.
type Point struct {
	Number           int
	Raw, Series, Key string
	Measurement      string
	Tags             map[string]string
}

// Parse reads all points, up to the first that is malformed.
func Parse(b []byte, unit int64, key string) (all []Point, err error) {
	t, err := parseTemplate(key)
	if err != nil {
		return nil, err
	}
	p := parser{b: b, line: 1, unit: unit}
	var at point
	for {
		some, err := p.next(&at)
		if !some {
			return all, nil
		}
		if err != nil {
			return all, &badLine{number: at.number, text: at.raw, err: err}
		}
		one := Point{Number: at.number, Raw: string(at.raw), Series: series(&at), Key: t.fill(&at, "bucket", "source"),
			Measurement: unescape(at.measurement), Tags: map[string]string{}}
		for _, tag := range at.tags {
			one.Tags[unescape(tag.name)] = unescape(tag.value)
		}
		all = append(all, one)
	}
}
