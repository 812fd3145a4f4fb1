package transform

import "headgate/firehose/transform/predicate"

// filter keeps the records for which a condition holds.
type filter string

func (f filter) check() error {
	_, err := predicate.Parse(string(f))
	return err
}

func (f filter) build(b *builder, _ Env) error {
	p, err := predicate.Parse(string(f))
	if err != nil {
		return err
	}
	b.edit(filtering{p})
	return nil
}

type filtering struct{ condition *predicate.Predicate }

func (f filtering) edit(d *document) (bool, error) {
	if err := d.load(); err != nil {
		return false, err
	}
	return f.condition.Match(predicate.Document{JSON: d.json, Key: d.record.Key}), nil
}
