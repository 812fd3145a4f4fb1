package transform

import "fmt"

// Rename moves a value from one path to another, over what is there. Between
// names of the record itself it stays in its place. A record without the value
// stays as it is.
type Rename struct {
	From string `json:"from" yaml:"from"`
	To   string `json:"to" yaml:"to"`
}

func (o *Rename) check() error {
	if err := checkPath(o.From); err != nil {
		return fmt.Errorf("rename: from: %w", err)
	}
	if err := checkPath(o.To); err != nil {
		return fmt.Errorf("rename: to: %w", err)
	}
	if o.From == o.To {
		return fmt.Errorf("rename: from and to are both %q", o.From)
	}
	return nil
}

func (o *Rename) build(b *builder, _ Env) error {
	b.edit(o)
	return nil
}

func (o *Rename) edit(d *document) (bool, error) {
	if err := d.load(); err != nil {
		return false, err
	}
	v, there := d.get(o.From)
	if !there || d.relabel(v, o.From, o.To) {
		return true, nil
	}
	if err := d.remove(o.From); err != nil {
		return false, err
	}
	return true, d.set(o.To, v.Raw)
}

// drop removes paths.
type drop []string

func (o drop) check() error {
	for _, path := range o {
		if err := checkPath(path); err != nil {
			return fmt.Errorf("drop: %w", err)
		}
	}
	return nil
}

func (o drop) build(b *builder, _ Env) error {
	b.edit(o)
	return nil
}

func (o drop) edit(d *document) (bool, error) {
	if err := d.load(); err != nil {
		return false, err
	}
	for _, path := range o {
		if err := d.unique(path); err != nil {
			return false, err
		}
		if err := d.remove(path); err != nil {
			return false, err
		}
	}
	return true, nil
}
